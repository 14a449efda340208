#include "kafka/retention.h"

#include <algorithm>

namespace millrace {

namespace {
constexpr int64_t kKeptMs = 300'000;
}  // namespace

double Pace::add(int64_t now_ms, int64_t value) {
  // A number that went back belongs to something made anew.
  if (!readings_.empty() && value < readings_.back().second) readings_.clear();
  readings_.emplace_back(now_ms, value);
  while (readings_.size() > 2 && readings_[1].first <= now_ms - kKeptMs) readings_.pop_front();
  const auto& [since_ms, before] = readings_.front();
  if (now_ms <= since_ms) return 0;
  return static_cast<double>(value - before) * 1000 / static_cast<double>(now_ms - since_ms);
}

std::optional<double> retention_headroom_s(const TopicSettings& settings, const Unread& unread, int64_t now_wall_ms) {
  if (!settings.deletes || unread.committed < 0 || unread.end < 0 || unread.committed >= unread.end) {
    return std::nullopt;
  }
  std::optional<double> left;
  if (settings.retention_ms >= 0 && unread.before_ms >= 0) {
    left = static_cast<double>(unread.before_ms + settings.retention_ms - now_wall_ms) / 1000;
  }
  if (settings.retention_bytes >= 0 && unread.low >= 0 && unread.low_pace > 0) {
    const double by_size = static_cast<double>(unread.committed - unread.low) / unread.low_pace;
    left = left ? std::min(*left, by_size) : by_size;
  }
  if (!left) return std::nullopt;
  return std::max(*left, 0.0);
}

std::optional<double> storage_bytes(const TopicSettings& settings, double bytes_per_second, int64_t partitions,
                                    int64_t replication) {
  if (!settings.deletes) return std::nullopt;
  std::optional<double> bytes;
  if (settings.retention_ms >= 0) bytes = bytes_per_second * static_cast<double>(settings.retention_ms) / 1000;
  if (settings.retention_bytes >= 0 && partitions > 0) {
    const double most = static_cast<double>(settings.retention_bytes) * static_cast<double>(partitions);
    bytes = bytes ? std::min(*bytes, most) : most;
  }
  if (!bytes) return std::nullopt;
  return *bytes * static_cast<double>(std::max<int64_t>(replication, 1));
}

}  // namespace millrace
