// Knobs: every number that can be turned, from the table in knobs.inc. A value; whoever needs one gets a copy.
//
// From a line of the table come the field and its default, the range check, `millrace knobs`, the status page and the
// table in runbooks/reference/configuration.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace millrace::config {

enum class KnobKind : uint8_t { duration, bytes, count, flag, number, rate, auto_rate, auto_duration, auto_bytes };

constexpr bool is_real(KnobKind kind) {
  return kind == KnobKind::number || kind == KnobKind::rate || kind == KnobKind::auto_rate;
}

template <KnobKind kind>
using KnobValue = std::conditional_t<kind == KnobKind::flag, bool, std::conditional_t<is_real(kind), double, int64_t>>;

struct Knobs {
#define KNOB(field, path, kind, initial, min, max, applies, help) KnobValue<KnobKind::kind> field = initial;
#include "config/knobs.inc"
#undef KNOB
};

struct KnobInfo {
  std::string_view name;  // of the field
  std::string_view path;  // in the YAML: "batch.interval"
  KnobKind kind;
  int64_t min;
  int64_t max;
  bool live;
  std::string_view help;
  std::variant<int64_t Knobs::*, double Knobs::*, bool Knobs::*> member;
};

// In the order of the table.
std::span<const KnobInfo> all_knobs();

// Null when there is none.
const KnobInfo* find_knob(std::string_view path);

// Sets one knob from the text that the YAML has. Empty when it is well, else what is wrong with the text.
[[nodiscard]] std::string set_knob(const KnobInfo& knob, std::string_view text, Knobs& knobs);

// As the YAML would spell it: "1s", "64MiB", "auto", "none".
std::string knob_text(const KnobInfo& knob, const Knobs& knobs);
std::string knob_default_text(const KnobInfo& knob);
std::string knob_range_text(const KnobInfo& knob);

// What `kafka.transaction_timeout` comes to: the value itself, or the least that fits the other time-outs.
int64_t effective_transaction_timeout_ms(const Knobs& knobs);

}  // namespace millrace::config
