// The consumer from its making to its end; the loop between stands in group.cc.
#include <fmt/core.h>
#include <syslog.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "kafka/deadline.h"
#include "kafka/group.h"
#include "kafka/partition_list.h"
#include "kafka/transactional_broker.h"

namespace millrace {

namespace {

constexpr int64_t kRenewMs = 5'000;
constexpr int64_t kRemakePauseMs = 60'000;
// Consumers that are replaced stay until the end of the process, so they must be few.
constexpr int kRemakesMost = 8;
constexpr int64_t kSilenceOverMs = 1'000;
constexpr int64_t kComplaintOverMs = 15'000;
constexpr int64_t kLeaveMs = 3'000;
constexpr int64_t kLeavePollMs = 50;
constexpr int64_t kSetupPauseMs = 50;
constexpr int64_t kFenceMs = 5'000;
constexpr int64_t kWithoutOwnerMs = 5'000;  // beyond what a member may take to give a partition back
constexpr int64_t kJoinAgainFirstMs = 60'000;
constexpr int64_t kJoinAgainMostMs = 600'000;
constexpr int64_t kAfterLeavingMs = 500;
constexpr int64_t kJoiningMs = 12'000;

bool is_refusal(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return true;
    default:
      return is_authentication(code);
  }
}

}  // namespace

std::string_view to_string(GroupState state) {
  switch (state) {
    case GroupState::starting:
      return "starting";
    case GroupState::waiting_for_workers:
      return "waiting_for_workers";
    case GroupState::joining:
      return "joining";
    case GroupState::steady:
      return "steady";
    case GroupState::rebalancing:
      return "rebalancing";
    case GroupState::closing:
      return "closing";
    case GroupState::closed:
      return "closed";
  }
  return "starting";
}

Group::~Group() {
  stop(0, false);
}

void Group::run(PartitionOwner& owner) {
  owner_ = &owner;
  last_turn_ms_ = shared_.clock.mono_ms();
  thread_ = Thread("group", [this] { thread_main(); });
}

bool Group::stop(int64_t timeout_ms, bool free) {
  if (!thread_.joinable()) return true;
  free_ = free;
  stopping_ = true;
  wake_.notify();
  const Deadline deadline(shared_.clock, timeout_ms);
  while (!done_ && !deadline.over()) done_wake_.wait(deadline.left_ms());
  if (!done_) {
    thread_.abandon();
    return false;
  }
  thread_.join();
  return free;
}

void Group::thread_main() {
  resolver_ = std::make_unique<Resolver>(shared_);
  if (prepare()) {
    subscribe();
    while (!stopping_) turn();
  }
  close();
  done_ = true;
  done_wake_.notify();
}

// What must be known or done before the group is joined. False: asked to stop.
bool Group::prepare() {
  bool old_workers_ended = false;
  while (!stopping_) {
    last_turn_ms_ = shared_.clock.mono_ms();
    const KafkaError trouble = clerk_.trouble();
    if (!trouble.ok()) {
      complain(trouble);
    } else if (!consumer_ && clerk_.partitions_of_sources() > 0) {
      clear_complaint();
      if (!make_consumer()) return false;
    } else if (!consumer_ && !clerk_.sources().empty()) {
      // Every source topic is missing or not ours to see.
      const std::map<std::string, TopicFacts> sources = clerk_.sources();
      KafkaError error = sources.begin()->second.error;
      error.text = fmt::format("source topic {}: {}", sources.begin()->first, error.text);
      complain(error);
    }
    judge_refusal();
    if (consumer_) {
      set_state(GroupState::waiting_for_workers);
      if (!old_workers_ended) old_workers_ended = end_old_workers();
      if (old_workers_ended && shared_.brokers_started >= shared_.settings.workers) return true;
    }
    wake_.wait(kSetupPauseMs);
  }
  return false;
}

// Transactional ids of workers that are no more are initialised once, which ends what they left open.
bool Group::end_old_workers() {
  const int workers = shared_.settings.workers;
  const int before = shared_.state_files.workers().value_or(workers);
  if (shared_.settings.delivery == Delivery::exactly_once) {
    for (int worker = workers; worker < before && !stopping_; ++worker) {
      // Nothing is assigned yet, so nothing waits for this thread.
      if (BrokerResult<void> done = fence_worker(shared_, worker, kFenceMs); !done) {
        KafkaError error = error_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
        error.text = fmt::format("ending what worker {} of an earlier run left open: {}", worker, done.error().what);
        complain(error);
        return false;
      }
      log_info("start", "ended what worker {} of an earlier run may have left open", worker);
    }
  }
  if (stopping_) return false;
  if (Result<void> written = shared_.state_files.write_workers(workers); !written) {
    log_error("state", "{}", written.error().what);
  }
  return true;
}

bool Group::make_consumer() {
  const int64_t partitions = clerk_.partitions_of_sources();
  Result<FetchLimits> limits = divide_prefetch(shared_.settings.prefetch_bytes, partitions);
  if (!limits) {
    shared_.failure.set(std::move(limits).error());
    return false;
  }
  limits_ = *limits;
  Result<ConfHandle> conf = consumer_conf(shared_.settings, *limits);
  if (!conf) {
    shared_.failure.set(std::move(conf).error());
    return false;
  }
  rd_kafka_conf_set_opaque(conf->get(), this);
  rd_kafka_conf_set_rebalance_cb(conf->get(), on_rebalance);
  rd_kafka_conf_set_error_cb(conf->get(), on_error);
  rd_kafka_conf_interceptor_add_on_new(conf->get(), "millrace", on_new, this);
  std::array<char, 512> text{};
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf->get(), text.data(), text.size());
  if (client == nullptr) {
    shared_.failure.set(
        Error{Remedy::fix_config, std::string("creating the consumer: ") + text.data(), ExitCode::config});
    return false;
  }
  static_cast<void>(conf->release());  // the client has it now
  consumer_.reset(client);
  rd_kafka_poll_set_consumer(client);
  shared_.consumer = client;
  log_info("group", "consumer for {} partitions: {} for each fetched ahead", partitions,
           format_bytes(limits->partition_bytes));
  return true;
}

void Group::subscribe() {
  std::vector<TopicPartition> topics;
  for (const SourceSettings& source : shared_.settings.sources) {
    for (const std::string& topic : source.topics) topics.push_back(TopicPartition{topic, RD_KAFKA_PARTITION_UA});
  }
  const PartitionListHandle list = list_of(topics);
  const KafkaError error = error_of(rd_kafka_subscribe(consumer_.get(), list.get()));
  if (!error.ok()) {
    shared_.failure.set(Error{Remedy::stop, "subscribing: " + error.text, ExitCode::internal});
    return;
  }
  set_state(GroupState::joining);
  joining_since_ms_ = shared_.clock.mono_ms();
  MutexLock lock(mutex_);
  view_.subscribed = true;
}

// The workers are empty by now, so partitions can be given back at once.
void Group::close() {
  set_state(GroupState::closing);
  closing_ = true;
  resolver_->stop();
  events_.clear();
  if (consumer_) {
    leave_group();
    rd_kafka_t* client = consumer_.release();
    // With one message held, destroy would block for ever.
    if (free_) {
      shared_.consumer = nullptr;
      rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    for (ClientHandle& retired : retired_) {
      rd_kafka_t* old = retired.release();
      if (free_) rd_kafka_destroy_flags(old, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
  }
  set_state(GroupState::closed);
}

// Says good-bye, when there is somebody to hear it: closing waits for brokers, and the group notices by itself, later.
void Group::leave_group() {
  const bool silent = is_silence(complaint_.code) || !clerk_.trouble().ok();
  if (silent) return log_warn("group", "the brokers do not answer; the group is left without a word");
  const Deadline deadline(shared_.clock, kLeaveMs);
  QueueHandle queue(rd_kafka_queue_new(consumer_.get()));
  if (!checked(rd_kafka_consumer_close_queue(consumer_.get(), queue.get()), "closing").ok()) return;
  while (rd_kafka_consumer_closed(consumer_.get()) == 0) {
    if (deadline.over()) return log_warn("group", "the brokers did not let us leave the group in time");
    EventHandle event(rd_kafka_queue_poll(queue.get(), deadline.timeout(kLeavePollMs)));
    if (event && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) give_all_back();
  }
}

void Group::give_all_back() {
  if (cooperative()) {
    static_cast<void>(take_error(rd_kafka_incremental_unassign(consumer_.get(), list_of(assigned_).get())));
  } else {
    rd_kafka_assign(consumer_.get(), nullptr);
  }
  assigned_.clear();
}

void Group::on_rebalance(rd_kafka_t* /*client*/, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list,
                         void* opaque) {
  auto* self = static_cast<Group*>(opaque);
  if (self->closing_) return self->give_all_back();
  if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    self->complain(error_of(code));
    return;
  }
  self->events_.push_back(Event{code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, partitions_of(list)});
}

void Group::on_error(rd_kafka_t* /*client*/, int code, const char* reason, void* opaque) {
  auto* self = static_cast<Group*>(opaque);
  const KafkaError error = complaint_of(code, reason);
  if (error.code == RD_KAFKA_RESP_ERR__FATAL) return self->end_fatally();
  self->complain(error);
}

// A consumer with a fatal error has left its group for good; it says so once, by the poll, and never joins again.
// Fenced as a member in good standing: another instance runs under our static name. Fenced after the group was lost: it
// is librdkafka's own heartbeat, sent under no member id when the session has run out, that is refused with this code
// (met when a coordinator stood still for longer than the session). There a restart is all that is needed.
void Group::end_fatally() {
  std::array<char, 512> text{};
  KafkaError error = error_of(rd_kafka_fatal_error(consumer_.get(), text.data(), text.size()));
  error.fatal = true;
  error.text = escape_for_log(text.data(), 512);
  ExitCode code = ExitCode::internal;
  if (error.code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
    const bool member = view().state == GroupState::steady && events_.empty() && doing_ == Doing::nothing;
    code = member ? ExitCode::fenced : ExitCode::no_progress;
    if (!member) error.text = "shut out of the group after its session ran out; a restart joins it anew: " + error.text;
  }
  shared_.failure.set(Error{Remedy::stop, "the group: " + error.text, code});
  complain(error);
}

rd_kafka_resp_err_t Group::on_new(rd_kafka_t* client, const rd_kafka_conf_t* /*conf*/, void* opaque, char* /*text*/,
                                  size_t /*text_size*/) {
  return rd_kafka_interceptor_add_on_broker_state_change(client, "millrace", on_broker_state, opaque);
}

// On librdkafka's threads.
rd_kafka_resp_err_t Group::on_broker_state(rd_kafka_t* client, int32_t id, const char* /*protocol*/, const char* name,
                                           int port, const char* state, void* opaque) {
  auto* self = static_cast<Group*>(opaque);
  // Bootstrap connections and the coordinator's have no number of their own; one that was replaced counts no more.
  const rd_kafka_t* current = self->shared_.consumer;
  if (id < 0 || (current != nullptr && client != current)) return RD_KAFKA_RESP_ERR_NO_ERROR;
  MutexLock lock(self->mutex_);
  self->brokers_[id] = BrokerSnapshot{id, fmt::format("{}:{}", name, port), state};
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Remembers and shows what is amiss; says it when it is new.
void Group::complain(const KafkaError& error) {
  // "All brokers down" follows an authentication failure; the first says more.
  if (error.code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && is_authentication(complaint_.code)) return;
  const bool news = complaint_.code != error.code;
  complaint_ = error;
  complained_ms_ = shared_.clock.mono_ms();
  if (is_refusal(error.code) && refused_since_ms_ < 0) refused_since_ms_ = shared_.clock.mono_ms();
  if (!is_refusal(error.code) && !is_silence(error.code)) refused_since_ms_ = -1;
  if (news) log_warn("group", "{} ({})", error.text, rd_kafka_err2name(error.code));
  if (is_silence(error.code) && owner_ != nullptr) owner_->brokers_away();
  MutexLock lock(mutex_);
  view_.trouble = error.text;
}

void Group::clear_complaint() {
  if (complaint_.ok()) return;
  complaint_ = {};
  refused_since_ms_ = -1;
  MutexLock lock(mutex_);
  view_.trouble.clear();
}

// librdkafka says when something is amiss, not when it is over. Silence is over when brokers answer again; the rest,
// when it has not been said again for a while.
void Group::forget_old_complaint() {
  if (complaint_.ok() || complaint_.fatal) return;
  const int64_t over_ms = complained_ms_ + (is_silence(complaint_.code) ? kSilenceOverMs : kComplaintOverMs);
  if (clerk_.last_answer_ms() > over_ms) {
    log_info("group", "well again");
    clear_complaint();
  }
}

// librdkafka's limits are for each partition, and fixed when the consumer is made: when the sources have outgrown them,
// another one takes its place.
void Group::look_at_growth() {
  const int64_t partitions = clerk_.partitions_of_sources();
  if (partitions * limits_.partition_bytes <= shared_.settings.prefetch_bytes) {
    outgrown_by_ = 0;
    return;
  }
  if (outgrown_by_ == partitions || doing_ != Doing::nothing || !events_.empty()) return;
  outgrown_by_ = partitions;
  if (const Result<FetchLimits> limits = divide_prefetch(shared_.settings.prefetch_bytes, partitions); !limits) {
    return log_error("memory", "{}; until then what is fetched ahead may take more than its share",
                     limits.error().what);
  }
  log_info("memory", "the sources have grown to {} partitions: memory is divided anew, with another consumer",
           partitions);
  begin_remake();
}

// Partitions that nobody has are given to somebody by a rebalance, and only a member that leaves and joins surely makes
// one (coverage.h says how it comes to this). Who has nothing to give back goes first.
void Group::look_at_coverage() {
  const int64_t now_ms = shared_.clock.mono_ms();
  if (subscribe_due_ms_ != 0) return join_again();
  if (now_ms < join_again_due_ms_ || doing_ != Doing::nothing || !events_.empty()) return;
  const int64_t wait_ms = kWithoutOwnerMs + shared_.settings.times.revoke_ms;
  const std::vector<TopicPartition> left = clerk_.without_owner(owned_.empty() ? wait_ms : 2 * wait_ms);
  if (left.empty() || view().state != GroupState::steady) return;
  log_warn("group", "nobody in the group has {}{}: leaving it and joining it again, so that somebody gets them",
           left.front().text(), left.size() > 1 ? fmt::format(" and {} more partitions", left.size() - 1) : "");
  join_again_pause_ms_ = std::clamp(join_again_pause_ms_ * 2, kJoinAgainFirstMs, kJoinAgainMostMs);
  join_again_due_ms_ = now_ms + join_again_pause_ms_;
  const KafkaError error = error_of(rd_kafka_unsubscribe(consumer_.get()));
  if (!error.ok()) return log_error("group", "leaving the group: {}", error.text);
  subscribe_due_ms_ = now_ms + kAfterLeavingMs;
}

// A join can get lost: librdkafka waits five minutes for an answer to it, and for good when a coordinator comes back
// that leaves itself out of its first metadata, as the only broker of a cluster does, and is taken away from a consumer
// that joins. A group that is at rest meanwhile has nobody who joins it.
void Group::look_at_joining() {
  const int64_t now_ms = shared_.clock.mono_ms();
  const bool joining = view().state == GroupState::joining && doing_ == Doing::nothing && events_.empty();
  if (!joining || !complaint_.ok()) joining_since_ms_ = now_ms;
  if (now_ms - joining_since_ms_ < kJoiningMs || clerk_.group_at_rest_ms() < kJoiningMs || !may_remake(now_ms)) return;
  log_warn("group", "joining has taken {}, and the group is at rest: another consumer joins it",
           format_duration_ms(now_ms - joining_since_ms_));
  begin_remake();
}

// The second half: when all has been given back, and librdkafka has had a moment to say good-bye.
void Group::join_again() {
  const int64_t now_ms = shared_.clock.mono_ms();
  if (doing_ != Doing::nothing || !events_.empty() || !owned_.empty()) {
    subscribe_due_ms_ = now_ms + kAfterLeavingMs;
  } else if (now_ms >= subscribe_due_ms_) {
    subscribe_due_ms_ = 0;
    subscribe();
  }
}

void Group::begin_remake() {
  set_state(GroupState::rebalancing);
  std::vector<TopicPartition> all;
  for (const auto& [partition, ownership] : owned_) all.push_back(partition);
  begin_release(std::move(all), false, After::remake);
}

// Leaves the group and joins it again with a consumer of other limits, or with other certificates. The partitions are
// settled by now.
void Group::remake_consumer() {
  leave_group();
  events_.clear();
  postponed_ = {};
  assigned_.clear();
  clear_complaint();
  // It may go on being refused, which nobody needs to hear.
  rd_kafka_set_log_level(consumer_.get(), LOG_CRIT);
  retired_.push_back(std::move(consumer_));
  {
    MutexLock lock(mutex_);
    view_.stopped.clear();
  }
  if (make_consumer()) subscribe();
}

// A refusal that lasts from the start is a matter of the set-up, not a state that heals.
void Group::judge_refusal() {
  const int64_t limit_ms = shared_.settings.times.refused_ms;
  if (refused_since_ms_ < 0 || shared_.clock.mono_ms() - refused_since_ms_ < limit_ms) return;
  if (view().ever_assigned) return;
  shared_.failure.set(Error{Remedy::stop,
                            fmt::format("refused for {}: {}", format_duration_ms(limit_ms), complaint_.text),
                            ExitCode::refused});
}

// Password or certificates may have been renewed since the consumer was made.
void Group::renew_identity() {
  const int64_t now_ms = shared_.clock.mono_ms();
  if (!consumer_ || !is_authentication(complaint_.code) || now_ms < renew_due_ms_) return;
  renew_due_ms_ = now_ms + kRenewMs;
  renew_password();
  // Brokers answer whoever comes with the files as they are now, and go on refusing this consumer: it has old
  // certificates, and librdkafka has no way to change them.
  const bool lasts = refused_since_ms_ >= 0 && now_ms - refused_since_ms_ >= kRenewMs;
  const bool others_come_in = clerk_.trouble().ok() && clerk_.last_answer_ms() > now_ms - kRenewMs;
  if (!lasts || !others_come_in || doing_ != Doing::nothing || !events_.empty() || !may_remake(now_ms)) return;
  log_info("group",
           "brokers let others in and refuse the consumer: another one takes the certificates as they are now");
  begin_remake();
}

// True: one of the few new consumers is taken.
bool Group::may_remake(int64_t now_ms) {
  if (now_ms < remake_due_ms_) return false;
  remake_due_ms_ = now_ms + kRemakePauseMs;
  if (remakes_ >= kRemakesMost) {
    log_error("group", "{} new consumers have not helped; a restart begins anew", remakes_);
    return false;
  }
  ++remakes_;
  return true;
}

// The consumer's next connections come with the password as it is now.
void Group::renew_password() {
  const std::map<std::string, std::string> properties = current_properties(shared_.settings);
  const auto user = properties.find("sasl.username");
  const auto password = properties.find("sasl.password");
  if (user == properties.end() || password == properties.end()) return;
  checked(rd_kafka_sasl_set_credentials(consumer_.get(), user->second.c_str(), password->second.c_str()),
          "taking the password as it is now");
}

void Group::set_state(GroupState state) {
  MutexLock lock(mutex_);
  view_.state = state;
}

GroupView Group::view() const {
  MutexLock lock(mutex_);
  return view_;
}

std::vector<BrokerSnapshot> Group::brokers() const {
  MutexLock lock(mutex_);
  std::vector<BrokerSnapshot> brokers;
  for (const auto& [id, broker] : brokers_) brokers.push_back(broker);
  return brokers;
}

}  // namespace millrace
