#include "app/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace millrace {

namespace {

constexpr size_t kConnectionsMax = 16;
constexpr size_t kRequestBytesMax = 4096;
constexpr size_t kAnswerBytesMax = 1024 * 1024;
constexpr int64_t kRequestMs = 2000;
constexpr int64_t kAnswerMs = 1000;

// A socket's address has room for a hundred characters; by way of the opened directory any path fits.
class Address {
 public:
  explicit Address(const std::string& directory) : fd_(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    address_.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", fd_, kControlName);
    path.copy(address_.sun_path, sizeof address_.sun_path - 1);
  }
  ~Address() {
    if (fd_ >= 0) close(fd_);
  }
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;
  [[nodiscard]] bool good() const { return fd_ >= 0; }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  [[nodiscard]] socklen_t size() const { return sizeof address_; }

 private:
  int fd_;
  sockaddr_un address_{};
};

tl::unexpected<Error> failed(const std::string& doing, int error) {
  return fail(Remedy::stop, doing + ": " + std::strerror(error));
}

bool wait_for(int fd, int16_t events, int64_t timeout_ms) {
  pollfd one{fd, events, 0};
  return poll(&one, 1, static_cast<int>(std::max<int64_t>(timeout_ms, 0))) > 0;
}

bool send_all(int fd, std::string_view text, const Clock& clock, int64_t until_ms) {
  while (!text.empty()) {
    if (!wait_for(fd, POLLOUT, until_ms - clock.mono_ms())) return false;
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

ControlSocket::~ControlSocket() {
  for (const Connection& connection : connections_) close(connection.fd);
  if (fd_ < 0) return;
  close(fd_);
  unlink(path_.c_str());
}

Result<void> ControlSocket::open(const std::string& directory) {
  path_ = directory + "/" + kControlName;
  const std::string doing = "opening " + escape_for_log(path_);
  const Address address(directory);
  if (!address.good()) return failed(doing, errno);
  unlink(path_.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(doing, errno);
  if (bind(fd, address.get(), address.size()) != 0 || chmod(path_.c_str(), 0600) != 0 ||
      listen(fd, static_cast<int>(kConnectionsMax)) != 0) {
    const int error = errno;
    close(fd);
    return failed(doing, error);
  }
  fd_ = fd;
  return {};
}

void ControlSocket::accept_all() {
  while (connections_.size() < kConnectionsMax) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    connections_.push_back({fd, clock_.mono_ms() + kRequestMs, ""});
  }
}

bool ControlSocket::read_some(Connection& connection, std::vector<Request>& complete) const {
  char piece[512];
  for (;;) {
    const ssize_t got = recv(connection.fd, piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && clock_.mono_ms() < connection.until_ms) return true;
    if (got > 0) connection.text.append(piece, static_cast<size_t>(got));
    const size_t end = connection.text.find('\n');
    if (end != std::string::npos) {
      complete.push_back({connection.fd, connection.text.substr(0, end)});
      return false;
    }
    if (got <= 0 || connection.text.size() > kRequestBytesMax) {
      close(connection.fd);
      return false;
    }
  }
}

std::vector<ControlSocket::Request> ControlSocket::wait(WakeUp& wake, int64_t timeout_ms) {
  std::vector<pollfd> fds{{wake.fd(), POLLIN, 0}};
  // One that stays silent is looked at when its time is over.
  for (const Connection& connection : connections_) {
    fds.push_back({connection.fd, POLLIN, 0});
    timeout_ms = std::min(timeout_ms, std::max<int64_t>(connection.until_ms - clock_.mono_ms(), 0));
  }
  if (fd_ >= 0 && connections_.size() < kConnectionsMax) fds.push_back({fd_, POLLIN, 0});
  static_cast<void>(poll(fds.data(), fds.size(), static_cast<int>(timeout_ms)));
  static_cast<void>(wake.wait(0));
  if (fd_ >= 0) accept_all();
  std::vector<Request> complete;
  std::vector<Connection> open;
  for (Connection& connection : connections_) {
    if (read_some(connection, complete)) open.push_back(std::move(connection));
  }
  connections_ = std::move(open);
  return complete;
}

void ControlSocket::answer(Request request, const std::string& text) {
  static_cast<void>(send_all(request.fd, text, clock_, clock_.mono_ms() + kAnswerMs));
  close(request.fd);
}

Result<std::string> ask_control(const std::string& directory, const std::string& request, int64_t timeout_ms) {
  const SystemClock clock;
  const int64_t until_ms = clock.mono_ms() + timeout_ms;
  const std::string doing = "asking the daemon by " + escape_for_log(directory + "/" + kControlName);
  const Address address(directory);
  if (!address.good()) return failed(doing, errno);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(doing, errno);
  std::string text;
  Result<void> done;
  if (connect(fd, address.get(), address.size()) != 0) {
    // As many wait already as there is room for.
    done = errno == EAGAIN ? fail(Remedy::retry, doing + ": it takes no request") : failed(doing, errno);
  } else if (!send_all(fd, request + "\n", clock, until_ms)) {
    done = fail(Remedy::stop, doing + ": it takes no request");
  }
  bool ended = false;
  while (done && !ended) {
    if (!wait_for(fd, POLLIN, until_ms - clock.mono_ms())) {
      done = fail(Remedy::retry, fmt::format("{}: no answer within {}", doing, format_duration_ms(timeout_ms)));
      break;
    }
    char piece[4096];
    const ssize_t got = recv(fd, piece, sizeof piece, 0);
    if (got > 0) text.append(piece, static_cast<size_t>(got));
    if (got < 0 && errno != EAGAIN && errno != EINTR) done = failed(doing, errno);
    ended = got == 0 || text.size() > kAnswerBytesMax;
  }
  close(fd);
  if (!done) return fail(std::move(done).error());
  return text;
}

bool nobody_listens(const std::string& directory) {
  const Address address(directory);
  if (!address.good()) return errno == ENOENT || errno == ENOTDIR;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool nobody =
      connect(fd, address.get(), address.size()) != 0 && (errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED);
  close(fd);
  return nobody;
}

}  // namespace millrace
