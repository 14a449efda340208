// load_document: YAML text becomes a tree of Nodes, with positions and within limits. Pure; any thread.
//
// What YAML offers and a config does not need is an error: anchors, aliases, tags, duplicate keys, several documents.
#pragma once

#include <memory>
#include <string>

#include "config/diagnostic.h"
#include "config/node.h"

namespace millrace::config {

struct LoadLimits {
  size_t bytes = 1024 * 1024;
  size_t nodes = 100'000;
  size_t depth = 32;
};

// Null when there is no tree: a syntax error, a limit. Other problems are reported beside the tree, so that all
// problems of a file come at once. `secrets` may be null and must outlive the document.
std::shared_ptr<const Node> load_document(const std::string& text, Diagnostics& diagnostics,
                                          const Secrets* secrets = nullptr, const LoadLimits& limits = {});

// 16 hex digits for a config as it stands in its file (FNV-1a, 64 bits).
std::string hash_text(std::string_view text);

}  // namespace millrace::config
