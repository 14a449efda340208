// One GET of a page of a running daemon, for commands that ask it. Main thread; blocks up to its deadline.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "config/spec.h"

namespace millrace {

// The body of a 200 answer of the daemon that runs this file here (http.listen, http.token). An address that stands for
// all of this machine's is asked on loopback. At most 64 MiB.
Result<std::string> get_page(const config::PipelineSpec& spec, const std::string& path, int64_t deadline_ms);

}  // namespace millrace
