// The rate controller in simulated pipelines: it keeps batches within the interval without giving capacity away, and it
// does not fall into the traps that its model is known for.
#include "pipeline/rate_controller.h"

#include <algorithm>
#include <cmath>

#include "sim/rate_model.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::sim;

namespace {

constexpr int kSettle = 10;  // batches after a change in which anything may happen
constexpr int kHold = 100;   // batches after them in which it must hold

struct Scene {
  double interval = 1;
  double queue = 0;
  double budget = 0;
  RateConditions before;
  RateConditions after;
};

double between(std::mt19937_64& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

// A pipeline of any size that keeps up, and what happens to it.
Scene make_scene(uint64_t seed) {
  std::mt19937_64 random(seed);
  Scene scene;
  scene.interval = std::pow(10.0, between(random, -1, 1));
  RateConditions& before = scene.before;
  before.sink = std::pow(10.0, between(random, 3, 6));
  before.read = before.sink * between(random, 1.1, 10);
  before.commit = scene.interval * between(random, 0.005, 0.06);
  before.load = before.sink * between(random, 0.2, 0.8);
  scene.queue = before.sink * scene.interval * between(random, 0.05, 2);
  scene.budget = before.sink * scene.interval * between(random, 2, 10);
  scene.after = before;
  if (seed % 2 == 0) {
    scene.after.load *= 3;
  } else {
    scene.after.sink /= 5;
    scene.after.commit *= 5;
  }
  return scene;
}

struct Outcome {
  double rate = 0;   // records a second while it must hold
  double worst = 0;  // share of the interval by which the worst batch missed it
  int worst_batch = 0;
};

template <typename Allow, typename Settle>
Outcome watch(RateModel& model, const Scene& scene, Allow allow, Settle settle) {
  Outcome outcome;
  double records = 0;
  double from = 0;
  for (int i = 0; i < kSettle + kHold; ++i) {
    if (i == kSettle) from = model.now();
    const RateSample sample = model.batch(allow());
    settle(sample);
    if (i < kSettle) continue;
    records += static_cast<double>(sample.records);
    const double off = std::abs(sample.seconds / scene.interval - 1);
    if (off > outcome.worst) {
      outcome.worst = off;
      outcome.worst_batch = i;
    }
  }
  outcome.rate = records / (model.now() - from);
  return outcome;
}

// The best that any fixed number of records a batch gives while its batches are within 10 % of the interval.
double best_fixed_rate(const Scene& scene, uint64_t seed) {
  const RateConditions& after = scene.after;
  const double ideal = after.sink * (scene.interval - after.commit);
  double best = 0;
  for (double share = 0.7; share <= 1.1; share += 0.05) {
    RateModel model(seed, scene.interval, scene.queue, scene.budget);
    model.conditions = after;
    const auto outcome = watch(
        model, scene, [&] { return ideal * share; }, [](const RateSample&) {});
    if (outcome.worst <= 0.1) best = std::max(best, outcome.rate);
  }
  return best;
}

}  // namespace

TEST_CASE("after a load times three or acknowledgements five times as slow, batches fit and little is given away") {
  constexpr uint64_t kSeeds = 1000;
  double worst_time = 0;
  double worst_rate = 1;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Scene scene = make_scene(seed);
    RateController controller({}, scene.interval, scene.before.sink / 10);
    RateModel model(seed, scene.interval, scene.queue, scene.budget);
    model.conditions = scene.before;
    const auto allow = [&] { return controller.batch_records(); };
    const auto settle = [&](const RateSample& sample) { controller.settled(sample); };
    for (int i = 0; i < 30; ++i) settle(model.batch(allow()));
    model.conditions = scene.after;
    const Outcome outcome = watch(model, scene, allow, settle);
    const double best = best_fixed_rate(scene, seed);
    INFO("seed " << seed << ": interval " << scene.interval << ", off by " << outcome.worst << " in batch "
                 << outcome.worst_batch << ", " << outcome.rate << " of " << best << " records a second");
    CHECK(outcome.worst <= 0.1);
    CHECK(best > 0);
    CHECK(outcome.rate >= 0.9 * best);
    worst_time = std::max(worst_time, outcome.worst);
    worst_rate = std::min(worst_rate, outcome.rate / best);
  }
  CHECK(worst_time <= 0.1);
  CHECK(worst_rate >= 0.9);
}

// However small a batch is, it is acknowledged later than the interval: smaller ones would only carry less.
TEST_CASE("where acknowledgements take longer than the interval, the target does not shrink for ever") {
  for (const double latency : {1.2, 1.5, 3.0}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      INFO("latency " << latency << ", seed " << seed);
      RateController controller({}, 1, 10'000);
      RateModel model(seed, 1, 1e6, 1e6);
      model.conditions = {20'000, 100'000, 100'000, 0.02, 0.04, 0.01};
      const auto turn = [&] {
        const RateSample sample = model.batch(controller.batch_records());
        controller.settled(sample);
        return sample;
      };
      for (int i = 0; i < 30; ++i) turn();
      model.conditions.latency = latency;
      for (int i = 0; i < 20; ++i) turn();
      double records = 0;
      const double from = model.now();
      for (int i = 0; i < 50; ++i) records += static_cast<double>(turn().records);
      CHECK(records / (model.now() - from) >= 0.8 * 20'000);
      model.conditions.latency = 0.01;
      for (int i = 0; i < 20; ++i) turn();
      const RateSample well = turn();
      CHECK(well.seconds <= 1.2);
    }
  }
}

namespace {

// A second, a pipeline that can do 10,000 records a second, and commits of 20 ms.
constexpr double kInitial = 500;

RateModel quiet_model() {
  RateModel model(1, 1, 20'000, 100'000);
  model.conditions = {5000, 50'000, 10'000, 0.02, 0.02};
  return model;
}

RateSample turn(RateController& controller, RateModel& model) {
  const RateSample sample = model.batch(controller.batch_records());
  controller.settled(sample);
  return sample;
}

}  // namespace

TEST_CASE("a pipeline that keeps up is not limited") {
  for (const double share : {0.01, 0.5, 0.9}) {
    RateController controller({}, 1, kInitial);
    RateModel model = quiet_model();
    model.conditions.load = share * 10'000;
    for (int i = 0; i < 40; ++i) turn(controller, model);
    for (int i = 0; i < 200; ++i) {
      turn(controller, model);
      CHECK(controller.target_rate() == 0);
      CHECK(controller.batch_records() < 0);
    }
  }
}

TEST_CASE("the first batches of a backlog are bounded, and the bound grows to what the pipeline can do") {
  RateController controller({}, 1, kInitial);
  RateModel model = quiet_model();
  model.add_backlog(1e6);
  CHECK(turn(controller, model).records == kInitial);
  CHECK(controller.initial());
  uint64_t before = 500;
  for (int i = 0; i < 10; ++i) {
    const RateSample sample = turn(controller, model);
    CHECK(sample.records <= 4 * before);
    CHECK(sample.seconds <= 1.1);
    before = sample.records;
  }
  CHECK(before >= 9000);
  CHECK_FALSE(controller.initial());
}

TEST_CASE("the bound of the first batches stays while little comes, and also after an outage") {
  RateController controller({}, 1, kInitial);
  RateModel model = quiet_model();
  model.conditions.load = 10;
  turn(controller, model);
  CHECK(controller.initial());
  for (int i = 0; i < 5; ++i) turn(controller, model);
  CHECK(controller.batch_records() < 0);
  controller.interrupted();
  model.add_backlog(1e6);
  CHECK(turn(controller, model).records == kInitial);
}

TEST_CASE("batches that say nothing change nothing") {
  RateController controller({}, 1, kInitial);
  RateModel model = quiet_model();
  model.conditions.load = 30'000;
  for (int i = 0; i < 20; ++i) turn(controller, model);
  const double target = controller.target_rate();
  CHECK(target > 9000);
  RateSample sample;
  sample.seconds = 30;
  sample.held_back = true;
  controller.settled(sample);  // empty
  CHECK(controller.target_rate() == target);
  sample.records = 5;
  sample.teaches = false;  // a recovery
  controller.settled(sample);
  CHECK(controller.target_rate() == target);
}

TEST_CASE("tiny batches are nearly all commit, and do not make a tiny rate") {
  RateController controller({}, 1, kInitial);
  RateModel model = quiet_model();
  model.conditions = {20, 50'000, 10'000, 0.4, 0};
  for (int i = 0; i < 50; ++i) turn(controller, model);
  CHECK(controller.target_rate() == 0);
  model.add_backlog(1e6);
  for (int i = 0; i < 10; ++i) turn(controller, model);
  CHECK(controller.target_rate() > 4000);
}

TEST_CASE("one odd batch does not stop a pipeline, whether the process stood still or a clock leapt") {
  RateController controller({}, 1, kInitial);
  RateModel model = quiet_model();
  for (int i = 0; i < 40; ++i) turn(controller, model);
  RateSample odd;
  odd.records = 5000;
  odd.seconds = 3600;
  odd.commit_seconds = 3600;
  odd.late_seconds = 3599;
  controller.settled(odd);
  CHECK(controller.target_rate() >= 5000 / 4.1);
  double records = 0;
  for (int i = 0; i < 10; ++i) records += static_cast<double>(turn(controller, model).records);
  CHECK(records >= 10 * 4000);
  for (int i = 0; i < 40; ++i) turn(controller, model);
  CHECK(controller.target_rate() == 0);
}

TEST_CASE("where conditions become better the target follows") {
  RateController controller({}, 1, kInitial);
  RateModel model = quiet_model();
  model.conditions.load = 40'000;
  for (int i = 0; i < 30; ++i) turn(controller, model);
  model.conditions.sink *= 3;
  for (int i = 0; i < 10; ++i) turn(controller, model);
  CHECK(turn(controller, model).records >= 27'000);
}

TEST_CASE("an interval shorter than a commit does not end in tiny batches") {
  RateController controller({}, 0.01, kInitial);
  RateModel model(1, 0.01, 20'000, 100'000);
  model.conditions = {50'000, 100'000, 10'000, 0.05, 0.02};
  model.add_backlog(1e6);
  double records = 0;
  for (int i = 0; i < 100; ++i) turn(controller, model);
  const double from = model.now();
  for (int i = 0; i < 300; ++i) records += static_cast<double>(turn(controller, model).records);
  CHECK(records / (model.now() - from) >= 4000);
  CHECK(controller.batch_seconds() > 0.05);
}

TEST_CASE("no target is below min_rate, and without backpressure there is none") {
  BackpressureOptions options;
  SECTION("min_rate") {
    options.min_rate = 700;
    RateController controller(options, 1, kInitial);
    RateModel model = quiet_model();
    model.conditions.sink = 10;
    model.add_backlog(1e6);
    for (int i = 0; i < 20; ++i) turn(controller, model);
    CHECK(controller.target_rate() == 700);
  }
  SECTION("disabled") {
    options.enabled = false;
    RateController controller(options, 1, kInitial);
    RateModel model = quiet_model();
    model.conditions.load = 40'000;
    for (int i = 0; i < 20; ++i) turn(controller, model);
    CHECK(controller.target_rate() == 0);
  }
}
