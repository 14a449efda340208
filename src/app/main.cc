// millrace: one YAML file, one pipeline over Kafka topics, exactly once.
#include <fmt/core.h>

#include <cstdio>
#include <iostream>

#include "app/advise_command.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/history_command.h"
#include "app/reconcile.h"
#include "app/reload_command.h"
#include "app/run.h"
#include "app/topics.h"

namespace {

millrace::ExitCode run_line(const millrace::CommandLine& line) {
  const millrace::ProgramVersion version{MILLRACE_VERSION, MILLRACE_COMMIT};
  switch (line.command) {
    case millrace::Command::run:
      return millrace::run_command(line, version);
    case millrace::Command::check:
      return millrace::check_command(line, std::cout);
    case millrace::Command::graph:
      return millrace::graph_command(line, std::cout);
    case millrace::Command::topics:
      return millrace::topics_command(line, std::cout);
    case millrace::Command::reconcile:
      return millrace::reconcile_command(line, std::cout, std::cerr);
    case millrace::Command::reload:
      return millrace::reload_command(line, std::cout);
    case millrace::Command::diff:
      return millrace::diff_command(line, std::cout);
    case millrace::Command::knobs:
      return millrace::knobs_command(std::cout);
    case millrace::Command::version:
      return millrace::version_command(version, std::cout);
    case millrace::Command::eval:
      return millrace::eval_command(line.eval, std::cin, std::cout);
    case millrace::Command::history:
      return millrace::history_command(line, std::cout);
    case millrace::Command::advise:
      return millrace::advise_command(line, std::cout);
    case millrace::Command::help:
      std::cout << line.text;
      return millrace::ExitCode::done;
    case millrace::Command::wrong_usage:
      std::cerr << line.text;
      return millrace::ExitCode::usage;
  }
  return millrace::ExitCode::internal;
}

}  // namespace

int main(int argc, char** argv) {
  const auto code = run_line(millrace::parse_command_line({argv + 1, argv + argc}));
  // A full disk or a closed pipe behind stdout must not look like success.
  std::cout.flush();
  return static_cast<int>(std::cout.good() ? code : millrace::ExitCode::internal);
}
