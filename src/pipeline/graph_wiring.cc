// GraphBuilder, first half: names, inputs, order, and the checks that need the whole graph.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "pipeline/graph_builder.h"

namespace millrace {

void GraphBuilder::name_nodes() {
  const auto add = [this](const std::string& name, config::Position position, Named named) {
    const bool fresh = names_.emplace(name, named).second;
    if (!fresh) diagnostics_.error(position, fmt::format("the name `{}` is taken by another node", name));
  };
  for (size_t i = 0; i < spec_.sources.size(); ++i) {
    add(spec_.sources[i].name, spec_.sources[i].position, {NodeKind::source, i});
  }
  for (size_t i = 0; i < spec_.stages.size(); ++i) {
    add(spec_.stages[i].name, spec_.stages[i].position, {NodeKind::stage, i});
  }
  // A destination may be called like the node that feeds it: nothing reads from a destination.
  for (size_t i = 0; i < spec_.destinations.size(); ++i) {
    names_.emplace(spec_.destinations[i].name, Named{NodeKind::destination, i});
  }
}

std::vector<std::string> GraphBuilder::input_names() const {
  std::vector<std::string> names;
  for (const auto& source : spec_.sources) names.push_back(source.name);
  for (const auto& stage : spec_.stages) names.push_back(stage.name);
  return names;
}

void GraphBuilder::read_sources() {
  std::map<std::string, std::string> readers;
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
    for (const auto& topic : source.topics) {
      const auto [other, fresh] = readers.emplace(topic, source.name);
      if (fresh) continue;
      diagnostics_.error(source.position, fmt::format("source `{}`: topic `{}` is read by source `{}` already; read it "
                                                      "once and let several stages take from that source",
                                                      source.name, topic, other->second));
    }
    graph_->sources_.push_back(std::move(node));
  }
}

// The spec's node of an input, or null with an error that names what exists.
const GraphBuilder::Named* GraphBuilder::find_input(const std::string& owner, const config::Input& input) {
  const auto found = names_.find(input.node);
  if (found != names_.end() && found->second.kind != NodeKind::destination) return &found->second;
  if (found != names_.end()) {
    diagnostics_.error(input.position,
                       fmt::format("{}: `{}` is a destination; nothing comes out of it", owner, input.node));
    return nullptr;
  }
  const std::vector<std::string> names = input_names();
  const std::string near = nearest(input.node, names);
  diagnostics_.error(input.position,
                     fmt::format("{}: there is no source or stage `{}`{}; there are {}", owner, input.node,
                                 near.empty() ? "" : ", did you mean `" + near + "`?", quoted_list(names)));
  return nullptr;
}

void GraphBuilder::order_stages() {
  const size_t count = spec_.stages.size();
  std::vector<std::vector<size_t>> inputs(count);
  for (size_t i = 0; i < count; ++i) {
    const std::string owner = fmt::format("stage `{}`", spec_.stages[i].name);
    for (const auto& input : spec_.stages[i].from) {
      const Named* named = find_input(owner, input);
      if (named != nullptr && named->kind == NodeKind::stage) inputs[i].push_back(named->index);
    }
  }
  std::vector<bool> done(count, false);
  place_.assign(count, 0);
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
  if (order_.size() != count) name_cycle(done);
}

void GraphBuilder::name_cycle(const std::vector<bool>& done) {
  // From any stage that is not done, going on to an input that is not done must come back somewhere.
  size_t at = static_cast<size_t>(std::find(done.begin(), done.end(), false) - done.begin());
  std::vector<size_t> way;
  while (std::find(way.begin(), way.end(), at) == way.end()) {
    way.push_back(at);
    for (const auto& input : spec_.stages[at].from) {
      const auto found = names_.find(input.node);
      if (found == names_.end() || found->second.kind != NodeKind::stage || done[found->second.index]) continue;
      at = found->second.index;
      break;
    }
  }
  way.erase(way.begin(), std::find(way.begin(), way.end(), at));
  way.push_back(at);
  std::string text;
  for (auto stage = way.rbegin(); stage != way.rend(); ++stage) {
    text += (text.empty() ? "`" : " -> `") + spec_.stages[*stage].name + "`";
  }
  diagnostics_.error(spec_.stages[at].position, "stages feed each other in a circle: " + text);
}

// The ports that an input means; empty with an error, or for a stage that could not be read.
std::vector<PortRef> GraphBuilder::resolve(const std::string& owner, const config::Input& input) {
  const auto found = names_.find(input.node);
  if (found == names_.end() || found->second.kind == NodeKind::destination) return {};
  if (found->second.kind == NodeKind::source) {
    if (input.port.empty()) return {{found->second.index, 0}};
    diagnostics_.error(input.position,
                       fmt::format("{}: source `{}` has no ports; write `from: {}`", owner, input.node, input.node));
    return {};
  }
  const size_t stage = place_[found->second.index];
  if (broken_[stage]) return {};
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
        if (std::find(node.inputs.begin(), node.inputs.end(), port) != node.inputs.end()) {
          diagnostics_.error(input.position, fmt::format("{}: `{}` is listed twice", owner, graph_->port_name(port)));
          continue;
        }
        node.inputs.push_back(port);
        note_reader(port);
        auto& from = from_[graph_->sources_.size() + place];
        from.insert(from_[port.node].begin(), from_[port.node].end());
      }
    }
  }
}

void GraphBuilder::check_readers() {
  for (size_t i = 0; i < graph_->sources_.size(); ++i) {
    if (graph_->sources_[i].readers > 0) continue;
    diagnostics_.error(spec_.sources[i].position, fmt::format("source `{}` is read by nobody", spec_.sources[i].name));
  }
  for (size_t place = 0; place < order_.size(); ++place) {
    const StageNode& node = graph_->stages_[place];
    const config::Position position = spec_.stages[order_[place]].position;
    const size_t read = static_cast<size_t>(
        std::count_if(node.readers.begin(), node.readers.end(), [](size_t readers) { return readers > 0; }));
    if (broken_[place] || read == node.ports.size()) continue;
    if (read == 0) {
      diagnostics_.error(position, fmt::format("stage `{}` is read by nobody", node.name));
      continue;
    }
    for (size_t port = 0; port < node.ports.size(); ++port) {
      if (node.readers[port] > 0) continue;
      diagnostics_.warning(position, fmt::format("port `{}.{}` is read by nobody: its records end here and count as "
                                                 "unmatched",
                                                 node.name, node.ports[port]));
    }
  }
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

void GraphBuilder::check_loops() {
  for (const auto& topic : graph_->topics_) {
    const auto source = graph_->source_of_topic(topic.topic);
    if (!source) continue;
    config::Position position = spec_.dead_letters.position;
    for (const auto& destination : spec_.destinations) {
      if (destination.name == topic.destination) position = destination.position;
    }
    diagnostics_.error(position,
                       fmt::format("topic `{}` of `{}` is also read by source `{}`: records would go round for ever",
                                   topic.topic, topic.destination, graph_->sources_[*source].name));
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
