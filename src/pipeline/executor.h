// Executor: takes a chunk of records through the graph and gives what is to be written, in the order of the input.
//
// A pure function of the records, the graph, the destinations' limits and the batch's time: no I/O, no lock. The clock
// only times every kTimedEvery-th chunk, node by node, for who wants to know which node costs the most. One for each
// worker (own stages, decoders, evaluator); used by that worker only.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "expr/decoder.h"
#include "expr/program.h"
#include "io/broker.h"
#include "pipeline/batch.h"
#include "pipeline/version.h"
#include "stage/stage.h"

namespace millrace {

class Executor {
 public:
  static constexpr size_t kChunkRecords = 1024;
  static constexpr uint64_t kTimedEvery = 64;

  // `version` outlives the executor, as does `clock`; null: nothing is timed.
  explicit Executor(const Version& version, const Clock* clock = nullptr);
  ~Executor();

  // Runs one chunk of the batch: appends to batch.pending and batch.tags, adds to batch.counts. `limits` are those of
  // graph.topics(), each with a known number of partitions. An error is a policy that says stop; the batch is then not
  // to be committed.
  Result<void> run(Batch& batch, const Chunk& chunk, std::span<const DestinationLimits> limits);

 private:
  struct Formats {
    std::unique_ptr<expr::Decoder> decoder;
    std::unique_ptr<expr::Encoder> encoder;
  };
  // One node's rejected record, on its way to the node's policy.
  struct Rejection {
    std::string_view node;
    config::OnError on_error;
    RejectReason reason;
    std::string_view error;
  };

  // Time since the last call, as an estimate for all chunks; 0 for a chunk that is not timed.
  int64_t lap_ns();

  Result<void> decode();
  Result<void> run_stage(size_t index);
  Result<void> settle_rejected(size_t index);
  Result<void> write_destination(const DestinationNode& node);
  Result<void> write(const DestinationNode& node, uint16_t topic, const Item& item);
  // Fills `record`; a reason other than none rejects it, with `error` in the arena.
  RejectReason make_output(const DestinationNode& node, const Item& item, OutputRecord& record,
                           std::string_view& error);
  RejectReason make_key(const DestinationNode& node, const Item& item, Bytes& key, std::string_view& error);
  RejectReason make_partition(const DestinationNode& node, const Item& item, OutputRecord& record,
                              std::string_view& error);
  RejectReason check_limits(const OutputRecord& record, std::string_view& error);
  RejectReason expression_failed(std::string_view what, std::string_view& error);

  // True: the record goes on as it came. An error: stop.
  Result<bool> apply(const Rejection& rejection, uint32_t ordinal, PolicyCounts& counts);
  Result<void> write_dead_letter(const Rejection& rejection, uint32_t ordinal);
  // The last of batch_->pending is complete: gives it its tag, and its destination as the broker counts.
  void finish_output(uint32_t ordinal);
  void restore_order();
  void count_port(Tally& tally, std::span<const Item* const> items) const;

  [[nodiscard]] std::span<const Item* const> port(PortRef ref);
  // The items of several ports as one list in the order of the input.
  std::span<const Item* const> gather(const std::vector<PortRef>& inputs);
  [[nodiscard]] expr::Scope scope(const Item& item) const { return {&item.record, item.fields, batch_->now_ms}; }

  const Version& version_;
  const Graph& graph_;
  const Clock* clock_;
  uint64_t chunks_ = 0;
  std::vector<Formats> formats_;  // by source
  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<StageOutput> outputs_;
  std::unique_ptr<expr::Evaluator> evaluator_;
  std::vector<expr::Value> absent_fields_;  // of a record that did not decode and is kept

  // Of the chunk at work.
  Batch* batch_ = nullptr;
  Chunk chunk_;
  uint16_t source_ = 0;
  std::span<const Record> records_;
  std::span<const DestinationLimits> limits_;
  std::vector<Item> items_;
  std::vector<expr::DecodedRecord> decoded_;
  std::vector<const Item*> source_out_;
  std::vector<const Item*> gathered_;
  std::vector<uint32_t> starts_;
  bool timed_ = false;
  int64_t lap_start_ns_ = 0;
  size_t first_pending_ = 0;        // of this chunk, in batch_->pending
  std::vector<uint32_t> ordinals_;  // of this chunk's outputs
  bool in_order_ = true;
};

}  // namespace millrace
