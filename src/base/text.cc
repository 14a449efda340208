#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace millrace {

namespace {

constexpr size_t kNameBytesMax = 100;  // longer ones are nobody's typing mistake
constexpr size_t kNamesListedMax = 25;

struct Unit {
  std::string_view name;
  int64_t size;
};

constexpr std::array<Unit, 5> kTimeUnits{{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 9> kByteUnits{{{"TiB", int64_t{1} << 40},
                                          {"GiB", int64_t{1} << 30},
                                          {"MiB", int64_t{1} << 20},
                                          {"KiB", int64_t{1} << 10},
                                          {"TB", 1'000'000'000'000},
                                          {"GB", 1'000'000'000},
                                          {"MB", 1'000'000},
                                          {"kB", 1'000},
                                          {"B", 1}}};

// A character of UTF-8 text; `size` 0 when its first bytes are no valid UTF-8.
struct Character {
  uint32_t code = 0;
  size_t size = 0;
};

Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  size_t size = 0;
  uint32_t code = 0;
  uint32_t least = 0;  // anything below was written longer than needed
  if (lead >= 0xc2 && lead <= 0xdf) {
    size = 2, code = lead & 0x1f, least = 0x80;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    size = 3, code = lead & 0x0f, least = 0x800;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4, code = lead & 0x07, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() < size) return {};
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, size};
}

// Characters that move the cursor, end the line, or turn the direction of what follows.
bool is_dangerous(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) || code == 0x200e ||
         code == 0x200f || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// A number at the start of `text`, digits with at most one point, times `scale` where the caller knows the unit.
// Kept as integers, so that 1.5KiB is exact.
struct Decimal {
  int64_t digits = 0;
  int64_t divisor = 1;
  size_t length = 0;  // 0: no number
};

Decimal parse_decimal(std::string_view text) {
  Decimal result;
  bool point = false;
  bool digit_after_point = false;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point && at > 0) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    if (__builtin_mul_overflow(result.digits, 10, &result.digits) ||
        __builtin_add_overflow(result.digits, c - '0', &result.digits)) {
      return {};
    }
    if (point) {
      if (result.divisor > 1'000'000'000) return {};
      result.divisor *= 10;
      digit_after_point = true;
    }
  }
  if (at == 0 || (point && !digit_after_point)) return {};
  result.length = at;
  return result;
}

// digits * size / divisor, when that is a whole number within int64.
std::optional<int64_t> scaled(const Decimal& number, int64_t size) {
  const int64_t shared = std::gcd(size, number.divisor);
  const int64_t divisor = number.divisor / shared;
  if (number.digits % divisor != 0) return std::nullopt;
  int64_t result = 0;
  if (__builtin_mul_overflow(number.digits / divisor, size / shared, &result)) return std::nullopt;
  return result;
}

// "1.5" for 15 tenths; without trailing zeros.
std::string thousandths(int64_t value) {
  std::string result = std::to_string(value / 1000);
  int64_t rest = value % 1000;
  if (rest == 0) return result;
  result += fmt::format(".{:03}", rest);
  while (result.back() == '0') result.pop_back();
  return result;
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> current(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, current);
  }
  return last[b.size()];
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  if (name.empty() || name.size() > kNameBytesMax) return {};
  const size_t limit = std::clamp<size_t>(name.size() / 3, 1, 3);
  const std::string wanted = lower(name);
  size_t best = limit + 1;
  std::string result;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > kNameBytesMax) continue;
    const size_t distance = edit_distance(wanted, lower(candidate));
    // A change of every letter is no likeness.
    if (distance < best && distance < std::max(name.size(), candidate.size())) {
      best = distance;
      result = candidate;
    }
  }
  return result;
}

std::string quoted_list(std::span<const std::string> names) {
  std::string result;
  const size_t listed = std::min(names.size(), kNamesListedMax);
  for (size_t i = 0; i < listed; ++i) {
    if (i > 0) result += i + 1 == names.size() ? " and " : ", ";
    result += '`' + names[i] + '`';
  }
  if (names.size() > listed) result += fmt::format(" and {} more", names.size() - listed);
  return result;
}

std::string format_bytes(int64_t bytes) {
  if (bytes < 0) return fmt::format("{}B", bytes);
  for (size_t i = 0; i < 4; ++i) {
    const auto& unit = kByteUnits[i];
    if (bytes < unit.size) continue;
    const int64_t rest = bytes % unit.size;
    if (rest * 10 % unit.size != 0) continue;
    const int64_t tenths = rest * 10 / unit.size;
    return tenths == 0 ? fmt::format("{}{}", bytes / unit.size, unit.name)
                       : fmt::format("{}.{}{}", bytes / unit.size, tenths, unit.name);
  }
  return fmt::format("{}B", bytes);
}

std::string format_duration_ms(int64_t ms) {
  if (ms < 0) return ms == std::numeric_limits<int64_t>::min() ? "-inf" : "-" + format_duration_ms(-ms);
  if (ms < 1000) return fmt::format("{}ms", ms);
  std::string result;
  for (size_t i = 0; i < 3; ++i) {
    const int64_t count = ms / kTimeUnits[i].size;
    if (count > 0) result += fmt::format("{}{}", count, kTimeUnits[i].name);
    ms %= kTimeUnits[i].size;
  }
  if (ms > 0) result += thousandths(ms) + "s";
  return result;
}

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  if (text.empty()) return std::nullopt;
  int64_t total = 0;
  size_t next_unit = 0;  // units come in order, each once
  while (!text.empty()) {
    const Decimal number = parse_decimal(text);
    if (number.length == 0) return std::nullopt;
    text.remove_prefix(number.length);
    const size_t letters = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), text.size());
    const std::string_view name = text.substr(0, letters);
    text.remove_prefix(letters);
    while (next_unit < kTimeUnits.size() && kTimeUnits[next_unit].name != name) ++next_unit;
    if (next_unit == kTimeUnits.size()) return std::nullopt;
    const auto part = scaled(number, kTimeUnits[next_unit++].size);
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
  }
  return total;
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  const Decimal number = parse_decimal(text);
  if (number.length == 0) return std::nullopt;
  const std::string_view name = text.substr(number.length);
  for (const auto& unit : kByteUnits) {
    if (unit.name == name) return scaled(number, unit.size);
  }
  return std::nullopt;
}

std::optional<double> parse_rate(std::string_view text) {
  const Decimal number = parse_decimal(text);
  if (number.length == 0) return std::nullopt;
  const double count = static_cast<double>(number.digits) / static_cast<double>(number.divisor);
  const std::string_view per = text.substr(number.length);
  if (per == "/s") return count;
  if (per == "/m") return count / 60;
  if (per == "/h") return count / 3600;
  return std::nullopt;
}

std::string escape_for_log(std::string_view text, size_t bytes_max) {
  std::string result;
  result.reserve(std::min(text.size(), bytes_max) + 3);
  while (!text.empty()) {
    const Character character = first_character(text);
    const size_t size = std::max<size_t>(character.size, 1);
    std::string escaped;
    if (character.size == 0) {
      escaped = fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (character.code == '\n') {
      escaped = "\\n";
    } else if (character.code == '\r') {
      escaped = "\\r";
    } else if (character.code == '\t') {
      escaped = "\\t";
    } else if (is_dangerous(character.code)) {
      escaped =
          character.code < 0x80 ? fmt::format("\\x{:02x}", character.code) : fmt::format("\\u{:04x}", character.code);
    }
    const std::string_view piece = escaped.empty() ? text.substr(0, size) : std::string_view(escaped);
    if (result.size() + piece.size() > bytes_max) return result + "...";
    result += piece;
    text.remove_prefix(size);
  }
  return result;
}

std::string escape_for_json(std::string_view text) {
  std::string result;
  result.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const Character character = first_character(text);
    const size_t size = std::max<size_t>(character.size, 1);
    if (character.size == 0) {
      result += "\\ufffd";
    } else if (character.code == '"' || character.code == '\\') {
      result += '\\';
      result += text[0];
    } else if (character.code == '\n') {
      result += "\\n";
    } else if (is_dangerous(character.code)) {
      result += fmt::format("\\u{:04x}", character.code);
    } else {
      result += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return result;
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t good = 0;
  while (good < text.size()) {
    const size_t size = first_character(text.substr(good)).size;
    if (size == 0) break;
    good += size;
  }
  return good;
}

bool is_valid_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == text.size();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace millrace
