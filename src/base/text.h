// Small things about text: suggestions, quantities with units, escaping of outside strings. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// Damerau-Levenshtein distance (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `name` (capitals aside), when it is near enough to be meant; empty otherwise.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

// "`a`, `b` and `c`"; after 25 names, "and 7 more". Names in messages stand in backticks.
std::string quoted_list(std::span<const std::string> names);

// 1536 -> "1.5KiB"; 1500 -> "1500B". Always exact: parse_bytes gives the same number.
std::string format_bytes(int64_t bytes);

// 1500 -> "1.5s"; 90000 -> "1m30s"; 5 -> "5ms". Always exact.
std::string format_duration_ms(int64_t ms);

// "500ms", "1s", "1.5s", "1m30s", "2h", "7d". Empty when it is none, or no whole number of milliseconds within int64.
std::optional<int64_t> parse_duration_ms(std::string_view text);

// "64MiB", "1GiB", "512KiB", "10MB", "1kB", "100B". Empty when it is none, or no whole number of bytes within int64.
std::optional<int64_t> parse_bytes(std::string_view text);

// "5000/s", "300/m", "100/h". Records a second; empty when it is none.
std::optional<double> parse_rate(std::string_view text);

// Text from outside made safe for one line of a log: control characters, ESC, U+2028/9, characters that turn the
// direction of writing, and invalid UTF-8 are escaped; what would go beyond `bytes_max` is cut and "..." says so.
// Escaping twice changes nothing.
std::string escape_for_log(std::string_view text, size_t bytes_max = 256);

// The same for the inside of a JSON string (no quotes added, nothing cut); invalid UTF-8 becomes \ufffd.
std::string escape_for_json(std::string_view text);

bool is_valid_utf8(std::string_view text);
// Bytes of whole, valid characters that the text begins with.
size_t valid_utf8_prefix(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

}  // namespace millrace
