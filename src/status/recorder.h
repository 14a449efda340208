// Recorder: what the pipeline did lately: its last batches and events, and a point a second for the timelines. Feeds
// the history.
//
// Owned by the app. settled() is called by the workers and note() by anyone; both take a lock for the copy of a row.
// An own thread looks at a view once a second, sees what happened since the last one, and adds a point. The pages read
// copies.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka/retention.h"
#include "status/event.h"
#include "status/history.h"
#include "status/view.h"

namespace millrace {

// About one second.
struct TimelinePoint {
  int64_t at_ms = 0;
  double read_per_second = 0;
  double sent_per_second = 0;
  double dead_per_second = 0;
  int64_t lag_records = -1;  // -1: not known
  uint64_t batches = 0;      // settled in this second; the worst of them, or -1 without one:
  double scheduling_ms = -1;
  double processing_ms = -1;
  double delay_ms = -1;
};

class Recorder final : public BatchObserver {
 public:
  struct Settings {
    size_t batches_max = 1'000;
    size_t events_max = 500;
    size_t points_max = 900;
    int64_t every_ms = 1'000;
  };
  // `look` is called by the recorder's thread. `history` outlives the recorder, or is null.
  Recorder(const Settings& settings, std::function<View()> look, History* history);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // A batch that only moved progress over what is no record (the markers of transactions) leaves no row: an idle
  // pipeline would write them for ever.
  void settled(const BatchRow& row) override;
  void note(Event event);

  void start();
  // Looks once more, and ends the thread.
  void stop();

  // One look; the thread's, or a test's.
  void look();

  // The newest first, at most `last`.
  [[nodiscard]] std::vector<BatchRow> batches(size_t last) const;
  [[nodiscard]] std::vector<Event> events(size_t last) const;
  // The oldest first.
  [[nodiscard]] std::vector<TimelinePoint> timeline() const;
  // Of the last look.
  [[nodiscard]] Advice advice() const;
  [[nodiscard]] CatchUp catch_up() const;
  // Bytes a second to each topic, over the last five minutes.
  [[nodiscard]] std::map<std::string, double> written() const;

 private:
  // What the advice looks back to.
  struct Sample {
    int64_t mono_ms = 0;
    Counts counts;
    uint64_t recoveries = 0;
    uint64_t helped_chunks = 0;
    uint64_t settled = 0;  // rows of batches by then
  };
  TimelinePoint point_of(const View& now) const;
  // `way`: is set to how far catching up has come.
  Advice advice_on(const View& now, CatchUp& way);
  std::map<std::string, double> written_at(const View& now);

  const Settings settings_;
  const std::function<View()> look_;
  History* const history_;

  std::unique_ptr<const View> before_;  // of the last look; the recorder's thread only, as what it points to
  std::unique_ptr<const ProgramFacts> facts_before_;

  std::deque<Sample> samples_;  // the oldest first; the recorder's thread only
  CatchUpMeter meter_;          // likewise
  std::map<std::string, Pace> paces_;

  std::atomic<bool> stopping_{false};
  WakeUp wake_;
  Thread thread_;

  mutable Mutex mutex_;
  std::deque<BatchRow> batches_ GUARDED_BY(mutex_);  // the newest first
  uint64_t settled_ GUARDED_BY(mutex_) = 0;          // all of them, also those that are gone
  std::deque<Event> events_ GUARDED_BY(mutex_);      // the newest first
  Advice advice_ GUARDED_BY(mutex_);
  CatchUp catch_up_ GUARDED_BY(mutex_);
  std::map<std::string, double> written_ GUARDED_BY(mutex_);
  std::deque<TimelinePoint> points_ GUARDED_BY(mutex_);  // the oldest first
  TimelinePoint open_ GUARDED_BY(mutex_);                // what the batches since the last look add to
};

}  // namespace millrace
