#include "status/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"

namespace millrace {
namespace {

// Where a share begins to be worth a word.
constexpr double kDeadShare = 0.05;
constexpr double kHotKeyShare = 0.5;
constexpr double kHotPartitionShare = 0.6;
constexpr double kBusy = 0.8;         // of a worker's time
constexpr double kNearLimit = 0.9;    // of a rate
constexpr double kHeldShare = 0.8;    // of the memory for batches
constexpr double kBatchMemory = 0.3;  // of memory.limit
constexpr double kSlack = 0.02;
constexpr int64_t kLongIntervalMs = 5'000;
constexpr uint64_t kFewRecords = 10;
constexpr double kHelpedShare = 0.1;  // of the records read, were every chunk that was handed over full
constexpr double kChunkRecords = 1'024;

std::string percent(double share) {
  return fmt::format("{:.0f} %", share * 100);
}

std::string per_second(double rate) {
  return rate < 10 ? fmt::format("{:.1f} records/s", rate) : fmt::format("{:.0f} records/s", rate);
}

class Adviser {
 public:
  explicit Adviser(const AdviceInput& input)
      : input_(input),
        view_(*input.now),
        now_(view_.engine.totals.counts),
        before_(same_shape() ? *input.before : zero_),
        seconds_(std::max(input.seconds, 1e-3)),
        partitions_(partition_views(view_)) {
    if (!same_shape()) {
      zero_ = now_;
      zero_.clear();
    }
    measure();
  }

  Advice run() {
    if (!view_.edge.trouble.empty()) return brokers();
    if (auto advice = down(); !advice.text.empty()) return advice;
    if (input_.recoveries > 0) return recoveries();
    if (auto advice = dead_letters(); !advice.text.empty()) return advice;
    return behind() ? while_behind() : while_level();
  }

 private:
  [[nodiscard]] bool same_shape() const {
    const Counts& now = input_.now->engine.totals.counts;
    return input_.before != nullptr && input_.before->sources.size() == now.sources.size() &&
           input_.before->stages.size() == now.stages.size() &&
           input_.before->destinations.size() == now.destinations.size();
  }

  void measure() {
    const BalanceSheet last = before_.sheet();
    const BalanceSheet sheet = now_.sheet();
    read_ = sheet.read - std::min(last.read, sheet.read);
    dead_ = sheet.dead - std::min(last.dead, sheet.dead);
    rate_ = static_cast<double>(read_) / seconds_;
    lag_ = static_cast<double>(std::max<int64_t>(lag_of(partitions_), 0));
    for (const BatchRow& row : input_.batches) {
      double& busy = busy_[row.worker];
      busy += row.processing_seconds();
      for (size_t i = 0; i < phases_.size(); ++i) phases_[i] += row.seconds[i];
      processing_ += row.processing_seconds();
      const double interval = static_cast<double>(std::max<int64_t>(row.interval_ms, 1)) / 1e3;
      worst_share_ = std::max(worst_share_, row.processing_seconds() / interval);
      sum_share_ += row.processing_seconds() / interval;
      scheduling_ += row.scheduling_seconds / interval;
    }
    for (const auto& [worker, busy] : busy_) busiest_ = std::max(busiest_, busy / seconds_);
    const auto count = static_cast<double>(std::max<size_t>(input_.batches.size(), 1));
    mean_share_ = sum_share_ / count;
    scheduling_ /= count;
  }

  // What waits is more than the batches under way would explain.
  [[nodiscard]] bool behind() const { return lag_ > level_lag(rate_, view_.program->interval_ms); }

  [[nodiscard]] double phase(BatchPhase which) const { return phases_[static_cast<size_t>(which)]; }
  [[nodiscard]] double share(double part) const { return processing_ > 0 ? part / processing_ : 0; }
  [[nodiscard]] std::string waiting() const {
    const CatchUp& way = input_.catch_up;
    std::string text = fmt::format("{:.0f} records wait, {} are read", lag_, per_second(rate_));
    if (way.behind && way.seconds_left >= 0) {
      text += fmt::format(", {:.0f} % are caught up, level in {:.0f} s", way.percent, way.seconds_left);
    } else if (way.behind && way.rate < 0) {
      text += fmt::format(", the lag grows by {}", per_second(-way.rate));
    }
    return text;
  }

  Advice brokers() const {
    return {AdviceKind::brokers, "Kafka does not let the pipeline work: " + view_.edge.trouble + ".", "", ""};
  }

  Advice down() const {
    for (const DestinationStatus& each : view_.engine.destinations) {
      if (each.usable || each.partitions == 0) continue;
      return {AdviceKind::destination_down,
              fmt::format("Topic {} cannot be written to: {}. Nothing is lost: the batch is held, the source waits.",
                          each.topic, each.state),
              "", each.destination};
    }
    for (const WorkerStatus& worker : view_.engine.workers) {
      if (worker.state != WorkerState::blocked) continue;
      return {
          AdviceKind::destination_down,
          fmt::format("Worker {} is blocked: {}. Nothing is lost: its batch is held.", worker.worker, worker.reason),
          "", ""};
    }
    return {};
  }

  Advice recoveries() const {
    return {AdviceKind::recoveries,
            fmt::format("Commits fail: {} recoveries in {:.0f} s, so batches are written again; see the workers' last "
                        "errors. Where brokers are slow, more time helps.",
                        input_.recoveries, seconds_),
            "kafka.commit_deadline", ""};
  }

  Advice dead_letters() const {
    if (dead_ < kFewRecords || static_cast<double>(dead_) < kDeadShare * static_cast<double>(read_)) return {};
    std::string node;
    uint64_t most = 0;
    const auto look = [&](const std::string& name, const PolicyCounts& now, const PolicyCounts& before) {
      const uint64_t more = now.dead_total() - std::min(before.dead_total(), now.dead_total());
      if (more <= most) return;
      most = more;
      node = name;
    };
    for (size_t i = 0; i < now_.sources.size(); ++i) {
      look(view_.engine.sources[i], now_.sources[i].policy, before_.sources[i].policy);
    }
    for (size_t i = 0; i < now_.stages.size(); ++i) {
      look(view_.engine.stages[i].name, now_.stages[i].policy, before_.stages[i].policy);
    }
    for (size_t i = 0; i < now_.destinations.size(); ++i) {
      look(view_.engine.destinations[i].destination, now_.destinations[i].policy, before_.destinations[i].policy);
    }
    return {AdviceKind::dead_letters,
            fmt::format("{} of {} records became dead letters in {:.0f} s, most of them at `{}`: look at the reason in "
                        "their headers, then mend the producer or the expression.",
                        dead_, read_, seconds_, node),
            "dead_letters.threshold", node};
  }

  Advice while_behind() const {
    if (auto advice = hot(); !advice.text.empty()) return advice;
    if (auto advice = rate_limit(); !advice.text.empty()) return advice;
    if (busiest_ >= kBusy || held_back_by(RateCause::backpressure)) return while_busy();
    const double held = kBatchMemory * static_cast<double>(view_.program->memory_limit_bytes);
    if (held > 0 && static_cast<double>(view_.engine.memory_held_bytes) > kHeldShare * held) {
      return {AdviceKind::memory,
              fmt::format("{}; the batches hold {} of {}, so that they are closed early.", waiting(),
                          format_mib(static_cast<double>(view_.engine.memory_held_bytes)), format_mib(held)),
              "memory.limit", ""};
    }
    return {AdviceKind::fetch,
            fmt::format("{}; the workers are busy for {} of the time only: records do not come from the brokers as "
                        "fast as they are processed. More memory means more prefetch.",
                        waiting(), percent(busiest_)),
            "memory.limit", ""};
  }

  static std::string format_mib(double bytes) { return fmt::format("{:.0f} MiB", bytes / (1 << 20)); }

  static std::string format_kib(double bytes) { return fmt::format("{:.0f} KiB", bytes / 1024); }

  Advice hot() const {
    if (partitions_.size() < 2) return {};
    for (const SpreadStatus& spread : view_.engine.spread) {
      if (!spread.node.source || spread.hot_keys.empty() || spread.hot_keys[0].share < kHotKeyShare) continue;
      const HotKey& key = spread.hot_keys[0];
      return {AdviceKind::hot_key,
              fmt::format("{}; one key is {} of what `{}` reads: see {}-{} offset {}. Its records stay in one "
                          "partition, so more workers do not help: give it a finer key where it is produced.{}",
                          waiting(), percent(key.share), spread.node.name, key.place.topic, key.place.partition,
                          key.offset, limit_text()),
              limit_knob(), spread.node.name};
    }
    const auto worst = std::max_element(partitions_.begin(), partitions_.end(),
                                        [](const auto& a, const auto& b) { return a.lag_records < b.lag_records; });
    const double its = static_cast<double>(worst->lag_records) / std::max(lag_, 1.0);
    if (its < std::max(kHotPartitionShare, 1.5 / static_cast<double>(partitions_.size()))) return {};
    return {AdviceKind::hot_partition,
            fmt::format("{}; {} of them in partition {} alone, of {}: its records go through one worker. Spread the "
                        "keys where they are produced.{}",
                        waiting(), percent(its), worst->partition.text(), partitions_.size(), limit_text()),
            limit_knob(), worst->partition.text()};
  }

  // The last batch of some worker was ended by it.
  [[nodiscard]] bool held_back_by(RateCause cause) const {
    const auto& workers = view_.engine.workers;
    return std::any_of(workers.begin(), workers.end(), [cause](const auto& each) { return each.rate.cause == cause; });
  }

  // A limit for each partition that holds some of them back while the workers have time to spare.
  [[nodiscard]] bool partitions_at_limit() const {
    return view_.program->rate_max_per_partition > 0 && busiest_ < kBusy && held_back_by(RateCause::max_per_partition);
  }

  // What to turn where a partition holds most of what waits, and a limit keeps it from being read faster.
  [[nodiscard]] std::string limit_knob() const {
    if (busiest_ < kBusy && held_back_by(RateCause::max)) return "rate.max";
    return partitions_at_limit() ? "rate.max_per_partition" : "";
  }
  [[nodiscard]] std::string limit_text() const {
    const std::string knob = limit_knob();
    if (knob.empty()) return "";
    return fmt::format(" The workers are busy for {} only: `{}` holds it back, and could be higher.", percent(busiest_),
                       knob);
  }

  Advice rate_limit() const {
    if (held_back_by(RateCause::max)) {
      return {AdviceKind::rate_limit,
              fmt::format("{}: the limit `rate.max` of this instance holds it back; the workers are busy for {}.",
                          waiting(), percent(busiest_)),
              "rate.max", ""};
    }
    const double limit = view_.program->rate_max_per_partition * static_cast<double>(partitions_.size());
    if (limit <= 0 || (rate_ < kNearLimit * limit && !partitions_at_limit())) return {};
    return {AdviceKind::rate_limit,
            fmt::format("{}: the limit of {} for each of {} partitions holds it back; the workers are busy for {}.",
                        waiting(), per_second(view_.program->rate_max_per_partition), partitions_.size(),
                        percent(busiest_)),
            "rate.max_per_partition", ""};
  }

  Advice while_busy() const {
    const size_t workers = view_.engine.workers.size();
    if (partitions_.size() < workers && partitions_.size() <= busy_.size() && !others_help()) {
      return {AdviceKind::partitions,
              fmt::format("{}; {} partitions keep {} of {} workers busy, and what they do is not worth handing over to "
                          "the others. More partitions spread the load.",
                          waiting(), partitions_.size(), busy_.size(), workers),
              "", ""};
    }
    const double commit = phase(BatchPhase::commit) + phase(BatchPhase::audit);
    const double send = phase(BatchPhase::send);
    const double work = phase(BatchPhase::process) + phase(BatchPhase::read);
    if (send > work && send >= commit) return slow_destination(send);
    // What a commit takes beyond its own cost, it waits for records to be acknowledged.
    double own = 0;
    for (const WorkerStatus& worker : view_.engine.workers) own = std::max(own, worker.rate.fixed_seconds);
    own *= static_cast<double>(input_.batches.size());
    if (commit > work && own > 0 && own < commit / 2) return slow_destination(send + commit);
    if (commit > work) {
      return {AdviceKind::commit,
              fmt::format("{}; commits take {} of the workers' time. A longer interval commits less often.", waiting(),
                          percent(share(commit))),
              "batch.interval", ""};
    }
    return busy_stage();
  }

  // Workers without a partition take a good part of the work: it is the graph that keeps them all busy.
  [[nodiscard]] bool others_help() const {
    return static_cast<double>(input_.helped_chunks) * kChunkRecords > kHelpedShare * static_cast<double>(read_);
  }

  // What a batch brings to one partition of the destinations, on average; 0: nothing.
  [[nodiscard]] double batch_bytes_for_a_partition() const {
    double partitions = 0;
    for (size_t i = 0; i < std::min(now_.destinations.size(), view_.engine.destinations.size()); ++i) {
      if (!view_.engine.destinations[i].gone) partitions += view_.engine.destinations[i].partitions;
    }
    double bytes = 0;
    for (size_t i = 0; i < now_.destinations.size(); ++i) {
      bytes += static_cast<double>(now_.destinations[i].sent.bytes -
                                   std::min(before_.destinations[i].sent.bytes, now_.destinations[i].sent.bytes));
    }
    const auto batches = static_cast<double>(std::max<size_t>(input_.batches.size(), 1));
    return partitions > 0 ? bytes / batches / partitions : 0;
  }

  // A broker takes one request after the other: fewer and fuller ones bring the same records in less time. Where a
  // batch needs several full ones for a partition, their size is what limits, else how soon they are sent.
  Advice slow_destination(double send) const {
    std::string text =
        fmt::format("{}; the workers wait for {} of their time until the brokers have taken their records", waiting(),
                    percent(share(send)));
    double ack = 0;
    for (const ProducerSnapshot& each : view_.edge.producers) ack = std::max(ack, each.ack_p99_ms);
    if (ack > 0) text += fmt::format(", whose acknowledgements take {:.0f} ms (p99)", ack);
    text += ". The brokers of the destinations are the limit";
    double throttle_ms = 0;
    for (const ProducerSnapshot& each : view_.edge.producers)
      throttle_ms = std::max(throttle_ms, each.load.throttle_ms);
    if (throttle_ms > 0) {
      text += fmt::format(
          ": a quota of theirs delays requests by {:.0f} ms. Raise it, or send fewer bytes with the destinations' "
          "`compression`.",
          throttle_ms);
      return {AdviceKind::destination, text, "", ""};
    }
    const double bytes = batch_bytes_for_a_partition();
    const auto request = static_cast<double>(view_.program->producer_batch_bytes);
    if (bytes > request) {
      text +=
          fmt::format("; a batch has {} for each of their partitions, and a request takes {}: larger ones are fewer.",
                      format_kib(bytes), format_kib(request));
      return {AdviceKind::destination, text, "producer.batch_size", ""};
    }
    text += "; requests that wait longer for more records are fewer.";
    return {AdviceKind::destination, text, "producer.linger", ""};
  }

  Advice busy_stage() const {
    struct Node {
      std::string name;
      std::string what;
      double ns = 0;
    };
    std::vector<Node> nodes;
    const auto add = [&nodes](const std::string& name, const std::string& what, int64_t now, int64_t before) {
      nodes.push_back({name, what, static_cast<double>(std::max<int64_t>(now - before, 0))});
    };
    for (size_t i = 0; i < now_.sources.size(); ++i) {
      add(view_.engine.sources[i], "decoding of source", now_.sources[i].busy_ns, before_.sources[i].busy_ns);
    }
    for (size_t i = 0; i < now_.stages.size(); ++i) {
      add(view_.engine.stages[i].name, "stage", now_.stages[i].busy_ns, before_.stages[i].busy_ns);
    }
    for (size_t i = 0; i < now_.destinations.size(); ++i) {
      add(view_.engine.destinations[i].destination, "encoding of destination", now_.destinations[i].busy_ns,
          before_.destinations[i].busy_ns);
    }
    double all = 0;
    const Node* most = &nodes.front();
    for (const Node& node : nodes) {
      all += node.ns;
      if (node.ns > most->ns) most = &node;
    }
    return {
        AdviceKind::stage,
        fmt::format("{}; the workers are busy, and the {} `{}` takes {} of the processing. Make it cheaper, or take "
                    "more workers while there are idle processors.",
                    waiting(), most->what, most->name, percent(all > 0 ? most->ns / all : 0)),
        "workers", most->name};
  }

  Advice while_level() const {
    if (read_ == 0) {
      return {AdviceKind::idle,
              fmt::format("The source is idle: nothing was read for {:.0f} s, {:.0f} records wait.", seconds_, lag_),
              "", ""};
    }
    const std::string interval = format_duration_ms(view_.program->interval_ms);
    if (mean_share_ > kBusy || scheduling_ > 0.5) {
      return {
          AdviceKind::interval_short,
          fmt::format("Batches keep their workers busy for {} of the interval of {} on average ({} at worst), {} of "
                      "that in commits: there is no room for more load. A longer interval costs less for each "
                      "record.",
                      percent(mean_share_), interval, percent(worst_share_),
                      percent(share(phase(BatchPhase::commit) + phase(BatchPhase::audit)))),
          "batch.interval", ""};
    }
    if (view_.program->interval_ms >= kLongIntervalMs && worst_share_ < kSlack * 5) {
      return {AdviceKind::interval_long,
              fmt::format("All keeps up at {}, and batches take {} of the interval of {} at worst: a shorter one would "
                          "show results sooner.",
                          per_second(rate_), percent(worst_share_), interval),
              "batch.interval", ""};
    }
    return {AdviceKind::healthy,
            fmt::format("All keeps up: {} are read, the busiest worker has {} of its time to spare.", per_second(rate_),
                        percent(std::clamp(1 - busiest_, 0.0, 1.0))),
            "", ""};
  }

  const AdviceInput& input_;
  const View& view_;
  const Counts& now_;
  Counts zero_;
  const Counts& before_;
  const double seconds_;
  const std::vector<PartitionView> partitions_;
  uint64_t read_ = 0;
  uint64_t dead_ = 0;
  double rate_ = 0;
  double lag_ = 0;
  std::map<int, double> busy_;  // by worker, seconds
  double busiest_ = 0;          // share of the window
  std::array<double, kBatchPhaseCount> phases_{};
  double processing_ = 0;
  double sum_share_ = 0;  // of processing in the interval
  double mean_share_ = 0;
  double worst_share_ = 0;
  double scheduling_ = 0;  // delay in intervals, on average
};

}  // namespace

std::string_view to_string(AdviceKind kind) {
  constexpr std::array<std::string_view, kAdviceKindCount> kNames = {
      "brokers",    "destination_down", "recoveries",    "dead_letters", "hot_key",     "hot_partition",
      "rate_limit", "partitions",       "memory",        "stage",        "destination", "commit",
      "fetch",      "interval_short",   "interval_long", "idle",         "healthy"};
  return kNames[static_cast<size_t>(kind)];
}

Advice advise(const AdviceInput& input) {
  return Adviser(input).run();
}

}  // namespace millrace
