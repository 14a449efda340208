// The state directory with its lock, the touch file, the note of the offset audit.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <future>
#include <vector>

#include "app/audit_note.h"
#include "app/state_directory.h"
#include "app/touch_file.h"
#include "app/touch_file_watch.h"
#include "base/clock.h"
#include "process.h"
#include "support/catch.h"

using namespace millrace;

TEST_CASE("the state directory is made, for its owner alone", "[state]") {
  const TestFolder folder;
  const std::string path = folder / "a/b/c";
  const auto state = StateDirectory::open(path);
  REQUIRE(state);
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  CHECK(read_file(path + "/lock") == std::to_string(getpid()) + "\n");
}

TEST_CASE("a second holder of the lock is told who holds it", "[state]") {
  const TestFolder folder;
  {
    const auto first = StateDirectory::open(folder / "state");
    REQUIRE(first);
    const auto second = StateDirectory::open(folder / "state");
    REQUIRE_FALSE(second);
    CHECK(second.error().exit_code == ExitCode::already_running);
    CHECK(second.error().what.find(std::to_string(getpid())) != std::string::npos);
  }
  CHECK(StateDirectory::open(folder / "state"));
}

TEST_CASE("a place where nothing can be made is a fault of the configuration", "[state]") {
  const auto state = StateDirectory::open("/proc/millrace/state");
  REQUIRE_FALSE(state);
  CHECK(state.error().remedy == Remedy::fix_config);
  CHECK(state.error().exit_code == ExitCode::config);
}

TEST_CASE("notes survive, whole or not at all", "[state]") {
  const TestFolder folder;
  {
    const auto state = StateDirectory::open(folder / "state");
    REQUIRE(state);
    CHECK_FALSE(state->read_note("n").has_value());
    REQUIRE(state->write_note("n", "first"));
    REQUIRE(state->write_note("n", "second"));
  }
  const auto state = StateDirectory::open(folder / "state");
  REQUIRE(state);
  CHECK(state->read_note("n") == std::optional<std::string>("second"));
  CHECK_FALSE(std::filesystem::exists(folder / "state/n.new"));
  state->remove_note("n");
  CHECK_FALSE(state->read_note("n").has_value());
}

TEST_CASE("after an offset audit a start needs to be told", "[state]") {
  const TestFolder folder;
  const auto state = StateDirectory::open(folder / "state");
  REQUIRE(state);
  CHECK(settle_audit_note(*state, AcceptOffsets::no)->empty());

  AuditDifference difference;
  difference.partition = {"orders", 3};
  difference.expected = 120;
  difference.committed = 100;
  REQUIRE(write_audit_note(*state, {difference}));
  const auto refused = settle_audit_note(*state, AcceptOffsets::no);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().exit_code == ExitCode::stopped_by_policy);
  CHECK(refused.error().what.find("orders-3 expected 120 committed 100") != std::string::npos);

  for (const AcceptOffsets accept : {AcceptOffsets::committed, AcceptOffsets::expected}) {
    const auto settled = settle_audit_note(*state, accept);
    REQUIRE(settled);
    REQUIRE(settled->size() == 1);
    CHECK(settled->front().partition == difference.partition);
    CHECK(settled->front().expected == 120);
    CHECK(settled->front().committed == 100);
  }
  forget_audit_note(*state);
  CHECK(settle_audit_note(*state, AcceptOffsets::no)->empty());
}

TEST_CASE("a note of the audit that cannot be read stops the start", "[state]") {
  const TestFolder folder;
  const auto state = StateDirectory::open(folder / "state");
  REQUIRE(state->write_note("offset-audit", "orders 3 many\n"));
  const auto settled = settle_audit_note(*state, AcceptOffsets::committed);
  REQUIRE_FALSE(settled);
  CHECK(settled.error().exit_code == ExitCode::stopped_by_policy);
}

TEST_CASE("the touch file is made, and its removal is seen at the second look", "[touch_file]") {
  const TestFolder folder;
  TouchFile file(folder / "running");
  REQUIRE(file.make("remove me\n"));
  CHECK(read_file(folder / "running") == "remove me\n");
  CHECK_FALSE(file.gone());
  unlink((folder / "running").c_str());
  CHECK_FALSE(file.gone());
  CHECK(file.gone());
}

TEST_CASE("a stale touch file is taken over", "[touch_file]") {
  const TestFolder folder;
  folder.write("running", "of a process that was killed");
  TouchFile file(folder / "running");
  REQUIRE(file.make("mine"));
  CHECK(read_file(folder / "running") == "mine");
}

TEST_CASE("only an absence seen twice in a row is a request to stop", "[touch_file]") {
  struct Case {
    std::string what;
    std::vector<int> looks;  // 0: there, else errno
    size_t stops_at;         // index of the look that stops; the number of looks: none does
  };
  const std::vector<Case> cases = {
      {"gone", {0, ENOENT, ENOENT}, 2},
      {"replaced by a rename", {0, ENOENT, 0, ENOENT, 0}, 5},
      {"a file system that answers with errors", {EIO, ESTALE, EACCES, EIO, EIO, ENOTDIR, ELOOP}, 7},
      {"an error between two absences", {ENOENT, EIO, ENOENT, ESTALE, ENOENT}, 5},
      {"gone after an error", {EIO, ENOENT, ENOENT}, 2},
  };
  for (const Case& each : cases) {
    INFO(each.what);
    size_t at = 0;
    TouchFile file("/x", [&](const std::string&) { return each.looks[at]; });
    size_t stopped = each.looks.size();
    for (; at < each.looks.size() && stopped == each.looks.size(); ++at) {
      if (file.gone()) stopped = at;
    }
    CHECK(stopped == each.stops_at);
  }
}

TEST_CASE("a touch file that cannot be made is a fault of the configuration", "[touch_file]") {
  const TestFolder folder;
  const auto refused = [](const std::string& path) {
    TouchFile file(path);
    const auto made = file.make("x");
    return !made && made.error().exit_code == ExitCode::config;
  };
  CHECK(refused(folder / "missing/running"));
  REQUIRE(mkdir((folder / "folder").c_str(), 0700) == 0);
  CHECK(refused(folder / "folder"));
  folder.write("target", "precious");
  REQUIRE(symlink((folder / "target").c_str(), (folder / "link").c_str()) == 0);
  CHECK(refused(folder / "link"));
  CHECK(read_file(folder / "target") == "precious");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(refused(folder / "pipe"));
}

TEST_CASE("a file system that hangs under the touch file holds up nobody", "[touch_file]") {
  ManualClock clock;
  std::promise<void> looking;
  std::promise<void> answer;
  const std::shared_future<void> answered = answer.get_future().share();
  std::atomic<bool> first{true};
  TouchFileWatch watch(TouchFile("/x",
                                 [&, answered](const std::string&) {
                                   if (first.exchange(false)) looking.set_value();
                                   answered.wait();
                                   return 0;
                                 }),
                       clock);
  REQUIRE(looking.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  clock.advance_ms(TouchFileWatch::kSlowLookMs);
  CHECK_FALSE(watch.gone());
  CHECK_FALSE(watch.end());
  answer.set_value();
}

TEST_CASE("the watch of the touch file sees that it is gone, and ends", "[touch_file]") {
  const TestFolder folder;
  TouchFile file(folder / "running");
  REQUIRE(file.make("remove me"));
  const SystemClock clock;
  TouchFileWatch watch(TouchFile(folder / "running"), clock);
  CHECK_FALSE(watch.gone());
  unlink((folder / "running").c_str());
  WakeUp turn;
  for (int turns = 0; turns < 1000 && !watch.gone(); ++turns) turn.wait(10);
  CHECK(watch.gone());
  CHECK(watch.end());
}
