// `millrace check --connect`: what the brokers say to a configuration before it runs.
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "kafka/admin.h"
#include "kafka/deadline.h"
#include "kafka/edge.h"
#include "kafka/partition_list.h"
#include "kafka/producer.h"
#include "kafka/topic_shape.h"
#include "kafka/version.h"

namespace millrace {

namespace {

using Level = Finding::Level;

constexpr int kTries = 5;
constexpr int kTryAgainMs = 200;

class ConnectCheck {
 public:
  ConnectCheck(const EdgeSettings& settings, const Clock& clock, int64_t deadline_ms)
      : settings_(settings), clock_(clock), deadline_(clock, deadline_ms) {}

  std::vector<Finding> run() {
    const Result<void> version = check_rdkafka_version();
    add(version ? Level::ok : Level::error,
        version ? "librdkafka " + rdkafka_version_text() : std::string(version.error().what));
    Result<std::unique_ptr<Admin>> admin = Admin::create(settings_);
    if (!admin) {
      add(Level::error, admin.error().what);
      return std::move(findings_);
    }
    admin_ = std::move(*admin);
    if (!look_at_topics()) return std::move(findings_);
    look_at_rights();
    look_at_settings();
    look_at_group();
    if (settings_.delivery == Delivery::exactly_once) look_at_transactions();
    return std::move(findings_);
  }

 private:
  void add(Level level, std::string what) { findings_.push_back(Finding{level, std::move(what)}); }
  [[nodiscard]] int timeout() const { return deadline_.timeout(settings_.times.admin_request_ms); }

  // False: no broker answers.
  bool look_at_topics() {
    for (const SourceSettings& source : settings_.sources) {
      source_topics_.insert(source.topics.begin(), source.topics.end());
      for (const std::string& topic : source.topics) expectations_[topic] = source.expect;
    }
    for (const DestinationSettings& destination : settings_.destinations) {
      written_.insert(destination.topic);
      expectations_[destination.topic] = destination.expect;
    }
    std::vector<std::string> names(source_topics_.begin(), source_topics_.end());
    names.insert(names.end(), written_.begin(), written_.end());
    KafkaResult<std::map<std::string, TopicFacts>> facts = admin_->topics(names, timeout());
    // A broker that does not let us in hangs up, and that is sometimes heard before the reason: another try hears it.
    for (int tries = 1; tries < kTries && !facts && facts.error().code == RD_KAFKA_RESP_ERR__TRANSPORT; ++tries) {
      ::poll(nullptr, 0, kTryAgainMs);
      facts = admin_->topics(names, timeout());
    }
    if (!facts) {
      add(Level::error, "no broker answers: " + facts.error().text);
      return false;
    }
    int64_t partitions = 0;
    for (const std::string& name : names) {
      const TopicFacts& fact = facts->at(name);
      const char* role = source_topics_.contains(name) ? "source" : "destination";
      if (!fact.error.ok()) {
        const bool missing = fact.error.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        add(Level::error, fmt::format("{} topic {}: {}{}", role, name, fact.error.text,
                                      missing ? "; `millrace topics FILE` prints the command that creates it" : ""));
        continue;
      }
      there_.push_back(name);
      shapes_[name] = {fact.partitions, fact.replication};
      if (source_topics_.contains(name)) partitions += fact.partitions;
      if (fact.leaderless > 0) {
        add(Level::warning, fmt::format("{} topic {}: {} of {} partitions have no leader", role, name, fact.leaderless,
                                        fact.partitions));
      } else {
        add(Level::ok,
            fmt::format("{} topic {}: {} partitions, replication {}", role, name, fact.partitions, fact.replication));
      }
    }
    const Result<FetchLimits> limits = divide_prefetch(settings_.prefetch_bytes, partitions);
    if (!limits) add(Level::error, limits.error().what);
    return true;
  }

  void look_at_rights() {
    if (there_.empty()) return;
    const KafkaResult<std::map<std::string, TopicRights>> rights = admin_->topic_rights(there_, timeout());
    if (!rights) {
      add(Level::warning, "rights cannot be seen: " + rights.error().text);
      return;
    }
    for (const auto& [name, right] : *rights) {
      if (source_topics_.contains(name) && !right.read) add(Level::error, "no right to read topic " + name);
      if (written_.contains(name) && !right.write) add(Level::error, "no right to write topic " + name);
    }
  }

  // Settings, with where they come from, and what the file expects of them.
  void look_at_settings() {
    const KafkaResult<std::map<std::string, TopicSettings>> all = admin_->topic_settings(there_, timeout());
    if (!all) {
      add(Level::warning, "settings of topics cannot be seen: " + all.error().text);
      return;
    }
    for (const auto& [name, settings] : *all) {
      const char* role = written_.contains(name) ? "destination" : "source";
      if (!settings.error.ok()) {
        add(Level::warning, fmt::format("settings of topic {} cannot be seen: {}", name, settings.error.text));
        continue;
      }
      add(Level::ok,
          fmt::format(
              "{} topic {}: {}{}", role, name, settings_text(settings),
              settings.compacted && written_.contains(name) ? "; compacted: records without a key are refused" : ""));
      const TopicShape shape{shapes_[name].partitions, shapes_[name].replication};
      for (const std::string& difference : differences(name, expectations_[name], shape, settings, settings_.brokers)) {
        add(Level::error, fmt::format("{} topic {}: {}", role, name, difference));
      }
      if (written_.contains(name) && settings.min_insync_replicas > shape.replication) {
        add(Level::error,
            fmt::format("destination topic {}: min.insync.replicas is {}, and it has {} replicas: nothing can be "
                        "written; {}",
                        name, settings.min_insync_replicas, shape.replication,
                        set_config_line(settings_.brokers, name, "min.insync.replicas", shape.replication)));
      }
    }
  }

  // Asks for an offset without joining.
  void look_at_group() {
    Result<ConfHandle> conf = consumer_conf(settings_, FetchLimits());
    if (!conf) return add(Level::error, conf.error().what);
    std::array<char, 512> text{};
    ClientHandle consumer(rd_kafka_new(RD_KAFKA_CONSUMER, conf->get(), text.data(), text.size()));
    if (!consumer) return add(Level::error, text.data());
    static_cast<void>(conf->release());  // the client has it now
    std::vector<TopicPartition> partitions;
    for (const std::string& name : there_) {
      if (source_topics_.contains(name)) partitions.push_back(TopicPartition{name, 0});
    }
    const PartitionListHandle list = list_of(partitions);
    KafkaError error = error_of(rd_kafka_committed(consumer.get(), list.get(), timeout()));
    for (int i = 0; error.ok() && i < list->cnt; ++i) error = error_of(list->elems[i].err);
    if (error.ok()) return add(Level::ok, "group " + settings_.group + ": offsets can be read");
    add(Level::error, fmt::format("group {}: {}", settings_.group, error.text));
  }

  void look_at_transactions() {
    ProducerKind kind;
    kind.transactional_id = fmt::format("{}.{}.check", settings_.transactional_id_prefix, settings_.instance);
    Result<std::unique_ptr<Producer>> producer = Producer::create(settings_, kind, clock_);
    if (!producer) return add(Level::error, producer.error().what);
    const KafkaError error = (*producer)->init_transactions(timeout());
    if (error.ok()) return add(Level::ok, "transactions: id " + kind.transactional_id + " can be initialised");
    add(Level::error, fmt::format("transactions: id {}: {}", kind.transactional_id, error.text));
  }

  const EdgeSettings& settings_;
  const Clock& clock_;
  const Deadline deadline_;
  std::unique_ptr<Admin> admin_;
  std::set<std::string> source_topics_;
  std::set<std::string> written_;
  std::vector<std::string> there_;
  std::map<std::string, TopicShape> shapes_;
  std::map<std::string, TopicExpectation> expectations_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> connect_check(const EdgeSettings& settings, const Clock& clock, int64_t deadline_ms) {
  return ConnectCheck(settings, clock, deadline_ms).run();
}

}  // namespace millrace
