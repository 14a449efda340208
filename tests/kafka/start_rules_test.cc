#include "kafka/start_rules.h"

#include "support/catch.h"

namespace millrace {

namespace {

using From = StartDecision::From;

TopicHistory topic(int32_t partitions) {
  TopicHistory history;
  history.id = "abc";
  history.partitions = partitions;
  return history;
}

CommittedOffset commit(int64_t offset, int32_t partitions, const std::string& id = "abc") {
  return CommittedOffset{offset, to_text(OffsetNote{id, partitions})};
}

}  // namespace

TEST_CASE("A note survives the way through the group's offsets") {
  const auto note = parse_note(to_text(OffsetNote{"abc", 12}));
  REQUIRE(note);
  CHECK(note->topic_id == "abc");
  CHECK(note->partitions == 12);
  CHECK(parse_note(to_text(OffsetNote{"", 3}))->topic_id.empty());
  for (const char* bad :
       {"", "mr1", "mr1 abc", "mr1 abc x", "mr1 abc 0", "mr2 abc 1", "mr1 abc 1 2", "mr1 abc 99999999999"}) {
    CHECK_FALSE(parse_note(bad));
  }
}

TEST_CASE("The first start of all begins where `start` says") {
  const StartDecision decision = decide_start("t", 1, topic(4));
  CHECK(decision.from == From::start);
  CHECK(decision.note.partitions == 4);
  CHECK(decision.note.topic_id == "abc");
}

TEST_CASE("A committed offset is gone on from, and keeps its note") {
  TopicHistory history = topic(6);
  history.committed[1] = commit(812, 4);
  const StartDecision decision = decide_start("t", 1, history);
  CHECK(decision.from == From::committed);
  CHECK(decision.offset == 812);
  CHECK(decision.note.partitions == 4);
}

TEST_CASE("An offset that something else committed is gone on from") {
  TopicHistory history = topic(6);
  history.committed[1] = CommittedOffset{5, "something else"};
  CHECK(decide_start("t", 1, history).from == From::committed);
  CHECK(decide_start("t", 1, history).note.partitions == 6);
}

TEST_CASE("A partition that was added later begins at its first record, whatever `start` says") {
  TopicHistory history = topic(6);
  history.committed[0] = commit(10, 4);
  CHECK(decide_start("t", 4, history).from == From::first);
  CHECK(decide_start("t", 5, history).from == From::first);
  // One of the added ones was begun already; the others are no less added.
  history.committed[4] = commit(3, 6);
  CHECK(decide_start("t", 5, history).from == From::first);
}

TEST_CASE("A partition that was there from the start, but not begun yet by anybody, begins where `start` says") {
  TopicHistory history = topic(4);
  history.committed[0] = commit(10, 4);
  CHECK(decide_start("t", 3, history).from == From::start);
}

TEST_CASE("Nothing committed although it was read before: asks") {
  TopicHistory history = topic(4);
  history.remembered = true;
  history.remembered_id = "abc";
  const StartDecision decision = decide_start("t", 0, history);
  CHECK(decision.from == From::refused);
  CHECK(decision.needs_accept_start);
  CHECK(decision.why.find("--accept-start") != std::string::npos);
  history.accept_start = true;
  CHECK(decide_start("t", 0, history).from == From::start);
}

TEST_CASE("A topic that was made anew is not read with the old offsets") {
  TopicHistory history = topic(4);
  history.committed[0] = commit(10, 4, "old");
  CHECK(decide_start("t", 0, history).from == From::refused);
  CHECK_FALSE(decide_start("t", 0, history).needs_accept_start);
  // Partitions without an offset of their own belong to the same topic.
  CHECK(decide_start("t", 1, history).from == From::refused);
  history.accept_start = true;
  CHECK(decide_start("t", 0, history).from == From::start);
}

TEST_CASE("Deleting a topic deletes its offsets: the state directory still knows the old id") {
  TopicHistory history = topic(4);
  history.remembered = true;
  history.remembered_id = "old";
  CHECK(decide_start("t", 0, history).from == From::refused);
  // Accepted once: the commits name today's topic.
  history.committed[0] = commit(7, 4, "abc");
  CHECK(decide_start("t", 0, history).from == From::committed);
}

TEST_CASE("Without ids a topic made anew cannot be noticed, and nothing is refused for it") {
  TopicHistory history = topic(4);
  history.id.clear();
  history.committed[0] = commit(10, 4, "old");
  CHECK(decide_start("t", 0, history).from == From::committed);
}

}  // namespace millrace
