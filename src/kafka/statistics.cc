#include "kafka/statistics.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "expr/json_text.h"

namespace millrace {

namespace {

using Member = std::function<void(std::string_view name, std::string_view value)>;

// Gives every member of an object; false when it is none.
bool each_member(std::string_view object, const Member& member) {
  expr::JsonReader reader(object);
  if (!reader.take('{')) return false;
  if (reader.take('}')) return true;
  do {
    std::string_view name;
    std::string_view value;
    if (!reader.string(name) || !reader.take(':') || !reader.skip(value)) return false;
    member(name, value);
  } while (reader.take(','));
  return reader.take('}');
}

int64_t integer(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// A window of measurements, in the unit of the member.
struct Window {
  int64_t count = 0;
  int64_t p50 = 0;
  int64_t p99 = 0;
};

Window window_of(std::string_view object) {
  Window window;
  each_member(object, [&](std::string_view name, std::string_view value) {
    if (name == "cnt") window.count = integer(value);
    if (name == "p50") window.p50 = integer(value);
    if (name == "p99") window.p99 = integer(value);
  });
  return window;
}

void add_broker(std::string_view broker, ProducerStatistics& into) {
  Window in_queue;
  Window at_socket;
  Window request;
  each_member(broker, [&](std::string_view name, std::string_view value) {
    if (name == "int_latency") in_queue = window_of(value);
    if (name == "outbuf_latency") at_socket = window_of(value);
    if (name == "rtt") request = window_of(value);
  });
  // Without a record on its way, the round trips are those of other requests.
  if (in_queue.count == 0) return;
  const auto ms = [](int64_t us) { return static_cast<double>(us) / 1000; };
  into.ack_p50_ms = std::max(into.ack_p50_ms, ms(in_queue.p50 + at_socket.p50 + request.p50));
  into.ack_p99_ms = std::max(into.ack_p99_ms, ms(in_queue.p99 + at_socket.p99 + request.p99));
  into.request_p50_ms = std::max(into.request_p50_ms, ms(request.p50));
  into.request_p99_ms = std::max(into.request_p99_ms, ms(request.p99));
}

}  // namespace

std::optional<ProducerStatistics> parse_statistics(std::string_view json) {
  ProducerStatistics statistics;
  bool brokers_read = true;
  const bool read = each_member(json, [&](std::string_view name, std::string_view value) {
    if (name == "msg_cnt") statistics.queued_records = integer(value);
    if (name == "msg_size") statistics.queued_bytes = integer(value);
    if (name == "msg_size_max") statistics.bytes_max = integer(value);
    if (name != "brokers") return;
    brokers_read =
        each_member(value, [&](std::string_view /*id*/, std::string_view broker) { add_broker(broker, statistics); });
  });
  if (!read || !brokers_read || statistics.bytes_max == 0) return std::nullopt;
  return statistics;
}

}  // namespace millrace
