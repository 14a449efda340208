// ObservedStage: holds a stage to its promise that every record it gets is settled exactly once.
// Wrapped around each instance by the registry of stage kinds; used by the instance's worker.
#pragma once

#include <memory>

#include "stage/stage.h"

namespace millrace {

class ObservedStage final : public Stage {
 public:
  explicit ObservedStage(std::unique_ptr<Stage> inner) : inner_(std::move(inner)) {}

  // A CHECK fails when the records of this call are not in = ports + filtered + unmatched + rejected.
  void process(std::span<const Item* const> in, StageContext& context, StageOutput& out) override;

 private:
  const std::unique_ptr<Stage> inner_;
};

}  // namespace millrace
