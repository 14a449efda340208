#include "status/pages.h"

#include <string>
#include <utility>

#include "status/api.h"
#include "status/page_files.h"

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

HttpResponse json(std::string text) {
  return {200, "application/json", std::move(text)};
}

}  // namespace

HttpResponse answer_page(std::string_view path, const std::function<View()>& view, const Recorder* recorder) {
  if (path == "/healthz") return health(view());
  if (path == "/readyz") return readiness(view());
  if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_page(view())};
  if (path == "/status.json" || path == "/api/status") return json(json_page(view()));
  if (path == "/api/partitions") return json(partitions_json(view()));
  if (path == "/api/knobs") return json(knobs_json(view()));
  if (path == "/api/advice") return json(advice_json(view().advice));
  if (path == "/api/graph") return json(view().program->graph_json + "\n");
  if (path == "/api/batches") return json(batches_json(recorder));
  if (path == "/api/events") return json(events_json(recorder));
  if (path == "/api/timeline") return json(timeline_json(recorder));
  if (path == "/plain") return {200, "text/html; charset=utf-8", plain_page(view()), true};
  if (const PageFile* file = find_page_file(path)) {
    return {200, std::string(file->content_type), std::string(file->body)};
  }
  return {404, "text/plain; charset=utf-8",
          "not here; there are / /plain /api/status /api/graph /api/batches /api/partitions /api/events /api/knobs "
          "/api/advice /api/timeline /status.json /metrics /healthz /readyz\n"};
}

}  // namespace millrace
