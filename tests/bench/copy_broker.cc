// copy_broker: a stand-in for a Kafka broker, for benchmarks. Serves batches made before, swallows what is produced,
// and fakes the group and the transactions, so that a client's cost can be measured with a steady other side.
//
// Prints `port N`, reads `pid N` (the client to measure) from stdin, prints one JSON line when the whole source has
// been committed, and ends when stdin is closed.

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <vector>

#include "copy_cluster.h"

namespace millrace::bench {
namespace {

constexpr size_t kReadBytes = 1 << 20;

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "copy_broker: {}\n", what);
  std::exit(1);
}

struct Connection {
  int fd = -1;
  std::string in;
  std::string out;
  size_t sent = 0;
  int64_t hold_until_ns = 0;  // an answer that waits; nothing more is read meanwhile, as in Kafka

  [[nodiscard]] bool writing() const { return sent < out.size(); }
};

class Server {
 public:
  explicit Server(const StandInSettings& settings, const RecordPool& pool, int listener)
      : stand_in_(settings, pool), listener_(listener) {}

  void run() {
    while (turn()) {
      if (stand_in_.finished() && !reported_) {
        reported_ = true;
        fmt::print("{}\n", stand_in_.report());
        std::fflush(stdout);
      }
    }
  }

 private:
  bool turn() {
    std::vector<pollfd> fds = {{STDIN_FILENO, POLLIN, 0}, {listener_, POLLIN, 0}};
    const int64_t now = now_ns();
    int64_t wait_ns = 1'000'000'000;
    for (Connection& connection : connections_) {
      short events = 0;
      if (connection.hold_until_ns > now) {
        wait_ns = std::min(wait_ns, connection.hold_until_ns - now);
      } else {
        events = connection.writing() ? POLLOUT : POLLIN;
      }
      fds.push_back({connection.fd, events, 0});
    }
    if (poll(fds.data(), fds.size(), static_cast<int>((wait_ns + 999'999) / 1'000'000)) < 0 && errno != EINTR) {
      die("poll fails");
    }
    size_t index = 2;
    for (auto connection = connections_.begin(); connection != connections_.end(); ++index) {
      const bool lives = fds[index].revents == 0 || serve(*connection, fds[index].revents);
      if (!lives) close(connection->fd);
      connection = lives ? std::next(connection) : connections_.erase(connection);
    }
    if ((fds[1].revents & POLLIN) != 0) accept_one();
    return fds[0].revents == 0 || read_command();
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connections_.emplace_back().fd = fd;
  }

  // False at the end of stdin.
  bool read_command() {
    std::array<char, 256> text{};
    const ssize_t size = read(STDIN_FILENO, text.data(), text.size() - 1);
    int pid = 0;
    if (size > 0 && std::sscanf(text.data(), "pid %d", &pid) == 1) stand_in_.watch(pid);
    return size > 0;
  }

  bool serve(Connection& connection, short events) {
    if ((events & (POLLERR | POLLNVAL)) != 0) return false;
    if (connection.writing()) return flush(connection) && (connection.writing() || requests(connection));
    const size_t had = connection.in.size();
    connection.in.resize(had + kReadBytes);
    const ssize_t size = read(connection.fd, connection.in.data() + had, kReadBytes);
    connection.in.resize(had + static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return false;
    return requests(connection);
  }

  // Answers whole requests, one after the other, until one has to wait or the socket is full.
  bool requests(Connection& connection) {
    size_t at = 0;
    while (!connection.writing() && connection.in.size() - at >= 4) {
      const std::string_view left = std::string_view(connection.in).substr(at);
      const auto size = static_cast<size_t>(WireReader(left).i32());
      if (left.size() < 4 + size) break;
      std::optional<Answer> answer;
      try {
        answer = stand_in_.answer(left.substr(4, size));
      } catch (const std::out_of_range&) {
        answer = std::nullopt;
      }
      if (!answer) {
        WireReader head(left.substr(4));
        const int api = head.i16();
        fmt::print(stderr, "copy_broker: cannot answer request {} version {}\n", api, head.i16());
        return false;
      }
      at += 4 + size;
      WireWriter length;
      length.i32(static_cast<int64_t>(answer->body.size()));
      connection.out = std::move(length.out);
      connection.out += answer->body;
      connection.sent = 0;
      if (answer->wait_ms > 0) {
        connection.hold_until_ns = now_ns() + answer->wait_ms * 1'000'000;
      } else if (!flush(connection)) {
        return false;
      }
    }
    connection.in.erase(0, at);
    return true;
  }

  static bool flush(Connection& connection) {
    while (connection.writing()) {
      const ssize_t size = send(connection.fd, connection.out.data() + connection.sent,
                                connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      connection.sent += static_cast<size_t>(size);
    }
    return true;
  }

  StandIn stand_in_;
  int listener_;
  std::list<Connection> connections_;
  bool reported_ = false;
};

int listen_on_loopback(int& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || bind(fd, generic, size) != 0 || listen(fd, 64) != 0 || getsockname(fd, generic, &size) != 0) {
    die("no port on loopback");
  }
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  using namespace millrace::bench;
  PoolSettings pool_settings;
  StandInSettings settings;
  CLI::App app{"a stand-in broker for benchmarks"};
  app.add_option("--records", settings.records);
  app.add_option("--partitions", settings.partitions);
  app.add_option("--source", settings.source);
  app.add_option("--size", pool_settings.size);
  app.add_option("--file", pool_settings.file);
  app.add_option("--headers", pool_settings.headers);
  app.add_option("--batch", pool_settings.batch);
  CLI11_PARSE(app, argc, argv);
  const RecordPool pool(pool_settings);
  if (pool.round() == 0) die("no records");
  const int listener = listen_on_loopback(settings.port);
  fmt::print("port {}\n", settings.port);
  std::fflush(stdout);
  Server(settings, pool, listener).run();
  return 0;
}
