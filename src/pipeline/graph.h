// Graph: the pipeline of one YAML file, compiled: sources, stages in topological order, destinations and their topics.
//
// Built by the main thread (build_graph), immutable afterwards; every worker reads it. Outlives the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/diagnostic.h"
#include "config/spec.h"
#include "expr/decoder.h"
#include "expr/field_plan.h"
#include "expr/program.h"
#include "expr/table.h"
#include "stage/stage.h"

namespace millrace {

// A port of a node. Nodes count through: first the sources, then the stages in the graph's order.
struct PortRef {
  size_t node = 0;
  size_t port = 0;
  auto operator<=>(const PortRef&) const = default;
};

struct SourceNode {
  std::string name;
  std::vector<std::string> topics;
  expr::Format format = expr::Format::json;
  expr::DecodeLimits limits;
  config::OnError on_error = config::OnError::dead_letter;
  size_t readers = 0;
};

struct StageNode {
  std::string name;
  std::string kind;
  std::vector<PortRef> inputs;
  std::vector<std::string> ports;
  std::vector<size_t> readers;  // of each port; a port without one settles its records as unmatched
  size_t keep_port = 0;         // where on_error: keep sends a record
  config::OnError on_error = config::OnError::dead_letter;
  StagePlan plan;
};

enum class KeyAs : uint8_t { text, json, int64 };
enum class PartitionBy : uint8_t { key, source, expression };

struct DestinationNode {
  struct Input {
    PortRef from;
    uint16_t topic = 0;  // index into Graph::topics()
  };
  std::string name;
  std::vector<Input> inputs;
  std::unique_ptr<const expr::Program> key;  // null: the record's own key
  KeyAs key_as = KeyAs::text;
  bool reject_null_key = false;
  PartitionBy partition = PartitionBy::key;
  std::unique_ptr<const expr::Program> partition_expression;
  config::OnError on_error = config::OnError::dead_letter;
};

// A topic that is written to. OutputRecord::destination and Broker::destination count these.
struct TopicNode {
  std::string destination;  // the name in the YAML; kDeadLettersName for the dead-letter topic
  std::string topic;
  std::string compression = "none";
  std::optional<std::string> acks;
};

inline constexpr std::string_view kDeadLettersName = "dead_letters";

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  [[nodiscard]] const std::string& pipeline() const { return pipeline_; }
  [[nodiscard]] const std::string& config_hash() const { return config_hash_; }
  [[nodiscard]] const std::vector<SourceNode>& sources() const { return sources_; }
  [[nodiscard]] const std::vector<StageNode>& stages() const { return stages_; }
  [[nodiscard]] const std::vector<DestinationNode>& destinations() const { return destinations_; }
  // The topics of the destinations, in their order, and last the dead-letter topic, if there is one.
  [[nodiscard]] const std::vector<TopicNode>& topics() const { return topics_; }
  [[nodiscard]] std::optional<uint16_t> dead_letter_topic() const { return dead_letter_topic_; }
  // topics() without the dead-letter topic.
  [[nodiscard]] size_t destination_topics() const { return topics_.size() - (dead_letter_topic_ ? 1 : 0); }
  [[nodiscard]] const expr::FieldPlan& plan() const { return plan_; }
  [[nodiscard]] const std::optional<config::ThresholdSpec>& threshold() const { return threshold_; }
  // The source that reads this topic.
  [[nodiscard]] std::optional<uint16_t> source_of_topic(std::string_view topic) const;
  // "size" or "size.huge".
  [[nodiscard]] std::string port_name(PortRef port) const;

 private:
  friend class GraphBuilder;

  std::string pipeline_;
  std::string config_hash_;
  std::vector<SourceNode> sources_;
  std::vector<StageNode> stages_;
  std::vector<DestinationNode> destinations_;
  std::vector<TopicNode> topics_;
  std::optional<uint16_t> dead_letter_topic_;
  std::optional<config::ThresholdSpec> threshold_;
  expr::FieldPlan plan_;
  std::shared_ptr<const config::Node> document_;  // shared with the spec: stage plans may point into it
};

// Null when `diagnostics` got an error, and for a spec that had errors when it was read (those are not said again).
// `tables` outlives the graph.
std::unique_ptr<const Graph> build_graph(const config::PipelineSpec& spec, std::span<const StageKind* const> kinds,
                                         const expr::TableSet& tables, config::Diagnostics& diagnostics);

// For `millrace graph`: one line a node, and the text of a mermaid flowchart.
std::string render_text(const Graph& graph);
std::string render_mermaid(const Graph& graph);

}  // namespace millrace
