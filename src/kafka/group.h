// Group: the one consumer of this instance, and the thread that polls it for rebalances and errors. It hands partitions
// to their owner and takes them back; it never sees a record and never waits for a broker.
//
// Callbacks of librdkafka only store what happened; the loop acts on it. A revoke is given back to librdkafka when the
// owner has settled the partitions' batches, or when the limit is over.
//
// Owned by the edge. run and stop by the edge's owner; snapshot, counters and state by any thread.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "io/source.h"
#include "kafka/clerk.h"
#include "kafka/edge.h"
#include "kafka/resolver.h"
#include "kafka/shared.h"

namespace millrace {

// What the group shows to the outside.
struct GroupView {
  GroupState state = GroupState::starting;
  std::string trouble;
  std::string member_id;
  int32_t generation = -1;
  bool subscribed = false;
  bool ever_assigned = false;
  std::map<TopicPartition, std::string> stopped;  // partitions that are not read, and why
  uint64_t rebalances = 0;
  uint64_t partitions_lost = 0;
  uint64_t revokes_overdue = 0;
  uint64_t data_losses = 0;
  uint64_t offsets_skipped = 0;
};

class Group {
 public:
  Group(EdgeShared& shared, Clerk& clerk) : shared_(shared), clerk_(clerk) {}
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void run(PartitionOwner& owner);

  // Leaves the group and destroys the consumer. `free` says that no message is held any more; else the consumer cannot
  // be destroyed. False: not done within `timeout_ms`; the thread is left to the end of the process.
  bool stop(int64_t timeout_ms, bool free);

  [[nodiscard]] GroupView view() const;
  [[nodiscard]] int64_t last_turn_ms() const { return last_turn_ms_; }
  [[nodiscard]] std::vector<BrokerSnapshot> brokers() const;

 private:
  struct Event {
    bool assign = false;
    std::vector<TopicPartition> partitions;
  };
  // What is under way: one thing at a time.
  enum class Doing : uint8_t { nothing, resolving, releasing, asking_loss };
  // What follows when the owner has let the partitions go: a rebalance takes them, we read them no longer, they begin
  // anew elsewhere, or the consumer is made anew.
  enum class After : uint8_t { rebalance, read_no_more, reassign, remake };

  // group_setup.cc
  void thread_main();
  bool make_consumer();
  bool prepare();
  bool end_old_workers();
  void subscribe();
  void close();
  void leave_group();
  void give_all_back();
  static void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list,
                           void* opaque);
  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque);
  static rd_kafka_resp_err_t on_new(rd_kafka_t* client, const rd_kafka_conf_t* conf, void* opaque, char* text,
                                    size_t text_size);
  static rd_kafka_resp_err_t on_broker_state(rd_kafka_t* client, int32_t id, const char* protocol, const char* name,
                                             int port, const char* state, void* opaque);
  void complain(const KafkaError& error);
  void end_fatally();
  void clear_complaint();
  void forget_old_complaint();
  void judge_refusal();
  void renew_identity();
  void renew_password();
  void look_at_growth();
  void look_at_coverage();
  void join_again();
  void look_at_joining();
  bool may_remake(int64_t now_ms);
  void begin_remake();
  void remake_consumer();
  void set_state(GroupState state);

  // group.cc
  void turn();
  void serve_consumer(int wait_ms);
  void step();
  void begin_event();
  void begin_assign(ResolveRequest request);
  void postpone(ResolveRequest request);
  void begin_release(std::vector<TopicPartition> partitions, bool lost, After after);
  void step_resolving();
  void step_releasing();
  void step_loss();
  void look_for_losses();
  void decide_loss(const LossAnswer& answer);
  void assign(std::vector<ResolvedPartition> resolved);
  void add_owned(rd_kafka_topic_partition_list_t* list);
  std::vector<AssignedPartition> open_queues(std::vector<ResolvedPartition>& resolved);
  void unassign(const std::vector<TopicPartition>& partitions);
  void forget(const std::vector<TopicPartition>& partitions);
  [[nodiscard]] bool cooperative() const;
  [[nodiscard]] OnDataLoss policy_of(const TopicPartition& partition) const;
  void stop_partition(const TopicPartition& partition, const std::string& why);
  KafkaError checked(rd_kafka_error_t* error, std::string_view doing);

  EdgeShared& shared_;
  Clerk& clerk_;
  PartitionOwner* owner_ = nullptr;
  ClientHandle consumer_;
  // Consumers that were replaced. Workers may still ask them and hold their records, so they end with the group; there
  // are few, because each was outgrown by twice the partitions, or had certificates that were renewed.
  std::vector<ClientHandle> retired_;
  std::unique_ptr<Resolver> resolver_;

  // The group thread's own.
  std::deque<Event> events_;
  Doing doing_ = Doing::nothing;
  After after_ = After::rebalance;
  int64_t joining_since_ms_ = 0;
  ResolveRequest asked_;      // what is being resolved
  ResolveRequest postponed_;  // what was given up for a rebalance and is still ours
  bool lost_ = false;
  uint64_t question_ = 0;
  TopicPartition loss_;  // what is being asked about
  std::vector<TopicPartition> affected_;
  std::map<TopicPartition, int64_t> overrides_;
  int64_t since_ms_ = 0;
  std::map<TopicPartition, std::shared_ptr<Ownership>> owned_;  // handed to the owner; shared with its worker
  std::set<TopicPartition> assigned_;                           // in librdkafka's assignment
  uint64_t failures_seen_ = 0;
  int64_t refused_since_ms_ = -1;
  KafkaError complaint_;
  int64_t complained_ms_ = 0;
  int64_t renew_due_ms_ = 0;
  int64_t remake_due_ms_ = 0;
  int remakes_ = 0;  // for certificates
  FetchLimits limits_;
  int64_t outgrown_by_ = 0;        // partitions that were found to be too many for limits_; 0: they are not
  int64_t join_again_due_ms_ = 0;  // not before
  int64_t join_again_pause_ms_ = 0;
  int64_t subscribe_due_ms_ = 0;  // the group was left to be joined again; 0: it was not
  bool closing_ = false;

  std::atomic<uint64_t> failures_{0};  // partitions that can be read no further; counted by their queues
  std::atomic<int64_t> last_turn_ms_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> free_{false};
  std::atomic<bool> done_{false};
  mutable Mutex mutex_;
  GroupView view_ GUARDED_BY(mutex_);
  std::map<int32_t, BrokerSnapshot> brokers_ GUARDED_BY(mutex_);
  WakeUp wake_;
  WakeUp done_wake_;
  Thread thread_;
};

}  // namespace millrace
