#include "pipeline/executor.h"

#include "base/hash.h"
#include "pipeline/dead_letter.h"
#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

FakeQueue::Input input(const std::string& value, const std::string& key = "", int64_t timestamp_ms = -1) {
  FakeQueue::Input in;
  in.value = value;
  in.key = key;
  in.null_key = key.empty();
  in.timestamp_ms = timestamp_ms;
  return in;
}

std::vector<std::string> strings(std::initializer_list<const char*> all) {
  return {all.begin(), all.end()};
}

}  // namespace

TEST_CASE("a union gives its records in the order of the input") {
  SpecBuilder builder;
  builder.source("in", {"in"})
      .stage("size", "in", "split", "a b")
      .stage("all", "size.rest, size.b, size.a", "keep_if", "")
      .destination("out", "all", "out")
      .destination("two", "size.b, size.a", "two")
      .dead_letters("dead");
  Rig rig(builder.build());
  auto& queue = rig.assign("in", 0);
  for (const char* value : {"a1", "b2", "x3", "b4", "a5", "x6", "a7"}) queue.add(value);
  rig.run_ms(300);
  CHECK(rig.cluster.values(0) == strings({"a1", "b2", "x3", "b4", "a5", "x6", "a7"}));
  CHECK(rig.cluster.values(1) == strings({"a1", "b2", "b4", "a5", "a7"}));
  const BalanceSheet sheet = rig.totals().counts.sheet();
  CHECK(sheet.read == 7);
  CHECK(sheet.copies == 5);
  CHECK(sheet.sent == 12);
  CHECK(rig.totals().counts.stages[0].ports[0].records == 3);
}

TEST_CASE("two destinations with one topic get records in the order of the input, wherever chunks end") {
  for (const uint64_t max_records : {2ULL, 3ULL, 1000ULL}) {
    SpecBuilder builder;
    builder.source("in", {"in"}).stage("size", "in", "split", "a").destination("one", "size.a", "out");
    builder.destination("two", "size.rest", "out").dead_letters("dead");
    Rig rig(builder.build());
    rig.options.max_records = max_records;
    auto& queue = rig.assign("in", 0);
    for (const char* value : {"x1", "a2", "a3", "x4", "a5", "x6", "a7"}) queue.add(value);
    rig.run_ms(500);
    std::vector<std::string> all;
    for (const auto& written : rig.cluster.written) all.push_back(written.value);
    CHECK(all == strings({"x1", "a2", "a3", "x4", "a5", "x6", "a7"}));
  }
}

TEST_CASE("a port that nobody reads settles its records as unmatched") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("size", "in", "split", "a").destination("out", "size.a", "out");
  builder.dead_letters("dead");
  Rig rig(builder.build());
  auto& queue = rig.assign("in", 0);
  queue.add("a");
  queue.add("b");
  rig.run_ms(300);
  CHECK(rig.totals().counts.sheet().unmatched == 1);
  CHECK(rig.totals().counts.stages[0].ports[1].records == 1);
}

TEST_CASE("keys, partitions, timestamps and headers pass through") {
  Rig rig(identity_graph());
  auto& queue = rig.assign("in", 4);
  auto keyed = input("v1", "some key", 1234);
  keyed.headers = {{"h", "1"}, {"h2", ""}};
  queue.add(keyed);
  queue.add(input("v2"));
  FakeQueue::Input tombstone = input("", "k");
  tombstone.null_value = true;
  queue.add(tombstone);
  rig.run_ms(300);
  REQUIRE(rig.cluster.written.size() == 3);
  const auto& first = rig.cluster.written[0];
  CHECK(first.key == "some key");
  CHECK(first.partition == partition_for_key("some key", 3));
  CHECK(first.timestamp_ms == 1234);
  CHECK(first.headers == std::map<std::string, std::string>{{"h", "1"}, {"h2", ""}});
  CHECK(rig.cluster.written[1].null_key);
  CHECK(rig.cluster.written[1].partition == 1);  // 4 mod 3
  CHECK(rig.cluster.written[2].null_value);
}

TEST_CASE("a rejected record goes by its node's policy") {
  const auto run = [](config::OnError on_error) {
    SpecBuilder builder;
    builder.source("in", {"in"}).stage("check", "in", "reject_if", "bad", on_error).destination("out", "check", "out");
    builder.dead_letters("dead");
    auto rig = std::make_unique<Rig>(builder.build());
    auto& queue = rig->assign("in", 0);
    queue.add("one");
    auto bad = input("bad two", "key", 77);
    bad.headers = {{"mine", "yes"}};
    queue.add(bad);
    queue.add("three");
    rig->run_ms(300);
    return rig;
  };
  SECTION("dead_letter") {
    const auto rig = run(config::OnError::dead_letter);
    CHECK(rig->cluster.values(0) == strings({"one", "three"}));
    REQUIRE(rig->cluster.values(1) == strings({"bad two"}));
    const Written& letter = rig->cluster.written[1];
    CHECK(letter.key == "key");
    CHECK(letter.timestamp_ms == 77);
    const std::map<std::string, std::string> expected = {{"mine", "yes"},
                                                         {"millrace.pipeline", "test"},
                                                         {"millrace.stage", "check"},
                                                         {"millrace.reason", "rule_broken"},
                                                         {"millrace.error", "holds what it must not"},
                                                         {"millrace.topic", "in"},
                                                         {"millrace.partition", "0"},
                                                         {"millrace.offset", "1"},
                                                         {"millrace.timestamp", "77"},
                                                         {"millrace.config", "0123456789abcdef"}};
    CHECK(letter.headers == expected);
    CHECK(rig->totals().counts.sheet().dead == 1);
    const auto reason = static_cast<size_t>(RejectReason::rule_broken);
    CHECK(rig->totals().counts.stages[0].policy.dead[reason] == 1);
  }
  SECTION("drop") {
    const auto rig = run(config::OnError::drop);
    CHECK(rig->cluster.values(0) == strings({"one", "three"}));
    CHECK(rig->cluster.values(1).empty());
    CHECK(rig->totals().counts.sheet().dropped == 1);
  }
  SECTION("keep") {
    const auto rig = run(config::OnError::keep);
    CHECK(rig->cluster.values(0) == strings({"one", "bad two", "three"}));
    CHECK(rig->totals().counts.sheet().sent == 3);
  }
  SECTION("stop") {
    const auto rig = run(config::OnError::stop);
    CHECK(rig->cluster.written.empty());
    CHECK(rig->committed("in", 0) == 0);
    const auto end = rig->engine->end();
    REQUIRE(end.has_value());
    CHECK(end->code == ExitCode::stopped_by_policy);
    CHECK(end->what.find("in-0 offset 1") != std::string::npos);
    CHECK_FALSE(rig->broker().open);
  }
}

TEST_CASE("records that do not decode") {
  const auto run = [](config::OnError on_error) {
    SpecBuilder builder;
    builder.source("in", {"in"}, on_error, "json").destination("out", "in", "out").dead_letters("dead");
    auto rig = std::make_unique<Rig>(builder.build());
    auto& queue = rig->assign("in", 0);
    queue.add(R"({"a": 1})");
    queue.add("{not json");
    queue.add(R"({"a": 2})");
    rig->run_ms(300);
    return rig;
  };
  const auto dead = run(config::OnError::dead_letter);
  CHECK(dead->cluster.values(0).size() == 2);
  REQUIRE(dead->cluster.values(1) == strings({"{not json"}));
  CHECK(dead->cluster.written[1].headers["millrace.reason"] == "not_decodable");
  CHECK(dead->cluster.written[1].headers["millrace.stage"] == "in");
  CHECK(run(config::OnError::drop)->cluster.written.size() == 2);
  CHECK(run(config::OnError::keep)->cluster.values(0).size() == 3);
}

TEST_CASE("a destination's limits are checked before sending") {
  SpecBuilder builder;
  builder.source("in", {"in"}).destination("out", "in", "out").dead_letters("dead");
  Rig rig(builder.build());
  rig.cluster.destinations[0].max_message_bytes = 1000;
  rig.cluster.destinations[0].compacted = true;
  rig.cluster.destinations[0].timestamp_before_max_ms = 60'000;
  rig.cluster.destinations[0].timestamp_after_max_ms = 60'000;
  auto& queue = rig.assign("in", 0);
  const int64_t now = rig.clock.wall_ms();
  queue.add(input("fits", "k", now));
  queue.add(input(std::string(1000, 'x'), "k", now));
  queue.add(input("no key", "", now));
  queue.add(input("old", "k", now - 61'000));
  queue.add(input("new", "k", now + 61'000));
  rig.run_ms(300);
  CHECK(rig.cluster.values(0) == strings({"fits"}));
  std::vector<std::string> reasons;
  for (auto& written : rig.cluster.written) {
    if (written.destination == 1) reasons.push_back(written.headers["millrace.reason"]);
  }
  CHECK(reasons == strings({"too_large_for_destination", "null_key", "bad_timestamp", "bad_timestamp"}));
}

TEST_CASE("a dead letter that does not fit its topic is a stub") {
  Arena arena;
  const Origin origin{"in", 3, 0};
  const std::string value(200'000, 'v');
  const std::string big_key(5000, 'k');
  const Header header{"mine", Bytes(std::string_view("yes"))};
  Record record;
  record.key = Bytes(std::string_view("key"));
  record.value = Bytes(value);
  record.headers = {&header, 1};
  record.origin = &origin;
  record.offset = 17;
  const DeadLetterReason why{"p", "n", RejectReason::too_large, "too large", "hash"};
  DestinationLimits limits;
  const auto fits = [&limits](const OutputRecord& out) {
    return batch_bytes(out.key.size, out.value.size, out.headers) <= limits.max_message_bytes;
  };
  const auto find = [](const OutputRecord& out, std::string_view name) -> std::string {
    for (const Header& one : out.headers) {
      if (one.name == name) return std::string(one.value.view());
    }
    return "(none)";
  };
  SECTION("it fits") {
    const DeadLetter letter = make_dead_letter(record, why, limits, 0, arena);
    CHECK_FALSE(letter.stub);
    CHECK(letter.record.value.data == value.data());
    CHECK(find(letter.record, "millrace.stub") == "(none)");
  }
  SECTION("64 KiB of it") {
    limits.max_message_bytes = 150'000;
    const DeadLetter letter = make_dead_letter(record, why, limits, 0, arena);
    CHECK(letter.stub);
    CHECK(fits(letter.record));
    CHECK(letter.record.value.size == kStubBytes);
    CHECK(find(letter.record, "mine") == "yes");
    CHECK(find(letter.record, "millrace.size") == "200000");
    CHECK(find(letter.record, "millrace.offset") == "17");
    // sha256sum of 200,000 times 'v'
    CHECK(find(letter.record, "millrace.sha256").size() == 64);
  }
  SECTION("what is left when the topic takes little") {
    limits.max_message_bytes = 4000;
    const DeadLetter letter = make_dead_letter(record, why, limits, 0, arena);
    CHECK(letter.stub);
    CHECK(fits(letter.record));
    CHECK(letter.record.value.size > 1000);
    CHECK(letter.record.key.view() == "key");
  }
  SECTION("a key that does not fit either, into a compacted topic with limits on time") {
    record.key = Bytes(big_key);
    record.timestamp_ms = 5;
    limits.max_message_bytes = 4000;
    limits.compacted = true;
    limits.timestamp_before_max_ms = 1000;
    const DeadLetter letter = make_dead_letter(record, why, limits, 1'000'000, arena);
    CHECK(letter.stub);
    CHECK(letter.record.key.view() == "in-3-17");
    CHECK(letter.record.timestamp_ms == 1'000'000);
    CHECK(find(letter.record, "millrace.timestamp") == "5");
  }
}

TEST_CASE("new keys and partitions from expressions") {
  SpecBuilder builder;
  builder.source("in", {"in"}, config::OnError::dead_letter, "json")
      .destination("text", "in", "text")
      .key("value.id")
      .destination("long", "in", "long")
      .key("value.id", "int64")
      .destination("json", "in", "json")
      .key("value.name", "json")
      .destination("null", "in", "null")
      .key("value.?nothing")
      .partition("value.id + 1")
      .dead_letters("dead");
  Rig rig(builder.build());
  auto& queue = rig.assign("in", 2);
  queue.add(R"({"id": 258, "name": "n"})");
  queue.add(R"({"id": "x", "name": 7})");
  rig.run_ms(300);
  const auto key = [&rig](uint16_t destination, size_t index) {
    std::vector<Written> of;
    for (const auto& written : rig.cluster.written) {
      if (written.destination == destination) of.push_back(written);
    }
    return index < of.size() ? of[index] : Written{};
  };
  CHECK(key(0, 0).key == "258");
  CHECK(key(0, 1).key == "x");
  CHECK(key(1, 0).key == std::string("\0\0\0\0\0\0\1\2", 8));
  CHECK(key(2, 0).key == "\"n\"");
  CHECK(key(2, 1).key == "7");
  CHECK(key(3, 0).null_key);
  CHECK(key(3, 0).partition == 259 % 3);
  // `x` is no int64, and `x` + 1 is nothing.
  CHECK(rig.totals().counts.sheet().dead == 2);
}
