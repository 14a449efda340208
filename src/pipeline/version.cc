#include "pipeline/version.h"

#include "base/check.h"

namespace millrace {

// The graph is shared as Version says.
VersionShare first_version(std::shared_ptr<const Graph> graph, const EngineOptions& options) {
  CHECK(graph != nullptr);
  auto version = std::make_shared<Version>();
  version->graph = std::move(graph);
  version->options = options;
  return version;
}

}  // namespace millrace
