// The control socket, and the commands that use it.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "app/control_socket.h"
#include "app/daemon_pointer.h"
#include "app/reload_command.h"
#include "support/catch.h"

using namespace millrace;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/millrace-reload-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

std::string file_in(const Folder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.path + "/" + name;
  std::ofstream(path) << text;
  return path;
}

std::string pipeline(const std::string& state, const std::string& interval) {
  return "pipeline: p\ninstance: i\nkafka: {brokers: [localhost:9]}\nstate: {directory: " + state +
         "}\nbatch: {interval: " + interval +
         "}\nsources: {in: {topics: [in]}}\ndestinations: {out: {from: in, topic: out}}\ndead_letters: {topic: dead}\n";
}

// Serves until `count` requests are answered, or for some seconds.
void serve(ControlSocket& socket, const Clock& clock, const std::string& file, int count) {
  WakeUp wake;
  const int64_t until_ms = clock.mono_ms() + 20'000;
  while (count > 0 && clock.mono_ms() < until_ms) {
    for (auto& request : socket.wait(wake, 100)) {
      const bool asks_file = request.text == "file";
      socket.answer(std::move(request), asks_file ? file : "1\nsomething needs a restart\n");
      --count;
    }
  }
}

}  // namespace

TEST_CASE("a request is answered over the socket of a state directory, however long its path") {
  const Folder folder;
  const std::string deep = folder.path + "/" + std::string(120, 'd');
  fs::create_directories(deep);
  const SystemClock clock;
  ControlSocket socket(clock);
  REQUIRE(socket.open(deep));
  struct stat info {};
  REQUIRE(stat((deep + "/" + kControlName).c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  Thread server("server", [&] { serve(socket, clock, "/a/file", 2); });
  CHECK(ask_control(deep, "file", 5000).value() == "/a/file");
  CHECK(ask_control(deep, "reload", 5000).value() == "1\nsomething needs a restart\n");
  server.join();
}

TEST_CASE("a request that is too long is not kept") {
  const Folder folder;
  const SystemClock clock;
  ControlSocket socket(clock);
  REQUIRE(socket.open(folder.path));
  Thread server("server", [&] { serve(socket, clock, "", 1); });
  const auto answer = ask_control(folder.path, std::string(100'000, 'x'), 5000);
  CHECK((!answer || answer->empty()));
  CHECK(ask_control(folder.path, "file", 5000).has_value());
  server.join();
}

TEST_CASE("nobody behind the socket is an error, at once") {
  const Folder folder;
  const auto answer = ask_control(folder.path, "file", 5000);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().what.find(folder.path) != std::string::npos);
}

TEST_CASE("reload finds the daemon by its file, and passes on what it says") {
  const Folder folder;
  const std::string file = file_in(folder, "p.yaml", pipeline(folder.path + "/state", "1s"));
  CommandLine line;
  line.command = Command::reload;
  line.file = file;
  std::ostringstream out;
  CHECK(reload_command(line, out) == ExitCode::internal);
  CHECK(out.str().find("no daemon runs " + file) != std::string::npos);

  const std::string state = folder.path + "/state/p/i";
  fs::create_directories(state);
  const SystemClock clock;
  ControlSocket socket(clock);
  REQUIRE(socket.open(state));
  Thread server("server", [&] { serve(socket, clock, file, 2); });
  out.str("");
  CHECK(reload_command(line, out) == ExitCode::internal);
  CHECK(out.str() == "something needs a restart\n");
  server.join();
}

TEST_CASE("a daemon that is busy for a while is waited for", "[reload]") {
  const Folder folder;
  const std::string file = file_in(folder, "p.yaml", pipeline(folder.path + "/state", "1s"));
  CommandLine line;
  line.command = Command::reload;
  line.file = file;
  const std::string state = folder.path + "/state/p/i";
  fs::create_directories(state);
  const SystemClock clock;
  ControlSocket socket(clock);
  REQUIRE(socket.open(state));
  std::ostringstream out;
  ExitCode code = ExitCode::done;
  std::atomic<bool> done{false};
  Thread command("command", [&] {
    code = reload_command(line, out);
    done.store(true);
  });
  // Longer than the command waits for one answer.
  WakeUp nobody;
  static_cast<void>(nobody.wait(2'300));
  CHECK_FALSE(done.load());
  serve(socket, clock, file, 3);  // the first request came, and nobody waits for its answer any more
  command.join();
  CHECK(code == ExitCode::internal);
  CHECK(out.str() == "waiting for `" + state + "`, which listens but is busy\nsomething needs a restart\n");
}

TEST_CASE("a note tells where the daemon of a file keeps its state, and goes with it", "[reload]") {
  const Folder folder;
  const std::string root = folder.path + "/usual";
  const std::string state = folder.path + "/else/p/i";
  fs::create_directories(state);
  const SystemClock clock;
  std::optional<ControlSocket> socket(clock);
  REQUIRE(socket->open(state));
  {
    auto left = DaemonPointer::leave(root, "/etc/p.yaml", state);
    REQUIRE(left);
    const auto kept = std::move(*left);
    const auto daemons = pointed_daemons(root);
    REQUIRE(daemons.size() == 1);
    CHECK(daemons[0].file == "/etc/p.yaml");
    CHECK(daemons[0].directory == state);
    CHECK((fs::status(root).permissions() & fs::perms::others_all) == fs::perms::none);
  }
  CHECK(pointed_daemons(root).empty());
  // Where everybody looks, there is nothing to tell.
  fs::create_directories(root + "/p/i");
  const auto usual = DaemonPointer::leave(root, "/etc/p.yaml", root + "/p/i");
  REQUIRE(usual);
  CHECK(pointed_daemons(root).empty());
  // One of a daemon that was killed stays, until another one is left.
  file_in(folder, "usual/.daemons/killed", folder.path + "/gone/p/i\n/etc/q.yaml\n");
  file_in(folder, "usual/.daemons/alive", state + "\n/etc/q.yaml\n");
  CHECK(pointed_daemons(root).size() == 2);
  const auto next = DaemonPointer::leave(root, "/etc/p.yaml", folder.path + "/third/p/i");
  REQUIRE(next);
  CHECK(pointed_daemons(root).size() == 2);
  CHECK_FALSE(fs::exists(root + "/.daemons/killed"));
  CHECK_FALSE(DaemonPointer::leave("/proc/nowhere", "/etc/p.yaml", state));
  CHECK_FALSE(DaemonPointer::leave("", "/etc/p.yaml", state));
}

TEST_CASE("diff says what differs, by its exit code too") {
  const Folder folder;
  CommandLine line;
  line.command = Command::diff;
  line.file = file_in(folder, "old.yaml", pipeline("/s", "1s"));
  line.other_file = file_in(folder, "new.yaml", pipeline("/s", "3s"));
  std::ostringstream out;
  CHECK(diff_command(line, out) == ExitCode::internal);
  CHECK(out.str() == line.other_file + ":5:19: batch.interval: 1s -> 3s (new producer)\n");
  out.str("");
  line.other_file = line.file;
  CHECK(diff_command(line, out) == ExitCode::done);
  CHECK(out.str().empty());
  line.other_file = file_in(folder, "bad.yaml", "pipeline: [\n");
  CHECK(diff_command(line, out) == ExitCode::config);
}
