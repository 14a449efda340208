// The program as a user meets it: what it prints, how it starts and ends. No broker is needed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/text.h"
#include "config/knobs.h"
#include "process.h"
#include "support/catch.h"
#include "support/source_folder.h"

using namespace millrace;

namespace {

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kGood = R"(pipeline: copy
kafka:
  brokers: ["127.0.0.1:1"]
sources:
  orders:
    topics: [orders]
destinations:
  copy:
    from: orders
    topic: orders.copy
dead_letters:
  topic: orders.dead
)";

// A port that was free a moment ago, and a socket that may hold it.
class Port {
 public:
  Port() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t length = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    number_ = ntohs(address.sin_port);
  }
  ~Port() { release(); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  void hold() const { REQUIRE(listen(fd_, 1) == 0); }
  void release() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int fd_;
  int number_;
};

std::string http_get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string text;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      char piece[4096];
      for (ssize_t got = 0; (got = recv(fd, piece, sizeof piece, 0)) > 0;) text.append(piece, static_cast<size_t>(got));
    }
  }
  close(fd);
  return text;
}

// A daemon whose broker is away, with its own state and port.
struct Daemon {
  TestFolder folder;
  NotifySocket notify;
  Port port;
  std::string file;

  explicit Daemon(const std::string& more = "") {
    file = folder.write("copy.yaml", std::string(kGood) + "http: {listen: 127.0.0.1:" + std::to_string(port.number()) +
                                         "}\nstate: {directory: " + (folder / "state") + "}\ninstance: one\n" + more);
  }
  [[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {MILLRACE_BINARY, "run", file};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] std::map<std::string, std::string> environment() const { return {{"NOTIFY_SOCKET", notify.address()}}; }
  [[nodiscard]] std::string log() const { return read_file(folder / "log"); }
  [[nodiscard]] std::string state() const { return folder / "state/copy/one"; }
};

// Nothing has to be waited for where no broker is: a stop that takes its time would end the test.
constexpr const char* kLongStop = "stop: {timeout: 10m}\n";

}  // namespace

TEST_CASE("check says that a file is well, or everything that is wrong with it", "[program]") {
  Answer answer = run_program({"check", source_folder() + "/config/minimal.yaml"});
  CHECK(answer.code == 0);
  CHECK(holds(answer.output, "minimal.yaml: ok: 1 source, 0 stages, 1 destination\n"));

  const TestFolder folder;
  const std::string bad =
      folder.write("bad.yaml", std::string(kGood) + "workers: none\nstages:\n  s: {form: orders}\n");
  answer = run_program({"check", bad});
  CHECK(answer.code == 78);
  CHECK(holds(answer.output, bad + ":13:"));
  CHECK(holds(answer.output, bad + ":15:"));
  CHECK(holds(answer.output, ": error: "));
  CHECK_FALSE(holds(answer.output, ": ok: "));

  answer = run_program({"check", folder / "missing.yaml"});
  CHECK(answer.code == 78);
  CHECK(holds(answer.output, "missing.yaml: error: "));
}

TEST_CASE("check names the place of a setting that librdkafka refuses, and connects to nothing", "[program]") {
  const TestFolder folder;
  std::string text = kGood;
  text.insert(text.find("sources:"), "  properties:\n    security.protocol: sassl\n");
  const Answer answer = run_program({"check", folder.write("bad.yaml", text)});
  CHECK(answer.code == 78);
  CHECK(holds(answer.output, "bad.yaml:5:"));
  CHECK(holds(answer.output, "security.protocol"));
  CHECK_FALSE(holds(answer.output, "Connect to"));
}

TEST_CASE("check resolves no secret without --connect", "[program]") {
  const TestFolder folder;
  std::string text = kGood;
  text.insert(text.find("sources:"), "  properties:\n    sasl.password: ${file:/nowhere/at/all}\n");
  const std::string file = folder.write("secret.yaml", text);
  CHECK(run_program({"check", file}).code == 0);
  CHECK(run_program({"check", file, "--connect"}).code == 78);
}

TEST_CASE("a table that is not there is named with its place", "[program]") {
  const TestFolder folder;
  const Answer answer =
      run_program({"check", folder.write("t.yaml", std::string(kGood) + "tables:\n  t: {file: none.csv, key: k}\n")});
  CHECK(answer.code == 78);
  CHECK(holds(answer.output, "t.yaml:14:"));
  CHECK(holds(answer.output, "none.csv"));
}

TEST_CASE("graph draws, for people and for mermaid", "[program]") {
  const std::string file = source_folder() + "/config/wikipedia.yaml";
  Answer answer = run_program({"graph", file});
  CHECK(answer.code == 0);
  CHECK(holds(answer.output, "wikipedia.edits.huge"));
  answer = run_program({"graph", file, "--format", "mermaid"});
  CHECK(answer.code == 0);
  CHECK(answer.output.substr(0, 10) == "flowchart ");
  CHECK(run_program({"graph", "/none.yaml"}).code == 78);
}

TEST_CASE("knobs lists every knob", "[program]") {
  const Answer answer = run_program({"knobs"});
  CHECK(answer.code == 0);
  for (const config::KnobInfo& knob : config::all_knobs()) {
    INFO(knob.path);
    CHECK(holds(answer.output, "\n" + std::string(knob.path) + " "));
  }
}

TEST_CASE("version names the program and librdkafka", "[program]") {
  const Answer answer = run_program({"version"});
  CHECK(answer.code == 0);
  CHECK(answer.output.substr(0, 9) == "millrace ");
  CHECK(holds(answer.output, "\nlibrdkafka "));
}

TEST_CASE("eval tries an expression", "[program]") {
  const auto eval = [](std::vector<std::string> words) {
    words.insert(words.begin(), "eval");
    return run_program(words);
  };
  CHECK(eval({"value.a + 1", "--value", R"({"a": 41})"}).output == "42\n");
  CHECK(eval({"value.tags", "--value", R"({"tags": ["x", {"y": null}]})"}).output == "[\"x\", {\"y\": null}]\n");
  CHECK(
      eval({"string(key) + ' ' + headers['h'] + ' ' + topic", "--key", "k", "--header", "h=v", "--topic", "t"}).code ==
      0);
  CHECK(eval({"value == null"}).output == "true\n");
  Answer answer = eval({"value.a", "--value", "{}"});
  CHECK(answer.code == 1);
  CHECK(holds(answer.output, "error: no_such_field"));
  answer = eval({"value.a", "--value", "{"});
  CHECK(answer.code == 1);
  CHECK(holds(answer.output, "not_decodable"));
  answer = eval({"value.a +"});
  CHECK(answer.code == 78);
  CHECK(holds(answer.output, "  value.a +\n"));
  CHECK(holds(answer.output, "^\n"));
  CHECK(holds(eval({"value.a", "--explain"}).output, "value.a"));
  answer = eval({"value.a", "--explain", "--value", R"({"a": 41})"});
  CHECK(holds(answer.output, "fields:     value.a\n"));
  CHECK(holds(answer.output, "\n41\n"));
  CHECK(eval({"value.?a", "--value", "{}"}).output == "(nothing)\n");
  // Budgets hold for what fails while constants are computed, too.
  CHECK(eval({"'abc'.charAt(9)"}).output == "error: out_of_range: the string has no character number 9\n");
  CHECK(eval({"type(value)"}).output == "error: not_json: JSON cannot hold null_type, of type type\n");
  CHECK(eval({"0.0 / 0.0"}).output == "error: not_json: JSON cannot hold NaN, of type double\n");
}

TEST_CASE("eval tries an expression on a file of records", "[program]") {
  const TestFolder folder;
  const auto eval = [&](const std::string& expression, const std::string& content) {
    return run_program({"eval", expression, "--value", "@" + folder.write("values", content)});
  };
  CHECK(eval("value.a", "{\n  \"a\": 1\n}\n").output == "1\n");
  const Answer answer = eval("value.a + offset", "{\"a\": 1}\n\n{\"b\": 1}\r\n{\n{\"a\": 4}");
  CHECK(answer.code == 1);
  CHECK(answer.output ==
        "1\n"
        "error: line 3: no_such_field: no such field: 'value.a'\n"
        "error: line 4: not_decodable: not JSON: the document does not end where its text ends at byte 0\n"
        "7\n");
  CHECK(eval("1", "").output.empty());
  CHECK(run_program({"eval", "1", "--value", "@" + (folder / "none")}).code == 2);
  CHECK(run_program({"eval", "1", "--value", "@" + (folder / "")}).code == 2);
}

TEST_CASE("help goes with 0, wrong usage with 2", "[program]") {
  CHECK(run_program({"help"}).code == 0);
  CHECK(run_program({"run", "--help"}).code == 0);
  CHECK(run_program({}).code == 2);
  CHECK(run_program({"rum"}).code == 2);
  CHECK(run_program({"run"}).code == 2);
  CHECK(run_program({"run", "x", "--speed", "9"}).code == 2);
}

TEST_CASE("output that cannot be written is no success", "[program]") {
  const TestFolder folder;
  Process process({MILLRACE_BINARY, "knobs"}, {}, "/dev/full");
  CHECK(process.wait() == 1);
}

TEST_CASE("a wrong file ends a run with 78 and leaves nothing behind", "[program]") {
  Daemon daemon("workers: 0\n");
  Process process(daemon.words(), daemon.environment(), daemon.folder / "log");
  CHECK(process.wait() == 78);
  CHECK(holds(daemon.log(), "copy.yaml:16:"));
  CHECK_FALSE(std::filesystem::exists(daemon.folder / "state"));
}

TEST_CASE("a daemon is ready without brokers, says so, and stops when its touch file goes", "[program]") {
  Daemon daemon(kLongStop);
  daemon.port.release();
  Process process(daemon.words(), daemon.environment(), daemon.folder / "log");
  REQUIRE(daemon.notify.said("READY=1"));
  CHECK(holds(http_get(daemon.port.number(), "/healthz"), "200 OK"));
  const std::string ready = http_get(daemon.port.number(), "/readyz");
  CHECK(holds(ready, "503 "));
  CHECK(holds(ready, "not ready\n"));
  const std::string metrics = http_get(daemon.port.number(), "/metrics");
  CHECK(holds(metrics, "millrace_build_info{pipeline=\"copy\",member=\"one\""));
  CHECK(holds(metrics, "millrace_pipeline_ready{pipeline=\"copy\"} 0\n"));
  CHECK(holds(metrics, "millrace_balance_difference_records{pipeline=\"copy\"} 0\n"));
  CHECK(holds(http_get(daemon.port.number(), "/status.json"), "\"pipeline\":\"copy\""));
  CHECK(holds(http_get(daemon.port.number(), "/plain"), "<h1>copy</h1>"));
  CHECK(daemon.notify.said("WATCHDOG=1"));

  REQUIRE(unlink((daemon.state() + "/running").c_str()) == 0);
  CHECK(daemon.notify.said("STOPPING=1"));
  CHECK(process.wait() == 0);
  CHECK(holds(daemon.log(), "the touch file was removed"));
}

TEST_CASE("a second start of the same instance ends with 3, one with another name does not", "[program]") {
  Daemon daemon(kLongStop);
  Process first(daemon.words(), daemon.environment(), daemon.folder / "log");
  REQUIRE(daemon.notify.said("READY=1"));
  {
    Process second(daemon.words(), {}, daemon.folder / "second");
    CHECK(second.wait() == 3);
    CHECK(holds(read_file(daemon.folder / "second"), std::to_string(first.pid())));
  }
  CHECK(first.running());
  CHECK(std::filesystem::exists(daemon.state() + "/running"));
  Process third(daemon.words({"--instance", "two"}), daemon.environment(), daemon.folder / "third");
  CHECK(daemon.notify.said("READY=1"));
  CHECK(std::filesystem::exists(daemon.folder / "state/copy/two/running"));
  for (Process* process : {&first, &third}) process->signal(SIGTERM);
  CHECK(first.wait() == 0);
  CHECK(third.wait() == 0);
}

TEST_CASE("what a killed daemon left behind does not stop the next", "[program]") {
  Daemon daemon(kLongStop);
  {
    Process killed(daemon.words(), daemon.environment(), daemon.folder / "log");
    REQUIRE(daemon.notify.said("READY=1"));
    killed.signal(SIGKILL);
    CHECK(killed.wait() == 1000 + SIGKILL);
  }
  CHECK(std::filesystem::exists(daemon.state() + "/running"));
  Process next(daemon.words(), daemon.environment(), daemon.folder / "log");
  REQUIRE(daemon.notify.said("READY=1"));
  next.signal(SIGINT);
  CHECK(next.wait() == 0);
}

TEST_CASE("SIGHUP reads the file again: what is wrong with it is said, and the daemon goes on", "[program]") {
  Daemon daemon(kLongStop);
  daemon.port.release();
  Process process(daemon.words(), daemon.environment(), daemon.folder / "log");
  REQUIRE(daemon.notify.said("READY=1"));
  const auto says = [&](const std::string& text) {
    for (int i = 0; i < 500 && !holds(daemon.log(), text); ++i) usleep(20'000);
    return holds(daemon.log(), text);
  };
  process.signal(SIGPIPE);
  process.signal(SIGHUP);
  CHECK(says("unchanged: version 1 of the configuration"));
  // At once they are one.
  for (int i = 0; i < 20; ++i) process.signal(SIGHUP);
  const std::string good = read_file(daemon.file);
  daemon.folder.write("copy.yaml", good + "stages: 5\n");
  process.signal(SIGHUP);
  CHECK(says("refused, the configuration of before runs on"));
  CHECK(says("copy.yaml:17:9: error:"));
  CHECK(holds(http_get(daemon.port.number(), "/status.json"), "copy.yaml:17:9: error:"));
  REQUIRE(process.running());
  const std::string log = daemon.log();
  size_t tries = 0;
  for (size_t at = 0; (at = log.find(" reload: ", at)) != std::string::npos; ++at) ++tries;
  CHECK(tries <= 4);
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
}

TEST_CASE("reload reaches the daemon whose file is half, empty, gone or names another place", "[program]") {
  Daemon daemon(kLongStop);
  daemon.port.release();
  const std::map<std::string, std::string> environment = {{"NOTIFY_SOCKET", daemon.notify.address()},
                                                          {"XDG_STATE_HOME", daemon.folder / "home"}};
  Process process(daemon.words(), environment, daemon.folder / "log");
  REQUIRE(daemon.notify.said("READY=1"));
  const std::string good = read_file(daemon.file);
  const auto answer = [&] { return run_program({"reload", daemon.file}, environment); };
  const auto put = [&](const std::string& text) {
    daemon.folder.write("beside", text);
    std::filesystem::rename(daemon.folder / "beside", daemon.file);
  };
  int refusals = 0;
  const auto refused = [&] {
    const Answer got = answer();
    INFO(got.output);
    CHECK(got.code == 78);
    CHECK(holds(got.output, "copy.yaml"));
    CHECK(holds(got.output, "refused: nothing has changed"));
    const std::string metrics = http_get(daemon.port.number(), "/metrics");
    CHECK(holds(metrics, "result=\"refused\"} " + std::to_string(++refusals) + "\n"));
  };
  put(good.substr(0, good.find("brokers") + 9));
  refused();
  CHECK(holds(http_get(daemon.port.number(), "/status.json"), "copy.yaml"));
  put("");
  refused();
  std::filesystem::remove(daemon.file);
  refused();
  std::string elsewhere = good;
  elsewhere.replace(elsewhere.find(daemon.folder / "state"), (daemon.folder / "state").size(),
                    daemon.folder / "elsewhere");
  put(elsewhere);
  const Answer waits = answer();
  INFO(waits.output);
  CHECK(waits.code == 1);
  CHECK(holds(waits.output, "state.directory"));
  CHECK(holds(waits.output, "needs restart"));
  REQUIRE(process.running());
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
  CHECK(std::filesystem::is_empty(daemon.folder / "home/millrace/.daemons"));
  CHECK(holds(answer().output, "no daemon runs"));
}

TEST_CASE("a stop before any broker has answered waits for nothing", "[program]") {
  // One that refuses and one that takes connections and never answers: the clients wait in different places.
  const bool silent = GENERATE(false, true);
  Port broker;
  if (silent) broker.hold();
  Daemon daemon(kLongStop);
  std::string text = read_file(daemon.file);
  text.replace(text.find("127.0.0.1:1\""), 12, "127.0.0.1:" + std::to_string(broker.number()) + "\"");
  daemon.folder.write("copy.yaml", text);
  Process process(daemon.words(), daemon.environment(), daemon.folder / "log");
  REQUIRE(daemon.notify.said("READY=1"));
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
  CHECK(holds(daemon.log(), "nothing was open: no batch had begun; exit code 0"));
  CHECK_FALSE(std::filesystem::exists(daemon.state() + "/running"));
}

TEST_CASE("a port that is taken, and a log that cannot be written, keep nobody from running", "[program]") {
  Daemon daemon(kLongStop);
  daemon.port.hold();
  const std::string log = GENERATE(std::string("log"), std::string("/dev/full"));
  Process process(daemon.words(), daemon.environment(), log[0] == '/' ? log : daemon.folder / log);
  REQUIRE(daemon.notify.said("READY=1"));
  if (log == "log") CHECK(holds(daemon.log(), "cannot listen on 127.0.0.1:"));
  CHECK(process.running());
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
}

TEST_CASE("lines that a full disk did not take are counted", "[program]") {
  Daemon daemon(kLongStop);
  daemon.port.release();
  Process process(daemon.words(), daemon.environment(), "/dev/full");
  REQUIRE(daemon.notify.said("READY=1"));
  const std::string metrics = http_get(daemon.port.number(), "/metrics");
  CHECK(holds(metrics, "millrace_log_lines_lost_total{pipeline=\"copy\"} "));
  CHECK_FALSE(holds(metrics, "millrace_log_lines_lost_total{pipeline=\"copy\"} 0\n"));
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
}

TEST_CASE("places that cannot be written end with 78", "[program]") {
  const TestFolder folder;
  const auto code = [&](const std::string& more) {
    const std::string file = folder.write("bad.yaml", std::string(kGood) + "http: {listen: off}\n" + more);
    Process process({MILLRACE_BINARY, "run", file}, {}, folder / "log");
    return process.wait();
  };
  CHECK(code("state: {directory: /proc/nowhere}\n") == 78);
  CHECK(code("state: {directory: " + (folder / "state") + "}\nstop: {touch_file: " + (folder / "none/running") +
             "}\n") == 78);
  CHECK(code("") == 78);  // no HOME, nothing that says where
}
