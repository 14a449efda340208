#include "pipeline/executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "pipeline/dead_letter.h"

namespace millrace {

Executor::Executor(const Version& version, const Clock* clock)
    : version_(version), graph_(*version.graph), clock_(clock), absent_fields_(graph_.plan().size()) {
  for (const auto& source : graph_.sources()) {
    formats_.push_back({expr::make_decoder(source.format, graph_.plan(), source.limits),
                        expr::make_encoder(source.format, graph_.plan())});
  }
  for (const auto& stage : graph_.stages()) {
    stages_.push_back(stage.plan.make());
    outputs_.emplace_back(stage.ports.size());
  }
}

Executor::~Executor() = default;

Result<void> Executor::run(Batch& batch, const Chunk& chunk, std::span<const DestinationLimits> limits) {
  batch_ = &batch;
  chunk_ = chunk;
  limits_ = limits;
  records_ = std::span<const Record>(batch.records).subspan(chunk.first, chunk.count);
  if (records_.empty()) return {};
  source_ = records_[0].origin->source;
  first_pending_ = batch.pending.size();
  ordinals_.clear();
  in_order_ = true;
  if (evaluator_ == nullptr) evaluator_ = std::make_unique<expr::Evaluator>(*batch.output_arena);
  evaluator_->use_arena(*batch.output_arena);

  timed_ = clock_ != nullptr && chunks_++ % kTimedEvery == 0;
  static_cast<void>(lap_ns());
  TRY(decode());
  batch.counts.sources[source_].busy_ns += lap_ns();
  for (size_t i = 0; i < stages_.size(); ++i) {
    TRY(run_stage(i));
    batch.counts.stages[i].busy_ns += lap_ns();
  }
  for (const auto& destination : graph_.destinations()) {
    TRY(write_destination(destination));
    batch.counts.destinations[destination.inputs[0].topic].busy_ns += lap_ns();
  }
  if (!in_order_) restore_order();
  return {};
}

int64_t Executor::lap_ns() {
  if (!timed_) return 0;
  const int64_t now_ns = clock_->mono_ns();
  const int64_t lap = now_ns - lap_start_ns_;
  lap_start_ns_ = now_ns;
  return lap * static_cast<int64_t>(kTimedEvery);
}

Result<void> Executor::decode() {
  const SourceNode& source = graph_.sources()[source_];
  SourceCounts& counts = batch_->counts.sources[source_];
  expr::Decoder& decoder = *formats_[source_].decoder;
  if (items_.size() < records_.size()) {
    items_.resize(records_.size());
    decoded_.resize(records_.size());
  }
  source_out_.clear();
  uint64_t bytes = 0;
  for (size_t i = 0; i < records_.size(); ++i) {
    const Record& record = records_[i];
    Item& item = items_[i];
    // Member by member: a whole Item would be put together elsewhere first, and copying what was just written in small
    // pieces makes the processor wait.
    item.record = record;
    item.decoded = &decoded_[i];
    item.fields = {};
    item.edits = {};
    item.ordinal = static_cast<uint32_t>(i);
    decoded_[i] = {};
    bytes += record.key.size + record.value.size;
    const expr::DecodeResult result = decoder.decode(record.value.view(), *batch_->output_arena, decoded_[i]);
    if (result.reason != RejectReason::none) {
      const Rejection rejection{source.name, source.on_error, result.reason, batch_->output_arena->copy(result.detail)};
      TRY_ASSIGN(const bool goes_on, apply(rejection, item.ordinal, counts.policy));
      if (!goes_on) continue;
      // Kept as it came: expressions find no members in it.
      decoded_[i] = {record.value.view(), absent_fields_, {}};
    }
    item.fields = decoded_[i].fields;
    source_out_.push_back(&item);
  }
  counts.read.records += records_.size();
  counts.read.bytes += bytes;
  counts.out += source_out_.size();
  batch_->counts.copies += source_out_.size() * (source.readers - 1);
  return {};
}

std::span<const Item* const> Executor::port(PortRef ref) {
  const size_t sources = graph_.sources().size();
  if (ref.node >= sources) return outputs_[ref.node - sources].ports()[ref.port];
  if (ref.node == source_) return source_out_;
  return {};
}

std::span<const Item* const> Executor::gather(const std::vector<PortRef>& inputs) {
  if (inputs.size() == 1) return port(inputs[0]);
  // A counting sort by ordinal: stable, so that of one record's items the first input's comes first.
  starts_.assign(records_.size() + 1, 0);
  size_t count = 0;
  for (const PortRef input : inputs) {
    const auto items = port(input);
    for (const Item* item : items) ++starts_[item->ordinal + 1];
    count += items.size();
  }
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  gathered_.resize(count);
  for (const PortRef input : inputs) {
    for (const Item* item : port(input)) gathered_[starts_[item->ordinal]++] = item;
  }
  return gathered_;
}

void Executor::count_port(Tally& tally, std::span<const Item* const> items) const {
  tally.records += items.size();
  for (const Item* item : items) tally.bytes += item->record.key.size + item->record.value.size;
}

Result<void> Executor::run_stage(size_t index) {
  const StageNode& node = graph_.stages()[index];
  StageOutput& output = outputs_[index];
  StageTotals& totals = batch_->counts.stages[index];
  output.begin_chunk();
  const auto in = gather(node.inputs);
  if (in.empty()) return {};
  count_port(totals.in, in);
  output.counts() = {};
  StageContext context{*batch_->output_arena, *evaluator_, formats_[source_].decoder.get(),
                       formats_[source_].encoder.get(), batch_->now_ms};
  stages_[index]->process(in, context, output);

  totals.filtered += output.counts().filtered;
  totals.unmatched += output.counts().unmatched;
  for (size_t kind = 0; kind < totals.errors.size(); ++kind) totals.errors[kind] += output.counts().errors[kind];
  if (!output.rejected().empty()) TRY(settle_rejected(index));
  for (size_t port_index = 0; port_index < node.ports.size(); ++port_index) {
    const auto& items = output.ports()[port_index];
    count_port(totals.ports[port_index], items);
    if (node.readers[port_index] == 0) {
      totals.unmatched += items.size();
      continue;
    }
    totals.out += items.size();
    batch_->counts.copies += items.size() * (node.readers[port_index] - 1);
  }
  return {};
}

Result<void> Executor::settle_rejected(size_t index) {
  const StageNode& node = graph_.stages()[index];
  StageOutput& output = outputs_[index];
  bool kept = false;
  for (const Rejected& rejected : output.rejected()) {
    const Rejection rejection{node.name, node.on_error, rejected.reason, rejected.error};
    TRY_ASSIGN(const bool goes_on, apply(rejection, rejected.item->ordinal, batch_->counts.stages[index].policy));
    if (!goes_on) continue;
    output.emit(node.keep_port, rejected.item);
    kept = true;
  }
  if (kept) {
    auto& items = output.ports()[node.keep_port];
    std::stable_sort(items.begin(), items.end(), [](const Item* a, const Item* b) { return a->ordinal < b->ordinal; });
  }
  return {};
}

Result<bool> Executor::apply(const Rejection& rejection, uint32_t ordinal, PolicyCounts& counts) {
  const auto reason = static_cast<size_t>(rejection.reason);
  switch (rejection.on_error) {
    case config::OnError::dead_letter:
      ++counts.dead[reason];
      TRY(write_dead_letter(rejection, ordinal));
      return false;
    case config::OnError::drop:
      ++counts.dropped[reason];
      return false;
    case config::OnError::keep:
      ++counts.kept[reason];
      return true;
    case config::OnError::stop:
      break;
  }
  const Record& record = records_[ordinal];
  return fail(Remedy::stop,
              fmt::format("`{}` rejects the record at {}-{} offset {} ({}: {}), and its `on_error` is `stop`",
                          rejection.node, record.origin->topic, record.origin->partition, record.offset,
                          to_string(rejection.reason), escape_for_log(rejection.error)),
              ExitCode::stopped_by_policy);
}

Result<void> Executor::write_dead_letter(const Rejection& rejection, uint32_t ordinal) {
  const auto topic = graph_.dead_letter_topic();
  CHECK(topic.has_value());
  const Record& original = records_[ordinal];
  if (batch_->refused.count({static_cast<uint32_t>(chunk_.first + ordinal), *topic}) != 0) {
    return fail(Remedy::stop,
                fmt::format("the dead-letter topic refuses the record at {}-{} offset {} (from `{}`)",
                            original.origin->topic, original.origin->partition, original.offset, rejection.node),
                ExitCode::stopped_by_policy);
  }
  const DestinationLimits& limits = limits_[*topic];
  DeadLetter letter = make_dead_letter(
      original, {graph_.pipeline(), rejection.node, rejection.reason, rejection.error, graph_.config_hash()}, limits,
      batch_->now_ms, *batch_->output_arena);
  OutputRecord& record = batch_->pending.emplace_back(letter.record);
  record.destination = *topic;
  record.partition = record.key.is_null() ? original.origin->partition % limits.partitions
                                          : partition_for_key(record.key.view(), limits.partitions);
  DeadLetterCounts& counts = batch_->counts.dead_letters;
  ++counts.sent.records;
  counts.sent.bytes += record.key.size + record.value.size;
  counts.stubs += letter.stub ? 1 : 0;
  finish_output(ordinal);
  return {};
}

void Executor::finish_output(uint32_t ordinal) {
  OutputRecord& record = batch_->pending.back();
  in_order_ = in_order_ && (ordinals_.empty() || ordinals_.back() <= ordinal);
  ordinals_.push_back(ordinal);
  record.tag = static_cast<uint32_t>(batch_->tags.size());
  batch_->tags.push_back({static_cast<uint32_t>(chunk_.first + ordinal), record.destination});
  record.destination = version_.destination(record.destination);
}

// What several nodes wrote, in the order of the input: so the order in a destination partition does not depend on where
// a chunk ends.
void Executor::restore_order() {
  starts_.assign(records_.size() + 1, 0);
  for (const uint32_t ordinal : ordinals_) ++starts_[ordinal + 1];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  std::vector<OutputRecord> sorted(ordinals_.size());
  for (size_t i = 0; i < ordinals_.size(); ++i) {
    sorted[starts_[ordinals_[i]]++] = batch_->pending[first_pending_ + i];
  }
  std::copy(sorted.begin(), sorted.end(), batch_->pending.begin() + static_cast<std::ptrdiff_t>(first_pending_));
}

}  // namespace millrace
