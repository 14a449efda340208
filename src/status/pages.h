// What the HTTP server answers: one function from a path and a view to a response. Pure; any thread.
#pragma once

#include <functional>
#include <string_view>

#include "status/http_server.h"
#include "status/recorder.h"
#include "status/view.h"

namespace millrace {

// The status page and its files, /plain, /api/..., /status.json, /metrics, /healthz, /readyz; anything else is 404.
// `view` is asked once, for a path that needs it only. Without a recorder its lists are empty.
HttpResponse answer_page(std::string_view path, const std::function<View()>& view, const Recorder* recorder = nullptr);

}  // namespace millrace
