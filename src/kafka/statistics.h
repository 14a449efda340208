// Statistics: what librdkafka tells of a producer once in an interval, as far as somebody here wants to know it.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace {

struct ProducerStatistics {
  int64_t queued_records = 0;
  int64_t queued_bytes = 0;
  int64_t bytes_max = 0;  // what the queue takes
  // Of the interval, at the slowest broker that answered anything. Kafka's client measures three parts of the way (in
  // its queue, waiting for the socket, at the broker); the sum of their percentiles is taken for that of the way.
  double ack_p50_ms = 0;
  double ack_p99_ms = 0;
  double request_p50_ms = 0;  // the last of the three alone
  double request_p99_ms = 0;
};

// Empty: not the JSON that it should be.
std::optional<ProducerStatistics> parse_statistics(std::string_view json);

}  // namespace millrace
