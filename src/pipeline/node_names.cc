#include "pipeline/node_names.h"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

bool same(const StageName& a, const StageName& b) {
  return a.name == b.name;
}

bool same(const TopicName& a, const TopicName& b) {
  return a.destination == b.destination && a.topic == b.topic;
}

bool same(const std::string& a, const std::string& b) {
  return a == b;
}

// The place of `name`; it is nearly always `guess`.
template <typename Name>
size_t place_of(const std::vector<Name>& names, const Name& name, size_t guess) {
  if (guess < names.size() && same(names[guess], name)) return guess;
  const auto found = std::find_if(names.begin(), names.end(), [&name](const Name& one) { return same(one, name); });
  return static_cast<size_t>(found - names.begin());
}

void add_ports(StageName& to_name, StageTotals& to, const StageName& from_name, const StageTotals& from) {
  for (size_t port = 0; port < from_name.ports.size(); ++port) {
    const size_t at = place_of(to_name.ports, from_name.ports[port], port);
    if (at == to_name.ports.size()) {
      to_name.ports.push_back(from_name.ports[port]);
      to.ports.emplace_back();
    }
    to.ports[at].add(from.ports[port]);
  }
}

void add_stage(NodeNames& names, Counts& to, size_t guess, const StageName& name, const StageTotals& totals) {
  const size_t at = place_of(names.stages, name, guess);
  if (at == names.stages.size()) {
    names.stages.push_back({name.name, name.kind, {}, name.gone});
    to.stages.emplace_back();
  }
  add_ports(names.stages[at], to.stages[at], name, totals);
  to.stages[at].add_all_but_ports(totals);
}

void add_destination(NodeNames& names, Counts& to, size_t guess, const TopicName& name,
                     const DestinationCounts& counts) {
  const size_t at = place_of(names.destinations, name, guess);
  if (at == names.destinations.size()) {
    names.destinations.push_back(name);
    to.destinations.emplace_back();
  }
  to.destinations[at].add(counts);
}

// Sums up the oldest of those that are gone, which stand last.
void fold(NodeNames& names, Counts& counts) {
  const auto gone = [](const auto& list) {
    return static_cast<size_t>(std::count_if(list.begin(), list.end(), [](const auto& one) { return one.gone; }));
  };
  while (gone(names.stages) > kGoneMax) {
    const StageTotals last = counts.stages.back();
    names.stages.pop_back();
    counts.stages.pop_back();
    StageName& into = names.stages.back();
    into = {kEarlier, "", {}, true};
    counts.stages.back().ports.clear();
    counts.stages.back().add_all_but_ports(last);
  }
  while (gone(names.destinations) > kGoneMax) {
    const DestinationCounts last = counts.destinations.back();
    names.destinations.pop_back();
    counts.destinations.pop_back();
    names.destinations.back() = {kEarlier, "", true};
    counts.destinations.back().add(last);
  }
}

}  // namespace

NodeNames node_names(const Graph& graph) {
  NodeNames names;
  for (const auto& source : graph.sources()) names.sources.push_back(source.name);
  for (const auto& stage : graph.stages()) names.stages.push_back({stage.name, stage.kind, stage.ports, false});
  for (size_t i = 0; i < graph.destination_topics(); ++i) {
    names.destinations.push_back({graph.topics()[i].destination, graph.topics()[i].topic, false});
  }
  return names;
}

Counts shape_of(const NodeNames& names) {
  std::vector<size_t> ports;
  for (const auto& stage : names.stages) ports.push_back(stage.ports.size());
  Counts counts;
  counts.shape(names.sources.size(), ports, names.destinations.size());
  return counts;
}

void reshape(NodeNames& names, Counts& counts, const NodeNames& now) {
  NodeNames next = now;
  Counts moved = shape_of(next);
  for (StageName& stage : names.stages) stage.gone = true;
  for (TopicName& destination : names.destinations) destination.gone = true;
  add_by_name(next, moved, names, counts);
  fold(next, moved);
  names = std::move(next);
  counts = std::move(moved);
}

void add_by_name(NodeNames& to_names, Counts& to, const NodeNames& from_names, const Counts& from) {
  for (size_t i = 0; i < from.sources.size(); ++i) {
    const size_t at = place_of(to_names.sources, from_names.sources[i], i);
    if (at == to_names.sources.size()) {
      to_names.sources.push_back(from_names.sources[i]);
      to.sources.emplace_back();
    }
    to.sources[at].add(from.sources[i]);
  }
  for (size_t i = 0; i < from.stages.size(); ++i) add_stage(to_names, to, i, from_names.stages[i], from.stages[i]);
  for (size_t i = 0; i < from.destinations.size(); ++i) {
    add_destination(to_names, to, i, from_names.destinations[i], from.destinations[i]);
  }
  to.dead_letters.add(from.dead_letters);
  to.copies += from.copies;
}

}  // namespace millrace
