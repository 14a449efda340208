// The control socket, and the commands that use it.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/control_socket.h"
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
