#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.h"

namespace millrace {

TestFolder::TestFolder() {
  char name[] = "/tmp/millrace-test-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  path_ = name;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestFolder::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ + "/" + name) << text;
  return path_ + "/" + name;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Process::Process(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment,
                 const std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::vector<std::string> settings = {"PATH=/usr/bin:/bin"};
  for (const auto& [name, value] : environment) settings.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (std::string& setting : settings) variables.push_back(setting.data());
  variables.push_back(nullptr);
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    const int to = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(to, STDOUT_FILENO);
    dup2(to, STDERR_FILENO);
    execve(arguments[0], arguments.data(), variables.data());
    _exit(127);
  }
}

Process::~Process() {
  if (look()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
}

bool Process::look() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return ended_;
}

bool Process::running() {
  return !look();
}

void Process::signal(int number) const {
  kill(pid_, number);
}

int Process::wait(int limit_ms) {
  for (int waited_ms = 0; !look(); waited_ms += 10) {
    if (waited_ms > limit_ms) FAIL("the process does not end");
    usleep(10'000);
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_);
}

NotifySocket::NotifySocket() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  static int count = 0;
  address_ = "@millrace-test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, address_.c_str() + 1, address_.size() - 1);  // the name space without files
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
}

NotifySocket::~NotifySocket() {
  close(fd_);
}

bool NotifySocket::said(const std::string& text, int limit_ms) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto end = now() + std::chrono::milliseconds(limit_ms);
  while (now() < end) {
    pollfd poll_fd{fd_, POLLIN, 0};
    if (poll(&poll_fd, 1, 50) <= 0) continue;
    char piece[4096];
    const ssize_t got = recv(fd_, piece, sizeof piece, 0);
    if (got > 0 && std::string(piece, static_cast<size_t>(got)).find(text) != std::string::npos) return true;
  }
  return false;
}

Answer run_program(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment) {
  const TestFolder folder;
  std::vector<std::string> all = {MILLRACE_BINARY};
  all.insert(all.end(), words.begin(), words.end());
  std::map<std::string, std::string> settings = environment;
  settings.emplace("HOME", folder / "home");
  Process process(all, settings, folder / "output");
  Answer answer;
  answer.code = process.wait();
  answer.output = read_file(folder / "output");
  return answer;
}

}  // namespace millrace
