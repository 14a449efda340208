#include "app/topics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ostream>

#include "app/assemble.h"
#include "app/http_get.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "kafka/retention.h"

namespace millrace {
namespace {

constexpr int64_t kConnectMs = 15'000;
constexpr int64_t kPageMs = 10'000;
constexpr double kHeadroom = 2;
constexpr double kBytesPerPartition = 5 << 20;

// What is asked of one topic that is written to.
struct Wanted {
  std::string role;  // "destination `by_size`"
  std::string topic;
  config::ExpectSpec expect;
};

std::vector<Wanted> wanted_topics(const Pipeline& pipeline) {
  std::vector<Wanted> all;
  for (const TopicNode& node : pipeline.graph->topics()) {
    Wanted wanted{fmt::format("destination `{}`", node.destination), node.topic, {}};
    if (node.destination == kDeadLettersName) {
      wanted.role = "dead letters";
      wanted.expect = pipeline.spec.dead_letters.expect;
    }
    for (const config::DestinationSpec& spec : pipeline.spec.destinations) {
      if (spec.name == node.destination) wanted.expect = spec.expect;
    }
    all.push_back(std::move(wanted));
  }
  return all;
}

// Partitions of the largest source: by its `expect`, by the brokers, or 0 when nobody knows.
int64_t partitions_of_sources(const config::PipelineSpec& spec, const std::map<std::string, TopicShape>& shapes) {
  int64_t most = 0;
  for (const config::SourceSpec& source : spec.sources) {
    if (source.expect.partitions) most = std::max(most, *source.expect.partitions);
    for (const std::string& topic : source.topics) {
      if (const auto found = shapes.find(topic); found != shapes.end()) {
        most = std::max<int64_t>(most, found->second.partitions);
      }
    }
  }
  return most;
}

void print_commands(const Pipeline& pipeline, const std::map<std::string, TopicShape>& shapes, std::ostream& out) {
  const int64_t of_sources = partitions_of_sources(pipeline.spec, shapes);
  for (const Wanted& wanted : wanted_topics(pipeline)) {
    if (const auto found = shapes.find(wanted.topic); found != shapes.end() && found->second.partitions > 0) {
      out << fmt::format("# {}, {}: is there, with {} partitions and replication {}\n", wanted.topic, wanted.role,
                         found->second.partitions, found->second.replication);
      continue;
    }
    const int64_t partitions = wanted.expect.partitions.value_or(of_sources);
    const char* reason = wanted.expect.partitions ? "partitions as expected"
                         : of_sources > 0         ? "as many partitions as the largest source"
                                          : "the broker's default of partitions: set `expect`, or --connect to take "
                                            "as many as the sources have";
    out << fmt::format("# {}, {}: {}\n{}\n", wanted.topic, wanted.role, reason,
                       create_line(pipeline.spec.kafka.brokers, wanted.topic, partitions,
                                   wanted.expect.replication.value_or(-1), wanted.expect.retention_ms));
  }
}

struct Sample {
  int64_t at_ms = 0;
  std::map<std::string, double> records;
  std::map<std::string, double> bytes;
};

Result<Sample> take_sample(const config::PipelineSpec& spec, const Clock& clock) {
  TRY_ASSIGN(const std::string page, get_page(spec, "/metrics", kPageMs));
  Sample sample;
  sample.at_ms = clock.mono_ms();
  sample.records = sums_by(page, "millrace_destination_records_total", "topic");
  sample.bytes = sums_by(page, "millrace_destination_bytes_total", "topic");
  const auto dead = sums_by(page, "millrace_dead_records_total", "");
  for (const auto& [topic, bytes] : sums_by(page, "millrace_dead_letter_bytes_total", "topic")) {
    sample.bytes[topic] = bytes;
    if (!dead.empty()) sample.records[topic] = dead.begin()->second;
  }
  return sample;
}

std::string amount(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return fmt::format("{:.{}f} {}", bytes, bytes < 10 && unit > 0 ? 1 : 0, kUnits[unit]);
}

void print_advice(const Wanted& wanted, const TopicRate& rate, const TopicShape& shape, const CommandLine& line,
                  const config::PipelineSpec& spec, std::ostream& out) {
  const int64_t suggested = partitions_for(rate, line.records_per_partition, spec.knobs.workers);
  const int64_t has = shape.partitions > 0 ? shape.partitions : wanted.expect.partitions.value_or(0);
  out << fmt::format("{} ({}): {:.1f} records/s, {}/s; ", wanted.topic, wanted.role, rate.records_per_second,
                     amount(rate.bytes_per_second));
  if (has == 0) {
    out << fmt::format("suggested: {} partitions\n", suggested);
  } else if (suggested > has) {
    out << fmt::format("suggested: {} partitions, it has {} (keys change their partitions when some are added)\n",
                       suggested, has);
  } else {
    out << fmt::format("its {} partitions are enough ({} would do)\n", has, suggested);
  }
  out << "  storage: " << storage_text(rate, wanted.expect, shape) << "\n";
}

Result<void> print_measured(const Pipeline& pipeline, const std::map<std::string, TopicShape>& shapes,
                            const CommandLine& line, std::ostream& out) {
  const SystemClock clock;
  TRY_ASSIGN(const Sample first, take_sample(pipeline.spec, clock));
  // Nobody notifies it: it is a pause that ends.
  WakeUp pause;
  static_cast<void>(pause.wait(line.over_ms));
  TRY_ASSIGN(const Sample second, take_sample(pipeline.spec, clock));
  const double seconds = static_cast<double>(std::max<int64_t>(second.at_ms - first.at_ms, 1)) / 1000;
  out << fmt::format(
      "# measured over {:.1f} s on the daemon that runs this file here; other instances add to it.\n"
      "# Partitions: for twice that rate, at most {:.0f} records/s and 5 MiB/s each, at least one a worker.\n",
      seconds, line.records_per_partition);
  const auto rate_of = [seconds](const std::map<std::string, double>& before,
                                 const std::map<std::string, double>& after, const std::string& topic) {
    const auto from = before.find(topic);
    const auto to = after.find(topic);
    if (from == before.end() || to == after.end()) return 0.0;
    return std::max(0.0, to->second - from->second) / seconds;
  };
  for (const Wanted& wanted : wanted_topics(pipeline)) {
    const TopicRate rate{rate_of(first.records, second.records, wanted.topic),
                         rate_of(first.bytes, second.bytes, wanted.topic)};
    const auto shape = shapes.find(wanted.topic);
    print_advice(wanted, rate, shape == shapes.end() ? TopicShape{} : shape->second, line, pipeline.spec, out);
  }
  return {};
}

}  // namespace

std::map<std::string, double> sums_by(std::string_view metrics, std::string_view name, std::string_view label) {
  std::map<std::string, double> sums;
  const std::string mark = std::string(label) + "=\"";
  while (!metrics.empty()) {
    const size_t end = std::min(metrics.find('\n'), metrics.size());
    const std::string_view line = metrics.substr(0, end);
    metrics.remove_prefix(std::min(end + 1, metrics.size()));
    if (!line.starts_with(name) || line.size() == name.size() || line[name.size()] != '{') continue;
    std::string value;
    if (!label.empty()) {
      const size_t at = line.find(mark);
      if (at == std::string_view::npos) continue;
      value = line.substr(at + mark.size(), line.find('"', at + mark.size()) - at - mark.size());
    }
    const size_t number = line.rfind(' ');
    sums[value] += std::strtod(std::string(line.substr(number + 1)).c_str(), nullptr);
  }
  return sums;
}

int64_t partitions_for(const TopicRate& rate, double records_per_partition, int64_t workers) {
  const double needed =
      std::max({kHeadroom * rate.records_per_second / records_per_partition,
                kHeadroom * rate.bytes_per_second / kBytesPerPartition, static_cast<double>(workers)});
  for (int64_t power = 1; power < 100'000; power *= 2) {
    if (static_cast<double>(power) >= needed) return power;
    if (power > 1 && static_cast<double>(power + power / 2) >= needed) return power + power / 2;
  }
  return static_cast<int64_t>(std::ceil(needed));
}

std::string storage_text(const TopicRate& rate, const config::ExpectSpec& expect, const TopicShape& shape) {
  const int64_t replication = shape.replication > 0 ? shape.replication : expect.replication.value_or(1);
  TopicSettings settings;
  if (shape.settings) {
    settings = *shape.settings;
  } else if (expect.retention_ms) {
    settings.retention_ms = *expect.retention_ms;
  } else {
    return "not known; ask the brokers with --connect, or say `expect: {retention: ...}`";
  }
  const auto bytes = storage_bytes(settings, rate.bytes_per_second, shape.partitions, replication);
  if (!bytes) {
    const double a_day = rate.bytes_per_second * 86'400 * static_cast<double>(replication);
    return settings.deletes
               ? fmt::format("grows for ever, by {} a day (replication {})", amount(a_day), replication)
               : fmt::format("what compaction leaves of {} a day (replication {})", amount(a_day), replication);
  }
  std::string kept;
  if (settings.retention_ms >= 0) kept = "retention " + format_duration_ms(settings.retention_ms) + ", ";
  if (settings.retention_bytes >= 0) {
    kept += "at most " + amount(static_cast<double>(settings.retention_bytes)) + " a partition, ";
  }
  return fmt::format("{} on all brokers together, before compression ({}replication {}{})", amount(*bytes), kept,
                     replication, shape.settings ? ", as the topic is" : "");
}

ExitCode topics_command(const CommandLine& line, std::ostream& out) {
  const auto pipeline = load_pipeline(line.file, "", line.connect || line.measured);
  if (pipeline->graph == nullptr) {
    out << pipeline->diagnostics.text(line.file);
    return ExitCode::config;
  }
  std::map<std::string, TopicShape> shapes;
  if (line.connect) {
    const SystemClock clock;
    auto asked = topic_shapes(edge_settings(pipeline->spec, *pipeline->graph), clock, kConnectMs);
    if (!asked) {
      out << "error: " << asked.error().what << "\n";
      return ExitCode::internal;
    }
    shapes = std::move(*asked);
  }
  if (!line.measured) {
    print_commands(*pipeline, shapes, out);
    return ExitCode::done;
  }
  if (const auto measured = print_measured(*pipeline, shapes, line, out); !measured) {
    out << "error: " << measured.error().what << "\n";
    return ExitCode::internal;
  }
  return ExitCode::done;
}

}  // namespace millrace
