// How topics are laid out, against what the YAML expects of them, and the lines of Kafka's own tools that mend it.
//
// Pure functions, but for topic_shapes, which asks the brokers and blocks up to its deadline. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/admin.h"
#include "kafka/settings.h"

namespace millrace {

struct TopicShape {
  int32_t partitions = 0;  // 0: there is no such topic
  int32_t replication = 0;
  std::optional<TopicSettings> settings = {};  // empty: there is no such topic, or they cannot be seen
};

// Of all sources and destinations. An error when no broker answers.
Result<std::map<std::string, TopicShape>> topic_shapes(const EdgeSettings& settings, const Clock& clock,
                                                       int64_t deadline_ms);

// "retention.ms 7d (broker's default), cleanup.policy delete (the topic's own; broker's default compact), ..."
std::string settings_text(const TopicSettings& settings);

// What is not as expected, one sentence each, with the line that mends it.
std::vector<std::string> differences(const std::string& topic, const TopicExpectation& expect, const TopicShape& shape,
                                     const TopicSettings& settings, const std::vector<std::string>& brokers);

// Lines for a shell. A number below 0 leaves its option out; the broker's default holds then.
std::string create_line(const std::vector<std::string>& brokers, const std::string& topic, int64_t partitions,
                        int64_t replication, const std::optional<int64_t>& retention_ms);
std::string set_config_line(const std::vector<std::string>& brokers, const std::string& topic, std::string_view name,
                            int64_t value);

}  // namespace millrace
