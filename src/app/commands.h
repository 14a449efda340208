// The commands that answer and end: check, graph, knobs, version, eval. Main thread. Each returns an exit code; what it
// has to say goes to `out`.
#pragma once

#include <iosfwd>
#include <string>

#include "app/command_line.h"
#include "base/error.h"

namespace millrace {

// The program's own version, which only the executable knows.
struct ProgramVersion {
  std::string version;
  std::string commit;
};

ExitCode check_command(const CommandLine& line, std::ostream& out);
ExitCode graph_command(const CommandLine& line, std::ostream& out);
ExitCode knobs_command(std::ostream& out);
ExitCode version_command(const ProgramVersion& version, std::ostream& out);
// `in` is read only where the value is given as `-`.
ExitCode eval_command(const EvalOptions& options, std::istream& in, std::ostream& out);

}  // namespace millrace
