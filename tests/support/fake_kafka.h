// A Kafka that does what it is told: topics in memory, a broker whose calls fail as planned, and queues whose messages
// are freed for real, so that a sanitizer sees who reads them too late. For tests of one thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/broker.h"
#include "io/source.h"

namespace millrace::test {

// One record as a reader of the destination sees it.
struct Written {
  uint16_t destination = 0;
  int32_t partition = 0;
  bool null_key = true;
  bool null_value = true;
  std::string key;
  std::string value;
  std::map<std::string, std::string> headers;
  int64_t timestamp_ms = -1;
};

// What all brokers of a test share.
struct FakeCluster {
  std::vector<DestinationLimits> destinations;
  Progress committed;            // of the group
  std::vector<Written> written;  // committed records, in order
  GroupStamp stamp{1, "member", nullptr};
  int refreshes = 0;

  [[nodiscard]] std::vector<std::string> values(uint16_t destination) const;
};

enum class Call { start, begin, send, poll, committed, send_offsets, commit, abort, rebuild };

class FakeBroker final : public Broker {
 public:
  explicit FakeBroker(FakeCluster& cluster) : cluster_(cluster) {}

  // How one call is to fail; `applied`: it did its work all the same.
  struct Plan {
    BrokerError error;
    bool applied = false;
  };
  // The next `times` calls of this kind fail so.
  void plan(Call call, Fault fault, bool applied = false, int times = 1, int destination = -1);
  // A record with this value is refused, as a real broker would, at the next poll after it was sent.
  void refuse_value(const std::string& value) { refused_values_.push_back(value); }

  BrokerResult<void> start(int64_t deadline_ms) override;
  BrokerResult<void> begin() override;
  BrokerResult<void> send(const OutputRecord& record) override;
  BrokerResult<void> poll(int64_t wait_ms) override;
  [[nodiscard]] GroupStamp group_stamp() override { return cluster_.stamp; }
  BrokerResult<Progress> committed(const std::vector<TopicPartition>& partitions, int64_t deadline_ms) override;
  BrokerResult<Progress> committed_before_open(const std::vector<TopicPartition>& partitions,
                                               int64_t deadline_ms) override;
  BrokerResult<void> send_offsets(const Progress& progress, const GroupStamp& stamp, int64_t deadline_ms) override;
  BrokerResult<void> commit(int64_t deadline_ms) override;
  BrokerResult<void> abort(int64_t deadline_ms) override;
  BrokerResult<void> rebuild(bool isolate, int64_t deadline_ms) override;
  [[nodiscard]] std::optional<RefusedRecord> refused() override;
  void free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena> arena) override;
  [[nodiscard]] bool discarded_pending() const override { return pending_destroy; }
  [[nodiscard]] const DestinationLimits& destination(uint16_t index) const override {
    return cluster_.destinations[index];
  }
  void refresh_destinations() override { ++cluster_.refreshes; }
  void prepare(int64_t) override { ++prepared; }
  [[nodiscard]] bool outdated() const override { return wants_rebuild; }

  std::map<Call, int> calls;
  bool open = false;  // a transaction is
  bool isolating = false;
  bool pending_destroy = false;        // what discarded_pending() says
  std::deque<Progress> stale_answers;  // what the next calls of committed() answer
  size_t freed_later = 0;              // messages that went to the reaper
  bool wants_rebuild = false;          // what outdated() says, until a rebuild
  int prepared = 0;

 private:
  BrokerResult<void> failing(Call call, bool& applied);

  FakeCluster& cluster_;
  std::map<Call, std::deque<Plan>> plans_;
  std::vector<std::string> refused_values_;
  std::vector<Written> sent_;
  std::vector<OutputRecord> views_;  // what was sent, as views: read again at the commit, as a real producer would
  std::optional<RefusedRecord> refused_;
  bool must_refuse_ = false;
  Progress offsets_;
};

// Records of one partition, ready to be drained.
class FakeQueue final : public PartitionQueue {
 public:
  FakeQueue(std::string topic, int32_t partition, uint16_t source = 0);

  struct Input {
    std::string value;
    std::string key;
    bool null_key = true;
    bool null_value = false;
    int64_t timestamp_ms = -1;
    std::vector<std::pair<std::string, std::string>> headers;
  };
  void add(Input input) { waiting_.push_back({next_offset_++, std::move(input)}); }
  void add(const std::string& value) { add(Input{value, "", true, false, -1, {}}); }
  // As a transaction marker in the source would.
  void skip_offset() { end_offset_ = ++next_offset_; }
  void fail_next(Error error) { error_ = std::move(error); }
  // Continues where a predecessor stopped.
  void seek(int64_t offset) { next_offset_ = offset; }

  Result<Drained> drain(size_t max_records, Arena& arena, std::vector<Record>& records,
                        std::vector<HeldMessage>& held) override;
  [[nodiscard]] int64_t end_offset() const override { return next_offset_; }
  void notify(int) override {}
  [[nodiscard]] const Origin& origin() const override { return origin_; }

  static int messages_alive;

 private:
  struct Message {
    int64_t offset = 0;
    Input input;
  };
  Origin origin_;
  std::deque<Message> waiting_;
  int64_t next_offset_ = 0;
  int64_t end_offset_ = -1;
  std::optional<Error> error_;
};

}  // namespace millrace::test
