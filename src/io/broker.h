// Broker: one worker's way to write and commit, as the commit state machine sees it. kafka/ implements it with a
// transactional producer (a ring of transactional ids), the simulation with a simulated cluster.
//
// Owned by one worker, called by that worker's thread only. Every call has a deadline; none blocks beyond it:
// `deadline_ms` is how long the call may take, in milliseconds from now.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/error.h"
#include "config/spec.h"
#include "io/source.h"
#include "record/progress.h"
#include "record/record.h"

namespace millrace {

using config::Delivery;

// Why a call failed, beside what to do about it (Error::remedy).
enum class Fault : uint8_t {
  none,
  queue_full,       // send: serve delivery reports (poll) and try again
  record_refused,   // the broker refuses a record as such (size, timestamp, null key on a compacted topic)
  destination,      // a state of a destination (no right, missing, not enough replicas, throttled, unreachable)
  unknown_outcome,  // time-out, or the outcome rule: the transaction may or may not have been committed
  generation,       // the group moved on: wrong generation, unknown member, rebalance in progress
  fenced,           // another producer with our transactional.id lives
  authorization,    // the transactional id or the group is refused
  other,            // abortable, fatal or unknown
};
std::string_view to_string(Fault fault);

struct [[nodiscard]] BrokerError {
  Fault fault = Fault::other;
  std::string what;
  int destination = -1;  // with Fault::destination and record_refused, where it is known
};

template <typename T>
using BrokerResult = tl::expected<T, BrokerError>;

inline tl::unexpected<BrokerError> broker_fail(Fault fault, std::string what, int destination = -1) {
  return tl::make_unexpected(BrokerError{fault, std::move(what), destination});
}

// What a destination takes, from the topic's settings. A snapshot; refreshed by the edge.
struct DestinationLimits {
  int32_t partitions = 0;                 // 0: not known yet
  int64_t max_message_bytes = 1'048'588;  // of a batch, after compression and with overhead
  bool compacted = false;                 // refuses null keys
  int64_t timestamp_before_max_ms = INT64_MAX;
  int64_t timestamp_after_max_ms = INT64_MAX;
  bool reachable = true;
  std::string state;  // why it is not usable now; empty when it is
};

// One record to write. Its bytes live until the batch is settled.
struct OutputRecord {
  uint16_t destination = 0;  // index into the pipeline's destination topics
  int32_t partition = 0;
  Bytes key;
  Bytes value;
  std::span<const Header> headers;
  const void* native_headers = nullptr;  // the edge's own form of unchanged headers, or null
  int64_t timestamp_ms = -1;
  uint32_t tag = 0;  // position in the batch's outputs: names a refused record
};

// The group as it stands: read just before offsets are sent. Sending offsets with generation < 0 or an empty member id
// would be accepted unfenced by brokers, so the state machine treats that as lost.
struct GroupStamp {
  int32_t generation = -1;
  std::string member_id;
  std::shared_ptr<void> native;  // the edge's own object; shared because a stamp outlives the call that made it
  [[nodiscard]] bool valid() const { return generation >= 0 && !member_id.empty(); }
};

// A record that the broker refused, found by the isolating producer.
struct RefusedRecord {
  uint32_t tag = 0;
  std::string what;
};

// How hard this worker's producer has it, for whoever decides how much is to be read.
struct ProducerLoad {
  double queue_fill = 0;      // 0 .. 1: bytes given to the producer and not acknowledged yet, of what its queue takes
  uint64_t queued_bytes = 0;  // the same as a number
  double ack_latency_ms = 0;  // median from send to acknowledgement in the last seconds; 0: not known
  double throttle_ms = 0;     // longest delay by a quota that a broker told of in the last seconds; 0: none
  uint64_t errors = 0;        // deliveries that failed; only grows, over all producers that this worker had
};

class Broker {
 public:
  virtual ~Broker() = default;

  // Initialises the transactional id (ends what a predecessor left open) and loads the destinations' metadata.
  virtual BrokerResult<void> start(int64_t deadline_ms) = 0;

  virtual BrokerResult<void> begin() = 0;

  // Queues one record; the bytes are not copied. Fault::queue_full: call poll() and send it again.
  virtual BrokerResult<void> send(const OutputRecord& record) = 0;

  // Serves delivery reports for up to `wait_ms`; returns the error of a failed delivery, once.
  virtual BrokerResult<void> poll(int64_t wait_ms) = 0;

  [[nodiscard]] virtual GroupStamp group_stamp() = 0;

  // What the group has committed for these partitions (require stable). Partitions without a commit are left out.
  virtual BrokerResult<Progress> committed(const std::vector<TopicPartition>& partitions, int64_t deadline_ms) = 0;

  // The same without waiting for open transactions, whose offsets it does not see: what was committed before them.
  virtual BrokerResult<Progress> committed_before_open(const std::vector<TopicPartition>& partitions,
                                                       int64_t deadline_ms) = 0;

  // Offsets into the transaction. In at_least_once: remembered for commit().
  virtual BrokerResult<void> send_offsets(const Progress& progress, const GroupStamp& stamp, int64_t deadline_ms) = 0;

  // One EndTxn. Ok means: exactly one clean success, nothing of the outcome rule was seen.
  virtual BrokerResult<void> commit(int64_t deadline_ms) = 0;

  // Only where nothing failed to be sent.
  virtual BrokerResult<void> abort(int64_t deadline_ms) = 0;

  // Recovery, first half: purge and flush, give the producer to the reaper, initialise its id once more (fences what is
  // in flight), go on with a producer on the next slot of the ring. Nothing given to the old producer may be freed
  // before `outstanding()` says so. `isolate`: one record a request, one request in flight.
  virtual BrokerResult<void> rebuild(bool isolate, int64_t deadline_ms) = 0;

  // After a failed delivery of an isolating producer: the record.
  [[nodiscard]] virtual std::optional<RefusedRecord> refused() = 0;

  // Hands memory that a discarded producer may still read to the reaper: it is freed when that producer's destroy has
  // returned. Called after rebuild() for the batch that was in flight, when the batch is settled.
  virtual void free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena> arena) = 0;

  // True while a discarded producer has not been destroyed: the batch's memory must go through free_later().
  [[nodiscard]] virtual bool discarded_pending() const = 0;

  [[nodiscard]] virtual const DestinationLimits& destination(uint16_t index) const = 0;

  // Asks the brokers again (after an error that named a limit); returns at once.
  virtual void refresh_destinations() = 0;

  // Never waits. To be called every few seconds also while nothing is sent: what the client library measures piles up
  // until somebody looks. Without anything to measure, no load.
  [[nodiscard]] virtual ProducerLoad load() const { return {}; }

  // Another version of the configuration is about to be run: gets the producer ready for destinations that are new, as
  // far as the brokers answer. Between two batches, or while one is held of which nothing is in flight.
  virtual void prepare(int64_t /*deadline_ms*/) {}

  // True when that version wants producers made otherwise: rebuild() before the next begin().
  [[nodiscard]] virtual bool outdated() const { return false; }
};

}  // namespace millrace
