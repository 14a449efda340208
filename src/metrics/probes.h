// Every metric of the program. This file reads as the manual; runbooks/reference/metrics.md is made from it.
//
// Constants; any thread. A name is a contract: dashboards and alerts hang on it, and tests/metrics holds the list.
// Names are millrace_<noun>_<unit>[_total]. Every series also has the label `pipeline`; the instance is named by the
// label `member` of millrace_build_info only, and never by `instance` or `job`, which belong to Prometheus.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace {

enum class ProbeType : uint8_t { counter, gauge, histogram };

struct Probe {
  std::string_view name;
  ProbeType type;
  std::string_view labels;  // beside `pipeline`, separated by spaces, in the order in which values are given
  std::string_view help;
};

// One member for each metric, in the order of the exposition.
struct Probes {
  using enum ProbeType;

  // The process.
  Probe build_info{"millrace_build_info", gauge, "member version config librdkafka",
                   "Always 1. The labels say which instance, which program, which configuration (a hash of the YAML "
                   "before substitution) and which librdkafka run here."};
  Probe start_time{"millrace_start_time_seconds", gauge, "", "When this process started, in seconds since 1970."};
  Probe ready{"millrace_pipeline_ready", gauge, "",
              "1 while nothing holds the pipeline up: what /readyz says, as a number."};
  Probe cpu{"millrace_cpu_seconds_total", counter, "", "Processor time of the process, user and system."};
  Probe log_suppressed{"millrace_log_lines_suppressed_total", counter, "",
                       "Log lines left out because there were more than 10 of their kind in a second."};
  Probe log_lost{"millrace_log_lines_lost_total", counter, "",
                 "Log lines that stderr did not take: a full disk, or a reader that stands still or is gone."};
  Probe http_requests{"millrace_http_requests_total", counter, "code", "Answers of the HTTP server by status code."};

  // Sources. All counts of records are of settled batches: a batch that is replayed counts once.
  Probe source_records{"millrace_source_records_total", counter, "source", "Records read and settled."};
  Probe source_bytes{"millrace_source_bytes_total", counter, "source", "Keys and values of the records read."};

  // Stages: in = out + filtered + unmatched + dead + dropped.
  Probe stage_in{"millrace_stage_in_records_total", counter, "stage", "Records that entered the stage."};
  Probe stage_in_bytes{"millrace_stage_in_bytes_total", counter, "stage", "Keys and values that entered the stage."};
  Probe stage_out{"millrace_stage_out_records_total", counter, "stage port",
                  "Records that left the stage by this port; the port is empty for a stage that has one."};
  Probe stage_out_bytes{"millrace_stage_out_bytes_total", counter, "stage port",
                        "Keys and values that left the stage by this port."};
  Probe stage_filtered{"millrace_stage_filtered_records_total", counter, "stage",
                       "Records that a filter held back: wanted, and no error."};
  Probe stage_unmatched{"millrace_stage_unmatched_records_total", counter, "stage",
                        "Records that no rule of classify matched, or that left by a port which nobody reads."};
  Probe stage_seconds{"millrace_stage_seconds_total", counter, "role node",
                      "Worker time in a node, estimated from every 64th chunk: role source decodes, stage runs its "
                      "expressions, destination encodes."};
  Probe expression_errors{"millrace_expression_errors_total", counter, "stage kind",
                          "Expressions that failed, by kind of error. One record may count several times."};

  // Rejected records: by role (source, stage, destination) and name of the node, and by what its on_error did.
  Probe dead{"millrace_dead_records_total", counter, "role node reason", "Records sent to the dead-letter topic."};
  Probe dropped{"millrace_dropped_records_total", counter, "role node reason",
                "Rejected records that on_error: drop left out."};
  Probe kept{"millrace_kept_records_total", counter, "role node reason",
             "Rejected records that on_error: keep let go on as they came."};

  // Destinations.
  Probe destination_records{"millrace_destination_records_total", counter, "destination topic",
                            "Records written and committed."};
  Probe destination_bytes{"millrace_destination_bytes_total", counter, "destination topic",
                          "Keys and values written and committed, before compression."};
  Probe destination_usable{"millrace_destination_usable", gauge, "destination topic",
                           "1 when the topic can be written to; at 0 /readyz and the status page say what is wrong."};
  Probe destination_partitions{"millrace_destination_partitions", gauge, "destination topic",
                               "Partitions of the topic; 0 until they are known."};
  Probe destination_storage{
      "millrace_destination_storage_bytes", gauge, "destination topic",
      "What the topic comes to on all brokers together when it is written as in the last five minutes: bytes a second "
      "of this instance x retention x replication, before compression, at most retention.bytes of its partitions. "
      "Left out where the retention cannot be seen or nothing is ever deleted."};
  Probe destination_errors{
      "millrace_destination_errors_total", counter, "destination topic kind",
      "Errors of writing that name a topic, by kind: destination (a state of it: no right, missing, "
      "not enough replicas), record_refused, unknown_outcome, other. Each costs a recovery."};
  Probe spread_share{
      "millrace_spread_largest_partition_ratio", gauge, "role node topic",
      "Share of the last minute's records that lies in the fullest partition, 0 to 1; 0 without records. "
      "Of a source: of the partitions that this instance reads."};
  Probe spread_imbalance{"millrace_spread_imbalance_ratio", gauge, "role node topic",
                         "The fullest partition against the mean of all: 1 when they are equal, the number of "
                         "partitions when one has everything; 0 without records in the last minute."};
  Probe spread_hot_key{"millrace_spread_hottest_key_ratio", gauge, "role node topic",
                       "Share of the last minute's records that surely have the most frequent key, 0 to 1. From a "
                       "sample; /status.json says where a record with the key is."};
  Probe reconcile_decidable{
      "millrace_reconcile_decidable", gauge, "destination topic",
      "1 while what is in the topic can be held against what was sent; /status.json says why not."};
  Probe reconcile_difference{
      "millrace_reconcile_difference_records", gauge, "destination topic",
      "Records in an exclusive destination that this pipeline did not send (above 0) or that are "
      "gone from it (below 0), at least; since the process started or last recovered a batch. 0 "
      "while it cannot be decided."};
  Probe reader_lag{"millrace_reader_lag_records", gauge, "destination topic group partition",
                   "Records that a group of the destination's `readers` has not committed yet. Left out when the topic "
                   "has more partitions than http.max_partition_series."};
  Probe reader_lag_sum{"millrace_reader_lag_sum_records", gauge, "destination topic group",
                       "The same over all partitions of the topic."};
  Probe reader_lag_max{"millrace_reader_lag_max_records", gauge, "destination topic group",
                       "The same in the partition where it is largest."};
  Probe producer_queue_fill{"millrace_producer_queue_ratio", gauge, "worker",
                            "How full the producer's queue is, 0 to 1: what was sent and not acknowledged yet."};
  Probe producer_queue_records{"millrace_producer_queue_records", gauge, "worker", "Records in the producer's queue."};
  Probe producer_queue_bytes{"millrace_producer_queue_bytes", gauge, "worker",
                             "Bytes of the values in the producer's queue."};
  Probe producer_ack_time{"millrace_producer_ack_seconds", gauge, "worker percentile",
                          "From sending a record to its acknowledgement, in the last seconds, at the slowest broker."};
  Probe producer_request_time{"millrace_producer_request_seconds", gauge, "worker percentile",
                              "The part of that which a request spends on the network and at the broker."};
  Probe producer_throttle{"millrace_producer_throttle_seconds", gauge, "worker",
                          "Longest delay that a broker imposed on a request in the last seconds, because of a quota; 0 "
                          "when none did."};
  Probe producer_errors{"millrace_producer_delivery_errors_total", counter, "worker",
                        "Records whose delivery failed. Their batch is sent again; nothing is lost."};
  Probe dead_letter_bytes{"millrace_dead_letter_bytes_total", counter, "topic",
                          "Keys and values written to the dead-letter topic."};
  Probe dead_letter_stubs{"millrace_dead_letter_stub_records_total", counter, "topic",
                          "Dead letters of which only the start was written: the record did not fit the topic."};

  // Batches.
  Probe batches{"millrace_batches_total", counter, "result",
                "Batches by result: committed; found_committed (the outcome was unknown, and the offsets said yes); "
                "offsets_only (nothing to send); dropped (their partitions went); stopped (by a policy or the audit)."};
  Probe batch_time{"millrace_batch_duration_seconds", histogram, "", "From the first record to the settled batch."};
  Probe batch_phase{"millrace_batch_phase_seconds", histogram, "phase",
                    "Time of a batch by phase: read, process, send, audit, commit, recovery."};
  Probe batch_scheduling_delay{
      "millrace_batch_scheduling_delay_seconds", histogram, "",
      "The scheduling delay: how late a batch began because the one before overran its tick; 0 "
      "for one that began with the first record there was."};
  Probe batch_delay{"millrace_batch_delay_seconds", histogram, "",
                    "The total delay: how long after its tick a batch was settled, its commit included. What a reader "
                    "of the output waits beyond the interval."};
  Probe batch_interval{"millrace_batch_interval_seconds", gauge, "", "The configured batch.interval."};
  Probe abandoned{"millrace_abandoned_records_total", counter, "",
                  "Records read whose partition went before they were committed. Whoever has it now reads them again."};

  // Workers.
  Probe worker_state{"millrace_worker_state", gauge, "worker state",
                     "1 for the state that the worker is in: starting, idle, reading, committing, recovering, blocked, "
                     "stopped."};
  Probe worker_progress{"millrace_worker_progress_age_seconds", gauge, "worker",
                        "Time since the worker last committed, idled, or was known to be blocked by the brokers."};

  Probe helped{"millrace_worker_helped_chunks_total", counter, "worker",
               "Chunks of other workers that the worker took through the graph while it had nothing to do."};

  // What holds reading back.
  Probe backpressure_state{"millrace_backpressure_state", gauge, "worker state",
                           "1 for what holds the worker's reading back: free (nothing), limited (a rate of the "
                           "configuration, or the bound of the first batches), saturated (backpressure: batches would "
                           "not fit their interval), blocked (brokers or a destination cannot be used)."};
  Probe rate_target{"millrace_rate_target_records_per_second", gauge, "worker",
                    "What the controller lets the worker read. Missing while there is no target."};
  Probe rate_pace{"millrace_rate_pace_records_per_second", gauge, "worker",
                  "The pace of the last batch that the controller learned from: what would just fit the interval."};
  Probe rate_term{"millrace_rate_term_records_per_second", gauge, "worker term",
                  "What the controller took off its target last, by term: proportional, integral, derived."};
  Probe rate_held_back{"millrace_rate_held_back_batches_total", counter, "worker cause",
                       "Batches in which reading was held back, by cause: max_per_partition, max, initial, "
                       "backpressure."};
  Probe commit_fixed{"millrace_commit_fixed_seconds", gauge, "worker",
                     "What a commit takes whatever it holds. More than half of the interval: the interval is too "
                     "short."};

  // The group, and the partitions of this instance.
  Probe group_state{"millrace_group_state", gauge, "state", "1 for the state of the consumer group's member."};
  Probe rebalances{"millrace_rebalances_total", counter, "", "Changes of the assignment."};
  Probe partitions_lost{"millrace_partitions_lost_total", counter, "",
                        "Partitions that went to another member without being given up here first."};
  Probe partitions{"millrace_partitions_assigned", gauge, "", "Partitions that this instance has."};
  Probe lag_records{"millrace_partition_lag_records", gauge, "topic partition",
                    "Offsets between what is committed and the end of the partition."};
  Probe lag_seconds{"millrace_partition_lag_seconds", gauge, "topic partition",
                    "Age of the last committed record while others wait behind it; 0 when none does. Left out with "
                    "more partitions than http.max_partition_series."};
  Probe lag_seconds_max{"millrace_source_lag_max_seconds", gauge, "topic",
                        "The same in the partition of this instance where it is largest."};
  Probe committed_offset{"millrace_partition_committed_offset", gauge, "topic partition",
                         "The next offset to read, as it is committed. Left out with more partitions than "
                         "http.max_partition_series."};
  Probe catch_up_ratio{"millrace_catch_up_ratio", gauge, "",
                       "What is worked off of the highest lag since the pipeline was last level, 0 to 1; 1 while it "
                       "is level."};
  Probe catch_up_rate{
      "millrace_catch_up_records_per_second", gauge, "",
      "By how much the lag falls, over half a minute; below 0 it grows; 0 while the pipeline is level."};
  Probe catch_up_left{"millrace_catch_up_left_seconds", gauge, "",
                      "Time until nothing waits, at that pace; 0 while the pipeline is level. Left out while the lag "
                      "does not fall."};
  Probe headroom{"millrace_partition_retention_headroom_records", gauge, "topic partition",
                 "Offsets between the oldest that the broker keeps and the committed one: at 0, retention deletes what "
                 "was not read. Left out with more partitions than http.max_partition_series."};
  Probe retention_headroom{
      "millrace_source_retention_headroom_seconds", gauge, "topic partition",
      "Seconds until the broker may delete the oldest unread record of the partition, by age (retention.ms) or by size "
      "(retention.bytes, at the pace of the last minutes). Left out when nothing is unread or nothing is ever deleted, "
      "and with more partitions than http.max_partition_series."};
  Probe retention_headroom_min{"millrace_source_retention_headroom_min_seconds", gauge, "topic",
                               "The same in the partition of this instance where it is least."};
  Probe partition_stopped{
      "millrace_partition_stopped", gauge, "topic partition",
      "1 when the partition is not read and waits for a human: data was lost, or the topic was made "
      "anew. With more partitions than http.max_partition_series only those that are not read, up to that number."};
  Probe partitions_stopped{"millrace_source_stopped_partitions", gauge, "topic",
                           "Partitions of this instance that are not read and wait for a human."};
  Probe data_losses{"millrace_data_losses_total", counter, "",
                    "Times that records had been deleted by the broker before they were read."};
  Probe skipped{"millrace_source_lost_records_total", counter, "",
                "Offsets passed over because their records were deleted, by on_data_loss: skip."};

  // Trouble, and what was done about it.
  Probe recoveries{"millrace_recoveries_total", counter, "cause",
                   "Times that a producer was given up and its batch replayed or found committed."};
  Probe recovery_failures{"millrace_recovery_failures_total", counter, "",
                          "Attempts to recover that did not come through and were repeated."};
  Probe replays{"millrace_replayed_batches_total", counter, "", "Batches sent again after a recovery."};
  Probe unknown_outcomes{"millrace_unknown_outcomes_total", counter, "",
                         "Transactions that did not end with one clean answer, and were not believed."};
  Probe refused{"millrace_refused_records_total", counter, "",
                "Records that a broker refused and the isolating producer named."};
  Probe audits{"millrace_offset_audits_total", counter, "result",
               "Comparisons of the group's committed offsets with what the last commit wrote: equal or different. One "
               "difference stops the pipeline."};
  Probe producers_outstanding{"millrace_discarded_producers", gauge, "",
                              "Producers given up whose end is not known yet; their batches' memory waits with them."};

  // The configuration, and the tables that it looks into.
  Probe reloads{"millrace_reloads_total", counter, "result",
                "Reloads by result: applied; partly (something in the file needs a restart); unchanged; refused (the "
                "file is wrong, and the one before runs on)."};
  Probe reload_well{"millrace_reload_ok", gauge, "",
                    "0 when the last reload was refused: the file is not what runs. 1 otherwise."};
  Probe reload_waiting{"millrace_reload_waiting_changes", gauge, "", "Changes in the file that only a restart takes."};
  Probe reload_time{"millrace_reload_time_seconds", gauge, "",
                    "Since when the present configuration runs, in seconds since 1970."};
  Probe table_version{"millrace_table_version", gauge, "table",
                      "Counts up each time that a new version of the table is taken."};
  Probe table_age{"millrace_table_age_seconds", gauge, "table", "Time since the table in use was read."};
  Probe table_rows{"millrace_table_rows", gauge, "table", "Rows of the table in use."};
  Probe table_bytes{"millrace_table_bytes", gauge, "table", "Memory of the table in use."};
  Probe table_ok{"millrace_table_ok", gauge, "table",
                 "0 when the newest file of the table was refused and the one before is in use."};
  Probe table_refusals{"millrace_table_refusals_total", counter, "table", "Files of the table that were refused."};

  // Memory.
  Probe memory_held{"millrace_memory_held_bytes", gauge, "", "Memory of the batches held now."};
  Probe memory_limit{"millrace_memory_limit_bytes", gauge, "", "The configured memory.limit."};
  Probe memory_resident{"millrace_memory_resident_bytes", gauge, "", "Resident set of the process."};

  // The advice.
  Probe advice{
      "millrace_advice", gauge, "kind",
      "1 for what limits the pipeline now, as /api/advice says in a sentence: healthy, idle, interval_long and "
      "interval_short while nothing waits; stage, commit, destination, partitions, rate_limit, hot_key, "
      "hot_partition, memory, fetch while records do; dead_letters, recoveries, destination_down, brokers."};

  // The history.
  Probe history_rows{"millrace_history_rows_total", counter, "kind", "Rows written to the history: batch or event."};
  Probe history_dropped{"millrace_history_dropped_rows_total", counter, "",
                        "Rows that the history lost because its database did not take them for too long. The pipeline "
                        "does not wait for it."};
  Probe history_waiting{"millrace_history_waiting_rows", gauge, "", "Rows that wait to be written to the history."};
  Probe history_usable{"millrace_history_usable", gauge, "",
                       "1 while rows can be written to the history; at 0 the log and the status page say why not."};

  // The balance sheet: read + copies = sent + filtered + unmatched + dead + dropped.
  Probe copies{"millrace_copied_records_total", counter, "",
               "Records that went to a further reader of an output: what fan-out adds to the records read."};
  Probe balance{"millrace_balance_difference_records", gauge, "",
                "Records read and copied, less those sent, filtered, unmatched, dead and dropped. Anything but 0 is a "
                "defect of millrace."};
  Probe sheets_open{"millrace_unbalanced_batches_total", counter, "",
                    "Batches whose balance sheet did not close. Anything but 0 is a defect of millrace."};
};

inline constexpr Probes kProbes;

// The members of kProbes, in order.
std::span<const Probe> all_probes();

}  // namespace millrace
