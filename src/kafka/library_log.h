// What librdkafka logs: where its lines go, and what can be learned from nothing but them. Any thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// The log callback of every client.
void log_from_library(const rd_kafka_t* client, int level, const char* facility, const char* text);

// Which lines about broken connections a human is to see. Every client tries every broker several times a second, so in
// an outage there are hundreds: the first one of a broker's outage is shown, then one in ten seconds of them all. Not
// thread-safe.
class OutageFilter {
 public:
  [[nodiscard]] bool shows(std::string_view text, int64_t now_ms);

 private:
  std::map<std::string, int64_t, std::less<>> last_ms_;  // by broker
  int64_t shown_ms_ = 0;
};

// The topic, and the error's text, of a line that says that a partition could not be added to a transaction.
std::optional<std::pair<std::string, std::string>> parse_refused_partition(std::string_view text);

}  // namespace millrace
