#include "kafka/wire_watch.h"

#include "support/catch.h"

namespace millrace {

namespace {
constexpr int16_t kProduce = 0;
constexpr int16_t kFetch = 1;
constexpr int16_t kAddPartitions = 24;
constexpr int16_t kEndTxn = 26;
constexpr int16_t kTxnOffsetCommit = 28;
}  // namespace

TEST_CASE("One end, and every request answered: trusted") {
  WireWatch watch;
  for (const int16_t key : {kAddPartitions, kProduce, kTxnOffsetCommit, kEndTxn}) watch.saw_request(key);
  CHECK(watch.suspicion().empty());
}

TEST_CASE("An end that was sent twice is not trusted") {
  WireWatch watch;
  watch.saw_request(kProduce);
  watch.saw_request(kEndTxn);
  watch.saw_request(kEndTxn);
  CHECK(watch.suspicion() == "EndTxn was sent 2 times");
  watch.reset();
  CHECK(watch.suspicion().empty());
}

TEST_CASE("Repeats of other requests are ordinary") {
  WireWatch watch;
  watch.saw_request(kAddPartitions);
  watch.saw_request(kAddPartitions);
  watch.saw_request(kEndTxn);
  CHECK(watch.suspicion().empty());
}

TEST_CASE("Any writing request without an answer is not trusted") {
  for (const int16_t key : {int16_t{0}, int16_t{22}, int16_t{24}, int16_t{25}, int16_t{26}, int16_t{28}}) {
    WireWatch watch;
    watch.saw_request(kEndTxn);
    watch.saw_local_error(key);
    CHECK_FALSE(watch.suspicion().empty());
    CHECK(watch.unanswered());
  }
  WireWatch watch;
  watch.saw_request(kEndTxn);
  watch.saw_local_error(kFetch);
  CHECK(watch.suspicion().empty());
}

TEST_CASE("A transaction that nothing was added to has no end on the wire; one with records has") {
  WireWatch watch;
  CHECK(watch.suspicion().empty());
  watch.saw_request(kProduce);
  CHECK(watch.suspicion() == "EndTxn was not sent");
}

}  // namespace millrace
