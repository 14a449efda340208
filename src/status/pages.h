// What the HTTP server answers: one function from a path and a view to a response. Pure; any thread.
#pragma once

#include <functional>
#include <string_view>

#include "status/http_server.h"
#include "status/view.h"

namespace millrace {

// /  /status.json  /metrics  /healthz  /readyz; anything else is 404. `view` is asked once, for a known path only.
HttpResponse answer_page(std::string_view path, const std::function<View()>& view);

}  // namespace millrace
