#include "support/source_folder.h"

namespace millrace {

std::string source_folder() {
  return MILLRACE_SOURCE_DIR;
}

}  // namespace millrace
