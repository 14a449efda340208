#include "app/reload_command.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "app/assemble.h"
#include "app/control_socket.h"
#include "base/text.h"
#include "config/changes.h"
#include "config/parse.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kFileMs = 2000;
constexpr int64_t kReloadMs = 80'000;  // two in a row may take half of it each
constexpr size_t kDaemonsMax = 1000;

struct Daemon {
  std::string directory;
  std::string instance;
};

std::string absolute(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? path : real.string();
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code none;
    if (at->is_directory(none)) found.push_back(at->path());
  }
  return found;
}

// Found by the file that they run and not by what it says now, so that a file that cannot be read is refused by them,
// where it is seen.
std::vector<Daemon> daemons_of(const std::string& file, const std::set<std::string>& roots) {
  std::vector<Daemon> found;
  size_t asked = 0;
  for (const std::string& root : roots) {
    for (const fs::path& pipeline : folders_in(root)) {
      for (const fs::path& instance : folders_in(pipeline)) {
        std::error_code error;
        if (!fs::is_socket(instance / kControlName, error) || ++asked > kDaemonsMax) continue;
        const auto runs = ask_control(instance.string(), "file", kFileMs);
        if (runs && absolute(*runs) == file) found.push_back({instance.string(), instance.filename().string()});
      }
    }
  }
  return found;
}

std::set<std::string> state_directories(const Pipeline& pipeline) {
  std::set<std::string> roots;
  if (!pipeline.spec.state_directory.empty()) roots.insert(pipeline.spec.state_directory);
  const std::string usual = config::default_state_directory([](const char* name) { return std::getenv(name); });
  if (!usual.empty()) roots.insert(usual);
  return roots;
}

}  // namespace

ExitCode reload_command(const CommandLine& line, std::ostream& out) {
  const auto pipeline = load_pipeline(line.file, line.instance, false);
  const auto roots = state_directories(*pipeline);
  std::vector<Daemon> daemons = daemons_of(absolute(line.file), roots);
  if (!line.instance.empty()) {
    std::erase_if(daemons, [&line](const Daemon& daemon) { return daemon.instance != line.instance; });
  }
  if (daemons.empty()) {
    out << pipeline->diagnostics.text(line.file);
    const std::vector<std::string> looked(roots.begin(), roots.end());
    out << fmt::format(
        "no daemon runs {}{}; looked in {}, where its state would lie. A service of systemd is reloaded "
        "by `systemctl reload`\n",
        line.file, line.instance.empty() ? "" : " as instance " + line.instance, quoted_list(looked));
    return pipeline->graph == nullptr ? ExitCode::config : ExitCode::internal;
  }
  if (daemons.size() > 1) {
    std::vector<std::string> names;
    for (const Daemon& daemon : daemons) names.push_back(daemon.instance);
    out << fmt::format("{} instances run {}: name one with --instance: {}\n", daemons.size(), line.file,
                       quoted_list(names));
    return ExitCode::usage;
  }
  const auto answer = ask_control(daemons[0].directory, "reload", kReloadMs);
  if (!answer) {
    out << answer.error().what << "\n";
    return ExitCode::internal;
  }
  const size_t end = std::min(answer->find('\n'), answer->size());
  const std::string code = answer->substr(0, end);
  out << (end < answer->size() ? answer->substr(end + 1) : "");
  if (code == "0") return ExitCode::done;
  return code == "78" ? ExitCode::config : ExitCode::internal;
}

ExitCode diff_command(const CommandLine& line, std::ostream& out) {
  const auto before = load_pipeline(line.file, "", false);
  const auto after = load_pipeline(line.other_file, "", false);
  if (before->graph == nullptr || after->graph == nullptr) {
    if (before->graph == nullptr) out << before->diagnostics.text(line.file);
    if (after->graph == nullptr) out << after->diagnostics.text(line.other_file);
    return ExitCode::config;
  }
  const auto changes = config::changes_between(before->spec, *before->spec.document, after->spec);
  for (const config::Change& change : changes) out << config::text_of(change, line.other_file) << "\n";
  return changes.empty() ? ExitCode::done : ExitCode::internal;
}

}  // namespace millrace
