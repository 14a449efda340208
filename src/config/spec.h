// PipelineSpec: the YAML as plain structs. Made by parse.h, constant afterwards; read by whoever wires the parts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostic.h"
#include "config/knobs.h"
#include "config/node.h"

namespace millrace::config {

enum class OnError { dead_letter, drop, keep, stop };
enum class OnDataLoss { stop, skip };
enum class Delivery { exactly_once, at_least_once, sync, fire_and_forget };

// `start:` of a source.
struct Start {
  enum class Kind { earliest, latest, timestamp };
  Kind kind = Kind::earliest;
  int64_t timestamp_ms = 0;
};

// `from:` of a node: "size" or "size.huge".
struct Input {
  std::string node;
  std::string port;  // empty: all ports
  Position position;
};

// `expect:` of a topic: what its owner holds true of it. Compared by `check --connect`, told by `topics`; nothing else
// acts on it.
struct ExpectSpec {
  static constexpr int64_t kForever = -1;
  std::optional<int64_t> partitions;
  std::optional<int64_t> replication;
  std::optional<int64_t> retention_ms;  // kForever: never deleted by age
};

struct SourceSpec {
  std::string name;
  Position position;
  std::vector<std::string> topics;
  std::string format = "json";
  std::string duplicate_keys = "last";
  Start start;
  OnDataLoss on_data_loss = OnDataLoss::stop;
  ExpectSpec expect;  // of each of its topics
  OnError on_error = OnError::dead_letter;
};

struct TableSpec {
  std::string name;
  Position position;
  std::string file;  // resolved against the YAML file's folder
  std::string key;
  // When it is read again: kWhenChanged, kNever, or every so many milliseconds.
  static constexpr int64_t kWhenChanged = 0;
  static constexpr int64_t kNever = -1;
  int64_t refresh_ms = kWhenChanged;
};

struct StageSpec {
  std::string name;
  Position position;
  std::vector<Input> from;
  std::string kind;            // a key of the stage's map that is a stage kind
  const Node* body = nullptr;  // the node under that key; owned by the document
  OnError on_error = OnError::dead_letter;
};

struct DestinationSpec {
  std::string name;
  Position position;
  std::vector<Input> from;
  std::string topic;  // may hold {port}: topic_for_port()
  std::optional<ExpressionText> key;
  std::string key_as = "text";  // text | json | int64
  bool reject_null_key = false;
  std::string partition = "key";  // key | source | expression
  std::optional<ExpressionText> partition_expression;
  std::string compression = "none";
  std::optional<std::string> acks;
  ExpectSpec expect;                 // of each of its topics
  bool exclusive = false;            // nobody else writes to it: what is there can be held against what was sent
  std::vector<std::string> readers;  // consumer groups that read it, whose lag is shown
  OnError on_error = OnError::dead_letter;
};

enum class HistoryStore { sqlite, postgresql, none };

struct HistorySpec {
  HistoryStore store = HistoryStore::sqlite;
  std::string connection;  // of PostgreSQL: "host=... dbname=..." or a postgresql:// address. May hold a password
};

struct ThresholdSpec {
  double percent = 0;
  int64_t over_ms = 0;
};

struct DeadLettersSpec {
  std::string topic;  // empty: no dead-letter topic
  ExpectSpec expect;
  bool exclusive = false;
  std::optional<ThresholdSpec> threshold;
  Position position;
};

struct KafkaSpec {
  std::vector<std::string> brokers;
  std::string group;
  std::string transactional_id_prefix;
  bool static_membership = false;
  std::vector<std::pair<std::string, std::string>> properties;  // allow-listed librdkafka keys
  // Those of them that hold ${...}, as written: whoever rebuilds a client reads them again with substitute().
  std::vector<std::pair<std::string, std::string>> property_references;
  std::map<std::string, Position> property_places;  // for what librdkafka says about a value
};

struct PipelineSpec {
  std::string file;
  std::string name;
  std::string instance;
  std::string config_hash;  // of the text before substitution, 16 hex digits
  KafkaSpec kafka;
  Delivery delivery = Delivery::exactly_once;
  Knobs knobs;             // batch, memory, workers, stop.timeout, rate, expressions, log level ...
  std::string touch_file;  // absolute; empty only where there is no state directory and none was named
  std::string http_host;   // from http.listen
  int http_port = 0;
  bool http_enabled = true;
  std::string http_token;
  std::string log_level = "info";
  std::string log_format = "text";
  // Absolute; empty where neither the YAML nor the environment names one. Everything in it lies below
  // instance_directory(), so that pipelines and instances may share it.
  std::string state_directory;
  HistorySpec history;
  std::vector<SourceSpec> sources;
  std::vector<TableSpec> tables;
  std::vector<StageSpec> stages;
  std::vector<DestinationSpec> destinations;
  DeadLettersSpec dead_letters;
  std::shared_ptr<const Node> document;  // keeps `body` pointers alive; shared because specs are copied for reloads
};

// Where lock, state and the default touch file lie: <state directory>/<pipeline>/<instance>. Empty without the first.
std::string instance_directory(const PipelineSpec& spec);

// A destination's topic for one port of the node that feeds it.
std::string topic_for_port(const std::string& topic, const std::string& port);

}  // namespace millrace::config
