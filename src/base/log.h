// The log. INFO: what was asked is done. WARN: unexpected, nothing lost. ERROR: a human is needed. Nothing per record.
// Set up once by the app before other threads start; the log functions may be called from any thread.
//
// Lines of one kind and level are limited to 10 a second; what was left out is counted and said. A stderr that is full,
// closed or blocked costs a caller at most 20 ms once, then nothing until it heals: lines are dropped, counted and
// said. Strings from outside (record contents, brokers' texts, file names) are passed through escape_for_log by the
// caller; a line stays one line whatever is in it.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

class Clock;

enum class LogLevel : uint8_t { debug, info, warn, error };
enum class LogFormat : uint8_t { text, json };

struct LogSettings {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  bool journal_priorities = false;  // "<4>" in front of each line, under systemd; the journal brings the time
  int fd = 2;                       // stderr; tests give a pipe
  const Clock* clock = nullptr;     // null: the machine's. Must outlive the log
};

// Also ignores SIGPIPE for the whole process, so that a closed stderr does not end it.
void log_setup(const LogSettings& settings);
// Another level, while the log is in use.
void log_set_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level);

// `kind` is a short fixed word, as "commit" or "rebalance": the unit of rate limiting, and a field of the JSON form.
void log_line(LogLevel level, std::string_view kind, std::string_view text);

// Lines that the rate limit left out since the start.
uint64_t log_lines_suppressed();

// Lines that stderr did not take since the start.
uint64_t log_lines_lost();

std::optional<LogLevel> parse_log_level(std::string_view text);

template <typename... Args>
void log_debug(std::string_view kind, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::debug)) log_line(LogLevel::debug, kind, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(std::string_view kind, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::info)) log_line(LogLevel::info, kind, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warn(std::string_view kind, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::warn)) log_line(LogLevel::warn, kind, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(std::string_view kind, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::error, kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace millrace
