#include "record/reject.h"

namespace millrace {

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::none:
      return "none";
    case RejectReason::not_decodable:
      return "not_decodable";
    case RejectReason::not_an_object:
      return "not_an_object";
    case RejectReason::too_large:
      return "too_large";
    case RejectReason::too_deep:
      return "too_deep";
    case RejectReason::duplicate_key:
      return "duplicate_key";
    case RejectReason::expression_error:
      return "expression_error";
    case RejectReason::limit_exceeded:
      return "limit_exceeded";
    case RejectReason::member_present:
      return "member_present";
    case RejectReason::rule_broken:
      return "rule_broken";
    case RejectReason::not_encodable:
      return "not_encodable";
    case RejectReason::null_key:
      return "null_key";
    case RejectReason::too_large_for_destination:
      return "too_large_for_destination";
    case RejectReason::bad_timestamp:
      return "bad_timestamp";
    case RejectReason::refused_by_broker:
      return "refused_by_broker";
  }
  return "none";
}

}  // namespace millrace
