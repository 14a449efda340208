#include "status/history.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text.h"

namespace millrace {

History::History(Settings settings, std::unique_ptr<SqlConnection> connection, const Clock& clock)
    : settings_(std::move(settings)), clock_(clock), connection_(std::move(connection)) {
  const MutexLock lock(mutex_);
  status_.store = connection_->name();
}

History::~History() {
  if (!thread_.joinable()) return;
  constexpr int64_t kLastMs = 1'000;
  static_cast<void>(stop(kLastMs));
}

void History::add(const BatchRow& row) {
  Entry entry;
  entry.row = row;
  push(std::move(entry));
}

void History::add(const Event& event) {
  Entry entry;
  entry.is_event = true;
  entry.event.event = event;
  push(std::move(entry));
}

void History::push(Entry entry) {
  const MutexLock lock(mutex_);
  if (entry.is_event) entry.event.number = ++events_;
  queue_.push_back(std::move(entry));
  if (queue_.size() > settings_.queue_max) {
    queue_.pop_front();
    ++status_.dropped;
  }
}

void History::start() {
  thread_ = Thread("history", [this] { run(); });
}

bool History::stop(int64_t timeout_ms) {
  if (!thread_.joinable()) return true;
  const int64_t deadline_ms = clock_.mono_ms() + timeout_ms;
  stopping_.store(true);
  wake_.notify();
  WakeUp pause;
  bool given_up = false;
  // Half of the time is for what waits, the other half for a call that is under way to come back.
  while (!ended_.load() && clock_.mono_ms() < deadline_ms) {
    if (!given_up && clock_.mono_ms() >= deadline_ms - timeout_ms / 2) {
      connection_->give_up();
      given_up = true;
    }
    constexpr int64_t kLookMs = 2;
    (void)pause.wait(kLookMs);
  }
  if (!ended_.load()) {
    thread_.abandon();
    log_warn("history", "its writer hangs in {} and is left behind", escape_for_log(connection_->name()));
    return false;
  }
  thread_.join();
  return true;
}

HistoryStatus History::status() const {
  const MutexLock lock(mutex_);
  HistoryStatus status = status_;
  status.waiting = queue_.size();
  return status;
}

void History::run() {
  while (!stopping_.load()) {
    while (write_some() && !stopping_.load()) {
    }
    if (retry_ms_ == 0 && clock_.mono_ms() >= forget_at_ms_) forget();
    (void)wake_.wait(retry_ms_ > 0 ? retry_ms_ : settings_.write_every_ms);
  }
  while (write_some()) {
  }
  ended_.store(true);
}

bool History::write_some() {
  std::deque<Entry> entries;
  {
    const MutexLock lock(mutex_);
    const size_t count = std::min(queue_.size(), settings_.write_max);
    for (size_t i = 0; i < count; ++i) {
      entries.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  if (entries.empty()) return false;
  const auto written = write(entries);
  if (!written) {
    retry_ms_ = std::clamp(retry_ms_ * 2, settings_.retry_first_ms, settings_.retry_max_ms);
    say(written.error().what);
    const MutexLock lock(mutex_);
    while (!entries.empty() && queue_.size() < settings_.queue_max) {
      queue_.push_front(std::move(entries.back()));
      entries.pop_back();
    }
    status_.dropped += entries.size();
    return false;
  }
  retry_ms_ = 0;
  {
    const MutexLock lock(mutex_);
    for (const Entry& entry : entries) ++(entry.is_event ? status_.events_written : status_.batches_written);
  }
  say("");
  return true;
}

Result<void> History::write(const std::deque<Entry>& entries) {
  if (!tables_made_) {
    TRY(connection_->execute(history_schema(connection_->dialect())));
    tables_made_ = true;
  }
  std::vector<BatchRow> rows;
  std::vector<NumberedEvent> events;
  for (const Entry& entry : entries) {
    if (entry.is_event) {
      events.push_back(entry.event);
    } else {
      rows.push_back(entry.row);
    }
  }
  auto written = connection_->execute(history_insert(settings_.owner, rows, events));
  // Whoever moved the file away, or dropped the tables, gets new ones.
  if (!written) tables_made_ = false;
  return written;
}

void History::forget() {
  forget_at_ms_ = clock_.mono_ms() + settings_.forget_every_ms;
  if (!tables_made_) return;
  if (!forget_clock_) {
    const auto newest = connection_->query(history_newest(settings_.owner));
    if (!newest) return say(newest.error().what);
    std::optional<int64_t> newest_ms;
    if (!newest->rows.empty() && newest->rows[0][0]) newest_ms = std::atoll(newest->rows[0][0]->c_str());
    forget_clock_.emplace(newest_ms, clock_.wall_ms(), clock_.mono_ms());
  }
  const int64_t ahead_ms = forget_clock_->ahead_ms();
  const int64_t before_ms = forget_clock_->now_ms(clock_.wall_ms(), clock_.mono_ms()) - settings_.keep_ms;
  if (ahead_ms == 0 && forget_clock_->ahead_ms() > 0) {
    log_warn("history", "the clock went forward by {}: rows are forgotten by the time of before for {}",
             format_duration_ms(forget_clock_->ahead_ms()), format_duration_ms(ForgetClock::kBelievedMs));
  }
  const auto done =
      connection_->execute(history_forget(settings_.owner, connection_->dialect(), before_ms, settings_.rows_max));
  if (!done) say(done.error().what);
}

void History::say(const std::string& trouble) {
  bool news = false;
  {
    const MutexLock lock(mutex_);
    news = status_.trouble.empty() != trouble.empty();
    status_.trouble = trouble;
  }
  if (!news) return;
  if (trouble.empty()) {
    log_info("history", "rows are written again");
  } else {
    log_warn("history", "rows cannot be written, the pipeline goes on: {}", escape_for_log(trouble, 1024));
  }
}

}  // namespace millrace
