#include "app/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "base/text.h"

namespace millrace {
namespace {

constexpr int64_t kTerminalEveryMs = 500;
constexpr int64_t kLineEveryMs = 10'000;

}  // namespace

std::string progress_text(const std::string& doing, uint64_t done, uint64_t all, int64_t took_ms) {
  const double percent = all == 0 ? 100 : 100 * static_cast<double>(done) / static_cast<double>(all);
  const double rate = static_cast<double>(done) * 1000 / static_cast<double>(std::max<int64_t>(took_ms, 1));
  std::string text = fmt::format("{}: {:.0f} %, {:.0f}/s", doing, percent, rate);
  if (rate > 0 && done < all) {
    const auto left_s = static_cast<int64_t>(static_cast<double>(all - done) / rate) + 1;
    text += ", " + format_duration_ms(left_s * 1000) + " left";
  }
  return text;
}

ProgressLine::ProgressLine(std::string doing, const Clock& clock, std::ostream& to)
    : doing_(std::move(doing)),
      clock_(clock),
      to_(to),
      terminal_(isatty(STDERR_FILENO) == 1),
      begun_ms_(clock.mono_ms()),
      shown_ms_(begun_ms_) {}

ProgressLine::~ProgressLine() {
  if (open_line_) to_ << "\n" << std::flush;
}

void ProgressLine::show(uint64_t done, uint64_t all) {
  const int64_t now_ms = clock_.mono_ms();
  if (now_ms - shown_ms_ < (terminal_ ? kTerminalEveryMs : kLineEveryMs)) return;
  shown_ms_ = now_ms;
  const std::string text = progress_text(doing_, done, all, now_ms - begun_ms_);
  if (terminal_) {
    to_ << "\r" << text << "        " << std::flush;
    open_line_ = true;
  } else {
    to_ << text << "\n" << std::flush;
  }
}

}  // namespace millrace
