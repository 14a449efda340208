#include "app/audit_note.h"

#include <fmt/core.h>

#include <charconv>

#include "base/text.h"

namespace millrace {
namespace {

constexpr const char* kNote = "offset-audit";

bool parse_number(std::string_view text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string difference_text(const AuditDifference& difference) {
  return fmt::format("{} expected {} committed {}", difference.partition.text(), difference.expected,
                     difference.committed);
}

}  // namespace

Result<void> write_audit_note(const StateDirectory& state, const std::vector<AuditDifference>& differences) {
  std::string text;
  for (const AuditDifference& each : differences) {
    text += fmt::format("{} {} {} {}\n", each.partition.topic, each.partition.partition, each.expected, each.committed);
  }
  return state.write_note(kNote, text);
}

Result<std::vector<AuditDifference>> read_audit_note(const StateDirectory& state) {
  std::vector<AuditDifference> differences;
  const auto text = state.read_note(kNote);
  if (!text) return differences;
  for (const std::string_view line : split(*text, '\n')) {
    if (line.empty()) continue;
    const auto words = split(line, ' ');
    AuditDifference each;
    int64_t partition = 0;
    if (words.size() != 4 || !parse_number(words[1], partition) || !parse_number(words[2], each.expected) ||
        !parse_number(words[3], each.committed)) {
      return fail(Remedy::stop, fmt::format("the note of the offset audit, {}/{}, cannot be read", state.path(), kNote),
                  ExitCode::stopped_by_policy);
    }
    each.partition = {std::string(words[0]), static_cast<int32_t>(partition)};
    differences.push_back(std::move(each));
  }
  return differences;
}

Result<std::vector<AuditDifference>> settle_audit_note(const StateDirectory& state, AcceptOffsets accept) {
  TRY_ASSIGN(auto differences, read_audit_note(state));
  if (differences.empty() || accept != AcceptOffsets::no) return differences;
  std::string found;
  for (const AuditDifference& each : differences) found += (found.empty() ? "" : "; ") + difference_text(each);
  return fail(
      Remedy::stop,
      fmt::format("an offset audit has stopped this pipeline ({}); going on takes --accept-offsets committed or "
                  "--accept-offsets expected",
                  found),
      ExitCode::stopped_by_policy);
}

void forget_audit_note(const StateDirectory& state) {
  state.remove_note(kNote);
}

}  // namespace millrace
