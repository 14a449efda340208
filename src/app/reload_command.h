// The commands around a changed file: reload (asks the running daemon) and diff. Main thread.
#pragma once

#include <iosfwd>

#include "app/command_line.h"
#include "base/error.h"

namespace millrace {

// 0: all of it is in effect. 1: part of it needs a restart or is not in effect yet, or no daemon answers. 78: refused.
ExitCode reload_command(const CommandLine& line, std::ostream& out);

// 0: the same. 1: they differ. 78: one is wrong.
ExitCode diff_command(const CommandLine& line, std::ostream& out);

}  // namespace millrace
