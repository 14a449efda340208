#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "config/node.h"
#include "config/quantity.h"
#include "config/secrets.h"

namespace millrace::config {

std::optional<ScalarText> scalar_of(const Node& node, const std::string& what, Diagnostics& diagnostics) {
  if (node.tag == Node::kAlias) return std::nullopt;
  if (!node.is_scalar()) {
    diagnostics.error(node.position, fmt::format("{} must be one value, not {}", what, kind_text(node)));
    return std::nullopt;
  }
  ScalarText result{node.text, true, node.position};
  if (has_reference(node.text)) {
    Substituted substituted = substitute(node.text, node.secrets);
    if (!substituted.problem.empty()) {
      diagnostics.error(node.position, fmt::format("{}: {}", what, substituted.problem));
      return std::nullopt;
    }
    result.text = std::move(substituted.text);
    result.known = substituted.known;
  }
  return result;
}

Reader::Reader(const Node& node, std::string what, Diagnostics& diagnostics)
    : node_(node), what_(std::move(what)), diagnostics_(diagnostics) {
  if (node.is_map() || node.is_null()) return;
  diagnostics_.error(node.position,
                     fmt::format("{} must be a map, not {}", what_.empty() ? "the file" : what_, kind_text(node)));
}

bool Reader::has(std::string_view key) {
  asked_.emplace(key);
  return node_.find(key) != nullptr;
}

const Node* Reader::get(std::string_view key, bool required) {
  asked_.emplace(key);
  const Node* found = node_.find(key);
  // A node of another kind was reported as such.
  if (found == nullptr && required && (node_.is_map() || node_.is_null())) {
    diagnostics_.error(node_.position, fmt::format("{}key `{}` is missing", what_.empty() ? "" : what_ + ": ", key));
  }
  return found;
}

void Reader::wrong(std::string_view key, const std::string& problem) {
  const Node* found = node_.find(key);
  diagnostics_.error(found != nullptr ? found->position : node_.position,
                     fmt::format("{}`{}` {}", what_.empty() ? "" : what_ + ": ", key, problem));
}

std::optional<ScalarText> Reader::scalar(std::string_view key, bool required) {
  const Node* found = get(key, required);
  if (found == nullptr) return std::nullopt;
  return scalar_of(*found, fmt::format("{}`{}`", what_.empty() ? "" : what_ + ": ", key), diagnostics_);
}

std::optional<std::string> Reader::text(std::string_view key) {
  auto found = scalar(key);
  return found ? std::optional(std::move(found->text)) : std::nullopt;
}

std::string Reader::text(std::string_view key, std::string fallback) {
  auto found = scalar(key);
  return found ? std::move(found->text) : std::move(fallback);
}

std::string Reader::required_text(std::string_view key) {
  auto found = scalar(key, true);
  if (!found) return {};
  if (found->text.empty()) wrong(key, "must not be empty");
  return std::move(found->text);
}

template <typename Read>
auto Reader::quantity(std::string_view key, const Read& read)
    -> std::optional<decltype(read(std::string_view()).value)> {
  const auto found = scalar(key);
  if (!found || !found->known) return std::nullopt;
  auto result = read(found->text);
  if (result.problem.empty()) return result.value;
  const Node* node = node_.find(key);
  // What a reference stood for may be a secret, and is not shown.
  wrong(key, has_reference(node->text) ? fmt::format("has no usable value behind {}", in_ticks(node->text))
                                       : result.problem);
  return std::nullopt;
}

bool Reader::flag(std::string_view key, bool fallback) {
  return quantity(key, read_flag).value_or(fallback);
}

std::optional<int64_t> Reader::integer(std::string_view key, int64_t min, int64_t max) {
  return quantity(key, [&](std::string_view text) { return read_count(text, min, max); });
}

std::optional<double> Reader::number(std::string_view key, double min, double max) {
  return quantity(key, [&](std::string_view text) { return read_number(text, min, max); });
}

std::optional<int64_t> Reader::duration_ms(std::string_view key, int64_t min, int64_t max) {
  return quantity(key, [&](std::string_view text) { return read_duration_ms(text, min, max); });
}

std::optional<int64_t> Reader::bytes(std::string_view key, int64_t min, int64_t max) {
  return quantity(key, [&](std::string_view text) { return read_bytes(text, min, max); });
}

std::optional<double> Reader::rate(std::string_view key) {
  return quantity(key, read_rate);
}

std::string Reader::choice(std::string_view key, const std::vector<std::string>& names, std::string fallback) {
  const auto found = scalar(key);
  if (!found || !found->known) return fallback;
  if (std::find(names.begin(), names.end(), found->text) != names.end()) return found->text;
  const std::string near = nearest(found->text, names);
  const Node* node = node_.find(key);
  wrong(key, fmt::format("must be {}{}, not {}{}", names.size() > 1 ? "one of " : "", quoted_list(names),
                         in_ticks(node->text), near.empty() ? "" : "; did you mean `" + near + "`?"));
  return fallback;
}

std::vector<const Node*> Reader::scalars(std::string_view key, bool required) {
  std::vector<const Node*> result;
  const Node* found = get(key, required);
  if (found == nullptr) return result;
  if (found->tag == Node::kAlias) return result;
  if (found->is_scalar()) return {found};
  if (!found->is_list()) {
    wrong(key, fmt::format("must be one value or a list of them, not {}", kind_text(*found)));
    return result;
  }
  for (const Node& item : found->items) {
    if (item.tag == Node::kAlias) continue;
    if (item.is_scalar()) {
      result.push_back(&item);
    } else {
      diagnostics_.error(item.position, fmt::format("{}`{}` must be a list of single values, and this is {}",
                                                    what_.empty() ? "" : what_ + ": ", key, kind_text(item)));
    }
  }
  if (found->items.empty()) wrong(key, "is an empty list; name at least one");
  return result;
}

std::vector<ScalarText> Reader::texts(std::string_view key, bool required) {
  std::vector<ScalarText> result;
  for (const Node* node : scalars(key, required)) {
    auto text = scalar_of(*node, fmt::format("{}`{}`", what_.empty() ? "" : what_ + ": ", key), diagnostics_);
    if (text) result.push_back(std::move(*text));
  }
  return result;
}

std::vector<std::pair<std::string, Position>> Reader::names(std::string_view key, bool required) {
  std::vector<std::pair<std::string, Position>> result;
  for (const Node* node : scalars(key, required)) result.emplace_back(node->text, node->position);
  return result;
}

std::optional<ExpressionText> Reader::expression(std::string_view key, bool required) {
  const Node* found = get(key, required);
  if (found == nullptr) return std::nullopt;
  auto result = expression_of(*found, fmt::format("{}`{}`", what_.empty() ? "" : what_ + ": ", key), diagnostics_);
  if (!result) cut_ = true;
  return result;
}

void Reader::not_yet(std::string_view key) {
  later_.emplace(key);
  if (node_.find(key) != nullptr) wrong(key, "is not available in this version");
}

void Reader::finish() {
  std::vector<std::string> absent;
  for (const std::string& key : asked_) {
    if (node_.find(key) == nullptr) absent.push_back(key);
  }
  for (const auto& [key, value] : node_.members) {
    if (asked_.contains(key.text) || later_.contains(key.text)) continue;
    if (cut_ && node_.flow && value.is_null()) continue;  // the rest of an expression
    const std::string near = nearest(key.text, absent);
    std::string text = fmt::format("{}unknown key {}", what_.empty() ? "" : what_ + ": ", in_ticks(key.text));
    if (!near.empty()) {
      text += "; did you mean `" + near + "`?";
    } else if (!asked_.empty()) {
      const std::vector<std::string> known(asked_.begin(), asked_.end());
      text += "; there are " + quoted_list(known);
    }
    diagnostics_.error(key.position, text);
  }
}

}  // namespace millrace::config
