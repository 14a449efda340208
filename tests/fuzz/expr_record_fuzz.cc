// Any bytes as an expression, a NUL, and a JSON record: projected fields give what the whole document gives.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "support/expr_differential.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = input.find('\0');
  if (nul == std::string_view::npos) return 0;
  const std::string difference = millrace::test::projection_differs(input.substr(0, nul), input.substr(nul + 1));
  CHECK_MSG(difference.empty(), difference);
  return 0;
}
