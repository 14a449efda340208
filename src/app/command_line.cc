#include "app/command_line.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::pair<std::string_view, Command> kCommandNames[] = {
    {"run", Command::run},
    {"check", Command::check},
    {"reload", Command::reload},
    {"diff", Command::diff},
    {"graph", Command::graph},
    {"topics", Command::topics},
    {"reconcile", Command::reconcile},
    {"history", Command::history},
    {"advise", Command::advise},
    {"eval", Command::eval},
    {"knobs", Command::knobs},
    {"version", Command::version},
};

CommandLine wrong(std::string_view command, const std::string& what) {
  CommandLine line;
  line.command = Command::wrong_usage;
  const std::string help = command.empty() ? "help" : "help " + std::string(command);
  line.text = fmt::format("millrace: {}\nSee `millrace {}`.\n", what, help);
  return line;
}

CommandLine help(std::string_view command) {
  CommandLine line;
  line.command = Command::help;
  line.text = help_text(command);
  return line;
}

std::string wrong_command(const std::string& word) {
  const auto names = command_names();
  const std::string meant = nearest(word, names);
  std::string what = fmt::format("there is no command `{}`", escape_for_log(word));
  if (!meant.empty()) {
    what += fmt::format("; did you mean `{}`?", meant);
  } else if (word.size() > 5 && word.substr(word.size() - 5) == ".yaml") {
    what += fmt::format("; did you mean `millrace run {}`?", escape_for_log(word));
  }
  return what;
}

void add_options(CLI::App& app, CommandLine& line, std::string& accept_offsets, std::string& format, std::string& over,
                 std::vector<std::string>& headers) {
  switch (line.command) {
    case Command::run:
      app.add_option("FILE", line.file)->required();
      app.add_option("--instance", line.instance);
      app.add_flag("--accept-start", line.accept_start);
      app.add_option("--accept-offsets", accept_offsets)->check(CLI::IsMember({"committed", "expected"}));
      break;
    case Command::check:
      app.add_option("FILE", line.file)->required();
      app.add_flag("--connect", line.connect);
      break;
    case Command::topics:
      app.add_option("FILE", line.file)->required();
      app.add_flag("--connect", line.connect);
      app.add_flag("--measured", line.measured);
      app.add_option("--over", over);
      app.add_option("--records-per-partition", line.records_per_partition)->check(CLI::PositiveNumber);
      break;
    case Command::reconcile:
      app.add_option("FILE", line.file)->required();
      app.add_option("--from", line.from)->required();
      app.add_option("--to", line.to);
      break;
    case Command::reload:
      app.add_option("FILE", line.file)->required();
      app.add_option("--instance", line.instance);
      break;
    case Command::diff:
      app.add_option("OLD", line.file)->required();
      app.add_option("NEW", line.other_file)->required();
      break;
    case Command::graph:
      app.add_option("FILE", line.file)->required();
      app.add_option("--format", format)->check(CLI::IsMember({"text", "mermaid"}));
      break;
    case Command::eval:
      app.add_option("EXPR", line.eval.expression)->required();
      app.add_option("--value", line.eval.value);
      app.add_option("--key", line.eval.key);
      app.add_option("--header", headers)->allow_extra_args(false);
      app.add_option("--topic", line.eval.topic);
      app.add_option("--partition", line.eval.partition)->check(CLI::NonNegativeNumber);
      app.add_option("--offset", line.eval.offset)->check(CLI::NonNegativeNumber);
      app.add_flag("--explain", line.eval.explain);
      break;
    case Command::advise:
      app.add_option("FILE", line.file)->required();
      app.add_option("--instance", line.instance);
      break;
    case Command::history:
      app.add_option("FILE", line.file)->required();
      app.add_option("--instance", line.instance);
      app.add_flag("--events", line.history.events);
      app.add_flag("--batches")->excludes("--events");
      app.add_option("--last", line.history.last)->check(CLI::Range(1, 100'000));
      app.add_flag("--json", line.history.json);
      break;
    default:
      break;
  }
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& words) {
  if (words.empty()) return wrong("", "no command given");
  const std::string& first = words[0];
  if (first == "-h" || first == "--help") return help("");
  if (first == "help") {
    if (words.size() == 1) return help("");
    if (words.size() > 2 || help_text(words[1]).empty()) return wrong("", wrong_command(words.back()));
    return help(words[1]);
  }
  CommandLine line;
  const std::string name = first == "--version" ? "version" : first;
  const auto* found = std::find_if(std::begin(kCommandNames), std::end(kCommandNames),
                                   [&](const auto& each) { return each.first == name; });
  if (found == std::end(kCommandNames)) return wrong("", wrong_command(first));
  line.command = found->second;

  CLI::App app;
  std::string accept_offsets;
  std::string format;
  std::string over;
  std::vector<std::string> headers;
  add_options(app, line, accept_offsets, format, over, headers);
  std::vector<std::string> rest(words.rbegin(), words.rend() - 1);  // CLI11 takes them from the back
  try {
    app.parse(rest);
  } catch (const CLI::CallForHelp&) {
    return help(name);
  } catch (const CLI::ParseError& error) {
    return wrong(name, escape_for_log(error.what()));
  }
  if (accept_offsets == "committed") line.accept_offsets = AcceptOffsets::committed;
  if (accept_offsets == "expected") line.accept_offsets = AcceptOffsets::expected;
  line.mermaid = format == "mermaid";
  if (!over.empty()) {
    const auto over_ms = parse_duration_ms(over);
    if (!over_ms || *over_ms < 1'000 || *over_ms > 3'600'000)
      return wrong(name, "--over takes a duration from 1s to 1h");
    line.over_ms = *over_ms;
  }
  for (const std::string& header : headers) {
    const size_t at = header.find('=');
    if (at == std::string::npos || at == 0) return wrong(name, "a header is given as NAME=TEXT");
    line.eval.headers.emplace_back(header.substr(0, at), header.substr(at + 1));
  }
  return line;
}

}  // namespace millrace
