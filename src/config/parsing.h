// Parsing: what the parts of parse_pipeline share while one file is read. Internal to config/.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/node.h"
#include "config/parse.h"

namespace millrace::config {

struct Parsing {
  const ParseContext& context;
  Diagnostics& diagnostics;
  PipelineSpec& spec;
  std::map<std::string, Position, std::less<>> places;  // of the knobs that the file sets, by path
  bool inputs_known = true;  // false: some `from` could not be read, so that nobody can say what is read by nobody
};

// A section of the file under `key`; empty when it is absent.
Reader section_of(Reader& parent, std::string_view key);

// Reads the knobs whose path is `section` and one more word.
void read_knobs(Reader& reader, std::string_view section, Parsing& parsing);

// parse_settings.cc: batch, rate, workers, memory, stop, records, expressions, producer, recovery, http, log, state,
// history
void read_settings(Reader& top, Parsing& parsing);
// parse_kafka.cc
void read_kafka(Reader& top, Parsing& parsing);
// kafka_properties.cc
void read_kafka_properties(Reader& kafka, Parsing& parsing);
// parse_nodes.cc
void read_nodes(Reader& top, Parsing& parsing);
// parse_destinations.cc
void read_destinations(Reader& top, Parsing& parsing);
void read_dead_letters(Reader& top, Parsing& parsing);

// Shared by nodes: `from`, `on_error`, `expect`, and the entries of a map of named nodes.
std::vector<Input> read_inputs(Reader& reader, Parsing& parsing);
OnError read_on_error(Reader& reader);
ExpectSpec read_expect(Reader& reader, Parsing& parsing);
// The named maps under `key`, those with a usable name.
struct NamedNode {
  std::string name;
  Position position;
  const Node* node;
};
std::vector<NamedNode> named_nodes(Reader& top, std::string_view key, std::string_view what, bool required,
                                   Parsing& parsing);

// check_graph.cc: names, inputs, circles, readers, topics.
void check_graph(Parsing& parsing);
// check_rates.cc: the rates against each other.
void check_rates(Parsing& parsing);

// parse_destinations.cc: what the deliveries and acks of the destinations leave to choose for the producer.
void check_producer(Parsing& parsing);
// check_times.cc: the time-outs against each other.
void check_times(Parsing& parsing);

}  // namespace millrace::config
