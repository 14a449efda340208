// CommandLine: what the user asked for, as a value; and the help that says what can be asked. Pure; main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

enum class Command : uint8_t {
  run,
  check,
  reload,
  diff,
  graph,
  topics,
  reconcile,
  history,
  advise,
  eval,
  knobs,
  version,
  help,
  wrong_usage
};

// How to go on after an offset audit has stopped the pipeline.
enum class AcceptOffsets : uint8_t { no, committed, expected };

struct EvalOptions {
  std::string expression;
  std::optional<std::string> value;  // JSON, @FILE, or - for standard input; none: null, as of a tombstone
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string topic = "topic";
  int partition = 0;
  int64_t offset = 0;
  bool explain = false;
};

struct HistoryOptions {
  bool events = false;  // else batches
  bool json = false;
  int64_t last = 20;
};

struct CommandLine {
  Command command = Command::help;
  std::string file;        // all but eval, knobs, version; diff: the old one
  std::string other_file;  // diff: the new one
  std::string instance;    // run, history: empty, as the YAML says; reload: empty, the only one
  bool accept_start = false;
  AcceptOffsets accept_offsets = AcceptOffsets::no;
  bool connect = false;  // check, topics
  // topics: ask the running daemon, twice, so long apart; what one partition may carry
  bool measured = false;
  int64_t over_ms = 10'000;
  double records_per_partition = 10'000;
  std::string from;  // reconcile: times, as given
  std::string to = "now";
  bool mermaid = false;  // graph
  EvalOptions eval;
  HistoryOptions history;
  std::string text;  // help: the help; wrong_usage: what is wrong, and where to look
};

CommandLine parse_command_line(const std::vector<std::string>& words);

// The help of the program (""), or of one command; empty when there is no such command.
std::string_view help_text(std::string_view command);

// Every command, in the order of the help.
std::vector<std::string> command_names();

}  // namespace millrace
