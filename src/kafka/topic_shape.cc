#include "kafka/topic_shape.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "kafka/deadline.h"

namespace millrace {

namespace {

std::string bootstrap(const std::vector<std::string>& brokers) {
  std::string text;
  for (const std::string& broker : brokers) text += (text.empty() ? "" : ",") + broker;
  return text;
}

std::string retention_text(int64_t retention_ms) {
  return retention_ms < 0 ? "forever" : format_duration_ms(retention_ms);
}

// Times and sizes as people read them; Kafka's own number where there is no better word.
std::string value_text(std::string_view name, const std::string& value) {
  int64_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) return value;
  if (name.ends_with(".ms")) return retention_text(number);
  if (name.ends_with(".bytes")) return number < 0 ? "unlimited" : format_bytes(number);
  return value;
}

std::string wrong_partitions(const std::string& topic, int64_t wanted, int32_t there,
                             const std::vector<std::string>& brokers) {
  if (there > wanted) {
    return fmt::format(
        "has {} partitions, expected {}; partitions cannot be taken away: correct `expect`, or make the topic anew",
        there, wanted);
  }
  return fmt::format(
      "has {} partitions, expected {}; kafka-topics.sh --bootstrap-server {} --alter --topic {} --partitions {} (keys "
      "change their partitions then)",
      there, wanted, bootstrap(brokers), topic, wanted);
}

}  // namespace

Result<std::map<std::string, TopicShape>> topic_shapes(const EdgeSettings& settings, const Clock& clock,
                                                       int64_t deadline_ms) {
  const Deadline deadline(clock, deadline_ms);
  TRY_ASSIGN(const auto admin, Admin::create(settings));
  std::vector<std::string> names;
  for (const SourceSettings& source : settings.sources) {
    names.insert(names.end(), source.topics.begin(), source.topics.end());
  }
  for (const DestinationSettings& destination : settings.destinations) names.push_back(destination.topic);
  const auto facts = admin->topics(names, deadline.timeout());
  if (!facts) return fail(Remedy::stop, "no broker answers: " + facts.error().text);
  std::map<std::string, TopicShape> shapes;
  std::vector<std::string> there;
  for (const auto& [name, fact] : *facts) {
    shapes[name] = {fact.partitions, fact.replication};
    if (fact.error.ok()) there.push_back(name);
  }
  auto told = admin->topic_settings(there, deadline.timeout());
  if (!told) return shapes;
  for (auto& [name, topic] : *told) {
    if (topic.error.ok()) shapes[name].settings = std::move(topic);
  }
  return shapes;
}

std::string settings_text(const TopicSettings& settings) {
  std::string text;
  for (const std::string_view name : kShownSettings) {
    const auto found = settings.origin.find(std::string(name));
    if (found == settings.origin.end()) continue;
    const TopicSetting& setting = found->second;
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", name, value_text(name, setting.value),
                        !setting.of_topic ? "broker's default"
                        : setting.broker_default.empty()
                            ? "the topic's own"
                            : "the topic's own; broker's default " + value_text(name, setting.broker_default));
  }
  return text.empty() ? "the broker tells no settings" : text;
}

std::vector<std::string> differences(const std::string& topic, const TopicExpectation& expect, const TopicShape& shape,
                                     const TopicSettings& settings, const std::vector<std::string>& brokers) {
  std::vector<std::string> found;
  if (expect.partitions && *expect.partitions != shape.partitions) {
    found.push_back(wrong_partitions(topic, *expect.partitions, shape.partitions, brokers));
  }
  if (expect.replication && *expect.replication != shape.replication) {
    found.push_back(
        fmt::format("has {} replicas, expected {}; kafka-reassign-partitions.sh --bootstrap-server {} "
                    "--reassignment-json-file FILE "
                    "--execute, with {} brokers for each partition of the topic in FILE",
                    shape.replication, *expect.replication, bootstrap(brokers), *expect.replication));
  }
  if (!expect.retention_ms) return found;
  const int64_t wanted_ms = *expect.retention_ms;
  if (!settings.deletes && wanted_ms != TopicExpectation::kForever) {
    found.push_back(
        fmt::format("cleanup.policy is compact, so nothing is deleted by age, and retention {} was expected; "
                    "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} "
                    "--add-config cleanup.policy=delete",
                    retention_text(wanted_ms), bootstrap(brokers), topic));
    return found;
  }
  if (settings.deletes && settings.retention_ms != wanted_ms) {
    found.push_back(fmt::format("retention.ms is {}, expected {}; {}", retention_text(settings.retention_ms),
                                retention_text(wanted_ms), set_config_line(brokers, topic, "retention.ms", wanted_ms)));
  }
  if (settings.deletes && settings.retention_bytes >= 0) {
    found.push_back(
        fmt::format("retention.bytes is {} for a partition, so records may go before the {} that was expected; {}",
                    format_bytes(settings.retention_bytes), retention_text(wanted_ms),
                    set_config_line(brokers, topic, "retention.bytes", -1)));
  }
  return found;
}

std::string create_line(const std::vector<std::string>& brokers, const std::string& topic, int64_t partitions,
                        int64_t replication, const std::optional<int64_t>& retention_ms) {
  std::string line = fmt::format("kafka-topics.sh --bootstrap-server {} --create --if-not-exists --topic {}",
                                 bootstrap(brokers), topic);
  if (partitions > 0) line += fmt::format(" --partitions {}", partitions);
  if (replication > 0) line += fmt::format(" --replication-factor {}", replication);
  if (retention_ms) line += fmt::format(" --config retention.ms={}", *retention_ms);
  return line;
}

std::string set_config_line(const std::vector<std::string>& brokers, const std::string& topic, std::string_view name,
                            int64_t value) {
  return fmt::format(
      "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} --add-config "
      "{}={}",
      bootstrap(brokers), topic, name, value);
}

}  // namespace millrace
