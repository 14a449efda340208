// Destinations and dead letters.
#include <fmt/core.h>

#include <algorithm>

#include "config/names.h"
#include "config/parsing.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

// Empty when it is no topic; an error then.
std::string read_topic(Reader& reader, bool may_hold_port) {
  const auto topic = reader.scalar("topic", true);
  if (!topic) return {};
  const std::string example = may_hold_port ? topic_for_port(topic->text, "port") : topic->text;
  if (topic->known && !is_topic_name(example)) {
    reader.wrong("topic", fmt::format("is no topic's name: {} ({}{})", in_ticks(reader.get("topic")->text),
                                      kTopicNameRule, may_hold_port ? "; `{port}` stands for the port, once" : ""));
    return {};
  }
  return topic->text;
}

void read_key(Reader& reader, DestinationSpec& destination) {
  destination.key = reader.expression("key");
  const Node* key_as = reader.get("key_as");
  if (key_as != nullptr && key_as->is_scalar() && key_as->text == "avro") {
    reader.wrong("key_as", "`avro` is not available in this version");
  } else {
    destination.key_as = reader.choice("key_as", {"text", "json", "int64"}, "text");
  }
  if (key_as != nullptr && !reader.has("key")) {
    reader.wrong("key_as", "says how the result of `key` is written, and there is no `key`");
  }
  destination.reject_null_key = reader.choice("on_null_key", {"pass", "reject"}, "pass") == "reject";
}

void read_partition(Reader& reader, DestinationSpec& destination) {
  const Node* node = reader.get("partition");
  if (node == nullptr || (node->is_scalar() && node->text == "key")) return;
  if (node->is_scalar() && node->text == "source") {
    destination.partition = "source";
    return;
  }
  destination.partition = "expression";
  destination.partition_expression = reader.expression("partition");
}

void read_acks(Reader& reader, DestinationSpec& destination, Delivery delivery) {
  if (!reader.has("acks")) return;
  switch (delivery) {
    case Delivery::exactly_once:
      static_cast<void>(reader.scalar("acks"));
      reader.wrong("acks",
                   "cannot be chosen under `delivery: exactly_once`: a transaction needs the answer of all in-sync "
                   "replicas, and has it; remove `acks`, or choose another delivery");
      return;
    case Delivery::fire_and_forget:
      destination.acks = reader.choice("acks", {"0", "1", "all"}, "0");
      return;
    case Delivery::at_least_once:
    case Delivery::sync:
      if (const Node* node = reader.get("acks"); node->is_scalar() && node->text == "0") {
        reader.wrong("acks",
                     "cannot be 0 under this `delivery`, which promises that every record has arrived: nobody would "
                     "know; take `all` or `1`, or `delivery: fire_and_forget`");
        return;
      }
      destination.acks = reader.choice("acks", {"all", "1"}, "all");
      return;
  }
}

// Each one costs a question to the brokers every few seconds.
constexpr size_t kReadersMax = 16;

void read_readers(Reader& reader, DestinationSpec& destination) {
  if (!reader.has("readers")) return;
  for (const ScalarText& group : reader.texts("readers")) {
    if (group.text.empty()) {
      reader.diagnostics().error(group.position, reader.what() + ": `readers` holds an empty name of a group");
    } else if (std::find(destination.readers.begin(), destination.readers.end(), group.text) !=
               destination.readers.end()) {
      reader.diagnostics().error(group.position, fmt::format("{}: group {} is listed twice in `readers`", reader.what(),
                                                             in_ticks(group.text)));
    } else if (destination.readers.size() == kReadersMax) {
      return reader.wrong("readers", fmt::format("has more than {} entries", kReadersMax));
    } else {
      destination.readers.push_back(group.text);
    }
  }
}

}  // namespace

ExpectSpec read_expect(Reader& reader, Parsing& parsing) {
  ExpectSpec expect;
  const Node* node = reader.get("expect");
  if (node == nullptr) return expect;
  Reader facts(*node, reader.what() + ": `expect`", parsing.diagnostics);
  if (facts.has("partitions")) expect.partitions = facts.integer("partitions", 1, 100'000);
  if (facts.has("replication")) expect.replication = facts.integer("replication", 1, 100);
  if (const Node* retention = facts.get("retention"); retention != nullptr) {
    if (retention->is_scalar() && retention->text == "forever") {
      expect.retention_ms = ExpectSpec::kForever;
    } else {
      expect.retention_ms = facts.duration_ms("retention", 1'000, 100 * 365 * int64_t{86'400'000});
    }
  }
  facts.finish();
  return expect;
}

void read_destinations(Reader& top, Parsing& parsing) {
  for (const NamedNode& named : named_nodes(top, "destinations", "destination", true, parsing)) {
    Reader reader(*named.node, fmt::format("destination `{}`", named.name), parsing.diagnostics);
    DestinationSpec destination;
    destination.name = named.name;
    destination.position = named.position;
    destination.from = read_inputs(reader, parsing);
    destination.topic = read_topic(reader, true);
    read_key(reader, destination);
    read_partition(reader, destination);
    destination.compression = reader.choice("compression", {"none", "gzip", "snappy", "lz4", "zstd"}, "none");
    read_acks(reader, destination, parsing.spec.delivery);
    destination.expect = read_expect(reader, parsing);
    destination.exclusive = reader.flag("exclusive", false);
    read_readers(reader, destination);
    destination.on_error = read_on_error(reader);
    reader.finish();
    parsing.spec.destinations.push_back(std::move(destination));
  }
}

void check_producer(Parsing& parsing) {
  const PipelineSpec& spec = parsing.spec;
  const auto fewer = [](const DestinationSpec& each) { return each.acks.value_or("all") != "all"; };
  const bool idempotent = spec.delivery != Delivery::fire_and_forget &&
                          std::none_of(spec.destinations.begin(), spec.destinations.end(), fewer);
  if (spec.knobs.producer_retries > 0 || !idempotent) return;
  const auto place = parsing.places.find("producer.retries");
  parsing.diagnostics.error(
      place == parsing.places.end() ? Position{} : place->second,
      "`producer.retries` cannot be 0 under this `delivery`: an idempotent producer, which keeps "
      "records from being doubled, has to try again; take 1 or more, `delivery: fire_and_forget`, "
      "or, outside `exactly_once`, `acks: 1` at a destination");
}

void read_dead_letters(Reader& top, Parsing& parsing) {
  DeadLettersSpec& spec = parsing.spec.dead_letters;
  const Node* node = top.get("dead_letters");
  if (node == nullptr) return;
  Reader reader(*node, "dead_letters", parsing.diagnostics);
  spec.position = node->position;
  spec.topic = read_topic(reader, false);
  spec.expect = read_expect(reader, parsing);
  spec.exclusive = reader.flag("exclusive", false);
  if (const Node* threshold = reader.get("threshold"); threshold != nullptr) {
    Reader limits(*threshold, "dead_letters.threshold", parsing.diagnostics);
    ThresholdSpec read;
    if (limits.get("percent", true) != nullptr) read.percent = limits.number("percent", 0.0001, 100).value_or(100);
    if (limits.get("over", true) != nullptr)
      read.over_ms = limits.duration_ms("over", 1'000, 7 * 86'400'000).value_or(1'000);
    static_cast<void>(limits.choice("then", {"stop"}, "stop"));
    limits.finish();
    spec.threshold = read;
  }
  reader.finish();
}

}  // namespace millrace::config
