#include "stage/observed.h"

#include <fmt/format.h>

#include "base/check.h"

namespace millrace {

namespace {

uint64_t settled(StageOutput& out) {
  uint64_t sum = out.counts().filtered + out.counts().unmatched + out.rejected().size();
  for (const auto& port : out.ports()) sum += port.size();
  return sum;
}

}  // namespace

void ObservedStage::process(std::span<const Item* const> in, StageContext& context, StageOutput& out) {
  const uint64_t before = settled(out);
  inner_->process(in, context, out);
  out.counts().in += in.size();
  const uint64_t after = settled(out);
  CHECK_MSG(after - before == in.size(), fmt::format("of {} records {} were settled", in.size(), after - before));
}

}  // namespace millrace
