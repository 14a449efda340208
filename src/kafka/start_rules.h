// Where the reading of a partition begins: what an offset's note says, and the rule over it. Pure; any thread.
//
// Each offset that the group commits carries a note with the topic's id and the number of partitions that the topic had
// when this partition was begun. So a topic that was made anew is noticed, and so is a partition that was added later:
// it begins at its first record, whatever `start` says, because its records were never offered to us.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

struct OffsetNote {
  std::string topic_id;    // empty: was not known
  int32_t partitions = 0;  // of the topic, when this partition was begun
};
std::string to_text(const OffsetNote& note);
std::optional<OffsetNote> parse_note(std::string_view text);

struct CommittedOffset {
  int64_t offset = -1;
  std::string note;
};

// What is known of a topic when one of its partitions is to be begun.
struct TopicHistory {
  std::string id;                                // now; empty: not known
  int32_t partitions = 0;                        // now
  std::map<int32_t, CommittedOffset> committed;  // partitions without a commit are left out
  bool remembered = false;                       // the state directory knows that this topic was begun
  std::string remembered_id;
  bool accept_start = false;  // --accept-start
};

struct StartDecision {
  enum class From : uint8_t {
    committed,  // at `offset`
    first,      // at the partition's first record
    start,      // where the source's `start` says
    refused,    // not at all; `why`
  };
  From from = From::refused;
  int64_t offset = -1;
  OffsetNote note;  // for every commit of this partition
  std::string why;
  bool needs_accept_start = false;  // refused: the whole start, not only this topic
};

StartDecision decide_start(const std::string& topic, int32_t partition, const TopicHistory& history);

}  // namespace millrace
