#include "status/recorder.h"

#include <algorithm>
#include <utility>

#include "status/advice.h"

namespace millrace {
namespace {

template <typename T>
std::vector<T> newest(const std::deque<T>& all, size_t last) {
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(last, all.size()))};
}

}  // namespace

Recorder::Recorder(const Settings& settings, std::function<View()> look, History* history)
    : settings_(settings), look_(std::move(look)), history_(history) {}

Recorder::~Recorder() {
  stop();
}

void Recorder::settled(const BatchRow& row) {
  if (row.result == BatchResult::offsets_only && row.records == 0) return;
  if (history_ != nullptr) history_->add(row);
  const MutexLock lock(mutex_);
  ++settled_;
  batches_.push_front(row);
  if (batches_.size() > settings_.batches_max) batches_.pop_back();
  ++open_.batches;
  open_.scheduling_ms = std::max(open_.scheduling_ms, row.scheduling_seconds * 1e3);
  open_.processing_ms = std::max(open_.processing_ms, row.processing_seconds() * 1e3);
  open_.delay_ms = std::max(open_.delay_ms, row.delay_seconds * 1e3);
}

void Recorder::note(Event event) {
  if (history_ != nullptr) history_->add(event);
  const MutexLock lock(mutex_);
  events_.push_front(std::move(event));
  if (events_.size() > settings_.events_max) events_.pop_back();
}

void Recorder::start() {
  thread_ = Thread("recorder", [this] {
    while (!stopping_.load()) {
      look();
      (void)wake_.wait(settings_.every_ms);
    }
    look();
  });
}

void Recorder::stop() {
  stopping_.store(true);
  wake_.notify();
  thread_.join();
}

void Recorder::look() {
  View now = look_();
  // What a view points to may change under a reload: the next comparison needs it as it is now.
  auto facts = std::make_unique<const ProgramFacts>(*now.program);
  now.program = facts.get();
  CatchUp way;
  Advice advice = advice_on(now, way);
  std::map<std::string, double> written = written_at(now);
  {
    const MutexLock lock(mutex_);
    advice_ = std::move(advice);
    catch_up_ = way;
    written_ = std::move(written);
  }
  if (before_ != nullptr) {
    for (Event& event : events_between(*before_, now)) note(std::move(event));
    const TimelinePoint point = point_of(now);
    const MutexLock lock(mutex_);
    TimelinePoint whole = std::exchange(open_, {});
    whole.at_ms = point.at_ms;
    whole.read_per_second = point.read_per_second;
    whole.sent_per_second = point.sent_per_second;
    whole.dead_per_second = point.dead_per_second;
    whole.lag_records = point.lag_records;
    points_.push_back(whole);
    if (points_.size() > settings_.points_max) points_.pop_front();
  }
  before_ = std::make_unique<const View>(std::move(now));
  facts_before_ = std::move(facts);
}

// Over six intervals, so that one slow batch is not the whole picture; at least 15 s.
Advice Recorder::advice_on(const View& now, CatchUp& way) {
  constexpr int64_t kLeastMs = 15'000;
  constexpr int64_t kMostMs = 600'000;
  const int64_t window_ms = std::clamp(6 * now.program->interval_ms, kLeastMs, kMostMs);
  uint64_t recoveries = 0;
  for (const uint64_t each : now.engine.totals.recoveries) recoveries += each;
  uint64_t helped_chunks = 0;
  for (const WorkerStatus& each : now.engine.workers) helped_chunks += each.helped_chunks;
  {
    const MutexLock lock(mutex_);
    samples_.push_back({now.engine.mono_ms, now.engine.totals.counts, recoveries, helped_chunks, settled_});
  }
  while (samples_.size() > 2 && now.engine.mono_ms - samples_[1].mono_ms >= window_ms) samples_.pop_front();
  const Sample& from = samples_.front();
  std::vector<BatchRow> rows;
  {
    // By their number and not by their time: the wall clock may step.
    const MutexLock lock(mutex_);
    rows = newest(batches_, settled_ - from.settled);
  }
  AdviceInput input;
  input.now = &now;
  input.before = &from.counts;
  input.seconds = static_cast<double>(now.engine.mono_ms - from.mono_ms) / 1e3;
  input.batches = rows;
  input.recoveries = recoveries - std::min(from.recoveries, recoveries);
  input.helped_chunks = helped_chunks - std::min(from.helped_chunks, helped_chunks);
  const uint64_t read = now.engine.totals.counts.sheet().read;
  const uint64_t before = from.counts.sheet().read;
  const double rate = read < before ? 0 : static_cast<double>(read - before) / std::max(input.seconds, 1e-3);
  const int64_t lag = lag_of(partition_views(now));
  if (lag >= 0) way = meter_.observe(now.engine.mono_ms, lag, level_lag(rate, now.program->interval_ms));
  input.catch_up = way;
  return advise(input);
}

std::map<std::string, double> Recorder::written_at(const View& now) {
  const Snapshot& engine = now.engine;
  const Counts& counts = engine.totals.counts;
  std::map<std::string, double> written;
  for (size_t i = 0; i < engine.destinations.size(); ++i) {
    const DestinationStatus& each = engine.destinations[i];
    const Tally& sent = i < counts.destinations.size() ? counts.destinations[i].sent : counts.dead_letters.sent;
    if (!each.gone) written[each.topic] = paces_[each.topic].add(engine.mono_ms, static_cast<int64_t>(sent.bytes));
  }
  std::erase_if(paces_, [&written](const auto& pace) { return !written.contains(pace.first); });
  return written;
}

TimelinePoint Recorder::point_of(const View& now) const {
  TimelinePoint point;
  point.at_ms = now.engine.wall_ms;
  const double seconds = std::max(static_cast<double>(now.engine.mono_ms - before_->engine.mono_ms), 1.0) / 1e3;
  const BalanceSheet last = before_->engine.totals.counts.sheet();
  const BalanceSheet sheet = now.engine.totals.counts.sheet();
  // A reload that takes a node away may take its numbers with it.
  const auto rate = [seconds](uint64_t from, uint64_t to) {
    return to < from ? 0 : static_cast<double>(to - from) / seconds;
  };
  point.read_per_second = rate(last.read, sheet.read);
  point.sent_per_second = rate(last.sent, sheet.sent);
  point.dead_per_second = rate(last.dead, sheet.dead);
  point.lag_records = lag_of(partition_views(now));
  return point;
}

std::vector<BatchRow> Recorder::batches(size_t last) const {
  const MutexLock lock(mutex_);
  return newest(batches_, last);
}

std::vector<Event> Recorder::events(size_t last) const {
  const MutexLock lock(mutex_);
  return newest(events_, last);
}

Advice Recorder::advice() const {
  const MutexLock lock(mutex_);
  return advice_;
}

CatchUp Recorder::catch_up() const {
  const MutexLock lock(mutex_);
  return catch_up_;
}

std::map<std::string, double> Recorder::written() const {
  const MutexLock lock(mutex_);
  return written_;
}

std::vector<TimelinePoint> Recorder::timeline() const {
  const MutexLock lock(mutex_);
  return {points_.begin(), points_.end()};
}

}  // namespace millrace
