// GraphBuilder, second half: stages, destinations and their expressions.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "pipeline/graph_builder.h"

namespace millrace {

namespace {

expr::CompileOptions compile_options(const config::Knobs& knobs) {
  expr::CompileOptions options;
  options.strict_arithmetic = knobs.expression_strict_arithmetic;
  expr::Limits& limits = options.limits;
  limits.max_length = static_cast<uint32_t>(knobs.expression_max_length);
  limits.max_nodes = static_cast<uint32_t>(knobs.expression_max_nodes);
  limits.max_depth = static_cast<uint32_t>(knobs.expression_max_depth);
  limits.max_comprehension_nesting = static_cast<uint32_t>(knobs.expression_max_comprehension_nesting);
  limits.max_static_cost = static_cast<uint64_t>(knobs.expression_max_static_cost);
  limits.dynamic_patterns = knobs.expression_dynamic_patterns;
  limits.regex_max_program_size = static_cast<uint32_t>(knobs.expression_regex_max_program_size);
  limits.regex_max_memory_bytes = static_cast<uint64_t>(knobs.expression_regex_max_memory_bytes);
  limits.regex_max_patterns = static_cast<uint32_t>(knobs.expression_regex_max_patterns);
  limits.max_cost = static_cast<uint64_t>(knobs.expression_max_cost);
  limits.max_iterations = static_cast<uint64_t>(knobs.expression_max_iterations);
  limits.max_result_bytes = static_cast<uint64_t>(knobs.expression_max_result_bytes);
  limits.max_record_bytes = static_cast<uint64_t>(knobs.max_record_bytes);
  return options;
}

bool valid_topic_name(const std::string& name) {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c < 128 && std::isalnum(c) != 0) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

GraphBuilder::GraphBuilder(const config::PipelineSpec& spec, std::span<const StageKind* const> kinds,
                           const expr::TableSet& tables, config::Diagnostics& diagnostics)
    : spec_(spec),
      kinds_(kinds),
      diagnostics_(diagnostics),
      graph_(std::make_unique<Graph>()),
      compiler_(compile_options(spec.knobs), graph_->plan_, &tables) {}

std::unique_ptr<const Graph> GraphBuilder::build() {
  graph_->pipeline_ = spec_.name;
  graph_->config_hash_ = spec_.config_hash;
  graph_->document_ = spec_.document;
  graph_->threshold_ = spec_.dead_letters.threshold;
  name_nodes();
  read_sources();
  order_stages();
  compile_stages();
  wire_stages();
  compile_destinations();
  set_dead_letters();
  if (order_.size() != spec_.stages.size()) return nullptr;  // a circle
  check_readers();
  check_formats();
  check_loops();
  warn_about_order();
  if (incomplete_ || diagnostics_.has_errors()) return nullptr;
  return std::move(graph_);
}

void GraphBuilder::check_policy(const std::string& what, config::Position position, config::OnError on_error) {
  if (on_error != config::OnError::dead_letter || !spec_.dead_letters.topic.empty()) return;
  diagnostics_.error(position, what +
                                   ": rejected records would go to the dead letters, but there is no "
                                   "`dead_letters: {topic: ...}`; name one, or write `on_error: drop`, `keep` or "
                                   "`stop`");
}

void GraphBuilder::compile_stages() {
  for (const size_t index : order_) {
    const config::StageSpec& spec = spec_.stages[index];
    const std::string what = fmt::format("stage `{}`", spec.name);
    StageNode node;
    node.name = spec.name;
    node.kind = spec.kind;
    node.on_error = spec.on_error;
    check_policy(what, spec.position, spec.on_error);
    const auto kind = std::find_if(kinds_.begin(), kinds_.end(),
                                   [&spec](const StageKind* known) { return known->name == spec.kind; });
    if (kind != kinds_.end() && spec.body != nullptr) {
      StageSetup setup{diagnostics_, *spec.body, compiler_, graph_->plan_};
      node.plan = (*kind)->read(setup);
    } else if (!spec.kind.empty()) {
      std::vector<std::string> names;
      for (const StageKind* known : kinds_) names.emplace_back(known->name);
      diagnostics_.error(spec.position, fmt::format("{}: there is no stage kind `{}`; there are {}", what, spec.kind,
                                                    quoted_list(names)));
    }
    node.ports = node.plan.ports;
    node.readers.assign(node.ports.size(), 0);
    broken_.push_back(node.ports.empty());
    if (node.plan.keep_port) {
      node.keep_port = *node.plan.keep_port;
    } else if (spec.on_error == config::OnError::keep && node.ports.size() > 1) {
      diagnostics_.error(spec.position, fmt::format("{}: `on_error: keep` does not say by which of the ports {} a "
                                                    "rejected record goes on",
                                                    what, quoted_list(node.ports)));
    }
    graph_->stages_.push_back(std::move(node));
  }
}

std::unique_ptr<const expr::Program> GraphBuilder::compile(const config::ExpressionText& text,
                                                           const std::string& what) {
  std::vector<expr::CompileError> errors;
  auto program = compiler_.compile(text.text, expr::Want::value, errors);
  for (const auto& error : errors) {
    diagnostics_.error(text.node != nullptr ? text.node->position_of(error.offset) : config::Position{},
                       what + ": " + error.message);
  }
  return errors.empty() ? std::move(program) : nullptr;
}

void GraphBuilder::compile_destinations() {
  for (const auto& spec : spec_.destinations) compile_destination(spec);
  if (graph_->topics_.size() >= UINT16_MAX) diagnostics_.error({}, "more than 65,534 destination topics");
}

void GraphBuilder::compile_destination(const config::DestinationSpec& spec) {
  const std::string what = fmt::format("destination `{}`", spec.name);
  DestinationNode node;
  node.name = spec.name;
  node.on_error = spec.on_error;
  node.reject_null_key = spec.reject_null_key;
  check_policy(what, spec.position, spec.on_error);
  if (spec.on_error == config::OnError::keep) {
    diagnostics_.error(spec.position, what +
                                          ": `on_error: keep` has no sense here: a record that cannot be written "
                                          "cannot be kept; write `dead_letter`, `drop` or `stop`");
  }
  if (spec.key_as == "json") node.key_as = KeyAs::json;
  if (spec.key_as == "int64") node.key_as = KeyAs::int64;
  if (spec.key) node.key = compile(*spec.key, what + ": key");
  if (spec.partition == "source") node.partition = PartitionBy::source;
  if (spec.partition_expression) {
    node.partition = PartitionBy::expression;
    node.partition_expression = compile(*spec.partition_expression, what + ": partition");
  }
  for (const auto& input : spec.from) {
    for (const PortRef port : resolve(what, input)) {
      node.inputs.push_back({port, 0});
      note_reader(port);
    }
  }
  set_topics(spec, node);
  graph_->destinations_.push_back(std::move(node));
}

void GraphBuilder::set_topics(const config::DestinationSpec& spec, DestinationNode& node) {
  static const std::string kPlaceholder = "{port}";
  const size_t first = graph_->topics_.size();
  const size_t at = spec.topic.find(kPlaceholder);
  for (auto& input : node.inputs) {
    std::string topic = spec.topic;
    if (at != std::string::npos) {
      const std::string port = graph_->port_name(input.from);
      // A node's only port is named like the node.
      const size_t dot = port.find('.');
      topic.replace(at, kPlaceholder.size(), dot == std::string::npos ? port : port.substr(dot + 1));
    }
    if (!valid_topic_name(topic)) {
      diagnostics_.error(spec.position, fmt::format("destination `{}`: `{}` is no topic name (letters, digits, `.`, "
                                                    "`_`, `-`, at most 249)",
                                                    spec.name, topic));
    }
    input.topic = topic_index(spec, topic, first);
  }
}

uint16_t GraphBuilder::topic_index(const config::DestinationSpec& spec, const std::string& topic,
                                   size_t first_of_destination) {
  auto& topics = graph_->topics_;
  for (size_t i = first_of_destination; i < topics.size(); ++i) {
    if (topics[i].topic == topic) return static_cast<uint16_t>(i);
  }
  topics.push_back({spec.name, topic, spec.compression, spec.acks});
  return static_cast<uint16_t>(topics.size() - 1);
}

void GraphBuilder::set_dead_letters() {
  const std::string& topic = spec_.dead_letters.topic;
  if (topic.empty()) return;
  if (!valid_topic_name(topic)) {
    diagnostics_.error(spec_.dead_letters.position, fmt::format("dead_letters: `{}` is no topic name", topic));
  }
  graph_->dead_letter_topic_ = static_cast<uint16_t>(graph_->topics_.size());
  graph_->topics_.push_back({std::string(kDeadLettersName), topic, "none", std::nullopt});
}

}  // namespace millrace
