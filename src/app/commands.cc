#include "app/commands.h"

#include <fmt/core.h>

#include <ostream>

#include "app/assemble.h"
#include "base/clock.h"
#include "base/text.h"
#include "kafka/edge.h"
#include "kafka/version.h"

namespace millrace {
namespace {

constexpr int64_t kConnectMs = 30'000;

std::string counted(size_t count, std::string_view name) {
  return fmt::format("{} {}{}", count, name, count == 1 ? "" : "s");
}

// What the brokers say about a file that is well in itself. True when there is no error.
bool ask_brokers(const Pipeline& pipeline, std::ostream& out) {
  const SystemClock clock;
  bool well = true;
  for (const Finding& finding : connect_check(edge_settings(pipeline.spec, *pipeline.graph), clock, kConnectMs)) {
    const char* level = finding.level == Finding::Level::error     ? "error"
                        : finding.level == Finding::Level::warning ? "warning"
                                                                   : "ok";
    out << fmt::format("{}: {}\n", level, finding.what);
    if (finding.level == Finding::Level::error) well = false;
  }
  return well;
}

}  // namespace

ExitCode check_command(const CommandLine& line, std::ostream& out) {
  const auto pipeline = load_pipeline(line.file, "", line.connect);
  out << pipeline->diagnostics.text(line.file);
  if (pipeline->graph == nullptr) return ExitCode::config;
  const Graph& graph = *pipeline->graph;
  out << fmt::format("{}: ok: {}, {}, {}\n", line.file, counted(graph.sources().size(), "source"),
                     counted(graph.stages().size(), "stage"), counted(graph.destinations().size(), "destination"));
  if (line.connect && !ask_brokers(*pipeline, out)) return ExitCode::config;
  return ExitCode::done;
}

ExitCode graph_command(const CommandLine& line, std::ostream& out) {
  const auto pipeline = load_pipeline(line.file, "", false);
  if (pipeline->graph == nullptr) {
    out << pipeline->diagnostics.text(line.file);
    return ExitCode::config;
  }
  out << (line.mermaid ? render_mermaid(*pipeline->graph) : render_text(*pipeline->graph));
  return ExitCode::done;
}

ExitCode knobs_command(std::ostream& out) {
  constexpr auto kRow = "{:<42} {:<10} {:<22} {:<8} {}\n";
  out << fmt::format(kRow, "knob", "default", "range", "change", "what it is");
  for (const config::KnobInfo& knob : config::all_knobs()) {
    out << fmt::format(kRow, knob.path, config::knob_default_text(knob), config::knob_range_text(knob),
                       knob.live ? "live" : "restart", knob.help);
  }
  return ExitCode::done;
}

ExitCode version_command(const ProgramVersion& version, std::ostream& out) {
  out << fmt::format("millrace {} ({})\nlibrdkafka {}\n", version.version, version.commit, rdkafka_version_text());
  return ExitCode::done;
}

}  // namespace millrace
