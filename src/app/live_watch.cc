#include "app/live_watch.h"

#include <map>
#include <set>

#include "base/log.h"
#include "base/text.h"

namespace millrace {
namespace {

// What a commit that is through at the brokers needs at most to be counted here, in good health.
constexpr int64_t kSettleMs = 1'000;

std::vector<LiveReconcile::Topic> topics_of(const Pipeline& pipeline) {
  std::vector<LiveReconcile::Topic> topics;
  for (const TopicNode& node : pipeline.graph->topics()) {
    bool exclusive = node.destination == kDeadLettersName && pipeline.spec.dead_letters.exclusive;
    for (const config::DestinationSpec& spec : pipeline.spec.destinations) {
      if (spec.name == node.destination) exclusive = spec.exclusive;
    }
    std::string why;
    if (!exclusive) {
      why = "it is not declared `exclusive: true`, so others may write to it";
    } else if (pipeline.spec.delivery != Delivery::exactly_once) {
      why = "only under `delivery: exactly_once` is each record there once";
    }
    topics.push_back({node.destination, node.topic, why});
  }
  return topics;
}

}  // namespace

LiveWatch::LiveWatch(const Pipeline& pipeline, See see)
    : settings_(edge_settings(pipeline.spec, *pipeline.graph)), see_(std::move(see)), live_({}) {
  follow(pipeline);
}

void LiveWatch::follow(const Pipeline& pipeline) {
  const std::vector<LiveReconcile::Topic> topics = topics_of(pipeline);
  {
    const MutexLock lock(mutex_);
    live_.change(topics);
    wanted_.clear();
    for (const LiveReconcile::Topic& topic : topics) {
      if (topic.undecidable.empty()) wanted_.push_back(topic.topic);
    }
  }
  wake_.notify();
}

void LiveWatch::start() {
  thread_ = Thread("reconcile", [this] { run(); });
}

void LiveWatch::hurry() {
  stopping_ = true;
  {
    const MutexLock lock(mutex_);
    if (admin_) admin_->give_up();
  }
  wake_.notify();
}

void LiveWatch::stop() {
  hurry();
  thread_.join();
}

std::vector<ReconcileStatus> LiveWatch::status() const {
  const MutexLock lock(mutex_);
  return live_.status();
}

void LiveWatch::run() {
  while (!stopping_) {
    const std::vector<std::string> topics = wanted();
    Admin* const client = topics.empty() ? nullptr : admin();
    if (client != nullptr) look(*client, topics);
    if (!stopping_) static_cast<void>(wake_.wait(kEveryMs));
  }
}

std::vector<std::string> LiveWatch::wanted() const {
  const MutexLock lock(mutex_);
  return wanted_;
}

Admin* LiveWatch::admin() {
  const MutexLock lock(mutex_);
  if (admin_ != nullptr || refused_) return admin_.get();
  auto made = Admin::create(settings_);
  if (made) {
    admin_ = std::move(*made);
    if (stopping_) admin_->give_up();
  } else {
    refused_ = true;
    log_warn("reconcile", "{}", made.error().what);
  }
  return admin_.get();
}

void LiveWatch::look(Admin& admin, const std::vector<std::string>& topics) {
  const auto timeout_ms = static_cast<int>(settings_.times.admin_request_ms);
  const auto give_up = [this](const KafkaError& error) {
    const MutexLock lock(mutex_);
    live_.unknown("the brokers do not say where the topic ends: " + error.text);
  };
  const LiveReconcile::Seen before = see_();
  const auto facts = admin.topics(topics, timeout_ms);
  if (!facts) return give_up(facts.error());
  std::map<TopicPartition, OffsetQuestion> questions;
  for (const auto& [topic, fact] : *facts) {
    for (int32_t i = 0; i < fact.partitions; ++i) questions[{topic, i}] = {OffsetQuestion::kLatest};
  }
  std::map<std::string, TopicEnds> ends;
  std::set<std::string> unknown;
  for (const bool committed : {true, false}) {
    const auto answers = admin.offsets(questions, timeout_ms, committed);
    if (!answers) return give_up(answers.error());
    for (const auto& question : questions) {
      const auto answer = answers->find(question.first);
      if (answer == answers->end() || !answer->second.error.ok()) {
        unknown.insert(question.first.topic);
        continue;
      }
      (committed ? ends[question.first.topic].stable : ends[question.first.topic].high) += answer->second.offset;
    }
  }
  for (const std::string& topic : unknown) ends.erase(topic);
  if (wake_.wait(kSettleMs) || stopping_) return;
  const LiveReconcile::Seen after = see_();
  const MutexLock lock(mutex_);
  live_.add(before, ends, after);
}

}  // namespace millrace
