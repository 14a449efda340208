#include "config/knobs.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

constexpr bool live = true;
constexpr bool restart = false;

constexpr std::array kKnobs{
#define KNOB(field, path, kind, initial, min, max, applies, help) \
  KnobInfo{#field, path, KnobKind::kind, min, max, applies, help, &Knobs::field},
#include "config/knobs.inc"
#undef KNOB
};

bool is_auto(KnobKind kind) {
  return kind == KnobKind::auto_duration || kind == KnobKind::auto_bytes || kind == KnobKind::auto_rate;
}

std::string number_text(KnobKind kind, int64_t value) {
  switch (kind) {
    case KnobKind::duration:
    case KnobKind::auto_duration:
      return format_duration_ms(value);
    case KnobKind::bytes:
    case KnobKind::auto_bytes:
      return format_bytes(value);
    case KnobKind::rate:
    case KnobKind::auto_rate:
      return fmt::format("{}/s", value);
    case KnobKind::number:
    case KnobKind::count:
    case KnobKind::flag:
      break;
  }
  return std::to_string(value);
}

std::string set_rate(const KnobInfo& knob, std::string_view text, Knobs& knobs) {
  const auto member = std::get<double Knobs::*>(knob.member);
  if (is_auto(knob.kind) && text == "auto") {
    knobs.*member = 0;
    return {};
  }
  const auto rate = read_rate(text);
  if (!rate.problem.empty()) return rate.problem;
  if (rate.value < static_cast<double>(knob.min) || rate.value > static_cast<double>(knob.max)) {
    std::string without = "no limit";
    if (Knobs{}.*member != 0 || is_auto(knob.kind)) without = "`" + knob_default_text(knob) + "`";
    return fmt::format("is {}, and must be from {}; leave it out for {}", in_ticks(text), knob_range_text(knob),
                       without);
  }
  knobs.*member = rate.value;
  return {};
}

std::string set_number(const KnobInfo& knob, std::string_view text, Knobs& knobs) {
  const auto number = read_number(text, static_cast<double>(knob.min), static_cast<double>(knob.max));
  if (number.problem.empty()) knobs.*std::get<double Knobs::*>(knob.member) = number.value;
  return number.problem;
}

}  // namespace

std::span<const KnobInfo> all_knobs() {
  return kKnobs;
}

const KnobInfo* find_knob(std::string_view path) {
  const auto* found =
      std::find_if(kKnobs.begin(), kKnobs.end(), [&](const KnobInfo& knob) { return knob.path == path; });
  return found == kKnobs.end() ? nullptr : found;
}

std::string set_knob(const KnobInfo& knob, std::string_view text, Knobs& knobs) {
  if (knob.kind == KnobKind::number) return set_number(knob, text, knobs);
  if (is_real(knob.kind)) return set_rate(knob, text, knobs);
  if (knob.kind == KnobKind::flag) {
    const auto flag = read_flag(text);
    if (flag.problem.empty()) knobs.*std::get<bool Knobs::*>(knob.member) = flag.value;
    return flag.problem;
  }
  int64_t& value = knobs.*std::get<int64_t Knobs::*>(knob.member);
  if (is_auto(knob.kind) && text == "auto") {
    value = 0;
    return {};
  }
  Quantity<int64_t> number;
  if (knob.kind == KnobKind::count) {
    number = read_count(text, knob.min, knob.max);
  } else if (knob.kind == KnobKind::bytes || knob.kind == KnobKind::auto_bytes) {
    number = read_bytes(text, knob.min, knob.max);
  } else {
    number = read_duration_ms(text, knob.min, knob.max);
  }
  if (number.problem.empty()) value = number.value;
  return number.problem;
}

std::string knob_text(const KnobInfo& knob, const Knobs& knobs) {
  if (const auto* flag = std::get_if<bool Knobs::*>(&knob.member)) return knobs.**flag ? "true" : "false";
  if (const auto* real = std::get_if<double Knobs::*>(&knob.member)) {
    if (knob.kind == KnobKind::number) return fmt::format("{}", knobs.**real);
    if (knobs.**real == 0) return is_auto(knob.kind) ? "auto" : "none";
    return fmt::format("{}/s", knobs.**real);
  }
  const int64_t value = knobs.*std::get<int64_t Knobs::*>(knob.member);
  if (value == 0 && is_auto(knob.kind)) return "auto";
  return number_text(knob.kind, value);
}

std::string knob_default_text(const KnobInfo& knob) {
  return knob_text(knob, Knobs{});
}

std::string knob_range_text(const KnobInfo& knob) {
  if (knob.kind == KnobKind::flag) return "true or false";
  return fmt::format("{} to {}", number_text(knob.kind, knob.min), number_text(knob.kind, knob.max));
}

int64_t effective_transaction_timeout_ms(const Knobs& knobs) {
  if (knobs.transaction_timeout_ms != 0) return knobs.transaction_timeout_ms;
  return std::max({int64_t{10'000}, knobs.batch_interval_ms + knobs.commit_deadline_ms + 1'000,
                   knobs.message_timeout_ms, knobs.socket_timeout_ms});
}

}  // namespace millrace::config
