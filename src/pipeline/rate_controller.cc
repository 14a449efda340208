#include "pipeline/rate_controller.h"

#include <algorithm>
#include <cmath>

namespace millrace {

namespace {

constexpr double kOverrun = 1.1;        // of the time that a batch is meant to take
constexpr double kLargestStep = 4;      // no batch changes the target by more
constexpr double kRoomToGrow = 0.75;    // of the interval: a batch of the first ones that takes less lets the next grow
constexpr int kUnneeded = 10;           // batches, until a target that is not reached goes
constexpr int kUnneededFirst = 3;       // the same for the bound of the first batches...
constexpr double kUnneededSeconds = 1;  // ...which also stays for so long
constexpr double kUsualShare = 0.25;    // of the newest batch in the usual rate
constexpr double kFixedShare = 0.2;     // of the newest batch in the fixed cost of a commit
constexpr double kShortest = 0.01;      // of the busy time: a batch that was nothing but its commit has no pace
constexpr double kNoise = 0.15;         // of the pace: smaller differences between batches are evened out
constexpr double kPaceShare = 0.4;      // of the newest batch in the pace, then
// Of the interval: what one batch does about a commit that reached into the next.
constexpr double kLargestDelay = 0.15;
constexpr double kLate = 0.3;           // of the interval, into which a commit may reach
constexpr double kOtherSize = 2;        // times as large: two batches that tell latency from work
constexpr int kInVain = 2;              // such batches in a row; one may be an accident
constexpr double kSameSize = 0.8;       // of another batch's records: no smaller one
constexpr double kSameTime = 1.2;       // of another batch's time: not longer
constexpr double kLeastLatency = 0.25;  // of the interval: less is noise, and fits

}  // namespace

std::string_view to_string(RateState state) {
  switch (state) {
    case RateState::free:
      return "free";
    case RateState::limited:
      return "limited";
    case RateState::saturated:
      return "saturated";
    case RateState::blocked:
      return "blocked";
  }
  return "free";
}

std::string_view to_string(RateCause cause) {
  switch (cause) {
    case RateCause::none:
      return "none";
    case RateCause::max_per_partition:
      return "max_per_partition";
    case RateCause::max:
      return "max";
    case RateCause::initial:
      return "initial";
    case RateCause::backpressure:
      return "backpressure";
  }
  return "none";
}

RateController::RateController(const BackpressureOptions& options, double interval_seconds, double initial_rate)
    : options_(options), interval_seconds_(interval_seconds), initial_rate_(initial_rate) {
  interrupted();
}

void RateController::configure(const BackpressureOptions& options, double interval_seconds, double initial_rate) {
  options_ = options;
  interval_seconds_ = interval_seconds;
  initial_rate_ = initial_rate;
  if (phase_ == Phase::initial) target_rate_ = std::min(target_rate_, initial_rate_);
  if (phase_ == Phase::learned && !options_.enabled) set_free();
}

double RateController::batch_seconds() const {
  return std::max(interval_seconds_, 2 * fixed_seconds());
}

double RateController::batch_records() const {
  if (phase_ == Phase::free) return -1;
  return target_rate_ * batch_seconds();
}

void RateController::set_free() {
  phase_ = Phase::free;
  target_rate_ = 0;
  last_error_ = 0;
  unneeded_ = 0;
  unneeded_seconds_ = 0;
}

void RateController::interrupted() {
  // What was learned before the outage may be less than the initial rate.
  const double known = phase_ == Phase::learned ? target_rate_ : initial_rate_;
  phase_ = Phase::initial;
  target_rate_ = std::min(known, initial_rate_);
  last_error_ = 0;
  unneeded_ = 0;
  unneeded_seconds_ = 0;
}

// What the commit took beyond the acknowledgements that it had to wait for, those at the batch's own pace.
void RateController::note_fixed(const RateSample& sample) {
  const double busy = sample.seconds - sample.idle_seconds;
  const double working = std::max(busy - fixed_seconds(), kShortest * busy);
  const double waited = working * sample.unacknowledged;
  const double fixed = std::max(0.0, sample.commit_seconds - waited);
  fixed_seconds_ = fixed_seconds_ == 0 ? fixed : fixed_seconds_ + kFixedShare * (fixed - fixed_seconds_);
}

// Batches that were held back to half of another one and are still too long: two points of a straight line, and what is
// left at no records at all is latency. It never is more than a whole batch took.
void RateController::note_latency(const RateSample& sample) {
  const auto records = static_cast<double>(sample.records);
  const double busy = sample.seconds - sample.idle_seconds;
  const bool shrinking =
      sample.held_back && records < kSameSize * other_records_ && busy > kOverrun * interval_seconds_;
  const bool much_smaller = records * kOtherSize <= other_records_;
  const bool comparable = busy < kSameTime * other_seconds_;  // else something else has changed in between
  in_vain_ = shrinking && much_smaller && comparable ? in_vain_ + 1 : 0;
  if (in_vain_ == kInVain) {
    const double each = std::max(0.0, (other_seconds_ - busy) / (other_records_ - records));
    latency_seconds_ = busy - each * records - fixed_seconds_;
  }
  latency_seconds_ = std::min(latency_seconds_, busy - fixed_seconds_);
  if (latency_seconds_ < kLeastLatency * interval_seconds_) latency_seconds_ = 0;
  if (!shrinking || in_vain_ == kInVain) {
    in_vain_ = 0;
    other_records_ = records;
    other_seconds_ = busy;
  }
}

// Records a second that would just fit the time a batch is meant to take: what was worked off while the batch was not
// idle, without the commit's fixed cost, for the part of that time which the cost leaves.
double RateController::pace(const RateSample& sample) const {
  const double busy = sample.seconds - sample.idle_seconds;
  const double working = std::max(busy - fixed_seconds(), kShortest * busy);
  if (working <= 0) return target_rate_ * kLargestStep;
  const double share = 1 - fixed_seconds() / batch_seconds();
  return static_cast<double>(sample.records) / working * share;
}

// Longer than it was meant to be, or about to be: it still fits, but most of the next interval is spent on its commit.
bool RateController::overrun(const RateSample& sample) const {
  return sample.seconds > kOverrun * batch_seconds() ||
         sample.late_seconds > fixed_seconds() + kLate * interval_seconds_;
}

void RateController::settled(const RateSample& sample) {
  if (!sample.teaches || sample.records == 0 || sample.seconds <= 0) return;
  note_fixed(sample);
  note_latency(sample);
  const bool too_long = overrun(sample);
  if (phase_ == Phase::initial) {
    if (too_long) {
      engage(sample);
    } else {
      grow(sample);
    }
  } else if (phase_ == Phase::free) {
    if (too_long) engage(sample);
  } else if (sample.held_back || too_long) {
    follow(sample);
    unneeded_ = 0;
  } else if (++unneeded_ >= kUnneeded) {
    set_free();
  }
  if (!too_long) {
    const double rate = static_cast<double>(sample.records) / std::max(sample.seconds, interval_seconds_);
    usual_rate_ = usual_rate_ == 0 ? rate : usual_rate_ + kUsualShare * (rate - usual_rate_);
  }
}

void RateController::extended(bool held_back) {
  if (phase_ == Phase::free) return;
  if (held_back) {
    target_rate_ *= kLargestStep;
  } else if (phase_ == Phase::initial) {
    set_free();
  }
}

// The first batches: larger and larger, as long as there is room. The very first ones may be small because nothing had
// been fetched yet: only when the bound was not reached for a while it is not needed.
void RateController::grow(const RateSample& sample) {
  if (!sample.held_back) {
    unneeded_seconds_ += sample.seconds;
    if (++unneeded_ >= kUnneededFirst && unneeded_seconds_ >= kUnneededSeconds) set_free();
    return;
  }
  unneeded_ = 0;
  unneeded_seconds_ = 0;
  terms_ = {pace(sample), 0, 0, 0};
  if (sample.seconds - sample.idle_seconds <= kRoomToGrow * batch_seconds()) {
    target_rate_ = std::min(target_rate_ * kLargestStep, std::max(terms_.pace, target_rate_));
    return;
  }
  // Near the limit: from here on it is the controller's.
  if (options_.enabled) {
    phase_ = Phase::learned;
    smoothed_pace_ = terms_.pace;
    unneeded_ = 0;
  } else {
    set_free();
  }
}

// A batch took too long: its pace is the first target. What was usual before keeps one odd batch from deciding all.
void RateController::engage(const RateSample& sample) {
  if (!options_.enabled) {
    set_free();
    return;
  }
  terms_ = {pace(sample), 0, 0, 0};
  phase_ = Phase::learned;
  unneeded_ = 0;
  last_error_ = 0;
  smoothed_pace_ = terms_.pace;
  target_rate_ = std::max({terms_.pace, usual_rate_ / kLargestStep, options_.min_rate});
}

// Small differences between batches are noise and are evened out; large ones are news.
double RateController::smoothed(double pace) {
  const bool news = std::abs(pace - smoothed_pace_) > kNoise * smoothed_pace_;
  smoothed_pace_ = news ? pace : smoothed_pace_ + kPaceShare * (pace - smoothed_pace_);
  return smoothed_pace_;
}

// Spark: new = latest - Kp * (latest - processed) - Ki * delay * processed / interval - Kd * (change of the error).
void RateController::follow(const RateSample& sample) {
  const double processed = smoothed(pace(sample));
  const double error = target_rate_ - processed;
  // How far the commit reached into the next interval, beyond what every commit does. It is worked off in steps that
  // leave the batches in between near their time.
  const double beyond = std::max(0.0, sample.late_seconds - fixed_seconds());
  const double delay = std::min(beyond, kLargestDelay * interval_seconds_);
  const double change = (error - last_error_) / std::max(sample.seconds, interval_seconds_);
  terms_.pace = processed;
  terms_.proportional = options_.proportional * error;
  terms_.integral = options_.integral * delay * processed / batch_seconds();
  terms_.derived = options_.derived * change;
  last_error_ = error;
  double next = target_rate_ - terms_.proportional - terms_.integral - terms_.derived;
  // Not held back, yet too long: no reason to allow more.
  if (!sample.held_back) next = std::min(next, target_rate_);
  target_rate_ =
      std::max(std::clamp(next, target_rate_ / kLargestStep, target_rate_ * kLargestStep), options_.min_rate);
}

}  // namespace millrace
