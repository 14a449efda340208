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

void SourceCounts::add(const SourceCounts& other) {
  read.add(other.read);
  out += other.out;
  busy_ns += other.busy_ns;
  policy.add(other.policy);
}

void StageTotals::add_all_but_ports(const StageTotals& other) {
  in.add(other.in);
  out += other.out;
  filtered += other.filtered;
  unmatched += other.unmatched;
  busy_ns += other.busy_ns;
  policy.add(other.policy);
  add_all(errors, other.errors);
}

void DestinationCounts::add(const DestinationCounts& other) {
  in += other.in;
  busy_ns += other.busy_ns;
  sent.add(other.sent);
  policy.add(other.policy);
}

void DeadLetterCounts::add(const DeadLetterCounts& other) {
  sent.add(other.sent);
  stubs += other.stubs;
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
  CHECK(sources.size() >= other.sources.size() && stages.size() >= other.stages.size() &&
        destinations.size() >= other.destinations.size());
  for (size_t i = 0; i < other.sources.size(); ++i) sources[i].add(other.sources[i]);
  for (size_t i = 0; i < other.stages.size(); ++i) {
    const auto& ports = other.stages[i].ports;
    CHECK(stages[i].ports.size() >= ports.size());
    for (size_t port = 0; port < ports.size(); ++port) stages[i].ports[port].add(ports[port]);
    stages[i].add_all_but_ports(other.stages[i]);
  }
  for (size_t i = 0; i < other.destinations.size(); ++i) destinations[i].add(other.destinations[i]);
  dead_letters.add(other.dead_letters);
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

ReasonCounts Counts::rejected() const {
  ReasonCounts sum{};
  const auto add = [&sum](const PolicyCounts& policy) {
    add_all(sum, policy.dead);
    add_all(sum, policy.dropped);
    add_all(sum, policy.kept);
  };
  for (const auto& source : sources) add(source.policy);
  for (const auto& stage : stages) add(stage.policy);
  for (const auto& destination : destinations) add(destination.policy);
  return sum;
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
