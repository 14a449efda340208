#include "app/reconcile.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "app/assemble.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/timestamp.h"
#include "kafka/span_reader.h"
#include "pipeline/recompute.h"

namespace millrace {
namespace {

constexpr size_t kNamesMax = 20;

std::string time_text(int64_t ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

std::vector<TopicPartition> partitions_of(const std::map<std::string, TopicFacts>& facts,
                                          const std::vector<std::string>& topics) {
  std::vector<TopicPartition> all;
  for (const std::string& topic : topics) {
    for (int32_t i = 0; i < facts.at(topic).partitions; ++i) all.push_back({topic, i});
  }
  return all;
}

// One run. The order of its steps is what makes it exact: what the group had committed, then the ends of the
// destinations, then their records, then what the group has committed now. Whatever lies between the two commits may
// or may not be in the destinations.
class Reconciliation {
 public:
  Reconciliation(const Pipeline& pipeline, TimeSpan span, const Clock& clock, std::ostream& out, std::ostream& told)
      : pipeline_(pipeline), graph_(*pipeline.graph), span_(span), clock_(clock), out_(out), told_(told) {}

  Result<bool> run();

 private:
  struct Topic {
    std::string name;
    std::string destination;
    std::string undecidable;  // why; empty: it is held against what was sent
    bool may_have_more = false;
  };

  Result<void> look();
  void judge_topic(Topic& topic);
  Result<void> judge_sources();
  void judge_lows();
  Result<void> read_destinations();
  Result<void> read_sources();
  Result<void> report();
  Result<void> name_records(const std::vector<PartitionDifference>& differences);
  Result<void> name_extra(const std::map<SpanTally::Key, std::set<uint64_t>>& wanted);
  Result<void> name_missing(const std::map<SpanTally::Key, std::set<uint64_t>>& wanted);
  Result<void> recompute(const std::string& doing, const Recompute::Output& output);
  Result<std::vector<DestinationLimits>> limits() const;
  [[nodiscard]] bool any_decidable() const;
  [[nodiscard]] bool retention_explains(const TopicSettings& settings) const;
  std::vector<OffsetSpan> destination_spans() const;
  [[nodiscard]] std::string place(const PartitionDifference& difference) const {
    return fmt::format("{}-{}", topics_[difference.topic].name, difference.partition);
  }

  const Pipeline& pipeline_;
  const Graph& graph_;
  const TimeSpan span_;
  const Clock& clock_;
  std::ostream& out_;
  std::ostream& told_;
  std::unique_ptr<SpanReader> reader_;
  std::vector<Topic> topics_;  // as graph_.topics()
  std::vector<std::string> sources_;
  std::map<std::string, TopicFacts> facts_;
  std::map<std::string, TopicSettings> settings_;
  std::map<TopicPartition, TimeSpanOffsets> source_offsets_;
  std::map<TopicPartition, TimeSpanOffsets> destination_offsets_;
  Progress committed_before_;
  Progress committed_after_;
  SpanTally sent_{span_};
  SpanTally present_{span_};
  bool equal_ = true;
};

bool Reconciliation::any_decidable() const {
  return std::any_of(topics_.begin(), topics_.end(), [](const Topic& topic) { return topic.undecidable.empty(); });
}

void Reconciliation::judge_topic(Topic& topic) {
  bool exclusive = pipeline_.spec.dead_letters.exclusive && topic.destination == kDeadLettersName;
  for (const config::DestinationSpec& spec : pipeline_.spec.destinations) {
    if (spec.name == topic.destination) exclusive = spec.exclusive;
  }
  const TopicFacts& facts = facts_.at(topic.name);
  if (!facts.error.ok()) {
    topic.undecidable = facts.error.text;
    return;
  }
  const TopicSettings& settings = settings_[topic.name];
  topic.may_have_more = pipeline_.spec.delivery != Delivery::exactly_once;
  if (!exclusive) {
    topic.undecidable = "it is not declared `exclusive: true`, so others may write to it";
  } else if (pipeline_.spec.delivery == Delivery::fire_and_forget) {
    topic.undecidable = "under `delivery: fire_and_forget` nobody knows what arrived";
  } else if (!settings.error.ok()) {
    topic.undecidable = "its settings cannot be seen: " + settings.error.text;
  } else if (settings.compacted) {
    topic.undecidable = "it is compacted, so records go when their key comes again";
  } else if (settings.log_append_time) {
    topic.undecidable =
        "its timestamps are those of the broker (message.timestamp.type=LogAppendTime), and do not say "
        "which record of the source one came from";
  }
}

Result<void> Reconciliation::look() {
  TRY_ASSIGN(reader_, SpanReader::create(edge_settings(pipeline_.spec, graph_), clock_));
  std::vector<std::string> names;
  for (const SourceNode& source : graph_.sources()) {
    sources_.insert(sources_.end(), source.topics.begin(), source.topics.end());
  }
  names = sources_;
  for (const TopicNode& node : graph_.topics()) {
    topics_.push_back({node.topic, node.destination, "", false});
    names.push_back(node.topic);
  }
  TRY_ASSIGN(facts_, reader_->topics(names));
  for (const std::string& topic : sources_) {
    if (!facts_[topic].error.ok()) {
      return fail(Remedy::stop, fmt::format("source topic {}: {}", topic, facts_[topic].error.text));
    }
  }
  std::vector<std::string> there;
  for (const std::string& name : names) {
    if (facts_[name].error.ok()) there.push_back(name);
  }
  TRY_ASSIGN(settings_, reader_->settings(there));
  for (Topic& topic : topics_) judge_topic(topic);
  if (!any_decidable()) return {};
  const auto partitions = partitions_of(facts_, sources_);
  TRY_ASSIGN(source_offsets_, reader_->offsets(partitions, span_.begin_ms));
  TRY(judge_sources());
  TRY_ASSIGN(committed_before_, reader_->committed(partitions));
  std::vector<std::string> destinations;
  for (const Topic& topic : topics_) {
    if (topic.undecidable.empty()) destinations.push_back(topic.name);
  }
  TRY_ASSIGN(destination_offsets_, reader_->offsets(partitions_of(facts_, destinations), span_.begin_ms));
  judge_lows();
  return {};
}

// True when the topic's retention alone may have deleted records of the span.
bool Reconciliation::retention_explains(const TopicSettings& settings) const {
  if (!settings.deletes) return false;
  if (settings.retention_bytes >= 0) return true;
  return settings.retention_ms >= 0 && clock_.wall_ms() - span_.begin_ms > settings.retention_ms;
}

// What the sources do not have any more cannot be computed again.
Result<void> Reconciliation::judge_sources() {
  for (const auto& [partition, offsets] : source_offsets_) {
    if (offsets.low == 0 || offsets.first > offsets.low || offsets.low == offsets.high) continue;
    return fail(
        Remedy::stop,
        fmt::format("not decidable: source {} begins at offset {}, within the time asked for: records of it were "
                    "deleted; take a later --from",
                    partition.text(), offsets.low));
  }
  return {};
}

void Reconciliation::judge_lows() {
  for (Topic& topic : topics_) {
    if (!topic.undecidable.empty() || !retention_explains(settings_[topic.name])) continue;
    for (int32_t i = 0; i < facts_[topic.name].partitions; ++i) {
      const TimeSpanOffsets& offsets = destination_offsets_[{topic.name, i}];
      if (offsets.low == 0 || offsets.first > offsets.low) continue;
      topic.undecidable = fmt::format(
          "partition {} begins at offset {}, within the time asked for, and its retention may "
          "have deleted what was before; take a later --from",
          i, offsets.low);
    }
  }
}

std::vector<OffsetSpan> Reconciliation::destination_spans() const {
  std::vector<OffsetSpan> spans;
  for (const Topic& topic : topics_) {
    if (!topic.undecidable.empty()) continue;
    for (int32_t i = 0; i < facts_.at(topic.name).partitions; ++i) {
      const TimeSpanOffsets& offsets = destination_offsets_.at({topic.name, i});
      spans.push_back({{topic.name, i}, offsets.first, offsets.high});
    }
  }
  return spans;
}

Result<void> Reconciliation::read_destinations() {
  std::map<std::string, uint16_t> index;
  for (size_t i = 0; i < topics_.size(); ++i) index[topics_[i].name] = static_cast<uint16_t>(i);
  ProgressLine line("reading the destinations", clock_, told_);
  return reader_->read(
      destination_spans(),
      [&](const TopicPartition& partition, std::span<const Record> records) {
        const uint16_t topic = index.at(partition.topic);
        for (const Record& record : records) {
          if (!span_.holds(record.timestamp_ms)) continue;
          present_.add(topic, partition.partition, record.timestamp_ms,
                       record_hash(record.key, record.value, record.timestamp_ms));
        }
      },
      [&line](uint64_t done, uint64_t all) { line.show(done, all); });
}

Result<std::vector<DestinationLimits>> Reconciliation::limits() const {
  std::vector<DestinationLimits> all;
  for (const Topic& topic : topics_) {
    DestinationLimits limits;
    limits.partitions = std::max(1, facts_.at(topic.name).partitions);
    if (const auto found = settings_.find(topic.name); found != settings_.end() && found->second.error.ok()) {
      limits.max_message_bytes = found->second.max_message_bytes;
      limits.compacted = found->second.compacted;
    }
    all.push_back(std::move(limits));
  }
  return all;
}

// Everything that the group has committed from the begin of the span on, through the graph.
Result<void> Reconciliation::recompute(const std::string& doing, const Recompute::Output& output) {
  TRY_ASSIGN(auto of_topics, limits());
  Recompute graph(pipeline_.graph, std::move(of_topics));
  std::vector<OffsetSpan> spans;
  for (const auto& [partition, offsets] : source_offsets_) {
    spans.push_back({partition, offsets.first, std::min(committed_after_.at(partition), offsets.high)});
  }
  ProgressLine line(doing, clock_, told_);
  Result<void> computed;
  const Result<void> read = reader_->read(
      spans,
      [&](const TopicPartition& partition, std::span<const Record> records) {
        if (!computed) return;
        computed = graph.run(graph_.source_of_topic(partition.topic).value(), records, output);
      },
      [&line](uint64_t done, uint64_t all) { line.show(done, all); });
  TRY(Result<void>(read));
  return computed;
}

Result<void> Reconciliation::read_sources() {
  TRY_ASSIGN(committed_after_, reader_->committed(partitions_of(facts_, sources_)));
  std::map<uint16_t, uint64_t> between;
  TRY(recompute("computing what was sent", [&](const OutputRecord& output, const Record& from) {
    if (!topics_[output.destination].undecidable.empty() || !span_.holds(output.timestamp_ms)) return;
    const TopicPartition partition{from.origin->topic, from.origin->partition};
    if (from.offset >= committed_before_.at(partition)) ++between[output.destination];
    sent_.add(output.destination, output.partition, output.timestamp_ms,
              record_hash(output.key, output.value, output.timestamp_ms));
  }));
  for (const auto& [topic, records] : between) {
    topics_[topic].undecidable =
        fmt::format("{} records of that time were written while it was looked at; take an earlier --to", records);
  }
  return {};
}

Result<void> Reconciliation::report() {
  std::vector<PartitionDifference> found;
  std::map<uint16_t, std::pair<uint64_t, uint64_t>> sums;
  for (const auto& [key, slices] : sent_.partitions()) {
    for (const auto& slice : slices) sums[key.first].first += slice.records;
  }
  for (const auto& [key, slices] : present_.partitions()) {
    for (const auto& slice : slices) sums[key.first].second += slice.records;
  }
  for (PartitionDifference& each : compare(sent_, present_)) {
    const Topic& topic = topics_[each.topic];
    if (!topic.undecidable.empty()) continue;
    // A batch that was sent again after a failure is there twice, and that is what was promised.
    if (topic.may_have_more && each.missing.empty() && !each.contents && each.present >= each.sent) continue;
    found.push_back(std::move(each));
  }
  for (size_t i = 0; i < topics_.size(); ++i) {
    const Topic& topic = topics_[i];
    const auto [sent, present] = sums[static_cast<uint16_t>(i)];
    const bool differs = std::any_of(found.begin(), found.end(), [i](const auto& each) { return each.topic == i; });
    if (!topic.undecidable.empty()) {
      out_ << fmt::format("{} ({}): not decidable: {}\n", topic.name, topic.destination, topic.undecidable);
    } else {
      out_ << fmt::format("{} ({}): {}: {} sent, {} present\n", topic.name, topic.destination,
                          differs ? "DIFFERS" : "equal", sent, present);
    }
  }
  for (const PartitionDifference& each : found) {
    const auto more = static_cast<int64_t>(each.present) - static_cast<int64_t>(each.sent);
    out_ << fmt::format("  {}: {} sent, {} present: {}\n", place(each), each.sent, each.present,
                        more == 0  ? std::string("as many, but not the same")
                        : more < 0 ? fmt::format("{} missing", -more)
                                   : fmt::format("{} too many", more));
    const TimeSpanOffsets& offsets = destination_offsets_.at({topics_[each.topic].name, each.partition});
    if (more < 0 && offsets.low > 0 && offsets.first == offsets.low) {
      out_ << fmt::format(
          "    the partition begins at offset {}, and its retention does not explain that: records were "
          "deleted by hand (kafka-delete-records.sh)\n",
          offsets.low);
    }
  }
  equal_ = found.empty();
  return name_records(found);
}

// Reads once more to say which records they are: those that were alone in their slice of time.
Result<void> Reconciliation::name_records(const std::vector<PartitionDifference>& differences) {
  std::map<SpanTally::Key, std::set<uint64_t>> missing;
  std::map<SpanTally::Key, std::set<uint64_t>> extra;
  for (const PartitionDifference& each : differences) {
    const SpanTally::Key key{each.topic, each.partition};
    if (!each.missing.empty()) missing[key].insert(each.missing.begin(), each.missing.end());
    if (!each.extra.empty()) extra[key].insert(each.extra.begin(), each.extra.end());
  }
  if (!missing.empty()) TRY(name_missing(missing));
  if (!extra.empty()) TRY(name_extra(extra));
  return {};
}

Result<void> Reconciliation::name_missing(const std::map<SpanTally::Key, std::set<uint64_t>>& wanted) {
  size_t named = 0;
  return recompute("naming what is missing", [&](const OutputRecord& output, const Record& from) {
    const auto found = wanted.find({output.destination, output.partition});
    if (found == wanted.end() || !span_.holds(output.timestamp_ms)) return;
    if (found->second.count(record_hash(output.key, output.value, output.timestamp_ms)) == 0) return;
    if (++named > kNamesMax) return;
    out_ << fmt::format("  missing in {}-{}: what was made of {}-{} offset {}, of {}\n",
                        topics_[output.destination].name, output.partition, from.origin->topic, from.origin->partition,
                        from.offset, time_text(output.timestamp_ms));
  });
}

Result<void> Reconciliation::name_extra(const std::map<SpanTally::Key, std::set<uint64_t>>& wanted) {
  size_t named = 0;
  std::vector<OffsetSpan> spans;
  std::map<TopicPartition, const std::set<uint64_t>*> hashes;
  for (const auto& [key, of_partition] : wanted) {
    const TopicPartition partition{topics_[key.first].name, key.second};
    const TimeSpanOffsets& offsets = destination_offsets_.at(partition);
    spans.push_back({partition, offsets.first, offsets.high});
    hashes[partition] = &of_partition;
  }
  ProgressLine line("naming what is too many", clock_, told_);
  return reader_->read(
      spans,
      [&](const TopicPartition& partition, std::span<const Record> records) {
        for (const Record& record : records) {
          if (!span_.holds(record.timestamp_ms)) continue;
          if (hashes.at(partition)->count(record_hash(record.key, record.value, record.timestamp_ms)) == 0) continue;
          if (++named > kNamesMax) return;
          out_ << fmt::format("  not sent by this pipeline: {} offset {}, of {}\n", partition.text(), record.offset,
                              time_text(record.timestamp_ms));
        }
      },
      [&line](uint64_t done, uint64_t all) { line.show(done, all); });
}

Result<bool> Reconciliation::run() {
  TRY(look());
  out_ << fmt::format("records with timestamps from {} to before {}\n", time_text(span_.begin_ms),
                      time_text(span_.end_ms));
  if (any_decidable()) {
    TRY(read_destinations());
    TRY(read_sources());
  }
  TRY(report());
  return equal_ && any_decidable();
}

}  // namespace

std::optional<int64_t> moment_of(std::string_view text, int64_t now_ms) {
  if (text == "now") return now_ms;
  if (const auto before_ms = parse_duration_ms(text)) return now_ms - *before_ms;
  return config::parse_timestamp_ms(text);
}

ExitCode reconcile_command(const CommandLine& line, std::ostream& out, std::ostream& told) {
  const SystemClock clock;
  TimeSpan span;
  for (const auto& [name, text, to] :
       {std::tuple{"--from", &line.from, &span.begin_ms}, std::tuple{"--to", &line.to, &span.end_ms}}) {
    const auto moment = moment_of(*text, clock.wall_ms());
    if (!moment) {
      out << fmt::format(
          "error: {} takes a time such as 2026-01-31T12:00:00Z, `now`, or how long ago, as in 2h; not `{}`\n", name,
          escape_for_log(*text, 60));
      return ExitCode::usage;
    }
    *to = *moment;
  }
  if (span.begin_ms < 0 || span.begin_ms >= span.end_ms) {
    out << "error: --from must be before --to\n";
    return ExitCode::usage;
  }
  const auto pipeline = load_pipeline(line.file, "", true);
  if (pipeline->graph == nullptr) {
    out << pipeline->diagnostics.text(line.file);
    return ExitCode::config;
  }
  const auto equal = Reconciliation(*pipeline, span, clock, out, told).run();
  if (!equal) {
    out << "error: " << equal.error().what << "\n";
    return ExitCode::internal;
  }
  return *equal ? ExitCode::done : ExitCode::internal;
}

}  // namespace millrace
