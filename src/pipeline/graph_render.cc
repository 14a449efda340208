// The graph as text for people.
#include <fmt/format.h>

#include "pipeline/graph.h"

namespace millrace {

namespace {

std::string_view policy_text(config::OnError on_error) {
  switch (on_error) {
    case config::OnError::dead_letter:
      return "";
    case config::OnError::drop:
      return ", rejected: drop";
    case config::OnError::keep:
      return ", rejected: keep";
    case config::OnError::stop:
      return ", rejected: stop";
  }
  return "";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

// Mermaid's ids are letters and digits; names of nodes may hold more.
std::string mermaid_id(char prefix, size_t index) {
  return fmt::format("{}{}", prefix, index);
}

std::string mermaid_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '"') {
      safe += "#quot;";
    } else {
      safe += c;
    }
  }
  return "\"" + safe + "\"";
}

}  // namespace

std::string render_text(const Graph& graph) {
  std::string text = fmt::format("pipeline {}\n", graph.pipeline());
  for (const auto& source : graph.sources()) {
    text += fmt::format("  source       {}  topics {}{}\n", source.name, joined(source.topics),
                        policy_text(source.on_error));
  }
  for (const auto& stage : graph.stages()) {
    std::vector<std::string> inputs;
    for (const auto& input : stage.inputs) inputs.push_back(graph.port_name(input));
    const bool one = stage.ports.size() == 1 && stage.ports[0].empty();
    text += fmt::format("  {:<12} {}  from {}{}{}\n", stage.kind, stage.name, joined(inputs),
                        one ? "" : "  ports " + joined(stage.ports), policy_text(stage.on_error));
  }
  for (const auto& destination : graph.destinations()) {
    for (const auto& input : destination.inputs) {
      text += fmt::format("  destination  {}  from {}  topic {}{}\n", destination.name, graph.port_name(input.from),
                          graph.topics()[input.topic].topic, policy_text(destination.on_error));
    }
  }
  if (graph.dead_letter_topic()) {
    text += fmt::format("  dead letters topic {}\n", graph.topics()[*graph.dead_letter_topic()].topic);
  }
  return text;
}

std::string render_mermaid(const Graph& graph) {
  std::string text = "flowchart LR\n";
  const size_t sources = graph.sources().size();
  const auto node_id = [sources](PortRef port) {
    return port.node < sources ? mermaid_id('s', port.node) : mermaid_id('n', port.node - sources);
  };
  const auto edge = [&](PortRef from, const std::string& to) {
    const bool named = from.node >= sources && !graph.stages()[from.node - sources].ports[from.port].empty();
    if (!named) {
      text += fmt::format("  {} --> {}\n", node_id(from), to);
    } else {
      const std::string& port = graph.stages()[from.node - sources].ports[from.port];
      text += fmt::format("  {} -- {} --> {}\n", node_id(from), mermaid_text(port), to);
    }
  };
  for (size_t i = 0; i < sources; ++i) {
    text += fmt::format("  {}[({})]\n", mermaid_id('s', i), mermaid_text(joined(graph.sources()[i].topics)));
  }
  for (size_t i = 0; i < graph.stages().size(); ++i) {
    const StageNode& stage = graph.stages()[i];
    text += fmt::format("  {}[{}]\n", mermaid_id('n', i), mermaid_text(stage.kind + " " + stage.name));
  }
  for (size_t i = 0; i < graph.topics().size(); ++i) {
    text += fmt::format("  {}[({})]\n", mermaid_id('t', i), mermaid_text(graph.topics()[i].topic));
  }
  for (size_t i = 0; i < graph.stages().size(); ++i) {
    for (const auto& input : graph.stages()[i].inputs) edge(input, mermaid_id('n', i));
  }
  for (const auto& destination : graph.destinations()) {
    for (const auto& input : destination.inputs) edge(input.from, mermaid_id('t', input.topic));
  }
  return text;
}

}  // namespace millrace
