// What was sent, computed again, and its comparison with what is there.
#include "pipeline/recompute.h"

#include <string>

#include "support/catch.h"
#include "support/test_graph.h"

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr TimeSpan kSpan{1'000'000, 1'064'000};  // slices of one second

void add(SpanTally& tally, int number, int32_t partition = 0) {
  const int64_t timestamp_ms = kSpan.begin_ms + number * 100;
  const std::string value = std::to_string(number);
  tally.add(0, partition, timestamp_ms, record_hash(Bytes(), Bytes(value), timestamp_ms));
}

uint64_t hash_of(int number) {
  const std::string value = std::to_string(number);
  return record_hash(Bytes(), Bytes(value), kSpan.begin_ms + number * 100);
}

}  // namespace

TEST_CASE("what is equal has no difference, in whatever order it came") {
  SpanTally sent(kSpan);
  SpanTally present(kSpan);
  for (int i = 0; i < 640; ++i) add(sent, i, i % 3);
  for (int i = 639; i >= 0; --i) add(present, i, i % 3);
  CHECK(compare(sent, present).empty());
}

TEST_CASE("one record that is missing or too many is known by its hash") {
  SpanTally sent(kSpan);
  SpanTally present(kSpan);
  for (int i = 0; i < 640; ++i) add(sent, i);
  for (int i = 0; i < 640; ++i) {
    if (i != 77 && i != 400) add(present, i);
  }
  add(present, 5, 2);  // in a partition to which nothing was sent
  const auto found = compare(sent, present);
  REQUIRE(found.size() == 2);
  CHECK(found[0].partition == 0);
  CHECK(found[0].sent == 640);
  CHECK(found[0].present == 638);
  CHECK(found[0].missing == std::vector<uint64_t>{hash_of(77), hash_of(400)});
  CHECK(found[0].extra.empty());
  CHECK(found[1].partition == 2);
  CHECK(found[1].sent == 0);
  CHECK(found[1].extra == std::vector<uint64_t>{hash_of(5)});
}

TEST_CASE("as many records that are others are a difference") {
  SpanTally sent(kSpan);
  SpanTally present(kSpan);
  for (int i = 0; i < 10; ++i) add(sent, i);
  for (int i = 1; i < 10; ++i) add(present, i);
  present.add(0, 0, kSpan.begin_ms, record_hash(Bytes(), Bytes("other"), kSpan.begin_ms));
  const auto found = compare(sent, present);
  REQUIRE(found.size() == 1);
  CHECK(found[0].contents);
  CHECK(found[0].sent == found[0].present);
}

TEST_CASE("null and empty, key and value are told apart") {
  CHECK(record_hash(Bytes(), Bytes("v"), 1) != record_hash(Bytes(""), Bytes("v"), 1));
  CHECK(record_hash(Bytes("a"), Bytes("b"), 1) != record_hash(Bytes("b"), Bytes("a"), 1));
  CHECK(record_hash(Bytes("a"), Bytes("b"), 1) != record_hash(Bytes("a"), Bytes("b"), 2));
}

TEST_CASE("records go through the graph as a worker takes them") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("some", "in", "keep_if", "keep").destination("out", "some", "out");
  builder.dead_letters("dead");
  const std::shared_ptr<const Graph> graph = builder.build();
  INFO(builder.errors);
  REQUIRE(graph != nullptr);
  std::vector<DestinationLimits> limits(2);
  for (auto& each : limits) each.partitions = 4;
  Recompute recompute(graph, limits);
  const Origin origin{"in", 6, 0};
  std::vector<std::string> values;
  for (int i = 0; i < 3000; ++i) values.push_back((i % 3 == 0 ? "keep " : "drop ") + std::to_string(i));
  std::vector<Record> records;
  for (const std::string& value : values) {
    Record record;
    record.value = Bytes(value);
    record.origin = &origin;
    record.offset = static_cast<int64_t>(records.size());
    record.timestamp_ms = 5;
    records.push_back(record);
  }
  for (int turn = 0; turn < 2; ++turn) {
    std::vector<std::string> made;
    const auto done = recompute.run(0, records, [&](const OutputRecord& output, const Record& from) {
      CHECK(output.partition == 2);  // a null key goes by the source's partition
      CHECK(from.origin->partition == 6);
      CHECK(values[static_cast<size_t>(from.offset)] == output.value.view());
      made.emplace_back(output.value.view());
    });
    REQUIRE(done);
    REQUIRE(made.size() == 1000);
    CHECK(made[999] == "keep 2997");
  }
}
