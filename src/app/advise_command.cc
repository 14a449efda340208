#include "app/advise_command.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ostream>
#include <string>

#include "app/assemble.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr int kTimeoutS = 5;  // of each step
constexpr size_t kAnswerBytesMax = 64 * 1024;

Result<int> connect_to(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  // A daemon that listens everywhere is asked where it is nearest.
  const std::string where = host.empty() || host == "*" || host == "0.0.0.0" ? "127.0.0.1" : host;
  if (const int code = getaddrinfo(where.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    return fail(Remedy::stop, gai_strerror(code));
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{kTimeoutS, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  const int connected = connect(fd, found->ai_addr, found->ai_addrlen);
  const int problem = errno;
  freeaddrinfo(found);
  if (connected == 0) return fd;
  close(fd);
  return fail(Remedy::stop, std::strerror(problem));
}

// The body of a 200, or what came instead.
Result<std::string> get(const config::PipelineSpec& spec, const std::string& path) {
  TRY_ASSIGN(const int fd, connect_to(spec.http_host, spec.http_port));
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: millrace\r\nConnection: close\r\n";
  if (!spec.http_token.empty()) request += "Authorization: Bearer " + spec.http_token + "\r\n";
  request += "\r\n";
  std::string answer;
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char piece[4096];
    ssize_t got = 0;
    while (answer.size() < kAnswerBytesMax && (got = recv(fd, piece, sizeof piece, 0)) > 0) {
      answer.append(piece, static_cast<size_t>(got));
    }
  }
  close(fd);
  const size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return fail(Remedy::stop, "no answer within " + std::to_string(kTimeoutS) + " s");
  if (answer.find(" 200 ") > answer.find("\r\n")) return fail(Remedy::stop, answer.substr(0, answer.find("\r\n")));
  return answer.substr(body + 4);
}

// A text member of the daemon's own JSON, whose escapes all stand for one character that a terminal may see.
std::string member(const std::string& json, const std::string& name) {
  const std::string mark = "\"" + name + "\":\"";
  size_t at = json.find(mark);
  if (at == std::string::npos) return "";
  std::string text;
  for (at += mark.size(); at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\' && at + 1 < json.size()) ++at;
    text += json[at];
  }
  return escape_for_log(text, 1024);
}

}  // namespace

ExitCode advise_command(const CommandLine& line, std::ostream& out) {
  auto pipeline = load_pipeline(line.file, line.instance, false);
  // The token, where there is one, is a secret.
  if (pipeline->graph != nullptr && !pipeline->spec.http_token.empty()) {
    pipeline = load_pipeline(line.file, line.instance, true);
  }
  if (pipeline->graph == nullptr) {
    out << pipeline->diagnostics.text(line.file);
    return ExitCode::config;
  }
  const config::PipelineSpec& spec = pipeline->spec;
  if (!spec.http_enabled) {
    out << fmt::format("{}: the daemon cannot be asked: `http: {{listen: off}}`\n", line.file);
    return ExitCode::usage;
  }
  const auto answer = get(spec, "/api/advice");
  if (!answer) {
    out << fmt::format("no daemon answers at {}:{}: {}. Is it running?\n", spec.http_host, spec.http_port,
                       escape_for_log(answer.error().what));
    return ExitCode::internal;
  }
  out << fmt::format("{}: {}\n", member(*answer, "kind"), member(*answer, "text"));
  if (const std::string knob = member(*answer, "knob"); !knob.empty()) out << "turn: " << knob << "\n";
  return ExitCode::done;
}

}  // namespace millrace
