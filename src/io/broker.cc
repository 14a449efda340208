#include "io/broker.h"

namespace millrace {

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "none";
    case Fault::queue_full:
      return "queue_full";
    case Fault::record_refused:
      return "record_refused";
    case Fault::destination:
      return "destination";
    case Fault::unknown_outcome:
      return "unknown_outcome";
    case Fault::generation:
      return "generation";
    case Fault::fenced:
      return "fenced";
    case Fault::authorization:
      return "authorization";
    case Fault::other:
      return "other";
  }
  return "other";
}

}  // namespace millrace
