// NodeNames: whose numbers the entries of Counts are. Totals outlive a graph: when another version runs, nodes of the
// same name go on counting where they were, and those that are gone keep their last numbers, so that counters never go
// back and the balance sheet goes on to close. Values; no locking of their own.
#pragma once

#include <string>
#include <vector>

#include "pipeline/counts.h"
#include "pipeline/graph.h"

namespace millrace {

struct StageName {
  std::string name;
  std::string kind;
  std::vector<std::string> ports;  // {""}: one port, named like the stage
  bool gone = false;               // of an earlier version only
};

struct TopicName {
  std::string destination;  // the name in the YAML
  std::string topic;
  bool gone = false;
};

struct NodeNames {
  std::vector<std::string> sources;     // as Counts::sources
  std::vector<StageName> stages;        // as Counts::stages
  std::vector<TopicName> destinations;  // as Counts::destinations
};

NodeNames node_names(const Graph& graph);

// Zero for these nodes.
Counts shape_of(const NodeNames& names);

// At most so many stages, and destinations, of earlier versions keep numbers of their own; what is beyond is summed
// under kEarlier.
inline constexpr size_t kGoneMax = 100;
inline constexpr const char* kEarlier = "(earlier)";

// Brings `counts` into the order of `now`; what `now` has not comes behind it, marked as gone.
void reshape(NodeNames& names, Counts& counts, const NodeNames& now);

// Adds by name; a node that is not there yet is appended.
void add_by_name(NodeNames& to_names, Counts& to, const NodeNames& from_names, const Counts& from);

}  // namespace millrace
