// Two records with a NUL between them: what a decoder says of the second does not depend on its having read the first.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "support/decoder_differential.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = input.find('\0');
  if (nul == std::string_view::npos) return 0;
  // Copies, so that the sanitizer sees a read past the end of either.
  const std::string before(input.substr(0, nul));
  const auto exact = std::make_unique<char[]>(size - nul - 1);
  input.copy(exact.get(), size - nul - 1, nul + 1);
  const std::string_view json(exact.get(), size - nul - 1);
  expr::FieldPlan plan;
  plan.slot({"a"});
  plan.slot({"b", "c"});
  plan.slot({"d"});
  plan.slot_with_span({"b", "e"});
  plan.slot_with_span({"f"});
  for (const auto keys : {expr::DuplicateKeys::first, expr::DuplicateKeys::last, expr::DuplicateKeys::reject}) {
    expr::DecodeLimits limits;
    limits.duplicate_keys = keys;
    const std::string difference = test::learned_differs(before, json, plan, limits);
    CHECK_MSG(difference.empty(), difference);
  }
  return 0;
}
