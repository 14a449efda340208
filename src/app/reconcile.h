// `millrace reconcile`: what was sent against what is there, over a stretch of time. Main thread; blocks until it is
// done. Reads only; no group is joined and nothing is committed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string_view>

#include "app/command_line.h"
#include "base/error.h"

namespace millrace {

// Results go to `out`, progress to `told`.
ExitCode reconcile_command(const CommandLine& line, std::ostream& out, std::ostream& told);

// "2026-01-31T12:00:00Z", "now", or a duration before now as in "2h". Milliseconds since 1970.
std::optional<int64_t> moment_of(std::string_view text, int64_t now_ms);

}  // namespace millrace
