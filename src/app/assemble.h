// From a YAML file to what runs: the file is read and checked, tables are loaded, the graph is built, and the settings
// of the Kafka edge are derived. Main thread; what comes out is constant.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostic.h"
#include "config/secrets.h"
#include "config/spec.h"
#include "expr/table.h"
#include "kafka/settings.h"
#include "pipeline/graph.h"

namespace millrace {

struct Pipeline {
  std::unique_ptr<config::Secrets> secrets;  // outlives the document in `spec`; null: nobody resolves ${...}
  config::PipelineSpec spec;
  expr::TableSet tables;               // outlives the graph
  std::shared_ptr<const Graph> graph;  // shared with the engine; null when `diagnostics` has errors
  config::Diagnostics diagnostics;
};

// Everything up to the first connection. All problems of the file come at once, in Pipeline::diagnostics. `instance`
// replaces the file's when it is not empty.
std::unique_ptr<Pipeline> load_pipeline(const std::string& file, const std::string& instance, bool resolve_secrets);

// Without state directory and without what the command line says.
EdgeSettings edge_settings(const config::PipelineSpec& spec, const Graph& graph);

// Name and value of every knob, as the status page shows them.
std::vector<std::pair<std::string, std::string>> knob_values(const config::Knobs& knobs);

}  // namespace millrace
