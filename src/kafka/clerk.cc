#include "kafka/clerk.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "kafka/deadline.h"

namespace millrace {

namespace {
constexpr int64_t kTroubledMs = 1000;  // between two tries while something is amiss
constexpr int64_t kRenewMs = 5000;     // between two new clients while brokers refuse us
constexpr int64_t kSilentMs = 10'000;  // without an answer, until another client asks
constexpr int kLowEvery = 10;          // the first offsets are asked this much more rarely than the last ones
}  // namespace

// Members hear of a new partition when they ask for topics, as often as the clerk does.
Clerk::Clerk(EdgeShared& shared)
    : shared_(shared), coverage_(shared.settings.times.metadata_ms + shared.settings.times.session_ms) {}

void Clerk::start() {
  thread_ = Thread("clerk", [this] { run(); });
}

void Clerk::hurry() {
  stopping_ = true;
  shared_.admin->give_up();
  shared_.clerk_wake.notify();
}

void Clerk::stop() {
  hurry();
  if (thread_.joinable()) thread_.join();
}

std::map<std::string, TopicFacts> Clerk::sources() const {
  MutexLock lock(mutex_);
  return sources_;
}

int64_t Clerk::partitions_of_sources() const {
  MutexLock lock(mutex_);
  int64_t count = 0;
  for (const auto& [name, facts] : sources_) count += facts.partitions;
  return count;
}

KafkaError Clerk::trouble() const {
  MutexLock lock(mutex_);
  return trouble_;
}

void Clerk::run() {
  int64_t topics_due = 0;
  int64_t ends_due = 0;
  int64_t settings_due = 0;
  int64_t readers_due = 0;
  int64_t coverage_due = 0;
  int rounds = 0;
  while (!stopping_) {
    const int64_t now = shared_.clock.mono_ms();
    if (now >= topics_due) {
      const bool well = ask_topics();
      topics_due = shared_.clock.mono_ms() + (well ? shared_.settings.times.metadata_ms : kTroubledMs);
    }
    if (now >= ends_due && !stopping_) {
      // No answer: the topics are asked as well, which says why.
      if (!ask_ends(rounds++ % kLowEvery == 0)) topics_due = 0;
      ends_due = shared_.clock.mono_ms() + shared_.settings.times.lag_ms;
    }
    if (now >= settings_due && !stopping_) {
      ask_source_settings();
      settings_due = shared_.clock.mono_ms() + shared_.settings.times.source_settings_ms;
    }
    if (now >= readers_due && !stopping_) {
      ask_readers();
      readers_due = shared_.clock.mono_ms() + shared_.settings.times.readers_ms;
    }
    if (now >= coverage_due && !stopping_) {
      // Brokers that are silent have nothing to say of the group either, and would be waited for.
      if (is_silence(trouble().code)) {
        group_changes();
      } else {
        ask_coverage();
      }
      coverage_due = shared_.clock.mono_ms() + shared_.settings.times.coverage_ms;
    }
    const int64_t due = std::min({topics_due, ends_due, settings_due, readers_due, coverage_due});
    const int64_t next = due - shared_.clock.mono_ms();
    // Not twice within a moment, however often it is asked for.
    if (shared_.clerk_wake.wait(std::max<int64_t>(next, 1))) {
      topics_due = std::min(topics_due, shared_.clock.mono_ms() + 50);
    }
  }
}

bool Clerk::ask_topics() {
  std::set<std::string> names;
  for (const SourceSettings& source : shared_.settings.sources)
    names.insert(source.topics.begin(), source.topics.end());
  const std::vector<DestinationSettings> destinations = shared_.destinations.used();
  for (const DestinationSettings& destination : destinations) {
    if (!destination.topic.empty()) names.insert(destination.topic);
  }
  const int timeout = static_cast<int>(shared_.settings.times.admin_request_ms);
  KafkaResult<std::map<std::string, TopicFacts>> facts =
      shared_.admin->topics(std::vector<std::string>(names.begin(), names.end()), timeout);
  if (!facts) {
    MutexLock lock(mutex_);
    if (trouble_.text != facts.error().text) log_warn("brokers", "asking for topics: {}", facts.error().text);
    trouble_ = std::move(facts).error();
    // librdkafka forgets brokers that a metadata answer leaves out, and the only broker of a cluster leaves itself out
    // while it registers again: then it has nobody to ask for minutes. A new client begins with the file's brokers.
    const bool silent = is_silence(trouble_.code) && shared_.clock.mono_ms() - last_answer_ms_ >= kSilentMs;
    if (is_authentication(trouble_.code) || silent) renew_client();
    return false;
  }
  last_answer_ms_ = shared_.clock.mono_ms();
  bool well = true;
  for (const auto& [name, fact] : *facts) {
    std::string state = fact.error.text;
    if (state.empty() && fact.leaderless > 0) state = fmt::format("{} partitions have no leader", fact.leaderless);
    well = well && state.empty();
    std::string& said = said_[name];
    if (said != state) {
      if (state.empty()) {
        log_info("topics", "topic {}: usable again", name);
      } else {
        log_warn("topics", "topic {}: {}", name, state);
      }
      said = state;
    }
  }
  {
    MutexLock lock(mutex_);
    trouble_ = {};
    for (const SourceSettings& source : shared_.settings.sources) {
      for (const std::string& topic : source.topics) {
        TopicFacts fact = (*facts)[topic];
        // A topic that cannot be seen now has kept its partitions as far as memory is concerned.
        if (!fact.error.ok()) fact.partitions = sources_[topic].partitions;
        sources_[topic] = std::move(fact);
      }
    }
  }
  publish_destinations(destinations, *facts);
  return well;
}

// Password or certificate may have been renewed since the client was made.
void Clerk::renew_client() {
  const int64_t now_ms = shared_.clock.mono_ms();
  if (now_ms < renew_due_ms_) return;
  renew_due_ms_ = now_ms + kRenewMs;
  if (const Result<void> renewed = shared_.admin->renew(shared_.settings); !renewed) {
    log_warn("brokers", "{}", renewed.error().what);
  }
}

void Clerk::publish_destinations(const std::vector<DestinationSettings>& destinations,
                                 const std::map<std::string, TopicFacts>& facts) {
  std::vector<std::string> there;
  for (const DestinationSettings& destination : destinations) {
    if (!destination.topic.empty() && facts.at(destination.topic).error.ok()) there.push_back(destination.topic);
  }
  std::map<std::string, TopicSettings> settings;
  KafkaResult<std::map<std::string, TopicSettings>> asked =
      shared_.admin->topic_settings(there, static_cast<int>(shared_.settings.times.admin_request_ms));
  if (asked) settings = std::move(*asked);
  const LimitsShare before = shared_.destinations.limits();
  std::map<size_t, DestinationLimits> limits;
  for (size_t i = 0; i < destinations.size(); ++i) {
    const std::string& topic = destinations[i].topic;
    if (topic.empty()) continue;
    const TopicFacts& fact = facts.at(topic);
    DestinationLimits& limit = limits.emplace(i, (*before)[i]).first->second;
    limit.state.clear();
    limit.reachable = fact.error.ok();
    if (fact.error.ok()) {
      limit.partitions = fact.partitions;
      if (fact.leaderless > 0)
        limit.state = fmt::format("topic {}: {} partitions have no leader", topic, fact.leaderless);
    } else {
      limit.state = fmt::format("topic {}: {}", topic, fact.error.text);
    }
    const auto at = settings.find(topic);
    // No right to see the settings: the brokers' defaults are assumed.
    if (at == settings.end() || !at->second.error.ok()) continue;
    limit.max_message_bytes = at->second.max_message_bytes;
    limit.compacted = at->second.compacted;
    limit.timestamp_before_max_ms = at->second.timestamp_before_max_ms;
    limit.timestamp_after_max_ms = at->second.timestamp_after_max_ms;
  }
  shared_.destinations.publish(limits);
  std::map<std::string, KeptTopic> kept;
  for (const std::string& topic : there) {
    KeptTopic& each = kept[topic];
    each.replication = facts.at(topic).replication;
    if (const auto at = settings.find(topic); at != settings.end() && at->second.error.ok()) {
      each.settings = std::move(at->second);
    }
  }
  MutexLock lock(mutex_);
  destination_topics_ = std::move(kept);
}

bool Clerk::ask_ends(bool low_too) {
  const std::vector<PartitionTable::StatePointer> states = shared_.partitions.all();
  if (states.empty()) return true;
  // A partition that was just assigned has no low mark yet.
  std::vector<PartitionTable::StatePointer> rarely;
  for (const auto& state : states) {
    if (low_too || state->low < 0) rarely.push_back(state);
  }
  if (!ask_ends_of(states, OffsetQuestion::kLatest, true)) return false;
  if (!ask_ends_of(rarely, OffsetQuestion::kEarliest, true)) return false;
  return ask_ends_of(rarely, OffsetQuestion::kLatest, false);
}

bool Clerk::ask_ends_of(const std::vector<PartitionTable::StatePointer>& states, int64_t at, bool stable) {
  std::map<TopicPartition, OffsetQuestion> questions;
  for (const auto& state : states) questions[state->partition] = OffsetQuestion{at};
  if (questions.empty()) return true;
  const int timeout = static_cast<int>(shared_.settings.times.admin_request_ms);
  const KafkaResult<std::map<TopicPartition, OffsetAnswer>> answers =
      shared_.admin->offsets(questions, timeout, stable);
  if (!answers) return false;
  last_answer_ms_ = shared_.clock.mono_ms();
  for (const auto& state : states) {
    const auto found = answers->find(state->partition);
    if (found == answers->end()) continue;
    // Refused: what was known before may be long past.
    const bool refused = found->second.error.code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    if (!found->second.error.ok() && !refused) continue;
    const int64_t offset = refused ? -1 : found->second.offset;
    if (at == OffsetQuestion::kEarliest) {
      state->low = offset;
      state->low_pace = paces_[state->partition].add(shared_.clock.mono_ms(), offset);
    } else if (stable) {
      state->end = offset;
      state->ends_wall_ms = shared_.clock.wall_ms();
    } else {
      state->high = offset;
    }
  }
  return true;
}

// Without the right to see them, retention is not known, and nothing is said of it.
void Clerk::ask_source_settings() {
  std::vector<std::string> names;
  for (const auto& [name, facts] : sources()) {
    if (facts.error.ok()) names.push_back(name);
  }
  KafkaResult<std::map<std::string, TopicSettings>> asked =
      shared_.admin->topic_settings(names, static_cast<int>(shared_.settings.times.admin_request_ms));
  if (!asked) return;
  std::erase_if(*asked, [](const auto& entry) { return !entry.second.error.ok(); });
  MutexLock lock(mutex_);
  source_settings_ = std::move(*asked);
}

std::map<std::string, KeptTopic> Clerk::destination_topics() const {
  MutexLock lock(mutex_);
  return destination_topics_;
}

std::map<std::string, TopicSettings> Clerk::source_settings() const {
  MutexLock lock(mutex_);
  return source_settings_;
}

void Clerk::ask_readers() {
  const LimitsShare limits = shared_.destinations.limits();
  ReaderLags lags = ask_reader_lags(*shared_.admin, shared_.destinations.used(), *limits,
                                    static_cast<int>(shared_.settings.times.admin_request_ms));
  if (lags.trouble != readers_trouble_ && !lags.trouble.empty()) {
    log_warn("readers", "asking how far readers are: {}", lags.trouble);
  }
  readers_trouble_ = lags.trouble;
  MutexLock lock(mutex_);
  // Who did not answer is left out: old figures would look like good ones.
  readers_ = std::move(lags.readers);
}

// Without an answer nothing is known: what was seen before is not counted on.
void Clerk::ask_coverage() {
  const KafkaResult<GroupDescription> group = shared_.admin->group_description(
      shared_.settings.group, static_cast<int>(shared_.settings.times.admin_request_ms));
  std::map<std::string, int32_t> partitions;
  for (const auto& [name, facts] : sources()) {
    if (facts.error.ok()) partitions[name] = facts.partitions;
  }
  MutexLock lock(mutex_);
  coverage_.look(shared_.clock.mono_ms(), partitions, group.value_or(GroupDescription{}));
}

std::vector<TopicPartition> Clerk::without_owner(int64_t wait_ms) const {
  MutexLock lock(mutex_);
  return coverage_.without_owner(shared_.clock.mono_ms(), wait_ms);
}

int64_t Clerk::group_at_rest_ms() const {
  MutexLock lock(mutex_);
  return coverage_.at_rest_ms(shared_.clock.mono_ms());
}

void Clerk::group_changes() {
  MutexLock lock(mutex_);
  coverage_.forget();
}

std::vector<ReaderSnapshot> Clerk::readers() const {
  MutexLock lock(mutex_);
  return readers_;
}

}  // namespace millrace
