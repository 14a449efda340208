// The life of the daemon: from the file to the last line of the log. Main thread.
#pragma once

#include "app/command_line.h"
#include "app/commands.h"
#include "base/error.h"

namespace millrace {

// Returns when the pipeline has ended in order. Where threads are left that cannot be waited for, it does not return:
// the process leaves at once with the same exit code.
ExitCode run_command(const CommandLine& line, const ProgramVersion& version);

}  // namespace millrace
