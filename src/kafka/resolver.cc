#include "kafka/resolver.h"

#include <algorithm>

#include "base/log.h"
#include "kafka/group_commit.h"
#include "kafka/partition_list.h"

namespace millrace {

namespace {
constexpr int64_t kRetryMs = 250;
}  // namespace

Resolver::Resolver(EdgeShared& shared) : shared_(shared) {
  for (size_t i = 0; i < shared.settings.sources.size(); ++i) {
    for (const std::string& topic : shared.settings.sources[i].topics) source_of_[topic] = static_cast<uint16_t>(i);
  }
  thread_ = Thread("resolver", [this] { run(); });
}

Resolver::~Resolver() {
  stop();
}

void Resolver::stop() {
  stopping_ = true;
  wake_.notify();
  if (thread_.joinable()) thread_.join();
}

void Resolver::ask(ResolveRequest request) {
  post(Job{std::move(request), std::nullopt});
}

void Resolver::ask_loss(uint64_t number, const TopicPartition& partition) {
  Job job;
  job.request.number = number;
  job.loss = partition;
  post(std::move(job));
}

void Resolver::post(Job job) {
  {
    MutexLock lock(mutex_);
    job_ = std::move(job);
    answer_.reset();
  }
  wake_.notify();
}

void Resolver::cancel(uint64_t number) {
  cancelled_ = number;
  MutexLock lock(mutex_);
  answer_.reset();
  trouble_ = {};
}

std::optional<ResolverAnswer> Resolver::take() {
  MutexLock lock(mutex_);
  return std::exchange(answer_, std::nullopt);
}

KafkaError Resolver::trouble() const {
  MutexLock lock(mutex_);
  return trouble_;
}

bool Resolver::withdrawn(uint64_t number) const {
  return stopping_ || cancelled_ >= number;
}

void Resolver::run() {
  std::optional<Job> job;
  while (!stopping_) {
    wake_.wait(job ? kRetryMs : 1000);
    {
      MutexLock lock(mutex_);
      if (job_) job = std::exchange(job_, std::nullopt);
    }
    if (job && withdrawn(job->request.number)) job.reset();
    if (!job) continue;
    KafkaResult<ResolverAnswer> result = answer(*job);
    MutexLock lock(mutex_);
    if (withdrawn(job->request.number)) continue;
    if (result) {
      answer_ = std::move(*result);
      trouble_ = {};
      job.reset();
    } else {
      const bool said = trouble_.text == result.error().text;
      trouble_ = std::move(result).error();
      if (!said) log_warn("start", "finding where to begin: {}", trouble_.text);
    }
  }
}

KafkaResult<ResolverAnswer> Resolver::answer(const Job& job) {
  if (job.loss) return answer_loss(job);
  const ResolveRequest& request = job.request;
  ResolverAnswer answer;
  answer.number = request.number;
  std::map<TopicPartition, int32_t> epochs;
  KafkaResult<std::map<std::string, TopicHistory>> known = histories(request, epochs);
  if (!known) return tl::make_unexpected(std::move(known).error());

  std::map<TopicPartition, OffsetQuestion> questions;
  if (KafkaError error = place(request, *known, answer.partitions, questions); !error.ok()) {
    return tl::make_unexpected(std::move(error));
  }
  KafkaResult<std::map<TopicPartition, OffsetAnswer>> offsets =
      shared_.admin->offsets(questions, static_cast<int>(shared_.settings.times.admin_request_ms));
  if (!offsets) return tl::make_unexpected(std::move(offsets).error());
  // A timestamp behind the last record means the end.
  std::map<TopicPartition, OffsetQuestion> ends;
  for (const auto& [partition, found] : *offsets) {
    if (!found.error.ok()) return tl::make_unexpected(found.error);
    if (found.offset < 0) ends[partition] = OffsetQuestion{OffsetQuestion::kLatest};
  }
  KafkaResult<std::map<TopicPartition, OffsetAnswer>> at_end =
      shared_.admin->offsets(ends, static_cast<int>(shared_.settings.times.admin_request_ms));
  if (!at_end) return tl::make_unexpected(std::move(at_end).error());
  for (const auto& [partition, found] : *at_end) {
    if (!found.error.ok()) return tl::make_unexpected(found.error);
    (*offsets)[partition] = found;
  }
  for (ResolvedPartition& partition : answer.partitions) {
    if (!partition.refused.empty()) continue;
    const auto found = offsets->find(partition.partition);
    if (found != offsets->end()) partition.offset = found->second.offset;
    const auto epoch = epochs.find(partition.partition);
    if (epoch != epochs.end() && partition.offset == partition.committed) partition.leader_epoch = epoch->second;
  }
  if (withdrawn(request.number)) return tl::make_unexpected(error_of(RD_KAFKA_RESP_ERR__OUTDATED));
  if (KafkaError error = commit_starts(answer.partitions); !error.ok()) return tl::make_unexpected(std::move(error));
  for (ResolvedPartition& partition : answer.partitions) {
    if (partition.refused.empty()) partition.committed = partition.offset;
  }
  remember(*known);
  return answer;
}

// Everything that the rule needs to know: the topics as they are, and what the group has committed for all of their
// partitions, also those of other instances.
KafkaResult<std::map<std::string, TopicHistory>> Resolver::histories(const ResolveRequest& request,
                                                                     std::map<TopicPartition, int32_t>& epochs) {
  const int timeout = static_cast<int>(shared_.settings.times.admin_request_ms);
  std::vector<std::string> names;
  for (const TopicPartition& partition : request.partitions) {
    if (std::find(names.begin(), names.end(), partition.topic) == names.end()) names.push_back(partition.topic);
  }
  KafkaResult<std::map<std::string, TopicFacts>> facts = shared_.admin->topics(names, timeout);
  if (!facts) return tl::make_unexpected(std::move(facts).error());
  // Without ids (old brokers, no right to describe) only the notice of a topic made anew is missing.
  const KafkaResult<std::map<std::string, std::string>> ids = shared_.admin->topic_ids(names, timeout);
  const std::map<std::string, std::string> remembered = shared_.state_files.topics();

  std::map<std::string, TopicHistory> histories;
  std::vector<TopicPartition> all;
  for (const std::string& name : names) {
    TopicHistory& history = histories[name];
    const TopicFacts& fact = (*facts)[name];
    if (!fact.error.ok()) {
      KafkaError error = fact.error;
      error.text = name + ": " + error.text;
      return tl::make_unexpected(std::move(error));
    }
    history.partitions = fact.partitions;
    if (ids && ids->contains(name)) history.id = ids->at(name);
    history.accept_start = shared_.settings.accept_start;
    if (const auto at = remembered.find(name); at != remembered.end()) {
      history.remembered = true;
      history.remembered_id = at->second;
    }
    for (int32_t p = 0; p < fact.partitions; ++p) all.push_back(TopicPartition{name, p});
  }

  const PartitionListHandle list = list_of(all);
  KafkaError error = error_of(rd_kafka_committed(shared_.consumer, list.get(), timeout));
  for (int i = 0; error.ok() && i < list->cnt; ++i) error = error_of(list->elems[i].err);
  if (!error.ok()) {
    error.text = "reading committed offsets: " + error.text;
    return tl::make_unexpected(std::move(error));
  }
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list->elems[i];
    if (element.offset < 0) continue;
    CommittedOffset committed;
    committed.offset = element.offset;
    if (element.metadata != nullptr) {
      committed.note.assign(static_cast<const char*>(element.metadata), element.metadata_size);
    }
    histories[element.topic].committed[element.partition] = std::move(committed);
    epochs[partition_of(element)] = rd_kafka_topic_partition_get_leader_epoch(&element);
  }
  return histories;
}

KafkaError Resolver::place(const ResolveRequest& request, const std::map<std::string, TopicHistory>& histories,
                           std::vector<ResolvedPartition>& resolved,
                           std::map<TopicPartition, OffsetQuestion>& questions) {
  for (const TopicPartition& partition : request.partitions) {
    const TopicHistory& history = histories.at(partition.topic);
    const StartDecision decision = decide_start(partition.topic, partition.partition, history);
    ResolvedPartition place;
    place.partition = partition;
    place.source = source_of_[partition.topic];
    place.note = to_text(decision.note);
    place.refused = decision.why;
    place.needs_accept_start = decision.needs_accept_start;
    if (const auto own = history.committed.find(partition.partition); own != history.committed.end()) {
      place.committed = own->second.offset;
    }
    const StartPosition& start = shared_.settings.sources[place.source].start;
    const auto override_at = request.overrides.find(partition);
    if (override_at != request.overrides.end()) {
      place.offset = override_at->second;
    } else if (decision.from == StartDecision::From::committed) {
      place.offset = decision.offset;
    } else if (decision.from == StartDecision::From::first) {
      questions[partition] = OffsetQuestion{OffsetQuestion::kEarliest};
    } else if (decision.from == StartDecision::From::start) {
      const int64_t at = start.kind == StartPosition::Kind::earliest ? OffsetQuestion::kEarliest
                         : start.kind == StartPosition::Kind::latest ? OffsetQuestion::kLatest
                                                                     : start.timestamp_ms;
      questions[partition] = OffsetQuestion{at};
    }
    resolved.push_back(std::move(place));
  }
  return {};
}

// A start is resolved once: what was found is committed before the first record is read.
KafkaError Resolver::commit_starts(const std::vector<ResolvedPartition>& resolved) {
  Progress starts;
  std::map<TopicPartition, std::string> notes;
  for (const ResolvedPartition& partition : resolved) {
    if (!partition.refused.empty() || partition.committed == partition.offset) continue;
    starts[partition.partition] = partition.offset;
    notes[partition.partition] = partition.note;
  }
  if (starts.empty()) return {};
  const PartitionListHandle list = list_of(starts, [&](const TopicPartition& partition) { return notes[partition]; });
  KafkaError error =
      commit_as_member(shared_.consumer, list.get(), static_cast<int>(shared_.settings.times.admin_request_ms));
  if (error.ok()) {
    log_info("start", "began {}", to_string(starts));
  } else {
    error.text = "committing where to begin: " + error.text;
  }
  return error;
}

void Resolver::remember(const std::map<std::string, TopicHistory>& histories) {
  std::map<std::string, std::string> topics = shared_.state_files.topics();
  const std::map<std::string, std::string> before = topics;
  for (const auto& [name, history] : histories) {
    const bool anew = history.remembered && !history.remembered_id.empty() && !history.id.empty() &&
                      history.remembered_id != history.id;
    if (!anew || history.accept_start) topics[name] = history.id;
  }
  if (topics == before) return;
  if (Result<void> written = shared_.state_files.write_topics(topics); !written) {
    log_error("state", "{}", written.error().what);
  }
}

KafkaResult<ResolverAnswer> Resolver::answer_loss(const Job& job) {
  const int timeout = static_cast<int>(shared_.settings.times.admin_request_ms);
  ResolverAnswer answer;
  answer.number = job.request.number;
  LossAnswer loss;
  loss.partition = *job.loss;
  for (const int64_t at : {OffsetQuestion::kEarliest, OffsetQuestion::kLatest}) {
    KafkaResult<std::map<TopicPartition, OffsetAnswer>> offsets =
        shared_.admin->offsets({{loss.partition, OffsetQuestion{at}}}, timeout);
    if (!offsets) return tl::make_unexpected(std::move(offsets).error());
    const OffsetAnswer& found = (*offsets)[loss.partition];
    if (!found.error.ok()) return tl::make_unexpected(found.error);
    (at == OffsetQuestion::kEarliest ? loss.low : loss.end) = found.offset;
  }
  const KafkaResult<std::map<std::string, std::string>> ids = shared_.admin->topic_ids({loss.partition.topic}, timeout);
  const std::optional<OffsetNote> note = parse_note(shared_.partitions.note(loss.partition));
  if (ids && note && !note->topic_id.empty()) {
    const auto at = ids->find(loss.partition.topic);
    loss.made_anew = at != ids->end() && at->second != note->topic_id;
  }
  answer.loss = loss;
  return answer;
}

}  // namespace millrace
