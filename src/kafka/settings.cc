#include "kafka/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/text.h"
#include "config/parse.h"
#include "kafka/library_log.h"
#include "kafka/test_switches.h"

namespace millrace {

namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;

enum class Scope : uint8_t { consumer, producer, admin };

// The allowed properties that only one kind of client knows; librdkafka warns when the other is given them.
constexpr std::array<std::string_view, 5> kOfConsumers = {"client.rack", "fetch.error.backoff.ms", "fetch.min.bytes",
                                                          "fetch.wait.max.ms", "partition.assignment.strategy"};
constexpr std::array<std::string_view, 1> kOfProducers = {"compression.level"};

template <typename List>
bool contains(const List& list, std::string_view key) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

bool concerns(std::string_view key, Scope scope) {
  if (contains(kOfConsumers, key)) return scope == Scope::consumer;
  return scope == Scope::producer || !contains(kOfProducers, key);
}

// Collects the first refusal of a list of settings.
class ConfWriter {
 public:
  ConfWriter() : conf_(rd_kafka_conf_new()) {}

  void set(const std::string& key, const std::string& value) {
    if (!problem_.empty()) return;
    std::array<char, 512> text{};
    if (rd_kafka_conf_set(conf_.get(), key.c_str(), value.c_str(), text.data(), text.size()) != RD_KAFKA_CONF_OK) {
      // librdkafka's text may quote the value; a value may be a secret.
      const bool own = !contains(config::allowed_kafka_properties(), key);
      problem_ = own ? fmt::format("librdkafka refuses {}={}: {}", key, value, text.data())
                     : fmt::format("kafka.properties.{}: librdkafka refuses the value", key);
    }
  }
  void set(const std::string& key, int64_t value) { set(key, std::to_string(value)); }

  void refuse(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }

  Result<ConfHandle> take() && {
    if (!problem_.empty()) return fail(Remedy::fix_config, problem_, ExitCode::config);
    return std::move(conf_);
  }
  [[nodiscard]] rd_kafka_conf_t* get() const { return conf_.get(); }

 private:
  ConfHandle conf_;
  std::string problem_;
};

void set_common(ConfWriter& conf, const EdgeSettings& settings, Scope scope) {
  std::string brokers;
  for (const std::string& broker : settings.brokers) brokers += (brokers.empty() ? "" : ",") + broker;
  conf.set("bootstrap.servers", brokers);
  conf.set("client.id", fmt::format("millrace.{}.{}", settings.pipeline, settings.instance));
  conf.set("socket.timeout.ms", settings.times.socket_ms);
  conf.set("socket.connection.setup.timeout.ms", std::max<int64_t>(settings.times.socket_ms, 1000));
  conf.set("reconnect.backoff.max.ms", 2000);
  conf.set("topic.metadata.refresh.interval.ms", settings.times.metadata_ms);
  conf.set("log.connection.close", "false");
  conf.set("enable.metrics.push", "false");
  rd_kafka_conf_set_log_cb(conf.get(), log_from_library);
  for (const auto& [key, value] : current_properties(settings)) {
    if (!contains(config::allowed_kafka_properties(), key)) {
      conf.refuse(fmt::format("kafka.properties.{} cannot be set here", key));
    } else if (concerns(key, scope)) {
      conf.set(key, value);
    }
  }
}

}  // namespace

std::map<std::string, std::string> current_properties(const EdgeSettings& settings) {
  std::map<std::string, std::string> properties = settings.properties;
  if (!settings.read_again) return properties;
  Result<std::map<std::string, std::string>> again = settings.read_again();
  if (!again) {
    log_warn("secrets", "reading again what kafka.properties refers to: {}; going on with what was read before",
             escape_for_log(again.error().what));
    return properties;
  }
  for (auto& [key, value] : *again) properties[key] = std::move(value);
  return properties;
}

Result<FetchLimits> divide_prefetch(int64_t prefetch_bytes, int64_t partitions) {
  partitions = std::max<int64_t>(partitions, 1);
  if (partitions * 128 * kKiB > prefetch_bytes) {
    return fail(
        Remedy::fix_config,
        fmt::format("the sources have {} partitions, which need {} of memory for records fetched ahead (128KiB each), "
                    "but memory.limit leaves {}; set memory.limit to at least {}",
                    partitions, format_bytes(partitions * 128 * kKiB), format_bytes(prefetch_bytes),
                    format_bytes(partitions * 256 * kKiB)),
        ExitCode::config);
  }
  FetchLimits limits;
  limits.partition_bytes = std::clamp(prefetch_bytes / (2 * partitions), 64 * kKiB, kMiB);
  // A response's memory goes with the last record of it. Where a queue of as much as one fetch is fetched for, three
  // can be there at once: the one that is nearly taken, the one behind it, the new one. With half of that there are
  // two.
  const bool room_for_three = 3 * partitions * limits.partition_bytes <= prefetch_bytes;
  limits.queue_bytes = room_for_three ? limits.partition_bytes : limits.partition_bytes / 2;
  limits.response_bytes = std::clamp(prefetch_bytes / 8, kMiB, 50 * kMiB);
  limits.partition_messages = std::max<int64_t>(limits.partition_bytes / 512, 1);
  return limits;
}

Result<ConfHandle> consumer_conf(const EdgeSettings& settings, const FetchLimits& limits) {
  ConfWriter conf;
  if (group_protocol_is_consumer()) {
    conf.set("group.protocol", "consumer");
  } else {
    conf.set("partition.assignment.strategy", "cooperative-sticky");
    conf.set("heartbeat.interval.ms", std::min(settings.times.heartbeat_ms, settings.times.session_ms / 3));
    conf.set("session.timeout.ms", settings.times.session_ms);
  }
  // There is one fetch at a time to each broker. While it waits for partitions that have nothing, one whose queue has
  // room again gets nothing either.
  conf.set("fetch.wait.max.ms", 20);
  conf.set("fetch.error.backoff.ms", 50);
  set_common(conf, settings, Scope::consumer);
  conf.set("group.id", settings.group);
  if (settings.static_membership) conf.set("group.instance.id", settings.pipeline + "." + settings.instance);
  conf.set("enable.auto.commit", "false");
  conf.set("enable.auto.offset.store", "false");
  conf.set("auto.offset.reset", "error");
  conf.set("isolation.level", "read_committed");
  conf.set("check.crcs", "true");
  conf.set("enable.partition.eof", "true");
  conf.set("allow.auto.create.topics", "false");
  conf.set("max.poll.interval.ms", std::max(settings.times.max_poll_ms, settings.times.session_ms));
  conf.set("fetch.queue.backoff.ms", 5);
  conf.set("queued.max.messages.kbytes", limits.queue_bytes / kKiB);
  conf.set("queued.min.messages", limits.partition_messages);
  conf.set("fetch.message.max.bytes", limits.partition_bytes);
  conf.set("fetch.max.bytes", limits.response_bytes);
  return std::move(conf).take();
}

int64_t queue_limit_bytes(const ProducerKind& kind) {
  return std::clamp<int64_t>(kind.queue_bytes / kKiB, kKiB, 2 * kMiB) * kKiB;
}

ProducerTuning tuning_of(const EdgeSettings& settings) {
  return {settings.producer_linger_ms, settings.producer_batch_bytes, settings.producer_retries,
          settings.times.transaction_ms};
}

Result<ConfHandle> producer_conf(const EdgeSettings& settings, const ProducerKind& kind) {
  ConfWriter conf;
  conf.set("linger.ms", settings.producer_linger_ms);
  conf.set("retries", settings.producer_retries);
  set_common(conf, settings, Scope::producer);
  const int64_t message_max = std::clamp<int64_t>(kind.message_max_bytes, 1000, 1'000'000'000);
  conf.set("message.max.bytes", message_max);
  conf.set("batch.size", std::clamp<int64_t>(std::min(kind.batch_bytes, message_max), 1, 100 * kMiB));
  conf.set("batch.num.messages", kind.isolating ? 1 : 100'000);
  conf.set("queue.buffering.max.messages", 0);
  conf.set("queue.buffering.max.kbytes", queue_limit_bytes(kind) / kKiB);
  conf.set("message.timeout.ms", settings.times.message_ms);
  conf.set("request.timeout.ms", std::min(settings.times.socket_ms, settings.times.message_ms));
  conf.set("topic.metadata.propagation.max.ms", std::min<int64_t>(settings.times.message_ms, 5000));
  conf.set("statistics.interval.ms", kind.statistics_ms);
  // acks belong to the topics (Producer::add_topics).
  const bool idempotent = kind.delivery != Delivery::fire_and_forget && kind.idempotent;
  if (idempotent) conf.set("enable.idempotence", "true");
  // Without idempotence a request that is sent again would pass those behind it.
  const bool in_order = kind.isolating || (!idempotent && kind.delivery != Delivery::fire_and_forget);
  conf.set("max.in.flight.requests.per.connection", in_order ? 1 : 5);
  if (kind.delivery == Delivery::exactly_once) {
    conf.set("transactional.id", kind.transactional_id);
    conf.set("transaction.timeout.ms", settings.times.transaction_ms);
  }
  return std::move(conf).take();
}

Result<ConfHandle> admin_conf(const EdgeSettings& settings) {
  ConfWriter conf;
  set_common(conf, settings, Scope::admin);
  return std::move(conf).take();
}

Result<ConfHandle> group_admin_conf(const EdgeSettings& settings) {
  ConfWriter conf;
  set_common(conf, settings, Scope::admin);
  conf.set("group.id", settings.group);
  conf.set("enable.auto.commit", "false");
  return std::move(conf).take();
}

}  // namespace millrace
