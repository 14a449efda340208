// The commit state machine behind a worker, on a broker whose calls fail as planned.
#include "pipeline/commit.h"

#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

std::vector<std::string> strings(std::initializer_list<const char*> all) {
  return {all.begin(), all.end()};
}

// An identity pipeline with one partition and three records waiting.
struct Three {
  Three() : rig(identity_graph()), queue(rig.assign("in", 0)) {
    for (const char* value : {"a", "b", "c"}) queue.add(value);
  }
  // All three were written once and committed.
  void check_exact() const {
    CHECK(rig.cluster.values(0) == strings({"a", "b", "c"}));
    CHECK(rig.committed("in", 0) == 3);
    CHECK(rig.totals().counts.sheet().sent == 3);
  }
  [[nodiscard]] uint64_t recoveries(Fault fault) const { return rig.totals().recoveries[static_cast<size_t>(fault)]; }
  Rig rig;
  FakeQueue& queue;
};

}  // namespace

TEST_CASE("a batch is one transaction") {
  Three three;
  three.rig.run_ms(300);
  three.check_exact();
  CHECK(three.rig.broker().calls[Call::begin] == 1);
  CHECK(three.rig.broker().calls[Call::commit] == 1);
  CHECK(three.rig.broker().calls[Call::abort] == 0);
  CHECK(three.rig.totals().audits == 1);
  CHECK(FakeQueue::messages_alive == 0);
}

TEST_CASE("an unknown outcome that was committed is found so") {
  Three three;
  three.rig.broker().plan(Call::commit, Fault::unknown_outcome, true);
  three.rig.run_ms(500);
  three.check_exact();
  CHECK(three.rig.results(BatchResult::found_committed) == 1);
  CHECK(three.recoveries(Fault::unknown_outcome) == 1);
  CHECK(three.rig.broker().calls[Call::rebuild] == 1);
}

TEST_CASE("an unknown outcome that was not committed is replayed, three times if need be") {
  Three three;
  three.rig.broker().plan(Call::commit, Fault::unknown_outcome, false, 3);
  three.rig.run_ms(2000);
  three.check_exact();
  CHECK(three.recoveries(Fault::unknown_outcome) == 3);
  CHECK(three.rig.totals().replayed_batches == 3);
  CHECK(three.rig.results(BatchResult::committed) == 1);
}

TEST_CASE("every call that fails leads to the same recovery") {
  for (const Call call : {Call::begin, Call::send, Call::poll, Call::committed, Call::send_offsets, Call::commit}) {
    for (const Fault fault : {Fault::other, Fault::unknown_outcome, Fault::destination, Fault::authorization}) {
      Three three;
      three.rig.broker().plan(call, fault);
      three.rig.run_ms(1000);
      INFO(static_cast<int>(call) << " " << to_string(fault));
      three.check_exact();
      CHECK(three.recoveries(fault) == 1);
      CHECK(three.rig.broker().calls[Call::abort] == 0);
    }
  }
  CHECK(FakeQueue::messages_alive == 0);
}

TEST_CASE("a full queue is served and tried again") {
  Three three;
  three.rig.broker().plan(Call::send, Fault::queue_full, false, 5);
  three.rig.run_ms(500);
  three.check_exact();
  CHECK(three.rig.totals().replayed_batches == 0);
}

TEST_CASE("memory that a discarded producer may read goes to the reaper") {
  Three three;
  three.rig.broker().plan(Call::commit, Fault::unknown_outcome);
  three.rig.broker().pending_destroy = true;
  three.rig.run_ms(500);
  three.check_exact();
  CHECK(three.rig.broker().freed_later == 3);
}

TEST_CASE("the offset audit ends the process when the group's offset went back") {
  Three three;
  three.rig.run_ms(300);
  three.rig.cluster.committed[{"in", 0}] = 1;
  three.queue.add("d");
  three.rig.run_ms(500);
  CHECK(three.rig.cluster.values(0) == strings({"a", "b", "c"}));
  const auto end = three.rig.engine->end();
  REQUIRE(end.has_value());
  CHECK(end->code == ExitCode::stopped_by_policy);
  CHECK(end->what.find("committed offset of in-0 is 1, our last commit wrote 3") != std::string::npos);
  REQUIRE(end->differences.size() == 1);
  CHECK(end->differences[0].expected == 3);
  CHECK(end->differences[0].committed == 1);
  CHECK(three.rig.totals().audit_differences == 1);
  CHECK(three.rig.engine->worker(0).ended());
  CHECK_FALSE(three.rig.broker().open);
}

TEST_CASE("committed offsets that can be old are believed when they cannot be any more") {
  Rig rig(identity_graph());
  rig.options.offsets_agree_ms = 1000;
  FakeQueue& queue = rig.assign("in", 0);
  for (const char* value : {"a", "b", "c"}) queue.add(value);
  rig.run_ms(300);
  REQUIRE(rig.committed("in", 0) == 3);
  queue.add("d");
  SECTION("a commit that stale answers deny is found after all, however often they say so") {
    rig.broker().plan(Call::commit, Fault::unknown_outcome, true);
    rig.run_ms(20);
    const Progress stale = {{{"in", 0}, 3}};
    // To the audit before that commit, to the recovery, and to the audit of its replay.
    rig.broker().stale_answers = {stale, stale, stale};
    rig.run_ms(2000);
    CHECK(rig.results(BatchResult::found_committed) == 1);
    CHECK(rig.totals().replayed_batches == 1);
    CHECK(rig.totals().audit_differences == 1);
  }
  SECTION("a stale answer to the audit ends nothing") {
    rig.broker().stale_answers = {{{{"in", 0}, 1}}, {{{"in", 0}, 1}}};
    rig.run_ms(4000);
    CHECK_FALSE(rig.engine->end().has_value());
  }
  SECTION("nor do stale answers of a coordinator that moves twice") {
    rig.broker().stale_answers = {{{{"in", 0}, 1}}, {{{"in", 0}, 1}}, {{{"in", 0}, 1}}, {{{"in", 0}, 1}}};
    rig.run_ms(20'000);
    CHECK_FALSE(rig.engine->end().has_value());
    CHECK(rig.committed("in", 0) == 4);
  }
  SECTION("a batch that was not committed is replayed at once") {
    rig.broker().plan(Call::commit, Fault::unknown_outcome);
    rig.run_ms(500);
    CHECK(rig.totals().replayed_batches == 1);
    CHECK(rig.committed("in", 0) == 4);
  }
  SECTION("an offset that went back ends the process some seconds later") {
    rig.cluster.committed[{"in", 0}] = 1;
    rig.run_ms(4900);
    CHECK_FALSE(rig.engine->end().has_value());
    rig.run_ms(15'000);
    REQUIRE(rig.engine->end().has_value());
    CHECK(rig.engine->end()->code == ExitCode::stopped_by_policy);
    CHECK_FALSE(rig.engine->end()->by_threshold);
    CHECK_FALSE(rig.engine->end()->differences.empty());
    return;
  }
  SECTION("a partition that the group wants back is not kept for the second answer") {
    rig.cluster.committed[{"in", 0}] = 1;
    rig.run_ms(500);
    rig.revoke("in", 0);
    rig.run_ms(50);
    CHECK(rig.released("in", 0));
    return;
  }
  SECTION("a stop waits for the second answer, and no longer") {
    rig.cluster.committed[{"in", 0}] = 1;
    rig.run_ms(500);
    CHECK_FALSE(rig.engine->worker(0).ended());
    rig.engine->worker(0).stop();
    rig.run_ms(1500);
    CHECK(rig.engine->worker(0).ended());
    return;
  }
  SECTION("a stop while the outcome is unknown lets the batch have its replay") {
    rig.broker().plan(Call::commit, Fault::unknown_outcome);
    rig.run_ms(20);
    rig.engine->worker(0).stop();
    rig.run_ms(1500);
    CHECK(rig.engine->worker(0).ended());
  }
  CHECK(rig.cluster.values(0) == strings({"a", "b", "c", "d"}));
  CHECK(rig.committed("in", 0) == 4);
}

TEST_CASE("a partition that was begun at an offset that is over leaves nothing behind and asks for a restart") {
  Rig rig(identity_graph());
  FakeQueue& queue = rig.assign("in", 0);
  for (const char* value : {"a", "b", "c"}) queue.add(value);
  // What the group knows by now; the start, and the audit, were told something older.
  rig.cluster.committed[{"in", 0}] = 2;
  rig.broker().stale_answers = {{{{"in", 0}, 0}}, {}};
  rig.run_ms(40'000);
  CHECK(rig.cluster.values(0).empty());
  REQUIRE(rig.engine->end().has_value());
  CHECK(rig.engine->end()->code == ExitCode::no_progress);
  CHECK(rig.engine->end()->what.find("in-0 was read from 0 on") != std::string::npos);
}

TEST_CASE("a missing offset is waited for, then ends the process") {
  Three three;
  three.rig.run_ms(300);
  three.rig.cluster.committed.clear();
  three.queue.add("d");
  three.rig.run_ms(8000);
  CHECK_FALSE(three.rig.engine->end().has_value());
  CHECK(three.rig.status().state == WorkerState::blocked);
  SECTION("it comes back") {
    three.rig.cluster.committed[{"in", 0}] = 3;
    three.rig.run_ms(12'000);
    CHECK(three.rig.cluster.values(0) == strings({"a", "b", "c", "d"}));
  }
  SECTION("its partition is taken away: the topic was deleted") {
    three.rig.lose("in", 0);
    three.rig.run_ms(100);
    CHECK(three.rig.released("in", 0));
    CHECK_FALSE(three.rig.engine->end().has_value());
  }
  SECTION("it stays away") {
    three.rig.run_ms(12'000);
    REQUIRE(three.rig.engine->end().has_value());
    CHECK(three.rig.engine->end()->differences[0].committed == -1);
  }
}

TEST_CASE("an offset that is ahead means that the group has moved on") {
  Three three;
  three.rig.run_ms(300);
  three.rig.cluster.committed[{"in", 0}] = 10;
  three.queue.add("d");
  three.rig.run_ms(2000);
  CHECK_FALSE(three.rig.engine->end().has_value());
  CHECK(three.rig.cluster.values(0) == strings({"a", "b", "c"}));
  SECTION("then we hear that we lost the partition") {
    three.rig.lose("in", 0);
    three.rig.run_ms(100);
    CHECK(three.rig.released("in", 0));
    CHECK(three.rig.totals().dropped_records == 1);
    auto& again = three.rig.assign("in", 0);
    again.add("e");
    three.rig.run_ms(15'000);
    CHECK(three.rig.cluster.values(0) == strings({"a", "b", "c", "e"}));
    CHECK(three.rig.committed("in", 0) == 11);
  }
  SECTION("or nobody tells us, which is no state to go on from") {
    three.rig.run_ms(45'000);
    REQUIRE(three.rig.engine->end().has_value());
    CHECK(three.rig.engine->end()->code == ExitCode::stopped_by_policy);
  }
}

TEST_CASE("without a generation nothing is committed") {
  Three three;
  three.rig.cluster.stamp = {-1, "", nullptr};
  three.rig.run_ms(500);
  CHECK(three.rig.cluster.written.empty());
  CHECK(three.rig.broker().calls[Call::send_offsets] == 0);
  CHECK(three.rig.broker().calls[Call::abort] == 1);
  CHECK(three.rig.status().state == WorkerState::blocked);
  SECTION("until there is one again") {
    three.rig.cluster.stamp = {2, "member", nullptr};
    three.rig.run_ms(2000);
    three.check_exact();
    CHECK(three.rig.broker().calls[Call::rebuild] == 0);
  }
  SECTION("or the partition is lost") {
    three.rig.lose("in", 0);
    three.rig.turn();
    CHECK(three.rig.released("in", 0));
    CHECK(three.rig.totals().dropped_records == 3);
    CHECK(FakeQueue::messages_alive == 0);
  }
}

TEST_CASE("a wrong generation is aborted, and the batch tried again while its partitions are ours") {
  Three three;
  three.rig.broker().plan(Call::send_offsets, Fault::generation, false, 2);
  three.rig.run_ms(2000);
  three.check_exact();
  CHECK(three.rig.broker().calls[Call::abort] == 2);
  CHECK(three.rig.broker().calls[Call::rebuild] == 0);
}

TEST_CASE("an abort that fails is a recovery") {
  Three three;
  three.rig.broker().plan(Call::send_offsets, Fault::generation);
  three.rig.broker().plan(Call::abort, Fault::unknown_outcome);
  three.rig.run_ms(2000);
  three.check_exact();
  CHECK(three.rig.broker().calls[Call::rebuild] == 1);
}

TEST_CASE("partitions that are lost in the middle of a batch are not committed; the others are") {
  Three three;
  auto& other = three.rig.assign("in", 1);
  other.add("x");
  three.rig.run_ms(50);
  CHECK(three.rig.broker().open);
  three.rig.lose("in", 0);
  three.rig.run_ms(500);
  CHECK(three.rig.cluster.values(0) == strings({"x"}));
  CHECK(three.rig.committed("in", 0) == 0);
  CHECK(three.rig.committed("in", 1) == 1);
  CHECK(three.rig.released("in", 0));
  CHECK_FALSE(three.rig.released("in", 1));
  CHECK(three.rig.totals().dropped_records == 3);
  CHECK(three.rig.totals().counts.sheet().read == 1);
}

TEST_CASE("a partition that is lost between commit and answer was committed with the others") {
  Three three;
  auto& other = three.rig.assign("in", 1);
  other.add("x");
  three.rig.run_ms(50);
  three.rig.broker().plan(Call::commit, Fault::unknown_outcome, true);
  three.rig.broker().plan(Call::rebuild, Fault::other);
  three.rig.run_ms(60);
  three.rig.lose("in", 0);
  three.rig.run_ms(1000);
  CHECK(three.rig.cluster.values(0).size() == 4);
  CHECK(three.rig.results(BatchResult::found_committed) == 1);
  CHECK(three.rig.totals().dropped_records == 0);
  CHECK(three.rig.totals().counts.sheet().sent == 4);
}

TEST_CASE("a record that the broker refuses is found by the isolating producer") {
  Three three;
  three.rig.broker().refuse_value("b");
  three.rig.run_ms(3000);
  CHECK(three.rig.cluster.values(0) == strings({"a", "c"}));
  REQUIRE(three.rig.cluster.values(1) == strings({"b"}));
  CHECK(three.rig.cluster.written[1].headers["millrace.reason"] == "refused_by_broker");
  CHECK(three.rig.totals().refused_records == 1);
  CHECK(three.rig.cluster.refreshes >= 1);
  CHECK(three.rig.totals().counts.sheet().dead == 1);
  // The next batch has a producer of the common kind again.
  three.queue.add("d");
  three.rig.run_ms(1000);
  CHECK(three.rig.cluster.values(0) == strings({"a", "c", "d"}));
  CHECK_FALSE(three.rig.broker().isolating);
}

TEST_CASE("more than eight refused records in one batch stop the pipeline") {
  Three three;
  for (int i = 0; i < 9; ++i) {
    three.queue.add("bad" + std::to_string(i));
    three.rig.broker().refuse_value("bad" + std::to_string(i));
  }
  three.rig.run_ms(200'000);
  CHECK(three.rig.cluster.written.empty());
  REQUIRE(three.rig.engine->end().has_value());
  CHECK(three.rig.engine->end()->code == ExitCode::stopped_by_policy);
}

TEST_CASE("a destination's state holds the batch until it heals") {
  Three three;
  three.rig.run_ms(50);
  three.rig.broker().plan(Call::poll, Fault::destination, false, 1, 0);
  three.rig.cluster.destinations[0].reachable = false;
  three.rig.cluster.destinations[0].state = "topic out: no right to write";
  three.rig.run_ms(60'000);
  CHECK(three.rig.cluster.written.empty());
  CHECK(three.rig.status().state == WorkerState::blocked);
  CHECK(three.rig.status().reason == "topic out: no right to write");
  CHECK_FALSE(three.rig.engine->snapshot().ready);
  CHECK(three.rig.engine->snapshot().not_ready.find("no right to write") != std::string::npos);
  CHECK(three.rig.cluster.refreshes > 3);
  CHECK(three.rig.cluster.refreshes < 20);  // the waits grow
  CHECK_FALSE(three.rig.engine->end().has_value());
  three.rig.cluster.destinations[0].reachable = true;
  three.rig.run_ms(11'000);
  three.check_exact();
  CHECK(three.rig.engine->snapshot().ready);
}

TEST_CASE("while a destination refuses, readiness does not go back and forth between the tries") {
  Three three;
  three.rig.run_ms(50);
  three.rig.broker().plan(Call::poll, Fault::destination, false, 8, 0);
  int refused = 0;
  for (int i = 0; i < 20'000 && three.rig.results(BatchResult::committed) == 0; ++i) {
    three.rig.run_ms(1);
    if (three.rig.totals().recoveries[static_cast<size_t>(Fault::destination)] == 0) continue;
    if (three.rig.results(BatchResult::committed) > 0) break;
    ++refused;
    const Snapshot snapshot = three.rig.engine->snapshot();
    REQUIRE_FALSE(snapshot.ready);
    REQUIRE(snapshot.workers[0].state == WorkerState::blocked);
    REQUIRE(snapshot.workers[0].reason == "planned destination");
    REQUIRE_FALSE(snapshot.destinations[0].usable);
  }
  CHECK(refused > 1000);
  CHECK(three.recoveries(Fault::destination) == 8);
  three.rig.run_ms(300);
  three.check_exact();
  CHECK(three.rig.engine->snapshot().ready);
  CHECK(three.rig.engine->snapshot().destinations[0].usable);
}

TEST_CASE("a held batch gives its partition back when the group asks") {
  Three three;
  three.rig.run_ms(50);
  three.rig.broker().plan(Call::poll, Fault::destination, false, 1, 0);
  three.rig.cluster.destinations[0].reachable = false;
  three.rig.run_ms(1000);
  CHECK_FALSE(three.rig.released("in", 0));
  three.rig.revoke("in", 0);
  three.rig.turn();
  CHECK(three.rig.released("in", 0));
  CHECK(three.rig.committed("in", 0) == 0);
}

TEST_CASE("brokers that are away hold the recovery, and nothing ends") {
  Three three;
  three.rig.broker().plan(Call::commit, Fault::unknown_outcome);
  three.rig.broker().plan(Call::rebuild, Fault::other, false, 6);
  three.rig.broker().plan(Call::committed, Fault::none, true);  // of the audit
  three.rig.broker().plan(Call::committed, Fault::unknown_outcome, false, 3);
  three.rig.run_ms(3000);
  CHECK(three.rig.status().state == WorkerState::blocked);
  CHECK(three.rig.cluster.written.empty());
  three.rig.run_ms(60'000);
  three.check_exact();
  CHECK(three.rig.totals().recovery_failures == 9);
}

TEST_CASE("another instance with our transactional id ends the process") {
  Three three;
  three.rig.broker().plan(Call::poll, Fault::fenced, false, 10);
  three.rig.run_ms(30'000);
  REQUIRE(three.rig.engine->end().has_value());
  CHECK(three.rig.engine->end()->code == ExitCode::fenced);
}

TEST_CASE("one fence may be an echo of our own") {
  Three three;
  three.rig.broker().plan(Call::poll, Fault::fenced);
  three.rig.run_ms(1000);
  three.check_exact();
}

TEST_CASE("refused rights at the start end the process after a while") {
  Rig rig(identity_graph());
  rig.start();
  rig.broker().plan(Call::start, Fault::authorization, false, 1000);
  rig.run_ms(25'000);
  CHECK_FALSE(rig.engine->end().has_value());
  CHECK_FALSE(rig.engine->producers_ready());
  rig.run_ms(20'000);
  REQUIRE(rig.engine->end().has_value());
  CHECK(rig.engine->end()->code == ExitCode::refused);
}

TEST_CASE("brokers that are away at the start are waited for") {
  Rig rig(identity_graph());
  rig.start();
  rig.broker().plan(Call::start, Fault::other, false, 8);
  rig.run_ms(200'000);
  CHECK(rig.engine->producers_ready());
  CHECK(rig.engine->snapshot().ready);
}

TEST_CASE("at_least_once: the same loop without the audit") {
  Rig rig(identity_graph());
  rig.options.delivery = Delivery::at_least_once;
  auto& queue = rig.assign("in", 0);
  for (const char* value : {"a", "b"}) queue.add(value);
  rig.run_ms(50);
  SECTION("all is well") {
    rig.run_ms(300);
    CHECK(rig.cluster.values(0) == strings({"a", "b"}));
    CHECK(rig.broker().calls[Call::committed] == 0);
  }
  SECTION("an error replays the whole batch") {
    rig.broker().plan(Call::commit, Fault::other);
    rig.run_ms(1000);
    CHECK(rig.cluster.values(0) == strings({"a", "b"}));
    CHECK(rig.committed("in", 0) == 2);
  }
  SECTION("a wrong generation needs no abort") {
    rig.broker().plan(Call::commit, Fault::generation);
    rig.run_ms(1000);
    CHECK(rig.cluster.values(0) == strings({"a", "b"}));
    CHECK(rig.broker().calls[Call::abort] == 0);
    CHECK(rig.broker().calls[Call::rebuild] == 0);
  }
}
