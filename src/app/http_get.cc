#include "app/http_get.h"

#include <fmt/core.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr size_t kMaxBytes = 64 << 20;

// A socket that is closed with it.
class Connection {
 public:
  Connection(const Clock& clock, int64_t deadline_ms) : clock_(clock), end_ms_(clock.mono_ms() + deadline_ms) {}
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> open(const addrinfo& address) {
    fd_ = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol);
    if (fd_ < 0) return failed();
    if (connect(fd_, address.ai_addr, address.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) return failed();
    TRY(wait(POLLOUT));
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    if (error != 0) return failed();
    return {};
  }

  Result<void> send_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EAGAIN) {
        TRY(wait(POLLOUT));
      } else if (errno != EINTR) {
        return failed();
      }
    }
    return {};
  }

  // Up to the end of the stream.
  Result<std::string> read_all() {
    std::string all;
    std::array<char, 65536> piece{};
    while (true) {
      const ssize_t got = recv(fd_, piece.data(), piece.size(), 0);
      if (got == 0) return all;
      if (got > 0) {
        all.append(piece.data(), static_cast<size_t>(got));
        if (all.size() > kMaxBytes) return fail(Remedy::stop, "the answer is longer than 64MiB");
      } else if (errno == EAGAIN) {
        TRY(wait(POLLIN));
      } else if (errno != EINTR) {
        return failed();
      }
    }
  }

 private:
  static tl::unexpected<Error> failed() { return fail(Remedy::stop, std::strerror(errno)); }

  Result<void> wait(short what) {
    pollfd entry{fd_, what, 0};
    const int64_t left_ms = end_ms_ - clock_.mono_ms();
    if (left_ms <= 0 || poll(&entry, 1, static_cast<int>(left_ms)) == 0) return fail(Remedy::stop, "no answer in time");
    return {};
  }

  const Clock& clock_;
  const int64_t end_ms_;
  int fd_ = -1;
};

struct AddressDestroyer {
  void operator()(addrinfo* address) const { freeaddrinfo(address); }
};

Result<std::string> ask(const std::string& host, int port, const std::string& request, int64_t deadline_ms) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    return fail(Remedy::stop, gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, AddressDestroyer> address(found);
  const SystemClock clock;
  Connection connection(clock, deadline_ms);
  TRY(connection.open(*address));
  TRY(connection.send_all(request));
  return connection.read_all();
}

std::string host_to_ask(const std::string& host) {
  if (host == "0.0.0.0" || host.empty()) return "127.0.0.1";
  if (host == "::" || host == "[::]") return "::1";
  if (host.front() == '[') return host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

Result<std::string> get_page(const config::PipelineSpec& spec, const std::string& path, int64_t deadline_ms) {
  if (!spec.http_enabled) return fail(Remedy::stop, "http.listen is off in this file, so that nobody can be asked");
  const std::string host = host_to_ask(spec.http_host);
  const std::string where = fmt::format("the daemon at {}:{}", host, spec.http_port);
  const std::string token = spec.http_token.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", spec.http_token);
  const auto answer =
      ask(host, spec.http_port,
          fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\n\r\n", path, host, token), deadline_ms);
  if (!answer)
    return fail(Remedy::stop, fmt::format("{} does not answer: {}; does it run?", where, answer.error().what));
  const size_t body = answer->find("\r\n\r\n");
  const size_t line_end = answer->find("\r\n");
  if (body == std::string::npos || answer->compare(0, 7, "HTTP/1.") != 0) {
    return fail(Remedy::stop, where + " gives no answer that can be read");
  }
  if (answer->compare(8, 5, " 200 ") != 0) {
    return fail(Remedy::stop, fmt::format("{} refuses {}: {}", where, path,
                                          escape_for_log(std::string_view(*answer).substr(9, line_end - 9))));
  }
  return answer->substr(body + 4);
}

}  // namespace millrace
