#include "base/error.h"

namespace millrace {

std::string_view to_string(Remedy remedy) {
  switch (remedy) {
    case Remedy::retry:
      return "retry";
    case Remedy::recover:
      return "recover";
    case Remedy::stop:
      return "stop";
    case Remedy::fix_config:
      return "fix_config";
  }
  return "stop";
}

}  // namespace millrace
