// Any bytes as what a client sends to the status server: it answers with a status that it knows or hangs up, asks its
// handler for nothing but paths, and tells nothing to whoever does not have the token.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "status/http_server.h"

using namespace millrace;

namespace {

constexpr std::string_view kToken = "open sesame";
constexpr std::string_view kTreasure = "what only the bearer of the token may see";
constexpr int kPatienceMs = 20'000;

HttpServer& server() {
  static HttpServer& running = *[] {
    HttpServer::Settings settings;
    settings.port = 0;
    settings.token = kToken;
    // Never destroyed: libFuzzer leaves by _exit.
    auto* made = new HttpServer(settings, [](std::string_view path) {
      CHECK(!path.empty() && path.front() == '/');
      return HttpResponse{200, "text/plain", std::string(kTreasure)};
    });
    made->start();
    CHECK(made->listening());
    return made;
  }();
  return running;
}

// Sends all of it and closes its half; gives everything that comes until the server closes.
std::string ask(int port, std::string_view request) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  while (!request.empty()) {
    const ssize_t wrote = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    if (wrote <= 0) break;  // it has heard enough
    request.remove_prefix(static_cast<size_t>(wrote));
  }
  shutdown(fd, SHUT_WR);
  std::string answer;
  char piece[4096];
  pollfd ready{fd, POLLIN, 0};
  for (ssize_t got = 1; got > 0;) {
    CHECK_MSG(poll(&ready, 1, kPatienceMs) > 0, "the server neither answers nor hangs up");
    got = recv(fd, piece, sizeof piece, 0);
    if (got > 0) answer.append(piece, static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view request(reinterpret_cast<const char*>(data), size);
  const std::string answer = ask(server().port(), request);
  if (answer.empty()) return 0;
  static const std::set<std::string> known = {"200", "400", "401", "405", "408", "411",
                                              "413", "414", "431", "501", "505"};
  CHECK_MSG(answer.starts_with("HTTP/1.1 ") && known.contains(answer.substr(9, 3)), answer.substr(0, 80));
  const bool bearer = request.find(kToken) != std::string_view::npos;
  CHECK(bearer || answer.find(kTreasure) == std::string::npos);
  return 0;
}
