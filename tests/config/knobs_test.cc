#include "config/knobs.h"

#include <set>
#include <string>

#include "support/catch.h"

namespace millrace::config {

TEST_CASE("every knob has a name, a path of its own, a default in its range, and help") {
  std::set<std::string_view> names;
  std::set<std::string_view> paths;
  for (const KnobInfo& knob : all_knobs()) {
    INFO(knob.path);
    CHECK(names.insert(knob.name).second);
    CHECK(paths.insert(knob.path).second);
    CHECK(knob.min < knob.max);
    CHECK(knob.help.size() > 10);
    CHECK(find_knob(knob.path) == &knob);
    // The unit stands last in the field's name.
    if (knob.kind == KnobKind::duration || knob.kind == KnobKind::auto_duration) CHECK(knob.name.ends_with("_ms"));
    if (knob.kind == KnobKind::bytes || knob.kind == KnobKind::auto_bytes) CHECK(knob.name.ends_with("_bytes"));

    const std::string initial = knob_default_text(knob);
    Knobs knobs;
    if (initial == "none") continue;
    CHECK(set_knob(knob, initial, knobs).empty());
    CHECK(knob_text(knob, knobs) == initial);
  }
  CHECK(find_knob("batch.nothing") == nullptr);
}

TEST_CASE("values out of range are refused and change nothing") {
  Knobs knobs;
  const KnobInfo& interval = *find_knob("batch.interval");
  CHECK(set_knob(interval, "500ms", knobs).empty());
  CHECK(knobs.batch_interval_ms == 500);
  CHECK(set_knob(interval, "1ms", knobs) == "is 1ms, and must be from 10ms to 10m");
  CHECK(set_knob(interval, "2h", knobs) == "is 2h, and must be from 10ms to 10m");
  CHECK(set_knob(interval, "500", knobs) == "needs a unit: `500` could be `500ms` or `500s`");
  CHECK(knobs.batch_interval_ms == 500);
  CHECK(set_knob(*find_knob("workers"), "0", knobs) == "is 0, and must be from 1 to 256");
  CHECK(knobs.workers == 2);
}

TEST_CASE("each kind is spelt its way") {
  Knobs knobs;
  const KnobInfo& rate = *find_knob("rate.max_per_partition");
  CHECK(knob_text(rate, knobs) == "none");
  CHECK(set_knob(rate, "5000/s", knobs).empty());
  CHECK(knobs.rate_max_per_partition == 5000);
  CHECK(knob_text(rate, knobs) == "5000/s");
  CHECK(set_knob(rate, "0/s", knobs).find("leave it out for no limit") != std::string::npos);
  CHECK(knob_range_text(rate) == "1/s to 1000000000/s");

  const KnobInfo& transaction = *find_knob("kafka.transaction_timeout");
  CHECK(knob_text(transaction, knobs) == "auto");
  CHECK(set_knob(transaction, "30s", knobs).empty());
  CHECK(knobs.transaction_timeout_ms == 30'000);
  CHECK(set_knob(transaction, "auto", knobs).empty());
  CHECK(knobs.transaction_timeout_ms == 0);

  const KnobInfo& strict = *find_knob("expressions.strict_arithmetic");
  CHECK(set_knob(strict, "true", knobs).empty());
  CHECK(knobs.expression_strict_arithmetic);
  CHECK(knob_text(strict, knobs) == "true");
  CHECK(knob_range_text(strict) == "true or false");
  CHECK(set_knob(strict, "yes", knobs) == "must be `true` or `false`, not `yes`");
}

TEST_CASE("the transaction's time-out follows the others unless it is set") {
  Knobs knobs;
  CHECK(effective_transaction_timeout_ms(knobs) == 10'000);
  knobs.batch_interval_ms = 60'000;
  CHECK(effective_transaction_timeout_ms(knobs) == 69'000);
  knobs.message_timeout_ms = 100'000;
  CHECK(effective_transaction_timeout_ms(knobs) == 100'000);
  knobs.transaction_timeout_ms = 12'345;
  CHECK(effective_transaction_timeout_ms(knobs) == 12'345);
}

}  // namespace millrace::config
