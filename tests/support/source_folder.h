// Where the sources of the project lie, for tests that read files of it. Told to one file alone, so that the compiler's
// cache serves every clone.
#pragma once

#include <string>

namespace millrace {

// Absolute, without a slash at its end.
std::string source_folder();

}  // namespace millrace
