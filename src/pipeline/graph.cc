#include "pipeline/graph.h"

#include "pipeline/graph_builder.h"

namespace millrace {

std::optional<uint16_t> Graph::source_of_topic(std::string_view topic) const {
  for (size_t i = 0; i < sources_.size(); ++i) {
    for (const auto& name : sources_[i].topics) {
      if (name == topic) return static_cast<uint16_t>(i);
    }
  }
  return std::nullopt;
}

std::string Graph::port_name(PortRef port) const {
  if (port.node < sources_.size()) return sources_[port.node].name;
  const StageNode& stage = stages_[port.node - sources_.size()];
  const std::string& name = stage.ports[port.port];
  return name.empty() ? stage.name : stage.name + "." + name;
}

std::unique_ptr<const Graph> build_graph(const config::PipelineSpec& spec, std::span<const StageKind* const> kinds,
                                         const expr::TableSet& tables, config::Diagnostics& diagnostics) {
  return GraphBuilder(spec, kinds, tables, diagnostics).build();
}

}  // namespace millrace
