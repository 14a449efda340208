// History: every batch and every event as a row of a database, written beside the pipeline and never in its way.
//
// Owned by the app. add() may be called by any thread: it takes a lock that is held for the copy of one row, and
// returns. An own thread writes what has gathered, about once a second. While the database is down, full, locked or
// slow, rows wait; beyond `queue_max` the oldest are dropped and counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/thread.h"
#include "status/forget_clock.h"
#include "status/history_sql.h"
#include "status/sql_connection.h"
#include "status/view.h"

namespace millrace {

class History {
 public:
  struct Settings {
    HistoryOwner owner;
    int64_t keep_ms = 7LL * 24 * 3600 * 1000;
    int64_t rows_max = 1'000'000;
    size_t queue_max = 10'000;  // rows; about 4 MiB
    size_t write_max = 500;     // rows of one transaction
    int64_t write_every_ms = 1'000;
    int64_t retry_first_ms = 1'000;
    int64_t retry_max_ms = 30'000;
    int64_t forget_every_ms = 60'000;
  };

  History(Settings settings, std::unique_ptr<SqlConnection> connection, const Clock& clock);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  void add(const BatchRow& row);
  void add(const Event& event);

  void start();
  // Writes what waits, as far as that succeeds within the time, and ends the thread. False: it hangs in a call of the
  // system and was left behind; leave with _exit.
  bool stop(int64_t timeout_ms);

  [[nodiscard]] HistoryStatus status() const;

 private:
  struct Entry {
    bool is_event = false;
    BatchRow row;
    NumberedEvent event;
  };
  void push(Entry entry);
  void run();
  // Writes one transaction's worth. False: nothing waits, or it could not be written.
  bool write_some();
  Result<void> write(const std::deque<Entry>& entries);
  void forget();
  void say(const std::string& trouble);

  const Settings settings_;
  const Clock& clock_;
  const std::unique_ptr<SqlConnection> connection_;

  // The writer's thread only.
  bool tables_made_ = false;
  int64_t retry_ms_ = 0;  // 0: the last write was well
  int64_t forget_at_ms_ = 0;
  std::optional<ForgetClock> forget_clock_;  // from the first look at what is there

  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
  WakeUp wake_;
  Thread thread_;

  mutable Mutex mutex_;
  std::deque<Entry> queue_ GUARDED_BY(mutex_);
  HistoryStatus status_ GUARDED_BY(mutex_);
  uint64_t events_ GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace
