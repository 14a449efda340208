// Edge: Kafka, as the app wires it. Owns the consumer, the threads of the edge and what they publish.
//
//   auto edge = Edge::create(settings, clock);              // checks settings and librdkafka; connects to nothing
//   for (w...) brokers.push_back((*edge)->make_broker(w));  // one for each worker, used by that worker's thread
//   ... build the engine: it is the PartitionOwner, its workers call Broker::start() until it succeeds ...
//   (*edge)->run(engine);       // starts the edge's threads; they subscribe when every worker's broker has started
//   (*edge)->snapshot(), (*edge)->failure()   // any thread, at any time
//   ... stop: stop the engine's workers (their batches are settled), destroy brokers, then
//   (*edge)->stop(deadline_ms)  // free what is held, close the consumer, destroy it
//
// create, make_broker, run and stop are for the main thread; the rest may be called from any thread.
// `deadline_ms` is how long the call may take, as in io/broker.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "io/broker.h"
#include "io/source.h"
#include "kafka/readers.h"
#include "kafka/settings.h"

namespace millrace {

enum class GroupState : uint8_t { starting, waiting_for_workers, joining, steady, rebalancing, closing, closed };
std::string_view to_string(GroupState state);

struct PartitionSnapshot {
  TopicPartition partition;
  uint16_t source = 0;
  int64_t position = -1;       // next offset that a worker will take
  int64_t committed = -1;      // what our last commit wrote, or what was found
  int64_t low = -1;            // oldest offset kept
  int64_t end = -1;            // last stable offset
  int64_t lag = -1;            // end - committed, in records; -1: not known
  std::string stopped;         // why this partition is not read (data loss, topic made anew); empty: it is read
  int64_t high = -1;           // high watermark: open transactions included
  int64_t ends_wall_ms = -1;   // when `end` was read; `low` and `high` are up to ten times lag_ms older
  double low_pace = 0;         // offsets a second by which `low` went up in the last minutes
  int64_t first_time_ms = -1;  // of the first record that was taken since it was assigned
};

struct SourceTopicSnapshot {
  std::string topic;
  int32_t partitions = 0;
  int32_t replication = 0;  // of the partition that has fewest replicas
  // Empty: they cannot be seen.
  std::optional<TopicSettings> settings;
};

struct BrokerSnapshot {
  int32_t id = -1;
  std::string address;
  std::string state;  // as librdkafka names it: UP, DOWN, TRY_CONNECT, ...
};

struct DestinationSnapshot {
  std::string topic;
  DestinationLimits limits;
  int32_t replication = 0;  // of the partition that has fewest replicas; 0: not known
  // Empty: they cannot be seen.
  std::optional<TopicSettings> settings = {};
};

// A worker's producer, as it last said (every 1 to 5 s).
struct ProducerSnapshot {
  int worker = 0;
  ProducerLoad load;
  int64_t queued_records = 0;  // given to the producer and not acknowledged yet
  int64_t queued_bytes = 0;    // their values
  int64_t queue_limit_bytes = 0;
  double ack_p50_ms = 0;  // from send to acknowledgement: in the queue, on the socket, at the broker
  double ack_p99_ms = 0;
  double request_p50_ms = 0;  // the part of the network and the broker alone
  double request_p99_ms = 0;
};

struct EdgeCounters {
  uint64_t rebalances = 0;
  uint64_t partitions_lost = 0;
  uint64_t revokes_overdue = 0;        // workers that had not committed within revoke_ms
  uint64_t data_losses = 0;            // a position was out of range
  uint64_t offsets_skipped = 0;        // by on_data_loss: skip
  uint64_t outcomes_unknown = 0;       // transactions that the outcome rule distrusted
  uint64_t producers_discarded = 0;    // by recoveries
  uint64_t producers_outstanding = 0;  // discarded, not yet destroyed (a gauge)
};

struct EdgeSnapshot {
  GroupState state = GroupState::starting;
  std::string trouble;  // why nothing moves now ("no broker answers: ..."); empty when all is well
  std::string member_id;
  int32_t generation = -1;
  int64_t last_turn_ms = 0;  // mono_ms of the group loop's last turn: the watchdog looks at it
  bool subscribed = false;
  bool ever_assigned = false;
  int64_t partitions_of_sources = 0;
  std::vector<PartitionSnapshot> partitions;  // assigned to this instance
  std::vector<BrokerSnapshot> brokers;
  std::vector<DestinationSnapshot> destinations;
  std::vector<SourceTopicSnapshot> sources;
  std::vector<ReaderSnapshot> readers;      // of destinations, as `readers` asks for
  std::vector<ProducerSnapshot> producers;  // those that have said something
  EdgeCounters counters;
};

// How stop() ended. Unless `complete`, threads of librdkafka still hold memory: leave by _exit.
struct EdgeStop {
  bool complete = false;
  std::string what;
};

class Edge {
 public:
  static Result<std::unique_ptr<Edge>> create(EdgeSettings settings, const Clock& clock);
  ~Edge();
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // One for each worker, 0 .. workers-1, before run(). Must be destroyed before stop().
  std::unique_ptr<Broker> make_broker(int worker);

  // `owner` must live until stop() has returned.
  void run(PartitionOwner& owner);

  // Another version of the configuration (the main thread, or the one that reloads):
  // the destination topics that it writes to; gives the index of each at Broker::destination, and asks the brokers for
  // those that are new. Those of before stay.
  std::vector<uint16_t> add_destinations(const std::vector<DestinationSettings>& destinations);
  // What hinders writing to these: not asked yet (`asked` is set to false then), missing, no right. Empty: nothing.
  [[nodiscard]] std::string hindrance(const std::vector<uint16_t>& destinations, bool& asked) const;
  // Producers that are made from here on are made so; each worker makes a new one before its next batch.
  void tune(const ProducerTuning& tuning);
  // Once every worker runs it, or none is to: only these are written to.
  void keep_destinations(const std::vector<uint16_t>& destinations);

  [[nodiscard]] EdgeSnapshot snapshot() const;

  // What ends the process, when something does: the group or a source refused for 30 s before the first assignment
  // (4), a start that needs --accept-start (8), memory that cannot be divided (78). Stays set.
  [[nodiscard]] std::optional<Error> failure() const;

  EdgeStop stop(int64_t deadline_ms);

 private:
  class Impl;
  explicit Edge(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// --- millrace check --connect ---

struct Finding {
  enum class Level : uint8_t { ok, warning, error };
  Level level = Level::ok;
  std::string what;
};

// Asks the brokers what can be asked without changing anything but a throw-away transactional id: versions, topics,
// partitions, rights, settings of destinations, memory, transactions. Blocks until done or the deadline; any thread.
std::vector<Finding> connect_check(const EdgeSettings& settings, const Clock& clock, int64_t deadline_ms);

}  // namespace millrace
