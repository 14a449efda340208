#include "stages/registry.h"

#include <array>

#include "stage/observed.h"

namespace millrace {

#define STAGE(name) extern const StageKind name##_stage;
#include "stages/stage_list.inc"
#undef STAGE

namespace {

template <const StageKind& kKind>
StagePlan read_observed(StageSetup& setup) {
  StagePlan plan = kKind.read(setup);
  if (setup.diagnostics.has_errors()) {
    plan.make = nullptr;  // nothing of a config with errors is ever made
  } else if (plan.make) {
    plan.make = [make = plan.make]() -> std::unique_ptr<Stage> { return std::make_unique<ObservedStage>(make()); };
  }
  return plan;
}

template <const StageKind& kKind>
const StageKind* observed_kind() {
  static const StageKind kind{kKind.name, kKind.help, kKind.usage, &read_observed<kKind>};
  return &kind;
}

}  // namespace

std::span<const StageKind* const> stage_kinds() {
  static const std::array kKinds{
#define STAGE(name) observed_kind<name##_stage>(),
#include "stages/stage_list.inc"
#undef STAGE
  };
  return kKinds;
}

}  // namespace millrace
