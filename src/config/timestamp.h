// Times as people write them in a config. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::config {

// RFC 3339: "2026-01-31T12:00:00Z", with a fraction or an offset as in "+02:00"; a date alone is its first moment in
// UTC. Milliseconds since 1970; finer digits are cut.
std::optional<int64_t> parse_timestamp_ms(std::string_view text);

}  // namespace millrace::config
