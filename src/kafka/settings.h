// Settings of the Kafka edge: plain values in, librdkafka configuration out. The one place that names librdkafka's
// keys.
//
// Values; pure functions; any thread. Secrets live in `properties` and are never printed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/spec.h"
#include "io/broker.h"
#include "kafka/handles.h"

namespace millrace {

using config::OnDataLoss;
// Where a source begins when the group has committed nothing for a partition.
using StartPosition = config::Start;

// What the YAML holds true of a topic; check --connect compares.
using TopicExpectation = config::ExpectSpec;

struct SourceSettings {
  std::string name;
  std::vector<std::string> topics;
  StartPosition start;
  OnDataLoss on_data_loss = OnDataLoss::stop;
  TopicExpectation expect = {};  // of each topic
};

struct DestinationSettings {
  std::string topic;
  std::string compression = "none";  // none | gzip | snappy | lz4 | zstd
  TopicExpectation expect = {};
  std::string name = {};                  // of the destination
  std::vector<std::string> readers = {};  // groups that read the topic, whose lag is wanted
  std::string acks = "all";               // all | 1 | 0: whose answer counts; all with transactions
};

struct EdgeTimes {
  int64_t socket_ms = 5'000;
  int64_t message_ms = 8'000;
  int64_t transaction_ms = 10'000;
  int64_t session_ms = 10'000;
  int64_t heartbeat_ms = 3'000;
  int64_t max_poll_ms = 300'000;
  int64_t revoke_ms = 2'000;            // after a revoke: how long the workers may take to commit
  int64_t metadata_ms = 30'000;         // how often topics and settings are asked again
  int64_t lag_ms = 1'000;               // how often ends of partitions are asked
  int64_t coverage_ms = 5'000;          // how often the group is asked whether somebody has each partition
  int64_t readers_ms = 10'000;          // how often the offsets of other groups are asked
  int64_t source_settings_ms = 60'000;  // how often the settings of source topics are asked
  int64_t admin_request_ms = 5'000;     // one question to the brokers
  int64_t refused_ms = 30'000;          // rights or identity refused before the first assignment, until exit code 5
};

struct EdgeSettings {
  std::string pipeline;
  std::string instance;
  std::vector<std::string> brokers;
  std::string group;                    // the pipeline, by default
  std::string transactional_id_prefix;  // the pipeline, by default
  bool static_membership = false;
  // librdkafka's own keys, from the allow-list (config/parse.h), secrets resolved.
  std::map<std::string, std::string> properties;
  // Gives those of the properties again that come from files, as they are now. Empty: none does. Called whenever a
  // client is made, on that thread.
  std::function<Result<std::map<std::string, std::string>>()> read_again;

  Delivery delivery = Delivery::exactly_once;
  int workers = 1;
  int64_t prefetch_bytes = 128 << 20;       // this process' share for records fetched and not yet taken
  int64_t producer_queue_bytes = 51 << 20;  // all producers together
  std::vector<SourceSettings> sources;
  std::vector<DestinationSettings> destinations;  // OutputRecord::destination is an index into it
  std::string state_directory;                    // exists; empty: none
  int64_t producer_linger_ms = 5;
  int64_t producer_batch_bytes = 1'000'000;  // lowered to the smallest max.message.bytes of the destinations
  int64_t producer_retries = INT32_MAX;
  bool accept_start = false;  // --accept-start
  EdgeTimes times;
};

// What of the settings a running edge can take anew: for producers that are made from then on.
struct ProducerTuning {
  int64_t linger_ms = 5;
  int64_t batch_bytes = 1'000'000;
  int64_t retries = INT32_MAX;
  int64_t transaction_ms = 10'000;
  auto operator<=>(const ProducerTuning&) const = default;
};
ProducerTuning tuning_of(const EdgeSettings& settings);

// The queue limits of the consumer, divided over `partitions` (all partitions of all sources). As they are made, the
// smallest: for a consumer that only asks.
struct FetchLimits {
  int64_t partition_bytes = 64 << 10;  // fetch.message.max.bytes
  int64_t queue_bytes = 64 << 10;      // queued.max.messages.kbytes: a partition with less in its queue is fetched
  int64_t response_bytes = 1 << 20;    // fetch.max.bytes
  int64_t partition_messages = 128;    // queued.min.messages
};
Result<FetchLimits> divide_prefetch(int64_t prefetch_bytes, int64_t partitions);

// How a producer is made.
struct ProducerKind {
  Delivery delivery = Delivery::exactly_once;
  std::string transactional_id;  // exactly_once
  bool isolating = false;        // one record a request, one request in flight
  bool idempotent = true;        // not where some destination wants fewer acks than all; then one request in flight
  int64_t queue_bytes = 32 << 20;
  int64_t batch_bytes = 1'000'000;        // not above the smallest max.message.bytes
  int64_t message_max_bytes = 1'048'588;  // the largest max.message.bytes
  int64_t statistics_ms = 0;              // how often librdkafka says how it is doing; 0: never
};

// The bytes of values that the queue of such a producer takes.
int64_t queue_limit_bytes(const ProducerKind& kind);

// The properties with what read_again gives; where that fails, with what was read at the start, and a warning.
std::map<std::string, std::string> current_properties(const EdgeSettings& settings);

Result<ConfHandle> consumer_conf(const EdgeSettings& settings, const FetchLimits& limits);
Result<ConfHandle> producer_conf(const EdgeSettings& settings, const ProducerKind& kind);
// For asking only: metadata, settings of topics, offsets.
Result<ConfHandle> admin_conf(const EdgeSettings& settings);
// For questions about a group's offsets: only a consumer that has a group takes the answer that the coordinator moved.
// Any other client of librdkafka 2.14.2 crashes on it (rd_kafka_handle_OffsetFetch asks the group that it has not).
Result<ConfHandle> group_admin_conf(const EdgeSettings& settings);

}  // namespace millrace
