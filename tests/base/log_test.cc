// The log on a pipe of its own, with a clock that is told: what a line looks like, and what happens when nobody reads.
#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "support/catch.h"

namespace millrace {

namespace {

// Sends the log into a pipe while it lives.
class CapturedLog {
 public:
  explicit CapturedLog(LogSettings settings = {}) {
    REQUIRE(pipe2(fds_, O_CLOEXEC) == 0);
    fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    settings.fd = fds_[1];
    settings.clock = &clock;
    log_setup(settings);
  }
  ~CapturedLog() {
    log_setup(LogSettings{});
    close_reader();
    close(fds_[1]);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  // What has been written since the last call.
  std::string text() {
    std::string result;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(fds_[0], buffer, sizeof(buffer))) > 0;) {
      result.append(buffer, static_cast<size_t>(got));
    }
    return result;
  }
  void close_reader() {
    if (fds_[0] >= 0) close(fds_[0]);
    fds_[0] = -1;
  }

  ManualClock clock{1'700'000'000'123};

 private:
  int fds_[2] = {-1, -1};
};

size_t lines_in(const std::string& text) {
  return split(text, '\n').size() - 1;
}

// Not a JSON parser: enough to see that nothing inside a string ends it, and that no control character is raw.
bool is_one_json_line(const std::string& line) {
  if (!line.starts_with("{\"time\":\"") || !line.ends_with("\"}\n")) return false;
  size_t quotes = 0;
  for (size_t i = 0; i + 1 < line.size(); ++i) {
    if (static_cast<unsigned char>(line[i]) < 0x20) return false;
    if (line[i] == '\\')
      ++i;
    else if (line[i] == '"')
      ++quotes;
  }
  return quotes == 16 && is_valid_utf8(line);
}

}  // namespace

TEST_CASE("a line of text has time, level, kind and text") {
  CapturedLog log;
  log_info("commit", "batch {} of {} records", 812, 5);
  CHECK(log.text() == "2023-11-14T22:13:20.123Z info    commit: batch 812 of 5 records\n");
  log_error("lock", "cannot lock");
  CHECK(log.text() == "2023-11-14T22:13:20.123Z error   lock: cannot lock\n");
}

TEST_CASE("levels below the set one are silent") {
  CapturedLog log({.level = LogLevel::warn});
  log_debug("a", "no");
  log_info("a", "no");
  CHECK(log.text().empty());
  log_warn("a", "yes");
  CHECK(log.text().find("warning a: yes") != std::string::npos);
  CHECK_FALSE(log_enabled(LogLevel::info));
  CHECK(log_enabled(LogLevel::error));
}

TEST_CASE("a line of JSON is one object") {
  CapturedLog log({.format = LogFormat::json});
  log_warn("broker", "down");
  CHECK(log.text() ==
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warning\",\"kind\":\"broker\",\"text\":\"down\"}\n");
}

TEST_CASE("the journal gets priorities instead of the time") {
  CapturedLog log({.level = LogLevel::debug, .journal_priorities = true});
  log_debug("a", "one");
  log_info("a", "two");
  log_warn("a", "three");
  log_error("a", "four");
  CHECK(log.text() == "<7>a: one\n<6>a: two\n<4>a: three\n<3>a: four\n");
}

TEST_CASE("nasty strings stay one line, and JSON stays JSON") {
  const std::vector<std::string> nasty{"a\nb",
                                       "\x1b[2J\x1b[1;1H",
                                       std::string("nul\0here", 8),
                                       "\",\"level\":\"fake\"}\n{\"time\":\"",
                                       "\\",
                                       "\xff\xfe\xc3",
                                       "\u2028\u2029\u0085",
                                       "%v %n {} {0}",
                                       std::string(1 << 20, 'x')};
  for (const LogFormat format : {LogFormat::text, LogFormat::json}) {
    for (const std::string& text : nasty) {
      CapturedLog log({.format = format});
      log_line(LogLevel::info, "test", text);
      const std::string line = log.text();
      INFO(line.substr(0, 200));
      CHECK(lines_in(line) == 1);
      CHECK(line.size() < 10'000);
      if (format == LogFormat::json) CHECK(is_one_json_line(line));
    }
  }
}

TEST_CASE("ten lines a second of one kind, and the rest is counted and said") {
  CapturedLog log;
  const uint64_t before = log_lines_suppressed();
  for (int i = 0; i < 25; ++i) log_info("flood", "line {}", i);
  CHECK(lines_in(log.text()) == 10);
  CHECK(log_lines_suppressed() - before == 15);

  log_info("other", "passes");
  log_error("flood", "an error is not hidden by the flood of another level");
  CHECK(lines_in(log.text()) == 2);

  log.clock.advance_ms(999);
  log_info("flood", "too early");
  CHECK(log.text().empty());
  log.clock.advance_ms(1);
  log_info("flood", "again");
  const std::string text = log.text();
  CHECK(lines_in(text) == 2);
  CHECK(text.find("16 lines like the next one were left out") != std::string::npos);
  CHECK(text.find("flood: again") != std::string::npos);
}

TEST_CASE("kinds without end do not take memory without end") {
  CapturedLog log;
  for (int i = 0; i < 2000; ++i) {
    log_line(LogLevel::info, "kind" + std::to_string(i), "x");
    log.text();
  }
  log_line(LogLevel::info, "kind1999", "y");
  CHECK(log.text().empty());  // beyond the limit all share the allowance of one kind
}

TEST_CASE("a pipe that nobody reads drops lines and says so later") {
  CapturedLog log;
  const uint64_t before = log_lines_lost();
  const std::string filler(3000, 'x');
  for (int i = 0; i < 60 && log_lines_lost() == before; ++i) {
    log.clock.advance_ms(1000);
    log_line(LogLevel::info, "fill", filler);
  }
  REQUIRE(log_lines_lost() > before);
  for (int i = 0; i < 5; ++i) {
    log.clock.advance_ms(1000);
    log_info("fill", "unheard");
  }
  const uint64_t lost = log_lines_lost() - before;
  CHECK(lost >= 6);
  log.text();
  log_info("heard", "again");
  const std::string text = log.text();
  CHECK(text.find("lines before this one could not be written") != std::string::npos);
  CHECK(text.find("heard: again") != std::string::npos);
}

TEST_CASE("a closed pipe and a full disk end nothing") {
  {
    CapturedLog log;
    log.close_reader();
    const uint64_t before = log_lines_lost();
    log_info("a", "to nobody");
    CHECK(log_lines_lost() - before == 1);
  }
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full >= 0) {
    log_setup({.fd = full});
    const uint64_t before = log_lines_lost();
    log_info("a", "no room");
    CHECK(log_lines_lost() - before == 1);
    log_setup(LogSettings{});
    close(full);
  }
}

TEST_CASE("log levels by name") {
  CHECK(parse_log_level("debug") == LogLevel::debug);
  CHECK(parse_log_level("error") == LogLevel::error);
  CHECK_FALSE(parse_log_level("INFO").has_value());
}

}  // namespace millrace
