// GraphBuilder: makes a Graph from a PipelineSpec and says everything that is wrong with it. Internal to build_graph();
// lives on the stack of the thread that loads the config.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "expr/program.h"
#include "pipeline/graph.h"

namespace millrace {

class GraphBuilder {
 public:
  GraphBuilder(const config::PipelineSpec& spec, std::span<const StageKind* const> kinds, const expr::TableSet& tables,
               config::Diagnostics& diagnostics);

  std::unique_ptr<const Graph> build();

 private:
  struct Named {
    bool is_source = true;
    size_t index = 0;  // in the spec
  };

  // graph_wiring.cc
  void name_nodes();
  void read_sources();
  void order_stages();
  std::vector<PortRef> resolve(const std::string& owner, const config::Input& input);
  void wire_stages();
  void note_reader(PortRef port);
  void check_readers();
  void check_formats();
  void check_loops();
  void warn_about_order();

  // graph_compile.cc
  void compile_stages();
  void compile_destinations();
  void compile_destination(const config::DestinationSpec& spec);
  void set_topics(const config::DestinationSpec& spec, DestinationNode& node);
  uint16_t topic_index(const config::DestinationSpec& spec, const std::string& topic, size_t first_of_destination);
  std::unique_ptr<const expr::Program> compile(const config::ExpressionText& text, const std::string& what);
  void set_dead_letters();
  void check_policy(const std::string& what, config::Position position, config::OnError on_error);

  const config::PipelineSpec& spec_;
  std::span<const StageKind* const> kinds_;
  config::Diagnostics& diagnostics_;
  std::unique_ptr<Graph> graph_;
  expr::Compiler compiler_;
  std::map<std::string, Named, std::less<>> names_;
  bool incomplete_ = false;             // the spec has errors that were said when it was read
  std::vector<size_t> order_;           // the spec's stages in topological order
  std::vector<size_t> place_;           // of each of the spec's stages in the order
  std::vector<bool> broken_;            // stages (in order) whose ports are not known because reading them failed
  std::vector<std::set<size_t>> from_;  // which sources reach each node
};

}  // namespace millrace
