// millrace eval: an expression on one record, or on a stream of them.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>
#include <sstream>
#include <vector>

#include "app/commands.h"
#include "base/arena.h"
#include "base/clock.h"
#include "expr/decoder.h"
#include "expr/program.h"
#include "expr/value_ops.h"

namespace millrace {

namespace {

// `text` with a marker below the place that an error names.
std::string pointed(const std::string& text, size_t offset) {
  const size_t begin = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;  // npos + 1 is 0
  const std::string line = text.substr(begin, text.find('\n', begin) - begin);
  return fmt::format("  {}\n  {}^\n", line, std::string(std::min(offset - begin, line.size()), ' '));
}

// Evaluates records one after the other and writes a line for each: the result, or what is wrong.
class Trial {
 public:
  Trial(const expr::Program& program, const expr::FieldPlan& plan, const EvalOptions& options, std::ostream& out)
      : program_(program),
        out_(out),
        origin_{options.topic, options.partition, 0},
        decoder_(expr::make_decoder(expr::Format::json, plan, limits_)) {
    for (const auto& [name, text] : options.headers) headers_.push_back({name, Bytes(text)});
    if (options.key) record_.key = Bytes(*options.key);
    record_.headers = headers_;
    record_.origin = &origin_;
    record_.offset = options.offset;
    record_.timestamp_ms = SystemClock().wall_ms();
  }

  void tombstone() { evaluate(""); }

  void one(std::string_view value, const std::string& place) {
    record_.value = Bytes(value);
    evaluate(place);
  }

  // A record on each line; empty lines are none. The offset counts them.
  void lines(std::istream& in) {
    std::string line;
    for (size_t number = 1; std::getline(in, line); ++number) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      one(line, fmt::format("line {}: ", number));
      ++record_.offset;
    }
  }

  [[nodiscard]] bool failed() const { return failed_; }

 private:
  void error(std::string_view place, std::string_view kind, std::string_view text) {
    failed_ = true;
    out_ << fmt::format("error: {}{}: {}\n", place, kind, text);
  }

  void evaluate(std::string_view place) {
    arena_.reset();
    expr::DecodedRecord decoded;
    const auto decoding =
        decoder_->decode(record_.value.is_null() ? std::string_view() : record_.value.view(), arena_, decoded);
    if (decoding.reason != RejectReason::none) {
      error(place, to_string(decoding.reason), decoding.detail);
      return;
    }
    const expr::Value value = program_.evaluate({&record_, decoded.fields, record_.timestamp_ms}, evaluator_);
    if (value.is_error()) {
      error(place, to_string(evaluator_.error_kind()), evaluator_.error_text());
      return;
    }
    if (value.is_absent()) {
      out_ << "(nothing)\n";
      return;
    }
    const expr::JsonText json = expr::to_json(value, arena_);
    if (json.error != expr::ErrorKind::none) {
      error(place, to_string(json.error),
            fmt::format("JSON cannot hold {}, of type {}", expr::value_text(value, arena_), expr::type_name(value)));
      return;
    }
    out_ << json.text << "\n";
  }

  const expr::Program& program_;
  std::ostream& out_;
  const Origin origin_;
  const expr::DecodeLimits limits_;
  const std::unique_ptr<expr::Decoder> decoder_;
  std::vector<Header> headers_;
  Record record_;
  Arena arena_;
  expr::Evaluator evaluator_{arena_};
  bool failed_ = false;
};

bool is_one_record(std::string_view text) {
  const expr::FieldPlan nothing;
  const expr::DecodeLimits limits;
  Arena arena;
  expr::DecodedRecord decoded;
  return expr::make_decoder(expr::Format::json, nothing, limits)->decode(text, arena, decoded).reason ==
         RejectReason::none;
}

// False: it cannot be read; said.
bool try_file(const std::string& path, Trial& trial, std::ostream& out) {
  std::ifstream in(path);
  std::ostringstream read;
  std::error_code ignored;
  if (!in.is_open() || std::filesystem::is_directory(path, ignored)) {
    out << fmt::format("error: cannot read {}: {}\n", path, in.is_open() ? "it is a folder" : std::strerror(errno));
    return false;
  }
  if (in.peek() != std::ifstream::traits_type::eof()) read << in.rdbuf();
  const std::string text = read.str();
  // One record may be written over several lines.
  if (is_one_record(text)) {
    trial.one(text, "");
    return true;
  }
  std::istringstream lines(text);
  trial.lines(lines);
  return true;
}

}  // namespace

ExitCode eval_command(const EvalOptions& options, std::istream& in, std::ostream& out) {
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
  if (options.explain) out << program->explain();
  if (options.explain && !options.value) return ExitCode::done;
  Trial trial(*program, plan, options, out);
  if (!options.value) {
    trial.tombstone();
  } else if (*options.value == "-") {
    trial.lines(in);
  } else if (options.value->starts_with('@')) {
    if (!try_file(options.value->substr(1), trial, out)) return ExitCode::usage;
  } else {
    trial.one(*options.value, "");
  }
  return trial.failed() ? ExitCode::internal : ExitCode::done;
}

}  // namespace millrace
