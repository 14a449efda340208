// The history as the app wires it: where a pipeline's rows go, and `millrace history`, which prints them. Main thread.
#pragma once

#include <iosfwd>
#include <memory>

#include "app/command_line.h"
#include "base/clock.h"
#include "base/error.h"
#include "config/spec.h"
#include "status/history.h"
#include "status/sql_connection.h"

namespace millrace {

// Null when the file wants none. Connects to nothing yet.
std::unique_ptr<SqlConnection> open_history(const config::PipelineSpec& spec, const Clock& clock);

History::Settings history_settings(const config::PipelineSpec& spec, int64_t run_ms);

// Prints the newest rows, also while the daemon runs.
ExitCode history_command(const CommandLine& line, std::ostream& out);

}  // namespace millrace
