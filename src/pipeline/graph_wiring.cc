// GraphBuilder, first half: names, inputs, order, and the checks that need the whole graph.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "pipeline/graph_builder.h"

namespace millrace {

// Names, inputs, circles and readers of whole nodes were checked when the YAML was read (config/check_graph.cc); what
// is left for here needs the stages' ports. A spec with such errors gives no graph, and nothing is said twice.
void GraphBuilder::name_nodes() {
  for (size_t i = 0; i < spec_.sources.size(); ++i) names_.emplace(spec_.sources[i].name, Named{true, i});
  for (size_t i = 0; i < spec_.stages.size(); ++i) names_.emplace(spec_.stages[i].name, Named{false, i});
}

void GraphBuilder::read_sources() {
  for (const auto& source : spec_.sources) {
    SourceNode node;
    node.name = source.name;
    node.topics = source.topics;
    node.format = source.format == "bytes" ? expr::Format::bytes : expr::Format::json;
    node.limits.max_record_bytes = static_cast<size_t>(spec_.knobs.max_record_bytes);
    node.limits.max_json_depth = static_cast<size_t>(spec_.knobs.max_json_depth);
    node.limits.duplicate_keys = source.duplicate_keys == "reject"  ? expr::DuplicateKeys::reject
                                 : source.duplicate_keys == "first" ? expr::DuplicateKeys::first
                                                                    : expr::DuplicateKeys::last;
    node.on_error = source.on_error;
    check_policy(fmt::format("source `{}`", source.name), source.position, source.on_error);
    graph_->sources_.push_back(std::move(node));
  }
}

void GraphBuilder::order_stages() {
  const size_t count = spec_.stages.size();
  std::vector<std::vector<size_t>> inputs(count);
  for (size_t i = 0; i < count; ++i) {
    for (const auto& input : spec_.stages[i].from) {
      const auto named = names_.find(input.node);
      if (named != names_.end() && !named->second.is_source) inputs[i].push_back(named->second.index);
    }
  }
  std::vector<bool> done(count, false);
  place_.assign(count, SIZE_MAX);
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < count; ++i) {
      const auto is_done = [&done](size_t input) { return done[input]; };
      if (done[i] || !std::all_of(inputs[i].begin(), inputs[i].end(), is_done)) continue;
      done[i] = true;
      moved = true;
      place_[i] = order_.size();
      order_.push_back(i);
    }
  }
}

// The ports that an input means; empty with an error, or for a stage that could not be read.
std::vector<PortRef> GraphBuilder::resolve(const std::string& owner, const config::Input& input) {
  const auto found = names_.find(input.node);
  if (found == names_.end() || (found->second.is_source && !input.port.empty())) {
    incomplete_ = true;
    return {};
  }
  if (found->second.is_source) return {{found->second.index, 0}};
  const size_t stage = place_[found->second.index];
  if (stage == SIZE_MAX || broken_[stage]) return {};
  const std::vector<std::string>& ports = graph_->stages_[stage].ports;
  const size_t node = graph_->sources_.size() + stage;
  std::vector<PortRef> refs;
  for (size_t port = 0; port < ports.size(); ++port) {
    if (input.port.empty() || ports[port] == input.port) refs.push_back({node, port});
  }
  if (!refs.empty()) return refs;
  if (ports.size() == 1 && ports[0].empty()) {
    diagnostics_.error(input.position, fmt::format("{}: stage `{}` has one port only; write `from: {}`", owner,
                                                   input.node, input.node));
    return {};
  }
  const std::string near = nearest(input.port, ports);
  diagnostics_.error(input.position,
                     fmt::format("{}: stage `{}` has no port `{}`{}; its ports are {}", owner, input.node, input.port,
                                 near.empty() ? "" : ", did you mean `" + near + "`?", quoted_list(ports)));
  return {};
}

void GraphBuilder::note_reader(PortRef port) {
  if (port.node < graph_->sources_.size()) {
    ++graph_->sources_[port.node].readers;
  } else {
    ++graph_->stages_[port.node - graph_->sources_.size()].readers[port.port];
  }
}

void GraphBuilder::wire_stages() {
  from_.resize(graph_->sources_.size() + graph_->stages_.size());
  for (size_t i = 0; i < graph_->sources_.size(); ++i) from_[i] = {i};
  for (size_t place = 0; place < order_.size(); ++place) {
    const config::StageSpec& spec = spec_.stages[order_[place]];
    StageNode& node = graph_->stages_[place];
    const std::string owner = fmt::format("stage `{}`", spec.name);
    for (const auto& input : spec.from) {
      for (const PortRef port : resolve(owner, input)) {
        node.inputs.push_back(port);
        note_reader(port);
        auto& from = from_[graph_->sources_.size() + place];
        from.insert(from_[port.node].begin(), from_[port.node].end());
      }
    }
  }
}

void GraphBuilder::check_readers() {
  for (size_t place = 0; place < order_.size(); ++place) {
    const StageNode& node = graph_->stages_[place];
    const auto is_read = [](size_t readers) { return readers > 0; };
    if (std::none_of(node.readers.begin(), node.readers.end(), is_read)) {
      incomplete_ = true;
      continue;
    }
    for (size_t port = 0; port < node.ports.size(); ++port) {
      if (is_read(node.readers[port])) continue;
      diagnostics_.warning(spec_.stages[order_[place]].position,
                           fmt::format("port `{}.{}` is read by nobody: its records end here and count as unmatched",
                                       node.name, node.ports[port]));
    }
  }
  for (const auto& source : graph_->sources_) incomplete_ = incomplete_ || source.readers == 0;
}

void GraphBuilder::check_formats() {
  for (size_t place = 0; place < order_.size(); ++place) {
    const StageNode& node = graph_->stages_[place];
    if (!node.plan.edits_value) continue;
    for (const size_t source : from_[graph_->sources_.size() + place]) {
      const SourceNode& origin = graph_->sources_[source];
      if (expr::make_encoder(origin.format, graph_->plan_) != nullptr) continue;
      diagnostics_.error(
          spec_.stages[order_[place]].position,
          fmt::format("stage `{}` changes values, but source `{}` has `format: bytes`, which cannot be written anew; "
                      "give the source another format, or change headers only",
                      node.name, origin.name));
    }
  }
}

// Topics as they stand in the file were checked with the names; those that {port} made were not.
void GraphBuilder::check_loops() {
  for (const auto& destination : spec_.destinations) {
    for (const auto& topic : graph_->topics_) {
      const auto source = graph_->source_of_topic(topic.topic);
      if (!source || topic.destination != destination.name || topic.topic == destination.topic) continue;
      diagnostics_.error(destination.position,
                         fmt::format("destination `{}`: topic `{}` is also read by source `{}`: records would go "
                                     "round for ever",
                                     destination.name, topic.topic, graph_->sources_[*source].name));
    }
  }
}

void GraphBuilder::warn_about_order() {
  for (size_t i = 0; i < graph_->destinations_.size(); ++i) {
    const DestinationNode& node = graph_->destinations_[i];
    std::set<size_t> from;
    for (const auto& input : node.inputs) from.insert(from_[input.from.node].begin(), from_[input.from.node].end());
    if (from.size() > 1) {
      diagnostics_.warning(spec_.destinations[i].position,
                           fmt::format("destination `{}` is fed by several sources: records of different sources "
                                       "have no order among each other",
                                       node.name));
    }
    if (node.key != nullptr && node.partition == PartitionBy::key && spec_.destinations[i].key->text != "key") {
      diagnostics_.warning(spec_.destinations[i].position,
                           fmt::format("destination `{}` gives records a new key: order per key holds among records "
                                       "of one source partition",
                                       node.name));
    }
  }
}

}  // namespace millrace
