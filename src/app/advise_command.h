// `millrace advise`: asks the running daemon of a file what limits it now. Main thread.
#pragma once

#include <iosfwd>

#include "app/command_line.h"
#include "base/error.h"

namespace millrace {

// Prints the sentence, and the knob to turn. ExitCode::internal when no daemon answers.
ExitCode advise_command(const CommandLine& line, std::ostream& out);

}  // namespace millrace
