#include "status/history.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "status/forget_clock.h"
#include "status/history_sql.h"
#include "support/catch.h"

using namespace millrace;

namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/millrace-history-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

const SystemClock kClock;
constexpr SqlLimits kQuick{100};

// Of now, so that it is not too old to be kept.
BatchRow row_of(uint64_t number, int64_t completed_ms = kClock.wall_ms()) {
  BatchRow row;
  row.number = number;
  row.config_hash = "abc";
  row.submitted_wall_ms = completed_ms - 110;
  row.opened_wall_ms = completed_ms - 100;
  row.completed_wall_ms = completed_ms;
  row.interval_ms = 1'000;
  row.records = 10;
  row.bytes = 1'000;
  row.sent = 6;
  row.filtered = 3;
  row.dead = 1;
  row.rejected[static_cast<size_t>(RejectReason::expression_error)] = 1;
  row.seconds[static_cast<size_t>(BatchPhase::process)] = 0.02;
  row.seconds[static_cast<size_t>(BatchPhase::commit)] = 0.03;
  row.scheduling_seconds = 0.01;
  row.delay_seconds = 0.04;
  return row;
}

History::Settings quick_settings() {
  History::Settings settings;
  settings.owner = {"shop", "shop-1", 1'700'000'000'000};
  settings.write_every_ms = 5;
  settings.retry_first_ms = 5;
  settings.retry_max_ms = 20;
  return settings;
}

// The one value that a query gives.
std::string ask(const std::string& path, const std::string& sql) {
  const auto rows = make_sqlite_reader(path, SqlLimits{}, kClock)->query(sql);
  if (!rows) return "error: " + rows.error().what;
  return rows->rows.empty() ? "nothing" : rows->rows[0][0].value_or("null");
}

template <typename Condition>
bool comes(const Condition& condition) {
  WakeUp pause;
  for (int i = 0; i < 2'000; ++i) {
    if (condition()) return true;
    (void)pause.wait(10);
  }
  return false;
}

}  // namespace

TEST_CASE("text in a statement stays text", "[history]") {
  CHECK(sql_text("plain") == "'plain'");
  CHECK(sql_text("it's; DROP TABLE batches; --") == "'it''s; DROP TABLE batches; --'");
  CHECK(sql_text(std::string("a\0b\nc", 5)).find('\n') == std::string::npos);
  CHECK(sql_text(std::string("a\0b", 3)).find('\0') == std::string::npos);
  CHECK(sql_text(std::string(100'000, 'x')).size() < 2'000);
}

TEST_CASE("batches and events become rows that others read meanwhile", "[history]") {
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  History history(quick_settings(), make_sqlite(path, SqlLimits{}, kClock), kClock);
  history.start();
  history.add(row_of(1));
  history.add(row_of(2));
  history.add(Event{kClock.wall_ms(), "recovery", "it's", "\"quoted\""});
  REQUIRE(comes([&] { return history.status().batches_written == 2 && history.status().events_written == 1; }));
  CHECK(ask(path, "SELECT count(*) FROM batches") == "2");
  CHECK(ask(path, "SELECT processing_ms FROM batches WHERE number = 2") == "50.0");
  CHECK(ask(path, "SELECT started_ms - submitted_ms FROM batches LIMIT 1") == "10");
  CHECK(ask(path, "SELECT errors FROM batches LIMIT 1") == R"({"expression_error":1})");
  CHECK(ask(path, "SELECT received - sent - filtered - dead FROM batches LIMIT 1") == "0");
  CHECK(ask(path, "SELECT subject || text FROM events") == "it's\"quoted\"");
  CHECK(ask(path, "SELECT now_ms > 1700000000000 FROM clock") == "1");
  CHECK(ask(path, "DELETE FROM batches").find("error") == 0);
  history.add(row_of(3));
  REQUIRE(history.stop(5'000));
  CHECK(ask(path, history_batches("shop", "shop-1", 1)) == "shop");
  CHECK(ask(path, "SELECT max(number) FROM batches") == "3");
}

TEST_CASE("a transaction that is written twice stands there once", "[history]") {
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  const auto database = make_sqlite(path, SqlLimits{}, kClock);
  const std::vector<BatchRow> rows = {row_of(1), row_of(2)};
  const std::vector<NumberedEvent> events = {{1, {5, "start", "", ""}}};
  const std::string insert = history_insert({"p", "i", 1}, rows, events);
  REQUIRE(database->execute(history_schema(SqlConnection::Dialect::sqlite)));
  REQUIRE(database->execute(insert));
  REQUIRE(database->execute(insert));
  CHECK(ask(path, "SELECT count(*) FROM batches") == "2");
  CHECK(ask(path, "SELECT count(*) FROM events") == "1");
}

TEST_CASE("old rows go by age and by number, those of other instances stay", "[history]") {
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  const auto database = make_sqlite(path, SqlLimits{}, kClock);
  REQUIRE(database->execute(history_schema(SqlConnection::Dialect::sqlite)));
  std::vector<BatchRow> rows;
  for (uint64_t i = 1; i <= 10; ++i) rows.push_back(row_of(i, static_cast<int64_t>(1'000 * i)));
  const std::vector<NumberedEvent> events = {{1, {1'000, "start", "", ""}}, {2, {9'000, "stop", "", ""}}};
  const HistoryOwner ours{"p", "ours", 1};
  REQUIRE(database->execute(history_insert(ours, rows, events)));
  REQUIRE(database->execute(history_insert({"p", "theirs", 1}, rows, {})));
  REQUIRE(database->execute(history_forget(ours, SqlConnection::Dialect::sqlite, 3'000, 100)));
  CHECK(ask(path, "SELECT count(*) FROM batches WHERE instance = 'ours'") == "8");
  CHECK(ask(path, "SELECT count(*) FROM events") == "1");
  REQUIRE(database->execute(history_forget(ours, SqlConnection::Dialect::sqlite, 3'000, 5)));
  CHECK(ask(path, "SELECT count(*) FROM batches WHERE instance = 'ours'") == "5");
  CHECK(ask(path, "SELECT min(number) FROM batches WHERE instance = 'ours'") == "6");
  CHECK(ask(path, "SELECT count(*) FROM batches WHERE instance = 'theirs'") == "10");
}

TEST_CASE("what is forgotten goes by a wall clock that goes like the steady one", "[history]") {
  constexpr int64_t kDayMs = 24LL * 3600 * 1000;
  constexpr int64_t kWall = 1'700'000'000'000;
  int64_t mono = 5'000;
  int64_t wall = kWall;
  ForgetClock clock(std::nullopt, wall, mono);
  // How far behind the wall clock it is.
  const auto lag_after = [&](int64_t wall_ms, int64_t mono_ms) {
    wall += wall_ms;
    mono += mono_ms;
    return wall - clock.now_ms(wall, mono);
  };
  CHECK(lag_after(60'000, 60'000) == 0);
  CHECK(lag_after(60'500, 60'000) == 0);  // set by a little
  SECTION("a step forward is not believed for a day") {
    CHECK(lag_after(30 * kDayMs + 60'000, 60'000) == 30 * kDayMs);
    CHECK(clock.ahead_ms() == 30 * kDayMs);
    CHECK(lag_after(kDayMs / 2, kDayMs / 2) == 30 * kDayMs);
    SECTION("and then it is") {
      CHECK(lag_after(kDayMs, kDayMs) == 0);
      CHECK(clock.ahead_ms() == 0);
    }
    SECTION("another step begins its own day") {
      CHECK(lag_after(kDayMs + 60'000, 60'000) == 31 * kDayMs);
      CHECK(lag_after(kDayMs * 3 / 4, kDayMs * 3 / 4) == 31 * kDayMs);
    }
    SECTION("one that is taken back was none") {
      CHECK(lag_after(60'000 - 30 * kDayMs, 60'000) == 0);
      CHECK(clock.ahead_ms() == 0);
    }
  }
  SECTION("a step back is taken as it is: it forgets nothing") {
    CHECK(lag_after(-30 * kDayMs, 60'000) == 0);
    CHECK(lag_after(60'000, 60'000) == 0);
  }
  SECTION("at the start, the rows of before say what time it was") {
    ForgetClock later(kWall, kWall + 9 * kDayMs, 5);
    CHECK(later.now_ms(kWall + 9 * kDayMs + 1'000, 1'005) == kWall + 1'000);
    ForgetClock soon(kWall, kWall + 9'000, 5);
    CHECK(soon.now_ms(kWall + 10'000, 1'005) == kWall + 10'000);
    ForgetClock behind(kWall + kDayMs, kWall, 5);
    CHECK(behind.now_ms(kWall + 1'000, 1'005) == kWall + 1'000);
  }
}

namespace {

// Its wall clock steps when it is told to.
class SteppingClock final : public Clock {
 public:
  [[nodiscard]] int64_t mono_ns() const override { return steady_.mono_ns(); }
  [[nodiscard]] int64_t wall_ms() const override { return steady_.wall_ms() + step_ms_.load(); }
  void step_ms(int64_t ms) { step_ms_.fetch_add(ms); }
  void advance_ms(int64_t ms) { steady_.advance_ms(ms); }

 private:
  ManualClock steady_;
  std::atomic<int64_t> step_ms_{0};
};

}  // namespace

TEST_CASE("a clock that steps forward takes no row away, age does", "[history]") {
  constexpr int64_t kEightDaysMs = 8LL * 24 * 3600 * 1000;
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  SteppingClock clock;
  History::Settings settings = quick_settings();
  settings.forget_every_ms = 0;
  std::optional<History> history;
  const auto start = [&](int64_t run_ms) {
    settings.owner.run_ms = run_ms;
    history.emplace(settings, make_sqlite(path, SqlLimits{}, kClock), clock);
    history->start();
  };
  // Between two rows that are written one after the other, what is old is forgotten once at least.
  uint64_t written = 0;
  const auto write_two = [&] {
    const uint64_t before = history->status().batches_written;
    for (uint64_t i = 1; i <= 2; ++i) {
      history->add(row_of(++written, clock.wall_ms()));
      REQUIRE(comes([&] { return history->status().batches_written == before + i; }));
    }
  };
  const auto rows = [&] { return ask(path, "SELECT count(*) FROM batches"); };
  start(1);
  write_two();
  SECTION("a step") {
    clock.step_ms(kEightDaysMs);
    write_two();
    CHECK(rows() == "4");
  }
  SECTION("a step, and a restart") {
    REQUIRE(history->stop(5'000));
    clock.step_ms(kEightDaysMs);
    start(2);
    write_two();
    CHECK(rows() == "4");
  }
  SECTION("time that really went by") {
    clock.advance_ms(kEightDaysMs);
    write_two();
    CHECK(rows() == "2");
  }
  CHECK(history->status().trouble.empty());
  REQUIRE(history->stop(5'000));
}

TEST_CASE("a locked file keeps rows waiting, drops the oldest beyond the bound, and nobody else waits", "[history]") {
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  const auto locker = make_sqlite(path, SqlLimits{}, kClock);
  REQUIRE(locker->execute("CREATE TABLE t (x); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)"));
  History::Settings settings = quick_settings();
  settings.queue_max = 50;
  History history(settings, make_sqlite(path, kQuick, kClock), kClock);
  history.start();
  for (uint64_t i = 1; i <= 80; ++i) history.add(row_of(i));
  REQUIRE(comes([&] { return !history.status().trouble.empty(); }));
  CHECK(history.status().trouble.find("locked") != std::string::npos);
  CHECK(history.status().batches_written == 0);
  for (uint64_t i = 81; i <= 200; ++i) history.add(row_of(i));
  REQUIRE(locker->execute("COMMIT"));
  REQUIRE(comes([&] {
    const HistoryStatus status = history.status();
    return status.batches_written + status.dropped == 200;
  }));
  CHECK(history.status().dropped >= 100);
  CHECK(ask(path, "SELECT max(number) FROM batches") == "200");
}

TEST_CASE("a stop does not wait for a file that stays locked", "[history]") {
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  const auto locker = make_sqlite(path, SqlLimits{}, kClock);
  REQUIRE(locker->execute("CREATE TABLE t (x); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)"));
  constexpr SqlLimits kLong{3'600'000};
  History history(quick_settings(), make_sqlite(path, kLong, kClock), kClock);
  history.start();
  history.add(row_of(1));
  CHECK(history.stop(4'000));
  CHECK(history.status().batches_written == 0);
}

TEST_CASE("a file that is no database is told, and another one in its place is used", "[history]") {
  const Folder folder;
  const std::string path = folder / "history.sqlite";
  std::ofstream(path) << std::string(4'096, 'x');
  History history(quick_settings(), make_sqlite(path, kQuick, kClock), kClock);
  history.start();
  history.add(row_of(1));
  REQUIRE(comes([&] { return !history.status().trouble.empty(); }));
  CHECK(history.status().trouble.find("not a database") != std::string::npos);
  std::filesystem::remove(path);
  REQUIRE(comes([&] { return history.status().batches_written == 1; }));
  CHECK(history.status().trouble.empty());
}

TEST_CASE("a PostgreSQL that is not there, or says nothing, costs its limit", "[history]") {
  const auto nobody = make_postgres("host=127.0.0.1 port=1 dbname=x user=x", SqlLimits{2'000}, kClock);
  const auto refused = nobody->execute("SELECT 1");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("refused") != std::string::npos);

  // A port that takes connections and never answers.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(listen(fd, 4) == 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  const std::string where = "host=127.0.0.1 dbname=x user=x port=" + std::to_string(ntohs(address.sin_port));
  const auto silent = make_postgres(where, kQuick, kClock)->execute("SELECT 1");
  REQUIRE_FALSE(silent);
  CHECK(silent.error().what.find("are over") != std::string::npos);
  // And a stop does not wait for one with a long limit.
  History history(quick_settings(), make_postgres(where, SqlLimits{3'600'000}, kClock), kClock);
  history.start();
  history.add(row_of(1));
  CHECK(history.stop(4'000));
  close(fd);
}

TEST_CASE("a wrong connection string is told", "[history]") {
  const auto wrong = make_postgres("hots=db", SqlLimits{}, kClock)->execute("SELECT 1");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().what.find("hots") != std::string::npos);
}
