// ProgressLine: how far a long reading is: percent, rate, time left. On a terminal one line that is written over; else
// a line every ten seconds. Used by one thread; ends its line when it is destroyed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/clock.h"

namespace millrace {

class ProgressLine {
 public:
  ProgressLine(std::string doing, const Clock& clock, std::ostream& to);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // May be called as often as one likes.
  void show(uint64_t done, uint64_t all);

 private:
  const std::string doing_;
  const Clock& clock_;
  std::ostream& to_;
  const bool terminal_;
  const int64_t begun_ms_;
  int64_t shown_ms_;
  bool open_line_ = false;
};

// "reading: 42 %, 18000/s, 12s left"
std::string progress_text(const std::string& doing, uint64_t done, uint64_t all, int64_t took_ms);

}  // namespace millrace
