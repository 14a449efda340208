#include "kafka/library_log.h"

#include <syslog.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

namespace millrace {

namespace {

constexpr int64_t kShownEveryMs = 10'000;
constexpr int64_t kOutageOverMs = 30'000;  // so long without a failed connection
constexpr size_t kBrokersMax = 1000;

// "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ..." -> "127.0.0.1:9092". A broker has two names before and
// after its number is known; both have the address.
std::string_view broker_in(std::string_view text) {
  constexpr std::string_view kThread = "]: ";
  if (const size_t at = text.find(kThread); text.starts_with("[thrd:") && at != std::string_view::npos) {
    text.remove_prefix(at + kThread.size());
  }
  return text.substr(0, text.find_first_of("/ "));
}

bool is_shown(std::string_view text) {
  static const SystemClock clock;
  static Mutex mutex;
  // Never destroyed: librdkafka's threads may outlive main.
  static OutageFilter& filter = *new OutageFilter();
  const MutexLock lock(mutex);
  return filter.shows(text, clock.mono_ms());
}

}  // namespace

bool OutageFilter::shows(std::string_view text, int64_t now_ms) {
  const std::string_view broker = broker_in(text);
  auto found = last_ms_.find(broker);
  const bool begins = found == last_ms_.end() || now_ms - found->second >= kOutageOverMs;
  if (found == last_ms_.end()) {
    if (last_ms_.size() >= kBrokersMax) last_ms_.clear();
    found = last_ms_.emplace(broker, now_ms).first;
  }
  found->second = now_ms;
  if (!begins && now_ms - shown_ms_ < kShownEveryMs) return false;
  shown_ms_ = now_ms;
  return true;
}

std::optional<std::pair<std::string, std::string>> parse_refused_partition(std::string_view text) {
  constexpr std::string_view kBefore = "Failed to add partition \"";
  constexpr std::string_view kBehind = "to transaction: ";
  const size_t begin = text.find(kBefore);
  if (begin == std::string_view::npos) return std::nullopt;
  text.remove_prefix(begin + kBefore.size());
  const size_t quote = text.find('"');
  const size_t behind = text.find(kBehind);
  if (quote == std::string_view::npos || behind == std::string_view::npos) return std::nullopt;
  return std::pair(std::string(text.substr(0, quote)), std::string(text.substr(behind + kBehind.size())));
}

void log_from_library(const rd_kafka_t* /*client*/, int level, const char* facility, const char* text) {
  LogLevel to = level >= LOG_DEBUG ? LogLevel::debug : level >= LOG_NOTICE ? LogLevel::info : LogLevel::warn;
  const std::string_view about = facility;
  if (to != LogLevel::debug && (about == "FAIL" || about == "ERROR" || about == "SSL") && !is_shown(text))
    to = LogLevel::debug;
  if (log_enabled(to)) log_line(to, "librdkafka", std::string(about) + ": " + escape_for_log(text, 512));
}

}  // namespace millrace
