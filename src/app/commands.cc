#include "app/commands.h"

#include <fmt/core.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "app/assemble.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "expr/decoder.h"
#include "expr/program.h"
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

// `text` with a marker below the place that an error names.
std::string pointed(const std::string& text, size_t offset) {
  const size_t begin = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;  // npos + 1 is 0
  const std::string line = text.substr(begin, text.find('\n', begin) - begin);
  return fmt::format("  {}\n  {}^\n", line, std::string(std::min(offset - begin, line.size()), ' '));
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

ExitCode eval_command(const EvalOptions& options, std::ostream& out) {
  expr::FieldPlan plan;
  expr::Compiler compiler({}, plan, nullptr);
  std::vector<expr::CompileError> errors;
  const auto program = compiler.compile(options.expression, expr::Want::value, errors);
  if (program == nullptr) {
    for (const expr::CompileError& error : errors) {
      out << "error: " << error.message << "\n" << pointed(options.expression, error.offset);
    }
    return ExitCode::config;
  }
  if (options.explain) {
    out << program->explain();
    return ExitCode::done;
  }
  const Origin origin{options.topic, options.partition, 0};
  std::vector<Header> headers;
  for (const auto& [name, text] : options.headers) headers.push_back({name, Bytes(text)});
  const SystemClock clock;
  Record record;
  if (options.key) record.key = Bytes(*options.key);
  // The decoder may read a little past the end: the value goes where there is room.
  Arena arena;
  if (options.value) record.value = Bytes(arena.copy(*options.value));
  record.headers = headers;
  record.origin = &origin;
  record.offset = options.offset;
  record.timestamp_ms = clock.wall_ms();

  const expr::DecodeLimits limits;
  const auto decoder = expr::make_decoder(expr::Format::json, plan, limits);
  expr::DecodedRecord decoded;
  const auto decoding =
      decoder->decode(record.value.is_null() ? std::string_view() : record.value.view(), arena, decoded);
  if (decoding.reason != RejectReason::none) {
    out << fmt::format("error: the value is {}: {}\n", to_string(decoding.reason), decoding.detail);
    return ExitCode::internal;
  }
  expr::Evaluator evaluator(arena);
  const expr::Value value = program->evaluate({&record, decoded.fields, record.timestamp_ms}, evaluator);
  if (value.is_error()) {
    out << fmt::format("error: {}: {}\n", to_string(evaluator.error_kind()), evaluator.error_text());
    return ExitCode::internal;
  }
  if (value.is_absent()) {
    out << "(nothing)\n";
    return ExitCode::done;
  }
  const expr::JsonText json = expr::to_json(value, arena);
  if (json.error != expr::ErrorKind::none) {
    out << fmt::format("error: {}: the result cannot be written as JSON\n", to_string(json.error));
    return ExitCode::internal;
  }
  out << json.text << "\n";
  return ExitCode::done;
}

}  // namespace millrace
