// A process of a test: started with its own environment, waited for with a limit, ended when the test is over. And a
// folder that goes with the test.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace millrace {

class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file and gives its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

std::string read_file(const std::string& path);

class Process {
 public:
  // `output` gets stdout and stderr.
  Process(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment,
          const std::string& output);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The exit code; 1000 + number when a signal ended it. Fails the test when it does not end within the limit.
  int wait(int limit_ms = 30'000);
  [[nodiscard]] bool running();
  void signal(int number) const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  bool look();
  pid_t pid_;
  bool ended_ = false;
  int status_ = 0;
};

// What systemd would be told: a datagram socket for NOTIFY_SOCKET.
class NotifySocket {
 public:
  NotifySocket();
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  // Waits for a message that holds `text`.
  bool said(const std::string& text, int limit_ms = 30'000);

 private:
  int fd_;
  std::string address_;
};

struct Answer {
  int code = 0;
  std::string output;
};
// Runs the program to its end.
Answer run_program(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment = {});

}  // namespace millrace
