// What we say to systemd, and what it has said to us. Nothing happens where systemd did not start us. Any thread.
#pragma once

#include <string>

namespace millrace {

void notify_ready(const std::string& status);
void notify_stopping(const std::string& why);
void notify_alive();

// Whether stderr goes to the journal, which reads a priority in front of each line.
bool stderr_is_journal();

}  // namespace millrace
