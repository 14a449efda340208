// Executor, the last step: an item becomes the record that a destination gets.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "pipeline/dead_letter.h"
#include "pipeline/executor.h"

namespace millrace {

namespace {

// Java's Long, as Kafka's LongSerializer writes it.
std::string_view big_endian(int64_t value, Arena& arena) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (56 - 8 * i));
  return arena.copy({bytes, sizeof(bytes)});
}

RejectReason reason_of(expr::ErrorKind kind) {
  switch (kind) {
    case expr::ErrorKind::cost_exceeded:
    case expr::ErrorKind::iterations_exceeded:
    case expr::ErrorKind::result_too_large:
      return RejectReason::limit_exceeded;
    default:
      return RejectReason::expression_error;
  }
}

bool integer_of(const expr::Value& value, int64_t& integer) {
  if (value.is(expr::Kind::integer)) {
    integer = value.as_int();
    return true;
  }
  if (value.is(expr::Kind::uinteger) && value.as_uint() <= static_cast<uint64_t>(INT64_MAX)) {
    integer = static_cast<int64_t>(value.as_uint());
    return true;
  }
  // Every double between these bounds that is whole is an int64.
  if (value.is(expr::Kind::floating) && value.as_double() >= -9.2e18 && value.as_double() <= 9.2e18 &&
      value.as_double() == static_cast<double>(static_cast<int64_t>(value.as_double()))) {
    integer = static_cast<int64_t>(value.as_double());
    return true;
  }
  return false;
}

}  // namespace

Result<void> Executor::write_destination(const DestinationNode& node) {
  for (const auto& input : node.inputs) {
    const auto items = port(input.from);
    for (const Item* item : items) TRY(write(node, input.topic, *item));
  }
  return {};
}

Result<void> Executor::write(const DestinationNode& node, uint16_t topic, const Item& item) {
  DestinationCounts& counts = batch_->counts.destinations[topic];
  ++counts.in;
  // Made where it is to lie, for the reason that decode() gives.
  OutputRecord& record = batch_->pending.emplace_back();
  record.destination = topic;
  std::string_view error;
  RejectReason reason = RejectReason::none;
  if (!batch_->refused.empty() &&
      batch_->refused.count({static_cast<uint32_t>(chunk_.first + item.ordinal), topic}) != 0) {
    reason = RejectReason::refused_by_broker;
    error = "the broker refuses this record";
  } else {
    reason = make_output(node, item, record, error);
  }
  if (reason != RejectReason::none) {
    batch_->pending.pop_back();
    TRY_ASSIGN(const bool goes_on, apply({node.name, node.on_error, reason, error}, item.ordinal, counts.policy));
    CHECK(!goes_on);  // build_graph() refuses `keep` at a destination
    return {};
  }
  ++counts.sent.records;
  counts.sent.bytes += record.key.size + record.value.size;
  finish_output(item.ordinal);
  return {};
}

RejectReason Executor::make_output(const DestinationNode& node, const Item& item, OutputRecord& record,
                                   std::string_view& error) {
  record.value = item.record.value;
  record.headers = item.record.headers;
  record.native_headers = item.record.native_headers;
  record.timestamp_ms = item.record.timestamp_ms;
  record.key = item.record.key;
  RejectReason reason = RejectReason::none;
  if (!item.edits.empty()) {
    expr::Encoder* encoder = formats_[source_].encoder.get();
    CHECK(encoder != nullptr);  // build_graph() refuses edits where the format has no encoder
    const expr::EncodeResult encoded = encoder->encode(*item.decoded, item.edits, *batch_->output_arena);
    if (encoded.reason != RejectReason::none) {
      error = batch_->output_arena->copy(encoded.detail);
      return encoded.reason;
    }
    record.value = Bytes(encoded.bytes);
  }
  if (node.key != nullptr) reason = make_key(node, item, record.key, error);
  if (reason == RejectReason::none && node.reject_null_key && record.key.is_null()) {
    reason = RejectReason::null_key;
    error = "the key is null, and `on_null_key` is `reject`";
  }
  if (reason == RejectReason::none) reason = check_limits(record, error);
  if (reason == RejectReason::none) reason = make_partition(node, item, record, error);
  return reason;
}

RejectReason Executor::expression_failed(std::string_view what, std::string_view& error) {
  error = batch_->output_arena->copy(fmt::format("{}: {}", what, evaluator_->error_text()));
  return reason_of(evaluator_->error_kind());
}

RejectReason Executor::make_key(const DestinationNode& node, const Item& item, Bytes& key, std::string_view& error) {
  Arena& arena = *batch_->output_arena;
  const expr::Value value = node.key->evaluate(scope(item), *evaluator_);
  if (value.is_error()) return expression_failed("key", error);
  key = Bytes();
  if (value.is(expr::Kind::null) || value.is_absent()) return RejectReason::none;
  if (node.key_as == KeyAs::int64) {
    int64_t integer = 0;
    if (integer_of(value, integer)) {
      key = Bytes(big_endian(integer, arena));
      return RejectReason::none;
    }
    error = "key: `key_as: int64` needs a whole number in the range of int64";
    return RejectReason::expression_error;
  }
  if (node.key_as == KeyAs::text && (value.is(expr::Kind::string) || value.is(expr::Kind::bytes))) {
    key = Bytes(value.text());
    return RejectReason::none;
  }
  const expr::JsonText json = expr::to_json(value, arena);
  if (json.error != expr::ErrorKind::none) {
    error = "key: the value has no JSON form";
    return RejectReason::expression_error;
  }
  std::string_view text = json.text;
  // As text, what JSON writes in quotes (times, durations) is written without them.
  if (node.key_as == KeyAs::text && text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
  key = Bytes(text);
  return RejectReason::none;
}

RejectReason Executor::make_partition(const DestinationNode& node, const Item& item, OutputRecord& record,
                                      std::string_view& error) {
  const int32_t partitions = limits_[record.destination].partitions;
  CHECK(partitions > 0);
  const int32_t source_partition = item.record.origin->partition;
  switch (node.partition) {
    case PartitionBy::key:
      record.partition =
          record.key.is_null() ? source_partition % partitions : partition_for_key(record.key.view(), partitions);
      return RejectReason::none;
    case PartitionBy::source:
      record.partition = source_partition % partitions;
      return RejectReason::none;
    case PartitionBy::expression:
      break;
  }
  const expr::Value value = node.partition_expression->evaluate(scope(item), *evaluator_);
  if (value.is_error()) return expression_failed("partition", error);
  int64_t integer = 0;
  if (!integer_of(value, integer)) {
    error = "partition: the expression must give a whole number";
    return RejectReason::expression_error;
  }
  const int64_t rest = integer % partitions;
  record.partition = static_cast<int32_t>(rest < 0 ? rest + partitions : rest);
  return RejectReason::none;
}

RejectReason Executor::check_limits(const OutputRecord& record, std::string_view& error) {
  const DestinationLimits& limits = limits_[record.destination];
  if (limits.compacted && record.key.is_null()) {
    error = "the destination is compacted and takes no null key";
    return RejectReason::null_key;
  }
  const int64_t bytes = batch_bytes(record.key.size, record.value.size, record.headers);
  if (bytes > limits.max_message_bytes) {
    error =
        batch_->output_arena->copy(fmt::format("{} bytes, the destination takes {}", bytes, limits.max_message_bytes));
    return RejectReason::too_large_for_destination;
  }
  if (record.timestamp_ms >= 0) {
    const int64_t age = batch_->now_ms - record.timestamp_ms;
    if (age > limits.timestamp_before_max_ms || -age > limits.timestamp_after_max_ms) {
      error = batch_->output_arena->copy(
          fmt::format("the timestamp {} is outside what the destination takes", record.timestamp_ms));
      return RejectReason::bad_timestamp;
    }
  }
  return RejectReason::none;
}

}  // namespace millrace
