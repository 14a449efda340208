// The stage kinds that a YAML file may use. Constant after the first call; any thread.
#pragma once

#include <span>

#include "stage/stage.h"

namespace millrace {

// In the order of their names. Every instance that they make is an ObservedStage.
std::span<const StageKind* const> stage_kinds();

}  // namespace millrace
