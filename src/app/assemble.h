// From a YAML file to what runs: the file is read and checked, tables are loaded, the graph is built, and the settings
// of the Kafka edge are derived. Main thread; what comes out is constant.
#pragma once

#include <map>
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
  // Shared by versions with one document, which it outlives; null: nobody resolves ${...}.
  std::shared_ptr<config::Secrets> secrets;
  config::PipelineSpec spec;
  expr::TableSet tables;                          // outlives the graph
  std::map<std::string, expr::FileStamp> stamps;  // of the tables' files, by the tables' names
  std::shared_ptr<const Graph> graph;             // shared with the engine; null when `diagnostics` has errors
  config::Diagnostics diagnostics;
};

// Everything up to the first connection. All problems of the file come at once, in Pipeline::diagnostics. `instance`
// replaces the file's when it is not empty.
// Tables whose files are those of `before` are not read again.
std::unique_ptr<Pipeline> load_pipeline(const std::string& file, const std::string& instance, bool resolve_secrets,
                                        const Pipeline* before = nullptr);

// The same with another spec, or other tables: builds the graph anew.
std::shared_ptr<Pipeline> assemble(config::PipelineSpec spec, const Pipeline& parts);  // shared with the engine

// One table of the spec, read anew.
Result<expr::TableShare> read_table(const config::PipelineSpec& spec, const config::TableSpec& table);

// The graph, keeping all of the pipeline that it looks into; shared with the engine.
std::shared_ptr<const Graph> graph_with_tables(const std::shared_ptr<const Pipeline>& pipeline);

std::vector<DestinationSettings> destination_settings(const config::PipelineSpec& spec, const Graph& graph);

// Without state directory and without what the command line says.
EdgeSettings edge_settings(const config::PipelineSpec& spec, const Graph& graph);

// Where state lies that nobody gave another place, as this process sees it; empty: nowhere.
std::string usual_state_root();

// Name and value of every knob, as the status page shows them.
std::vector<std::pair<std::string, std::string>> knob_values(const config::Knobs& knobs);

}  // namespace millrace
