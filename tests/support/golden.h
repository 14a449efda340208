// A file whose text a test compares with what the program makes. UPDATE_GOLDEN=1 in the environment rewrites it.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace {

// `path` is relative to the source tree.
inline void check_golden(const std::string& path, const std::string& made) {
  const std::string file = source_folder() + "/" + path;
  const char* update = std::getenv("UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1") {
    std::ofstream(file, std::ios::binary) << made;
    return;
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream stored;
  stored << in.rdbuf();
  INFO(path << " differs; UPDATE_GOLDEN=1 rewrites it");
  CHECK(stored.str() == made);
}

}  // namespace millrace
