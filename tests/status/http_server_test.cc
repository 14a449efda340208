#include "status/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "support/catch.h"

using namespace millrace;

namespace {

constexpr int kPatienceMs = 20'000;  // how long a test waits before it calls the server dead

class Client {
 public:
  explicit Client(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(const std::string& text) {
    size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t wrote = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) return;
      sent += static_cast<size_t>(wrote);
    }
  }
  // Everything until the server closes.
  std::string receive() {
    std::string text;
    char piece[4096];
    pollfd poll_fd{fd_, POLLIN, 0};
    while (poll(&poll_fd, 1, kPatienceMs) > 0) {
      const ssize_t got = recv(fd_, piece, sizeof piece, 0);
      if (got <= 0) return text;
      text.append(piece, static_cast<size_t>(got));
    }
    FAIL("the server neither answers nor closes");
    return text;
  }
  // True when the server has closed or said something within the time.
  bool stirs(int timeout_ms) {
    pollfd poll_fd{fd_, POLLIN, 0};
    return poll(&poll_fd, 1, timeout_ms) > 0;
  }
  [[nodiscard]] bool connected() const { return connected_; }

 private:
  int fd_;
  bool connected_ = false;
};

std::string ask(int port, const std::string& request) {
  Client client(port);
  client.send(request);
  return client.receive();
}

std::string get(int port, const std::string& path, const std::string& headers = "") {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
}

int status_of(const std::string& answer) {
  int status = 0;
  if (answer.size() > 12) std::from_chars(answer.data() + 9, answer.data() + 12, status);
  return status;
}

HttpServer::Settings quick() {
  HttpServer::Settings settings;
  settings.port = 0;
  settings.request_ms = 1'000;
  settings.retry_every_ms = 20;
  return settings;
}

HttpResponse echo(std::string_view path) {
  return {200, "text/plain", "path=" + std::string(path)};
}

}  // namespace

TEST_CASE("a request is answered with its path, without the query", "[http]") {
  HttpServer server(quick(), echo);
  server.start();
  REQUIRE(server.listening());
  const std::string answer = get(server.port(), "/metrics?name=x");
  CHECK(status_of(answer) == 200);
  CHECK(answer.find("path=/metrics") == answer.size() - 13);
  CHECK(answer.find("Content-Security-Policy: default-src 'none'") != std::string::npos);
  CHECK(server.answers().at(200) == 1);
}

TEST_CASE("only GET is served", "[http]") {
  bool asked = false;
  HttpServer server(quick(), [&](std::string_view) {
    asked = true;
    return HttpResponse{};
  });
  server.start();
  for (const char* method : {"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND"}) {
    INFO(method);
    const std::string answer = ask(server.port(), std::string(method) +
                                                      " /metrics HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
                                                      "Access-Control-Request-Method: GET\r\n\r\n");
    CHECK(status_of(answer) >= 400);
    CHECK(answer.find("Access-Control-Allow") == std::string::npos);
  }
  CHECK_FALSE(asked);
}

TEST_CASE("a body is refused, and not waited for", "[http]") {
  HttpServer server(quick(), echo);
  server.start();
  CHECK(status_of(get(server.port(), "/", "Content-Length: 1000000000\r\n")) == 400);
}

TEST_CASE("an oversized request is refused", "[http]") {
  HttpServer server(quick(), echo);
  server.start();
  const std::string answer = get(server.port(), "/", "X: " + std::string(9'000, 'a') + "\r\n");
  CHECK(answer.find("path=") == std::string::npos);
  CHECK(status_of(get(server.port(), "/", "X: " + std::string(4'000, 'a') + "\r\n")) == 200);
}

TEST_CASE("what is no HTTP does no harm", "[http]") {
  HttpServer server(quick(), echo);
  server.start();
  for (const std::string& junk :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"), std::string("GET / FTP/9\r\n\r\n"),
        std::string("\0\1\2\3\r\n\r\n", 8), std::string("GET http://x/ HTTP/1.1\r\n\r\n"),
        std::string("GET ../../etc/passwd HTTP/1.1\r\n\r\n")}) {
    const std::string answer = ask(server.port(), junk);
    CHECK(answer.find("root:") == std::string::npos);
  }
  CHECK(status_of(get(server.port(), "/")) == 200);
}

TEST_CASE("no file of the machine is served", "[http]") {
  HttpServer server(quick(), [](std::string_view) { return HttpResponse{404, "text/plain", "no"}; });
  server.start();
  for (const char* path : {"/etc/passwd", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/cgi-bin/x.cgi"}) {
    CHECK(status_of(get(server.port(), path)) == 404);
  }
}

TEST_CASE("slow clients lose their connection, and others are served then", "[http]") {
  HttpServer::Settings settings = quick();
  settings.connections_max = 2;
  HttpServer server(settings, echo);
  server.start();
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(std::make_unique<Client>(server.port()));
    slow.back()->send("GET / HTTP/1.1\r\nX: ");
  }
  // Twice as many as are served at one time; all are gone at their time-out.
  CHECK(status_of(get(server.port(), "/")) == 200);
  for (const auto& client : slow) CHECK(client->stirs(kPatienceMs));
}

TEST_CASE("a client that drips does not keep its connection", "[http]") {
  HttpServer server(quick(), echo);
  server.start();
  Client client(server.port());
  client.send("GET / HTTP/1.1\r\nX: ");
  bool ended = false;
  for (int i = 0; i < 100 && !ended; ++i) {
    client.send("a");
    ended = client.stirs(100);
  }
  CHECK(ended);
}

TEST_CASE("with a token, only who has it is answered", "[http]") {
  HttpServer::Settings settings = quick();
  settings.token = "canary0123456789abcdef";
  HttpServer server(settings, echo);
  server.start();
  CHECK(status_of(get(server.port(), "/metrics")) == 401);
  CHECK(status_of(get(server.port(), "/metrics", "Authorization: Bearer canary0123456789abcdeF\r\n")) == 401);
  CHECK(status_of(get(server.port(), "/metrics", "Authorization: Bearer \r\n")) == 401);
  CHECK(status_of(get(server.port(), "/metrics", "Authorization: Basic canary0123456789abcdef\r\n")) == 401);
  CHECK(status_of(get(server.port(), "/metrics", "Authorization: Bearer canary0123456789abcdef\r\n")) == 200);
}

TEST_CASE("beyond loopback it does not listen without a token", "[http]") {
  HttpServer::Settings settings = quick();
  settings.host = "0.0.0.0";
  {
    HttpServer server(settings, echo);
    server.start();
    CHECK_FALSE(server.listening());
  }
  settings.token = "t";
  HttpServer server(settings, echo);
  server.start();
  CHECK(server.listening());
}

TEST_CASE("a port that is taken is tried again until it is free", "[http]") {
  auto first = std::make_unique<HttpServer>(quick(), echo);
  first->start();
  HttpServer::Settings settings = quick();
  settings.port = first->port();
  HttpServer second(settings, echo);
  second.start();
  CHECK_FALSE(second.listening());
  first.reset();
  for (int i = 0; i < kPatienceMs / 20 && !second.listening(); ++i) usleep(20'000);
  REQUIRE(second.listening());
  CHECK(status_of(get(second.port(), "/")) == 200);
}

TEST_CASE("it can be stopped while it waits for its port", "[http]") {
  HttpServer first(quick(), echo);
  first.start();
  HttpServer::Settings settings = quick();
  settings.port = first.port();
  settings.retry_every_ms = 3'600'000;
  HttpServer second(settings, echo);
  second.start();
  second.stop();
  CHECK_FALSE(second.listening());
}

TEST_CASE("loopback is told by its address", "[http]") {
  CHECK(is_loopback("127.0.0.1"));
  CHECK(is_loopback("127.8.9.1"));
  CHECK(is_loopback("localhost"));
  CHECK(is_loopback("::1"));
  CHECK_FALSE(is_loopback("0.0.0.0"));
  CHECK_FALSE(is_loopback("10.0.0.1"));
  CHECK_FALSE(is_loopback("*"));
  CHECK_FALSE(is_loopback(""));
  CHECK_FALSE(is_loopback("127.example.org"));
}
