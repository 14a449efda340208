#include "kafka/start_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace millrace {

namespace {

constexpr std::string_view kMark = "mr1";

bool differ(const std::string& known, const std::string& now) {
  return !known.empty() && !now.empty() && known != now;
}

StartDecision refuse(std::string why, bool needs_accept_start) {
  StartDecision decision;
  decision.why = std::move(why);
  decision.needs_accept_start = needs_accept_start;
  return decision;
}

StartDecision made_anew(const std::string& topic) {
  return refuse(
      fmt::format("topic {} was deleted and made anew since its offsets were committed; what is committed does "
                  "not belong to it. Start with --accept-start to begin where `start` says",
                  topic),
      false);
}

}  // namespace

std::string to_text(const OffsetNote& note) {
  return fmt::format("{} {} {}", kMark, note.topic_id.empty() ? "-" : note.topic_id, note.partitions);
}

std::optional<OffsetNote> parse_note(std::string_view text) {
  const std::vector<std::string_view> words = split(text, ' ');
  if (words.size() != 3 || words[0] != kMark) return std::nullopt;
  OffsetNote note;
  if (words[1] != "-") note.topic_id = std::string(words[1]);
  const char* end = words[2].data() + words[2].size();
  const auto parsed = std::from_chars(words[2].data(), end, note.partitions);
  if (parsed.ec != std::errc() || parsed.ptr != end || note.partitions < 1) return std::nullopt;
  return note;
}

StartDecision decide_start(const std::string& topic, int32_t partition, const TopicHistory& history) {
  StartDecision decision;
  decision.note = OffsetNote{history.id, history.partitions};
  decision.from = StartDecision::From::start;

  bool anew = differ(history.remembered_id, history.id);
  bool added_later = false;
  for (const auto& [sibling, committed] : history.committed) {
    const std::optional<OffsetNote> note = parse_note(committed.note);
    if (!note) continue;
    if (differ(note->topic_id, history.id)) anew = true;
    if (note->partitions <= partition) added_later = true;
  }
  // A commit whose note names today's topic outweighs what the state directory remembers.
  const auto own = history.committed.find(partition);
  const std::optional<OffsetNote> own_note =
      own == history.committed.end() ? std::nullopt : parse_note(own->second.note);
  if (own_note && !own_note->topic_id.empty() && own_note->topic_id == history.id) anew = false;

  if (anew) return history.accept_start ? decision : made_anew(topic);
  if (own != history.committed.end()) {
    decision.from = StartDecision::From::committed;
    decision.offset = own->second.offset;
    if (own_note) decision.note.partitions = own_note->partitions;
    return decision;
  }
  if (added_later) {
    decision.from = StartDecision::From::first;
    return decision;
  }
  if (history.committed.empty() && history.remembered && !history.accept_start) {
    return refuse(
        fmt::format("the group has committed nothing for topic {}, but the state directory remembers that it was "
                    "read before: its offsets expired or were deleted. Start with --accept-start to begin where "
                    "`start` says",
                    topic),
        true);
  }
  return decision;
}

}  // namespace millrace
