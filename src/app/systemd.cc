#include "app/systemd.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace millrace {
namespace {

// A line break would begin another assignment.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

void notify_ready(const std::string& status) {
  sd_notify(0, ("READY=1\nSTATUS=" + one_line(status)).c_str());
}

void notify_stopping(const std::string& why) {
  sd_notify(0, ("STOPPING=1\nSTATUS=stopping: " + one_line(why)).c_str());
}

void notify_alive() {
  sd_notify(0, "WATCHDOG=1");
}

bool stderr_is_journal() {
  // systemd names the socket by device and inode, so that a redirected stderr is told apart.
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

}  // namespace millrace
