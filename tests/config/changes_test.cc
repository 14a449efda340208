// What differs between two files, and how a running daemon takes it.
#include "config/changes.h"

#include "config/parse.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::config;

namespace {

constexpr const char* kFile = R"(pipeline: edits
kafka:
  brokers: [localhost:9092]
workers: 2
sources:
  edits:
    topics: [edits]
  more:
    topics: [more]
stages:
  humans:
    from: edits
    filter: |-
      !value.robot
  others:
    from: more
    filter: |-
      true
destinations:
  out:
    from: [humans, others]
    topic: out
dead_letters:
  topic: dead
)";

PipelineSpec spec_of(const std::string& text) {
  ParseContext context;
  context.stage_kinds = {"filter", "classify", "decorate"};
  context.host_name = "host";
  context.default_state_directory = "/var/lib/x";
  Diagnostics diagnostics;
  auto spec = parse_pipeline("a.yaml", text, context, diagnostics);
  INFO(diagnostics.text("a.yaml"));
  REQUIRE(spec.has_value());
  REQUIRE_FALSE(diagnostics.has_errors());
  return std::move(*spec);
}

std::string with(std::string text, const std::string& what, const std::string& instead) {
  const size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), instead);
}

std::vector<Change> changes(const PipelineSpec& before, const PipelineSpec& after) {
  return changes_between(before, *before.document, after);
}

// What one change of the text comes to, line by line.
std::string said(const std::string& what, const std::string& instead) {
  const auto before = spec_of(kFile);
  std::string text;
  for (const Change& change : changes(before, spec_of(with(kFile, what, instead)))) {
    text += (text.empty() ? "" : "\n") + text_of(change, "a.yaml");
  }
  return text;
}

}  // namespace

TEST_CASE("layout, comments and written-out defaults are no changes") {
  CHECK(said("workers: 2\n", "").empty());
  CHECK(said("workers: 2\n", "workers: 2  # as ever\ndelivery: exactly_once\nlog: {level: info}\n").empty());
  CHECK(said("[localhost:9092]", "['localhost:9092']").empty());
}

TEST_CASE("each kind of change is named with its place and how it applies") {
  CHECK(said("!value.robot", "value.robot") ==
        "a.yaml:13:13: stages.humans.filter: !value.robot -> value.robot (next batch)");
  CHECK(said("workers: 2", "workers: 3") == "a.yaml:4:10: workers: 2 -> 3 (needs restart)");
  CHECK(said("workers: 2", "batch: {max_records: 5}") == "a.yaml:4:22: batch.max_records: 100000 -> 5 (next batch)");
  CHECK(said("workers: 2", "batch: {interval: 20s}") == "a.yaml:4:19: batch.interval: 1s -> 20s (new producer)");
  CHECK(said("workers: 2", "producer: {linger: 20ms}") == "a.yaml:4:20: producer.linger: 5ms -> 20ms (new producer)");
  CHECK(said("workers: 2", "log: {level: debug}") == "a.yaml:4:14: log.level: info -> debug (live)");
  CHECK(said("    topic: out\n", "    topic: out\n    compression: lz4\n") ==
        "a.yaml:23:18: destinations.out.compression: (unset) -> lz4 (new producer)");
  CHECK(said("  topic: dead", "  topic: dead\n  threshold: {percent: 1, over: 10m, then: stop}") ==
        "a.yaml:25:14: dead_letters.threshold: changed (live)");
  CHECK(said("    topic: out\n", "    topic: out\n    readers: [next]\n    exclusive: true\n") ==
        "a.yaml:23:14: destinations.out.readers: changed (live)\n"
        "a.yaml:24:16: destinations.out.exclusive: (unset) -> true (live)");
  CHECK(said("  topic: dead", "  topic: dead\n  expect: {partitions: 1}") ==
        "a.yaml:25:11: dead_letters.expect: changed (live)");
  CHECK(said("    topics: [more]", "    topics: [more]\n    expect: {partitions: 1}") ==
        "a.yaml:10:13: sources.more.expect: changed (live)");
  CHECK(said("workers: 2", "rate: {max: 100/s, backpressure: {enabled: false}}") ==
        "a.yaml:4:13: rate.max: none -> 100/s (next batch)\n"
        "a.yaml:4:44: rate.backpressure.enabled: true -> false (next batch)");
  CHECK(said("workers: 2", "history: {keep: 1h}") == "a.yaml:4:17: history.keep: 7d -> 1h (needs restart)");
  CHECK(said("[localhost:9092]", "[elsewhere:9092]") == "a.yaml:3:12: kafka.brokers: changed (needs restart)");
}

TEST_CASE("where the sources differ nothing of the graph can change, and all else can") {
  const auto before = spec_of(kFile);
  auto text = with(kFile, "topics: [more]", "topics: [less]");
  text = with(text, "!value.robot", "value.robot");
  text = with(text, "workers: 2", "batch: {max_records: 5}");
  const auto after = spec_of(text);
  const auto found = changes(before, after);
  REQUIRE(found.size() == 3);
  for (const Change& change : found) {
    CHECK((change.applies == Applies::next_batch) == (change.what == "batch.max_records"));
  }
  const auto running = applicable(before, after, found);
  CHECK(running.document == before.document);
  CHECK(running.sources[1].topics[0] == "more");
  CHECK(running.knobs.batch_max_records == 5);
  CHECK(running.config_hash == after.config_hash + "+");
  SECTION("and is said again until it is so") {
    const auto again = changes_between(running, *before.document, after);
    REQUIRE(again.size() == 2);
    CHECK(again[0].applies == Applies::needs_restart);
    CHECK(again[1].applies == Applies::needs_restart);
  }
}

TEST_CASE("what needs a restart stays as it is, the rest is taken, sources in the order of the start") {
  const auto before = spec_of(kFile);
  auto text =
      with(kFile, "  edits:\n    topics: [edits]\n  more:\n    topics: [more]\n",
           "  more:\n    topics: [more]\n  edits:\n    topics: [edits]\n    start: latest\n    on_error: drop\n");
  text = with(text, "workers: 2", "workers: 7");
  const auto after = spec_of(text);
  const auto running = applicable(before, after, changes(before, after));
  CHECK(running.knobs.workers == 2);
  REQUIRE(running.sources.size() == 2);
  CHECK(running.sources[0].name == "edits");
  CHECK(running.sources[0].start.kind == Start::Kind::earliest);
  CHECK(running.sources[0].on_error == OnError::drop);
  CHECK(running.document == after.document);
}
