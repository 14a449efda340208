// Why a record was rejected: a small fixed set, because the reasons become metric labels and dead-letter headers.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

enum class RejectReason : uint8_t {
  none,
  not_decodable,     // the value is not what the source's format says (not JSON, bad UTF-8, a BOM, two documents)
  not_an_object,     // JSON, but no object where members are asked for or written
  too_large,         // over the record limit
  too_deep,          // JSON nested deeper than the limit
  duplicate_key,     // with duplicate_keys: reject
  expression_error,  // an expression failed; the error's kind stands in the text
  limit_exceeded,    // an expression's cost, iteration or result limit
  member_present,    // decorate with if_present: error
  rule_broken,       // validate
  not_encodable,     // the decorated value cannot be written in the destination's format
  null_key,          // on_null_key: reject, or a compacted destination
  too_large_for_destination,
  bad_timestamp,      // outside the destination's limits
  refused_by_broker,  // named by the isolating producer
};

inline constexpr size_t kRejectReasonCount = static_cast<size_t>(RejectReason::refused_by_broker) + 1;

std::string_view to_string(RejectReason reason);

}  // namespace millrace
