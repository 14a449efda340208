// filter: records for which a condition holds go on, the others end here.
#include "stage/expression.h"

namespace millrace {

namespace {

class Filter final : public Stage {
 public:
  Filter(SharedProgram where, bool invert) : where_(std::move(where)), invert_(invert) {}

  void process(std::span<const Item* const> in, StageContext& context, StageOutput& out) override {
    for (const Item* item : in) {
      const expr::Truth truth = where_->test(context.scope(*item), context.evaluator);
      if (truth == expr::Truth::error) {
        reject_failed(item, "where", context, out);
      } else if ((truth == expr::Truth::yes) != invert_) {
        out.emit(0, item);
      } else {
        out.filtered(item);
      }
    }
  }

 private:
  const SharedProgram where_;
  const bool invert_;
};

StagePlan read_filter(StageSetup& setup) {
  StagePlan plan;
  plan.ports = {""};
  const std::string what = setup.what + ": `filter`";
  SharedProgram where;
  bool invert = false;
  if (setup.body.is_map()) {
    config::Reader reader(setup.body, what, setup.diagnostics);
    const auto text = reader.expression("where", true);
    if (text) where = compile_expression(setup, *text, expr::Want::condition, setup.what + ": `where`");
    invert = reader.flag("invert", false);
    reader.finish();
  } else {
    where = compile_expression(setup, setup.body, expr::Want::condition, what);
  }
  if (where != nullptr) plan.make = [where, invert] { return std::make_unique<Filter>(where, invert); };
  return plan;
}

}  // namespace

extern const StageKind filter_stage;
const StageKind filter_stage{"filter",
                             "Lets records through for which a condition holds; the others are counted as filtered.",
                             R"(filter: |-
  !value.isRobot

filter:
  where: |-
    value.level == 'debug'
  invert: true        # lets through what the condition does not hold for
)",
                             &read_filter};

}  // namespace millrace
