// Version: one configuration as the engine runs it: the graph with its tables, the numbers, and where its topics stand
// at the brokers' edge. Made by the app (or a test), immutable afterwards; every worker reads it. A running engine
// takes another one with Engine::adopt, each worker between two batches.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/graph.h"
#include "pipeline/options.h"

namespace millrace {

struct Version {
  uint64_t number = 1;  // counts up within a process
  // Shared: workers change over one by one, and the last one that does keeps the graph of before until then. Whoever
  // makes it sees to it that the tables which the graph looks into live as long.
  std::shared_ptr<const Graph> graph;
  EngineOptions options;
  // Of each of graph->topics() its index at the Broker, in whose list no topic ever changes its place. Empty: the same.
  std::vector<uint16_t> destinations;

  [[nodiscard]] uint16_t destination(size_t topic) const {
    return destinations.empty() ? static_cast<uint16_t>(topic) : destinations[topic];
  }
};

// Shared by the engine and its workers, for the time that each of them runs it.
using VersionShare = std::shared_ptr<const Version>;

// The first version of tests and of whoever never changes it: topics stand at the Broker in the graph's order.
VersionShare first_version(std::shared_ptr<const Graph> graph, const EngineOptions& options);

}  // namespace millrace
