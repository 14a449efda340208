#include "status/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"

namespace millrace {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

// Takes the same time wherever the two differ.
bool same_secret(std::string_view given, std::string_view wanted) {
  unsigned char difference = given.size() == wanted.size() ? 0 : 1;
  for (size_t i = 0; i < given.size() && !wanted.empty(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ wanted[i % wanted.size()]);
  }
  return difference == 0;
}

HttpResponse plain(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

std::string listening_port(const std::string& host, int port) {
  const std::string number = std::to_string(port);
  if (host.empty() || host == "*") return number;
  if (host == "localhost") return "127.0.0.1:" + number;
  if (host.find(':') != std::string::npos && host.front() != '[') return "[" + host + "]:" + number;
  return host + ":" + number;
}

// Connects, and hangs up at once.
void knock(const std::string& host, int port) {
  const bool six = host.find(':') != std::string::npos;
  const int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_port = htons(static_cast<uint16_t>(port));
  address6.sin6_addr = in6addr_loopback;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!six) inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  // Nobody needs the answer: a connection that fails wakes nobody, and the next look of the library comes anyway.
  const auto* to = six ? reinterpret_cast<const sockaddr*>(&address6) : reinterpret_cast<const sockaddr*>(&address);
  [[maybe_unused]] const int connected = connect(fd, to, six ? sizeof address6 : sizeof address);
  close(fd);
}

}  // namespace

bool is_loopback(std::string_view host) {
  // A name that begins like an address is none.
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host == "::1" || host == "[::1]" || (numeric && host.substr(0, 4) == "127.");
}

HttpServer::HttpServer(Settings settings, Handler handler)
    : settings_(std::move(settings)), handler_(std::move(handler)) {}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::start() {
  CHECK(context_ == nullptr && !retry_.joinable());
  if (!is_loopback(settings_.host) && settings_.token.empty()) {
    log_error("http", "not listening on {}: an address beyond loopback needs http.token", settings_.host);
    return;
  }
  std::string why_not;
  if (listen(why_not)) return;
  log_warn("http", "cannot listen on {}:{}: {}; the pipeline goes on, trying again every {}", settings_.host,
           settings_.port, escape_for_log(why_not), format_duration_ms(settings_.retry_every_ms));
  retry_ = Thread("http", [this] {
    std::string last;
    while (!stop_retry_.wait(settings_.retry_every_ms) && !stopping_.load()) {
      if (listen(last)) return;
    }
  });
}

void HttpServer::stop() {
  stopping_.store(true);
  stop_retry_.notify();
  retry_.join();
  if (context_ == nullptr) return;
  // The library looks at its stop flag every two seconds, or when somebody knocks.
  std::atomic<bool> stopped{false};
  Thread stopper("http-stop", [this, &stopped] {
    mg_stop(context_);
    stopped.store(true);
  });
  while (!stopped.load()) {
    knock(settings_.host, port());
    stop_retry_.wait(10);
  }
  stopper.join();
  context_ = nullptr;
  bound_port_.store(0);
}

bool HttpServer::listen(std::string& why_not) {
  const std::string ports = listening_port(settings_.host, settings_.port);
  const std::string threads = std::to_string(settings_.connections_max);
  const std::string request_bytes = std::to_string(settings_.request_bytes_max);
  const std::string request_ms = std::to_string(settings_.request_ms);
  // One thread serves one connection; what comes beyond them waits for its turn in the system's queue.
  const char* options[] = {"listening_ports",
                           ports.c_str(),
                           "num_threads",
                           threads.c_str(),
                           "connection_queue",
                           "1",
                           "listen_backlog",
                           "16",
                           "max_request_size",
                           request_bytes.c_str(),
                           "request_timeout_ms",
                           request_ms.c_str(),
                           "enable_keep_alive",
                           "no",
                           "decode_url",
                           "no",
                           nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = &HttpServer::on_request;
  callbacks.http_error = &HttpServer::on_error;
  callbacks.log_message = &HttpServer::on_log;
  mg_init_data init{&callbacks, this, options};
  char text[256] = "";
  unsigned code = 0;
  mg_error_data error{&code, text, sizeof text};
  context_ = mg_start2(&init, &error);
  if (context_ == nullptr) {
    why_not = text[0] != '\0' ? text : "no reason given";
    return false;
  }
  mg_server_port bound{};
  CHECK(mg_get_server_ports(context_, 1, &bound) == 1);
  bound_port_.store(bound.port);
  log_info("http", "listening on {}:{}", settings_.host, bound.port);
  return true;
}

int HttpServer::on_request(mg_connection* connection) {
  auto* self = static_cast<HttpServer*>(mg_get_user_data(mg_get_context(connection)));
  return self->answer(connection);
}

// What the server refuses before it asks us: a request that is too large, no HTTP, or too slow.
int HttpServer::on_error(mg_connection* connection, int status, const char* message) {
  auto* self = static_cast<HttpServer*>(mg_get_user_data(mg_get_context(connection)));
  send(connection, plain(status, std::string(message) + "\n"));
  self->count(status);
  return 0;
}

int HttpServer::on_log(const mg_connection*, const char* message) {
  log_debug("http", "{}", escape_for_log(message));
  return 1;
}

int HttpServer::answer(mg_connection* connection) {
  // Closes the connection after the answer without reading a body to its end: a slow sender would hold the thread.
  mg_disable_keep_alive(connection);
  const HttpResponse response = respond(connection);
  send(connection, response);
  count(response.status);
  return response.status;
}

HttpResponse HttpServer::respond(const mg_connection* connection) const {
  const mg_request_info* request = mg_get_request_info(connection);
  if (std::strcmp(request->request_method, "GET") != 0) return plain(405, "only GET is served here\n");
  if (request->content_length > 0) return plain(400, "a request has no body here\n");
  if (!settings_.token.empty()) {
    constexpr std::string_view kScheme = "Bearer ";
    const char* given = mg_get_header(connection, "Authorization");
    const std::string_view header = given != nullptr ? given : "";
    if (header.substr(0, kScheme.size()) != kScheme || !same_secret(header.substr(kScheme.size()), settings_.token)) {
      return plain(401, "a bearer token is needed\n");
    }
  }
  if (request->local_uri == nullptr || request->local_uri[0] != '/') return plain(400, "no path\n");
  return handler_(request->local_uri);
}

void HttpServer::send(mg_connection* connection, const HttpResponse& response) {
  // No inline script, no foreign address, no cache, no frame. Only the page without scripts has its style inside.
  const bool styled = response.style_inside;
  const std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\n"
      "Content-Type: {}\r\n"
      "Content-Length: {}\r\n"
      "Connection: close\r\n"
      "Cache-Control: no-store\r\n"
      "Content-Security-Policy: default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'{}; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
      "Referrer-Policy: no-referrer\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "{}{}\r\n",
      response.status, reason_of(response.status), response.content_type, response.body.size(),
      styled ? " 'unsafe-inline'" : "", response.status == 405 ? "Allow: GET\r\n" : "",
      response.status == 401 ? "WWW-Authenticate: Bearer\r\n" : "");
  mg_write(connection, head.data(), head.size());
  mg_write(connection, response.body.data(), response.body.size());
}

void HttpServer::count(int status) {
  const MutexLock lock(mutex_);
  ++answers_[status];
}

std::map<int, uint64_t> HttpServer::answers() const {
  const MutexLock lock(mutex_);
  return answers_;
}

}  // namespace millrace
