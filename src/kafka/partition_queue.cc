#include "kafka/partition_queue.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/text.h"

namespace millrace {

namespace {

constexpr size_t kChunk = 1024;
constexpr uint64_t kNotification = 1;  // what librdkafka writes to the eventfd

void release_message(void* message) {
  rd_kafka_message_destroy(static_cast<rd_kafka_message_t*>(message));
}

// Headers as views into the message. Parsed by librdkafka only when there are some.
size_t take_headers(rd_kafka_message_t* message, Arena& arena, Record& record) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR || headers == nullptr) return 0;
  const size_t count = rd_kafka_header_cnt(headers);
  std::span<Header> views = arena.make_array<Header>(count);
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    rd_kafka_header_get_all(headers, i, &name, &value, &size);
    views[i].name = name;
    if (value != nullptr) views[i].value = Bytes(static_cast<const char*>(value), size);
    bytes += views[i].name.size() + size;
  }
  record.headers = views;
  record.native_headers = headers;
  return bytes;
}

}  // namespace

size_t fill_record(rd_kafka_message_t* message, const Origin& origin, Arena& arena, Record& record) {
  if (message->key != nullptr) record.key = Bytes(static_cast<const char*>(message->key), message->key_len);
  if (message->payload != nullptr) record.value = Bytes(static_cast<const char*>(message->payload), message->len);
  record.origin = &origin;
  record.offset = message->offset;
  rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t timestamp = rd_kafka_message_timestamp(message, &kind);
  record.timestamp_ms = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
  return record.key.size + record.value.size + take_headers(message, arena, record);
}

KafkaPartitionQueue::KafkaPartitionQueue(QueueHandle queue, PartitionTable::StatePointer state, Origin origin,
                                         int64_t start_offset, std::atomic<uint64_t>& failures)
    : queue_(std::move(queue)),
      state_(std::move(state)),
      origin_(std::move(origin)),
      next_(start_offset),
      failures_(failures) {
  state_->position = next_;
}

KafkaPartitionQueue::~KafkaPartitionQueue() {
  rd_kafka_queue_io_event_enable(queue_.get(), -1, nullptr, 0);
}

void KafkaPartitionQueue::notify(int fd) {
  rd_kafka_queue_io_event_enable(queue_.get(), fd, &kNotification, sizeof(kNotification));
}

Result<Drained> KafkaPartitionQueue::drain(size_t max_records, Arena& arena, std::vector<Record>& records,
                                           std::vector<HeldMessage>& held) {
  Drained drained;
  std::array<rd_kafka_message_t*, kChunk> messages;  // NOLINT: filled by the call below
  while (drained.records < max_records && failure_.empty()) {
    const size_t wanted = std::min(max_records - drained.records, kChunk);
    const ssize_t got = rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data(), wanted);
    for (ssize_t i = 0; i < got; ++i) take(messages[static_cast<size_t>(i)], arena, records, held, drained);
    if (got < static_cast<ssize_t>(wanted)) break;
  }
  state_->position.store(next_, std::memory_order_relaxed);
  // Records that came before the failure are given first.
  if (drained.records == 0 && !failure_.empty()) return fail(Remedy::stop, failure_, ExitCode::stopped_by_policy);
  return drained;
}

void KafkaPartitionQueue::take(rd_kafka_message_t* message, Arena& arena, std::vector<Record>& records,
                               std::vector<HeldMessage>& held, Drained& drained) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    take_error(*message, drained);
    rd_kafka_message_destroy(message);
    return;
  }
  // A rebalance stops and restarts the fetching inside librdkafka, which may then give a few records once more.
  if (message->offset < next_) {
    rd_kafka_message_destroy(message);
    return;
  }
  next_ = message->offset + 1;
  state_->unread.store(0, std::memory_order_relaxed);
  drained.end_offset = -1;

  const Record& record = records.emplace_back();
  drained.bytes += fill_record(message, origin_, arena, records.back());
  if (state_->first_time_ms.load(std::memory_order_relaxed) < 0) state_->first_time_ms = record.timestamp_ms;
  ++drained.records;
  held.push_back(HeldMessage{message, release_message});
}

void KafkaPartitionQueue::take_error(const rd_kafka_message_t& message, Drained& drained) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    // Behind the markers of transactions too, which no record shows.
    next_ = std::max(next_, message.offset);
    state_->unread = 0;
    drained.end_offset = next_;
    return;
  }
  const char* text = rd_kafka_message_errstr(&message);
  const std::string what =
      fmt::format("{}: {} ({})", state_->partition.text(), text == nullptr ? "" : escape_for_log(text, 512),
                  rd_kafka_err2name(message.err));
  const bool out_of_range = message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                            message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
                            message.err == RD_KAFKA_RESP_ERR__LOG_TRUNCATION;
  if (!out_of_range) {
    // librdkafka goes on by itself (a topic that is gone for a moment, a right taken away).
    log_warn("fetch", "{}", what);
    state_->unread = message.err;
    return;
  }
  failure_ = what;
  state_->failure = message.err;
  ++failures_;
}

}  // namespace millrace
