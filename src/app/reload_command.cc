#include "app/reload_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "app/assemble.h"
#include "app/control_socket.h"
#include "app/daemon_pointer.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/changes.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kFileMs = 2000;
constexpr int64_t kAllMs = 80'000;  // two reloads in a row may take half of it each
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

// Folders that may be the state of an instance, and listen.
std::set<std::string> candidates(const std::string& file, const std::set<std::string>& roots) {
  std::set<std::string> found;
  const auto add = [&found](const fs::path& instance) {
    std::error_code error;
    if (found.size() < kDaemonsMax && fs::is_socket(instance / kControlName, error)) {
      found.insert(absolute(instance.string()));  // one may be found in two ways
    }
  };
  for (const std::string& root : roots) {
    for (const PointedDaemon& each : pointed_daemons(root)) {
      if (absolute(each.file) == file) add(each.directory);
    }
  }
  for (const std::string& root : roots) {
    for (const fs::path& pipeline : folders_in(root)) {
      for (const fs::path& instance : folders_in(pipeline)) add(instance);
    }
  }
  return found;
}

struct Found {
  std::vector<Daemon> daemons;
  std::vector<std::string> silent;  // they listen, and do not say what they run
};

// Found by the file that they run and not by what it says now, so that a file that cannot be read is refused by them,
// where it is seen. One that reads a large table, or waits for a file system, is silent for a while.
Found daemons_of(const std::string& file, const std::string& wanted, const std::set<std::string>& roots,
                 const std::function<bool(const std::vector<std::string>& silent)>& again) {
  std::set<std::string> open = candidates(file, roots);
  if (!wanted.empty()) {
    std::erase_if(open, [&wanted](const std::string& each) { return fs::path(each).filename() != wanted; });
  }
  Found found;
  do {
    found.silent.clear();
    for (const std::string& directory : open) {
      const auto runs = ask_control(directory, "file", kFileMs);
      if (!runs && runs.error().remedy == Remedy::retry) found.silent.push_back(directory);
      if (runs && absolute(*runs) == file) {
        found.daemons.push_back({directory, fs::path(directory).filename().string()});
      }
    }
    open = {found.silent.begin(), found.silent.end()};
  } while (found.daemons.empty() && !found.silent.empty() && again(found.silent));
  return found;
}

std::set<std::string> state_directories(const Pipeline& pipeline) {
  std::set<std::string> roots;
  if (!pipeline.spec.state_directory.empty()) roots.insert(pipeline.spec.state_directory);
  const std::string usual = usual_state_root();
  if (!usual.empty()) roots.insert(usual);
  return roots;
}

// Exit code, after saying why.
ExitCode say_none(const CommandLine& line, const Pipeline& pipeline, const Found& found,
                  const std::set<std::string>& roots, std::ostream& out) {
  if (!found.silent.empty()) {
    out << fmt::format(
        "not reloaded: {} listens, but is busy and did not answer within {}: it may be reading a large table, or its "
        "file system hangs. Reload again later; its log says what it does\n",
        quoted_list(found.silent), format_duration_ms(kAllMs));
    return ExitCode::internal;
  }
  out << pipeline.diagnostics.text(line.file);
  const std::vector<std::string> looked(roots.begin(), roots.end());
  out << fmt::format(
      "no daemon runs {}{}; looked in {}, where its state would lie. A service of systemd is reloaded "
      "by `systemctl reload`\n",
      line.file, line.instance.empty() ? "" : " as instance " + line.instance, quoted_list(looked));
  return pipeline.graph == nullptr ? ExitCode::config : ExitCode::internal;
}

}  // namespace

ExitCode reload_command(const CommandLine& line, std::ostream& out) {
  const auto pipeline = load_pipeline(line.file, line.instance, false);
  const auto roots = state_directories(*pipeline);
  const SystemClock clock;
  const int64_t until_ms = clock.mono_ms() + kAllMs;
  bool said = false;
  const auto again = [&](const std::vector<std::string>& silent) {
    if (!said) out << "waiting for " << quoted_list(silent) << ", which listens but is busy\n" << std::flush;
    said = true;
    return clock.mono_ms() < until_ms;
  };
  const Found found = daemons_of(absolute(line.file), line.instance, roots, again);
  const std::vector<Daemon>& daemons = found.daemons;
  if (daemons.empty()) return say_none(line, *pipeline, found, roots, out);
  if (daemons.size() > 1) {
    std::vector<std::string> names;
    for (const Daemon& daemon : daemons) names.push_back(daemon.instance);
    out << fmt::format("{} instances run {}: name one with --instance: {}\n", daemons.size(), line.file,
                       quoted_list(names));
    return ExitCode::usage;
  }
  const auto answer = ask_control(daemons[0].directory, "reload", std::max(until_ms - clock.mono_ms(), kFileMs));
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
