#include "status/pages.h"

#include <string>

namespace millrace {
namespace {

HttpResponse health(const View& view) {
  HttpResponse response;
  if (view.standstill.empty()) {
    response.body = "alive\n";
  } else {
    response.status = 503;
    response.body = "no progress: " + view.standstill + "\n";
  }
  return response;
}

HttpResponse readiness(const View& view) {
  HttpResponse response;
  const auto reasons = reasons_not_ready(view);
  if (reasons.empty()) {
    response.body = "ready\n";
    return response;
  }
  response.status = 503;
  response.body = "not ready\n";
  for (const std::string& reason : reasons) response.body += reason + "\n";
  return response;
}

}  // namespace

HttpResponse answer_page(std::string_view path, const std::function<View()>& view) {
  if (path == "/healthz") return health(view());
  if (path == "/readyz") return readiness(view());
  if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_page(view())};
  if (path == "/status.json") return {200, "application/json", json_page(view())};
  if (path == "/") return {200, "text/html; charset=utf-8", html_page(view())};
  return {404, "text/plain; charset=utf-8", "not here; there are / /status.json /metrics /healthz /readyz\n"};
}

}  // namespace millrace
