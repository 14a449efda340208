// The files of the status page, as they stand in src/status/page, inside the program. Constant; any thread.
#pragma once

#include <string_view>

namespace millrace {

struct PageFile {
  std::string_view path;
  std::string_view content_type;
  std::string_view body;
};

// Null when there is none. "/" is the page itself.
const PageFile* find_page_file(std::string_view path);

}  // namespace millrace
