// HttpServer: one small HTTP server, for people, probes and Prometheus. GET only; it answers from what its handler
// returns and never touches a live part of the pipeline.
//
// Owned by the app. start() and stop() by the owner; the handler is called from the server's own threads, several at a
// time. A port that is taken stops nobody: the server warns, tries again in the background, and the pipeline goes on.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/thread.h"

struct mg_callbacks;
struct mg_connection;
struct mg_context;

namespace millrace {

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  bool style_inside = false;  // the page brings its own <style>
};

class HttpServer {
 public:
  struct Settings {
    std::string host = "127.0.0.1";
    int port = 9464;               // 0: any free one (tests)
    std::string token;             // Authorization: Bearer ...; needed for anything but loopback
    int64_t connections_max = 16;  // answered at one time; a few more wait for their turn
    int64_t request_bytes_max = 8 * 1024;
    int64_t request_ms = 5'000;      // until a request is complete, and for the answer to be taken
    int64_t retry_every_ms = 3'000;  // while the port is taken
  };
  // `path` begins with '/' and has no query.
  using Handler = std::function<HttpResponse(std::string_view path)>;

  HttpServer(Settings settings, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens, or warns and goes on trying. Refuses for good (an error in the log) to listen beyond loopback without a
  // token.
  void start();
  // Waits for the requests under way, at most `request_ms`.
  void stop();

  // 0 while it does not listen.
  [[nodiscard]] int port() const { return bound_port_.load(); }
  [[nodiscard]] bool listening() const { return port() != 0; }

  // Answers given so far by status code.
  [[nodiscard]] std::map<int, uint64_t> answers() const;

 private:
  bool listen(std::string& why_not);
  int answer(mg_connection* connection);
  HttpResponse respond(const mg_connection* connection) const;
  static void send(mg_connection* connection, const HttpResponse& response);
  void count(int status);

  static int on_request(mg_connection* connection);
  static int on_error(mg_connection* connection, int status, const char* message);
  static int on_log(const mg_connection* connection, const char* message);

  const Settings settings_;
  const Handler handler_;
  mg_context* context_ = nullptr;  // written by start() or, afterwards, by retry_ alone, until it is joined
  std::atomic<int> bound_port_{0};
  std::atomic<bool> stopping_{false};
  WakeUp stop_retry_;
  Thread retry_;

  mutable Mutex mutex_;
  std::map<int, uint64_t> answers_ GUARDED_BY(mutex_);
};

bool is_loopback(std::string_view host);

}  // namespace millrace
