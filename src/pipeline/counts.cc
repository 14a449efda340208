#include "pipeline/counts.h"

#include <fmt/format.h>

#include "base/check.h"

namespace millrace {

namespace {

template <size_t N>
void add_all(std::array<uint64_t, N>& to, const std::array<uint64_t, N>& from) {
  for (size_t i = 0; i < N; ++i) to[i] += from[i];
}

uint64_t total(const ReasonCounts& counts) {
  uint64_t sum = 0;
  for (const uint64_t count : counts) sum += count;
  return sum;
}

}  // namespace

void PolicyCounts::add(const PolicyCounts& other) {
  add_all(dead, other.dead);
  add_all(dropped, other.dropped);
  add_all(kept, other.kept);
}

uint64_t PolicyCounts::dead_total() const {
  return total(dead);
}

uint64_t PolicyCounts::dropped_total() const {
  return total(dropped);
}

std::string BalanceSheet::text() const {
  return fmt::format("read {} + copies {} = sent {} + filtered {} + unmatched {} + dead {} + dropped {}", read, copies,
                     sent, filtered, unmatched, dead, dropped);
}

void Counts::shape(size_t source_count, const std::vector<size_t>& ports, size_t topic_count) {
  sources.assign(source_count, {});
  stages.assign(ports.size(), {});
  for (size_t i = 0; i < ports.size(); ++i) stages[i].ports.assign(ports[i], {});
  destinations.assign(topic_count, {});
  dead_letters = {};
  copies = 0;
}

void Counts::clear() {
  for (auto& source : sources) source = {};
  for (auto& stage : stages) {
    auto ports = std::move(stage.ports);
    ports.assign(ports.size(), {});
    stage = {};
    stage.ports = std::move(ports);
  }
  for (auto& destination : destinations) destination = {};
  dead_letters = {};
  copies = 0;
}

void Counts::add(const Counts& other) {
  CHECK(sources.size() == other.sources.size() && stages.size() == other.stages.size() &&
        destinations.size() == other.destinations.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    sources[i].read.add(other.sources[i].read);
    sources[i].out += other.sources[i].out;
    sources[i].policy.add(other.sources[i].policy);
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    StageTotals& to = stages[i];
    const StageTotals& from = other.stages[i];
    to.in.add(from.in);
    for (size_t port = 0; port < to.ports.size(); ++port) to.ports[port].add(from.ports[port]);
    to.out += from.out;
    to.filtered += from.filtered;
    to.unmatched += from.unmatched;
    to.policy.add(from.policy);
    add_all(to.errors, from.errors);
  }
  for (size_t i = 0; i < destinations.size(); ++i) {
    destinations[i].in += other.destinations[i].in;
    destinations[i].sent.add(other.destinations[i].sent);
    destinations[i].policy.add(other.destinations[i].policy);
  }
  dead_letters.sent.add(other.dead_letters.sent);
  dead_letters.stubs += other.dead_letters.stubs;
  copies += other.copies;
}

BalanceSheet Counts::sheet() const {
  BalanceSheet sheet;
  sheet.copies = copies;
  for (const auto& source : sources) {
    sheet.read += source.read.records;
    sheet.dead += source.policy.dead_total();
    sheet.dropped += source.policy.dropped_total();
  }
  for (const auto& stage : stages) {
    sheet.filtered += stage.filtered;
    sheet.unmatched += stage.unmatched;
    sheet.dead += stage.policy.dead_total();
    sheet.dropped += stage.policy.dropped_total();
  }
  for (const auto& destination : destinations) {
    sheet.sent += destination.sent.records;
    sheet.dead += destination.policy.dead_total();
    sheet.dropped += destination.policy.dropped_total();
  }
  return sheet;
}

std::string Counts::imbalance() const {
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto& source = sources[i];
    if (source.read.records != source.out + source.policy.dead_total() + source.policy.dropped_total()) {
      return fmt::format("source {}: read {}, out {}, dead {}, dropped {}", i, source.read.records, source.out,
                         source.policy.dead_total(), source.policy.dropped_total());
    }
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    const auto& stage = stages[i];
    if (stage.in.records !=
        stage.out + stage.filtered + stage.unmatched + stage.policy.dead_total() + stage.policy.dropped_total()) {
      return fmt::format("stage {}: in {}, out {}, filtered {}, unmatched {}, dead {}, dropped {}", i, stage.in.records,
                         stage.out, stage.filtered, stage.unmatched, stage.policy.dead_total(),
                         stage.policy.dropped_total());
    }
  }
  for (size_t i = 0; i < destinations.size(); ++i) {
    const auto& destination = destinations[i];
    if (destination.in !=
        destination.sent.records + destination.policy.dead_total() + destination.policy.dropped_total()) {
      return fmt::format("destination topic {}: in {}, sent {}, dead {}, dropped {}", i, destination.in,
                         destination.sent.records, destination.policy.dead_total(), destination.policy.dropped_total());
    }
  }
  const BalanceSheet whole = sheet();
  if (whole.dead != dead_letters.sent.records) {
    return fmt::format("{} dead, but {} dead letters sent", whole.dead, dead_letters.sent.records);
  }
  return whole.closes() ? "" : whole.text();
}

}  // namespace millrace
