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
                   "Always 1; the labels say which instance, which program, which configuration (a hash of the YAML "
                   "before substitution) and which librdkafka run here."};
  Probe start_time{"millrace_start_time_seconds", gauge, "", "When this process started, in seconds since 1970."};
  Probe ready{"millrace_pipeline_ready", gauge, "",
              "1 when /readyz says so: partitions assigned or none to have, and "
              "nothing holds the pipeline up."};
  Probe log_suppressed{"millrace_log_lines_suppressed_total", counter, "",
                       "Log lines left out because there were more than 10 of their kind in a second."};
  Probe http_requests{"millrace_http_requests_total", counter, "code", "Requests to the HTTP server by status code."};

  // Sources: what was read. Counters hold committed batches only, so a batch that is replayed counts once.
  Probe source_records{"millrace_source_records_total", counter, "source", "Records read and settled."};
  Probe source_bytes{"millrace_source_bytes_total", counter, "source",
                     "Bytes of the records read and settled: keys, values and headers."};
  Probe source_lost{"millrace_source_lost_records_total", counter, "source",
                    "Records that the broker had deleted before they were read, where on_data_loss: skip went on."};

  // Stages: in = out + filtered + unmatched + rejected.
  Probe stage_in{"millrace_stage_in_records_total", counter, "stage", "Records that entered the stage."};
  Probe stage_out{"millrace_stage_out_records_total", counter, "stage port",
                  "Records that left the stage by this port (empty: the stage has one port)."};
  Probe stage_filtered{"millrace_stage_filtered_records_total", counter, "stage",
                       "Records that a filter held back: wanted, and no error."};
  Probe stage_unmatched{"millrace_stage_unmatched_records_total", counter, "stage",
                        "Records that no rule of classify matched, with default: drop."};
  Probe expression_errors{"millrace_expression_errors_total", counter, "stage kind",
                          "Expressions that failed, by kind of error. One record may count several times."};

  // Rejected records by node (source, stage or destination) and by what its on_error made of them.
  Probe dead{"millrace_dead_records_total", counter, "node reason", "Records sent to the dead-letter topic."};
  Probe dropped{"millrace_dropped_records_total", counter, "node reason",
                "Rejected records dropped by on_error: drop."};
  Probe kept{"millrace_kept_records_total", counter, "node reason",
             "Rejected records that went on unchanged by on_error: keep."};

  // Destinations: what was written.
  Probe destination_records{"millrace_destination_records_total", counter, "destination topic",
                            "Records written and committed."};
  Probe destination_bytes{"millrace_destination_bytes_total", counter, "destination topic",
                          "Bytes written and committed, before compression: keys, values and headers."};
  Probe destination_up{"millrace_destination_usable", gauge, "topic",
                       "1 when the topic can be written to, 0 while something holds it up (the log, /readyz and the "
                       "status page say what)."};

  // Batches.
  Probe batches{"millrace_batches_total", counter, "result",
                "Batches by result: committed, offsets_only (nothing to send), dropped (partitions lost)."};
  Probe batch_time{"millrace_batch_duration_seconds", histogram, "",
                   "From the first record read to the end of the commit."};
  Probe batch_phase{"millrace_batch_phase_seconds", histogram, "phase",
                    "Time of a batch by phase: read, process, send, commit."};
  Probe batch_delay{"millrace_batch_delay_seconds", histogram, "",
                    "How late a batch began, because the one before it overran its interval."};
  Probe batch_interval{"millrace_batch_interval_seconds", gauge, "", "The configured batch.interval."};

  // Workers.
  Probe worker_state{"millrace_worker_state", gauge, "worker state",
                     "1 for the state the worker is in: idle, reading, committing, recovering, blocked, stopped."};
  Probe worker_progress{"millrace_worker_progress_age_seconds", gauge, "worker",
                        "Since the worker last committed, idled, or was in a bounded broker retry."};

  // Partitions of this instance.
  Probe partitions{"millrace_partitions_assigned", gauge, "", "Partitions that this instance has now."};
  Probe lag_records{"millrace_partition_lag_records", gauge, "topic partition",
                    "Records in the partition behind the committed offset."};
  Probe lag_seconds{"millrace_partition_lag_seconds", gauge, "topic partition",
                    "Age of the last committed record while there are more behind it; 0 when there are none."};
  Probe partition_offset{"millrace_partition_committed_offset", gauge, "topic partition",
                         "The next offset to read, as the group has committed it."};
  Probe partition_stopped{
      "millrace_partition_stopped", gauge, "topic partition",
      "1 when the partition was stopped (data lost, or the topic made anew) and waits for a human."};

  // Trouble, and what was done about it.
  Probe recoveries{"millrace_recoveries_total", counter, "cause",
                   "Times that a producer was given up and its batch replayed or found committed, by cause."};
  Probe offset_audits{"millrace_offset_audits_total", counter, "result",
                      "Comparisons of the group's committed offsets with what the last batch wrote: equal, different. "
                      "One difference stops the pipeline."};
  Probe rebalances{"millrace_rebalances_total", counter, "kind", "Changes of the assignment: assigned, revoked, lost."};
  Probe leaked_batches{"millrace_leaked_batches_total", counter, "",
                       "Batches whose memory was given up because their producer did not end in time."};

  // Memory.
  Probe memory_held{"millrace_memory_held_bytes", gauge, "", "Memory of the batches held now."};
  Probe memory_limit{"millrace_memory_limit_bytes", gauge, "", "The configured memory.limit."};
  Probe memory_resident{"millrace_memory_resident_bytes", gauge, "", "Resident set of the process."};
  Probe cpu{"millrace_cpu_seconds_total", counter, "", "Processor time of the process, user and system."};

  // The balance sheet: read + copies = sent + filtered + unmatched + dead + dropped.
  Probe copies{"millrace_copied_records_total", counter, "",
               "Further readers of an output beyond the first: what fan-out adds to the records read."};
  Probe balance{"millrace_balance_difference_records", gauge, "",
                "Records read and copied, less those sent, filtered, unmatched, dead and dropped. Anything but 0 is a "
                "defect of millrace."};
};

inline constexpr Probes kProbes;

// The members of kProbes, in order.
std::span<const Probe> all_probes();

}  // namespace millrace
