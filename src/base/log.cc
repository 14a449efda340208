#include "base/log.h"

#include <poll.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"

namespace millrace {

namespace {

constexpr int64_t kWindowMs = 1000;
constexpr uint64_t kLinesPerWindow = 10;
constexpr size_t kKindsMax = 256;  // beyond, kinds share one allowance
constexpr size_t kTextBytesMax = 4000;
constexpr size_t kPieceBytes = 4096;  // what poll() promises to fit into a pipe (PIPE_BUF)
constexpr int kWriteWaitMs = 20;

// Counts the lines of each kind in windows of a second.
class RateLimit {
 public:
  // Whether a line may pass now. `left_out`: lines of this kind to speak of before it.
  bool pass(std::string_view kind, LogLevel level, int64_t now_ms, uint64_t& left_out) {
    auto found = windows_.find(Key{std::string(kind), level});
    if (found == windows_.end()) {
      const bool full = windows_.size() >= kKindsMax;
      found = windows_.try_emplace(Key{full ? std::string("other") : std::string(kind), level}).first;
      if (found->second.lines == 0) found->second.begin_ms = now_ms;
    }
    Window& window = found->second;
    left_out = 0;
    if (now_ms - window.begin_ms >= kWindowMs) left_out = std::exchange(window, Window{now_ms, 0, 0}).left_out;
    if (window.lines >= kLinesPerWindow) {
      ++window.left_out;
      return false;
    }
    ++window.lines;
    return true;
  }

 private:
  using Key = std::pair<std::string, LogLevel>;
  struct Window {
    int64_t begin_ms = 0;
    uint64_t lines = 0;
    uint64_t left_out = 0;
  };
  std::map<Key, Window> windows_;
};

// Writes whole lines to a descriptor that may be blocked, full or closed, without making its flags anybody's business
// (O_NONBLOCK would change the terminal of every process that shares it).
class LineWriter {
 public:
  void use(int fd) {
    fd_ = fd;
    wait_ms_ = kWriteWaitMs;
    broken_line_ = false;
  }

  // False when the line, or a part of it, could not be written.
  bool write(std::string_view line) {
    if (broken_line_ && !write_piece("\n")) return false;
    broken_line_ = false;
    for (bool first = true; !line.empty(); first = false) {
      const size_t written = write_piece(line.substr(0, kPieceBytes));
      if (written == 0) {
        broken_line_ = !first;
        return false;
      }
      line.remove_prefix(written);
    }
    wait_ms_ = kWriteWaitMs;
    return true;
  }

 private:
  // What was written; 0 when nothing could be, now.
  size_t write_piece(std::string_view piece) {
    pollfd target{fd_, POLLOUT, 0};
    if (poll(&target, 1, wait_ms_) <= 0) {
      wait_ms_ = 0;  // whoever logs next must not wait too, until it works again
      return 0;
    }
    ssize_t written = send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK) written = ::write(fd_, piece.data(), piece.size());
    return written > 0 ? static_cast<size_t>(written) : 0;
  }

  int fd_ = STDERR_FILENO;
  int wait_ms_ = kWriteWaitMs;
  bool broken_line_ = false;
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  constexpr std::array kLevels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
  return kLevels[static_cast<size_t>(level)];
}

std::string_view priority(LogLevel level) {
  constexpr std::array<std::string_view, 4> kPriorities{"<7>", "<6>", "<4>", "<3>"};
  return kPriorities[static_cast<size_t>(level)];
}

class Log {
 public:
  void set_up(const LogSettings& settings) {
    MutexLock lock(mutex_);
    settings_ = settings;
    writer_.use(settings.fd);
    limit_ = RateLimit();
    unsaid_lost_ = 0;
    const char* pattern = "%Y-%m-%dT%H:%M:%S.%eZ %-7l %n: %v";
    if (settings.format == LogFormat::json) {
      pattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","kind":"%n","text":"%v"})";
    } else if (settings.journal_priorities) {
      pattern = "%n: %v";
    }
    formatter_ = std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc);
  }

  void line(LogLevel level, std::string_view kind, std::string_view text) {
    MutexLock lock(mutex_);
    const Clock& clock = settings_.clock != nullptr ? *settings_.clock : system_clock_;
    uint64_t left_out = 0;
    if (!limit_.pass(kind, level, clock.mono_ms(), left_out)) {
      suppressed.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (left_out > 0) {
      write(level, kind, fmt::format("{} lines like the next one were left out (10 a second)", left_out), clock);
    }
    if (unsaid_lost_ > 0) {
      const uint64_t unsaid = unsaid_lost_;
      // On failure write() counts this line too, and the sum is said another time.
      if (write(LogLevel::warn, "log", fmt::format("{} lines before this one could not be written", unsaid), clock)) {
        unsaid_lost_ -= unsaid;
      }
    }
    write(level, kind, text, clock);
  }

  std::atomic<LogLevel> least_level{LogLevel::info};
  std::atomic<uint64_t> suppressed{0};
  std::atomic<uint64_t> lost{0};

 private:
  bool write(LogLevel level, std::string_view kind, std::string_view text, const Clock& clock) REQUIRES_LOCK(mutex_) {
    const bool json = settings_.format == LogFormat::json;
    const std::string safe_kind = escape_for_log(kind, 64);
    const std::string safe_text =
        json ? escape_for_json(text.substr(0, kTextBytesMax)) : escape_for_log(text, kTextBytesMax);
    const spdlog::log_clock::time_point time{std::chrono::milliseconds(clock.wall_ms())};
    const spdlog::details::log_msg message(time, {}, spdlog::string_view_t(safe_kind.data(), safe_kind.size()),
                                           spdlog_level(level),
                                           spdlog::string_view_t(safe_text.data(), safe_text.size()));
    spdlog::memory_buf_t formatted;
    if (settings_.journal_priorities) {
      const std::string_view number = priority(level);
      formatted.append(number.data(), number.data() + number.size());
    }
    formatter_->format(message, formatted);
    if (writer_.write({formatted.data(), formatted.size()})) return true;
    lost.fetch_add(1, std::memory_order_relaxed);
    ++unsaid_lost_;
    return false;
  }

  const SystemClock system_clock_{};
  Mutex mutex_;
  LogSettings settings_ GUARDED_BY(mutex_);
  LineWriter writer_ GUARDED_BY(mutex_);
  RateLimit limit_ GUARDED_BY(mutex_);
  std::unique_ptr<spdlog::pattern_formatter> formatter_ GUARDED_BY(mutex_);
  uint64_t unsaid_lost_ GUARDED_BY(mutex_) = 0;
};

// Never destroyed: threads that outlive main may still log.
Log& the_log() {
  static Log* log = [] {
    auto* made = new Log();
    made->set_up(LogSettings{});
    return made;
  }();
  return *log;
}

}  // namespace

void log_setup(const LogSettings& settings) {
  std::signal(SIGPIPE, SIG_IGN);
  the_log().least_level = settings.level;
  the_log().set_up(settings);
}

void log_set_level(LogLevel level) {
  the_log().least_level = level;
}

bool log_enabled(LogLevel level) {
  return level >= the_log().least_level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view kind, std::string_view text) {
  if (log_enabled(level)) the_log().line(level, kind, text);
}

uint64_t log_lines_suppressed() {
  return the_log().suppressed.load(std::memory_order_relaxed);
}

uint64_t log_lines_lost() {
  return the_log().lost.load(std::memory_order_relaxed);
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  if (text == "debug") return LogLevel::debug;
  if (text == "info") return LogLevel::info;
  if (text == "warn") return LogLevel::warn;
  if (text == "error") return LogLevel::error;
  return std::nullopt;
}

}  // namespace millrace
