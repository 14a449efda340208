#include "kafka/admin.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/text.h"
#include "kafka/partition_list.h"

namespace millrace {

namespace {
// So long a question goes on after give_up().
constexpr int kSliceMs = 100;
constexpr int kMetadataSliceMs = 1000;
}  // namespace

Result<std::unique_ptr<Admin>> Admin::create(const EdgeSettings& settings) {
  std::unique_ptr<Admin> admin(new Admin());
  TRY(admin->renew(settings));
  return admin;
}

Result<void> Admin::renew(const EdgeSettings& settings) {
  TRY_ASSIGN(ConfHandle conf, admin_conf(settings));
  TRY_ASSIGN(ConfHandle group_conf, group_admin_conf(settings));
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  std::array<char, 512> text{};
  rd_kafka_t* made = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text.data(), text.size());
  if (made == nullptr) {
    return fail(Remedy::fix_config, std::string("creating a client: ") + text.data(), ExitCode::config);
  }
  static_cast<void>(conf.release());  // the client has it now
  ClientShare old(made, [](rd_kafka_t* client) { rd_kafka_destroy(client); });
  ClientShare old_group;
  MutexLock lock(mutex_);
  // Topics go before their client; the old client goes with the last question that uses it.
  topics_.clear();
  complaint_ = {};
  client_.swap(old);
  group_client_.swap(old_group);
  group_conf_ = std::move(group_conf);
  return {};
}

Admin::ClientShare Admin::client() const {
  MutexLock lock(mutex_);
  return client_;
}

void Admin::on_error(rd_kafka_t* /*client*/, int code, const char* reason, void* opaque) {
  auto* self = static_cast<Admin*>(opaque);
  KafkaError error = complaint_of(code, reason);
  MutexLock lock(self->mutex_);
  // "All brokers down" follows an authentication failure; the first says more.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && is_authentication(self->complaint_.code)) return;
  self->complaint_ = std::move(error);
}

KafkaError Admin::complaint() const {
  MutexLock lock(mutex_);
  return complaint_;
}

// A time-out says nothing; what librdkafka complained about says why.
KafkaError Admin::explained(KafkaError error) {
  rd_kafka_poll(client().get(), 0);
  MutexLock lock(mutex_);
  if (error.ok()) {
    complaint_ = {};
  } else if (is_silence(error.code) && !complaint_.ok()) {
    if (is_authentication(complaint_.code)) error.code = complaint_.code;
    error.text += "; " + complaint_.text;
  }
  return error;
}

KafkaResult<EventHandle> Admin::wait(rd_kafka_queue_t* queue, int timeout_ms) {
  // The request has the same time-out; the little more lets librdkafka say why.
  EventHandle event;
  for (int left = timeout_ms + 500; !event && left > 0 && !given_up_; left -= kSliceMs) {
    event.reset(rd_kafka_queue_poll(queue, std::min(left, kSliceMs)));
  }
  if (!event) return tl::make_unexpected(explained(error_of(RD_KAFKA_RESP_ERR__TIMED_OUT)));
  KafkaError error = error_of(rd_kafka_event_error(event.get()));
  if (!error.ok()) {
    if (const char* text = rd_kafka_event_error_string(event.get())) error.text = escape_for_log(text, 512);
    return tl::make_unexpected(explained(std::move(error)));
  }
  static_cast<void>(explained({}));
  return event;
}

AdminOptionsHandle Admin::options(rd_kafka_admin_op_t operation, int timeout_ms) const {
  AdminOptionsHandle options(rd_kafka_AdminOptions_new(client().get(), operation));
  std::array<char, 256> text{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text.data(), text.size());
  return options;
}

KafkaResult<std::map<std::string, TopicFacts>> Admin::topics(const std::vector<std::string>& names, int timeout_ms) {
  ClientShare client;
  {
    MutexLock lock(mutex_);
    client = client_;
    for (const std::string& name : names) {
      TopicHandle& topic = topics_[name];
      if (!topic) topic.reset(rd_kafka_topic_new(client.get(), name.c_str(), nullptr));
    }
  }
  const rd_kafka_metadata_t* raw = nullptr;
  KafkaError error = error_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
  for (int left = timeout_ms; is_silence(error.code) && left > 0 && !given_up_; left -= kMetadataSliceMs) {
    error = error_of(rd_kafka_metadata(client.get(), 0, nullptr, &raw, std::min(left, kMetadataSliceMs)));
    // A connection that is refused fails at once; the next try of the loop would be as fast.
    if (error.code == RD_KAFKA_RESP_ERR__TRANSPORT) break;
  }
  error = explained(std::move(error));
  MetadataHandle metadata(raw);
  if (!error.ok()) return tl::make_unexpected(std::move(error));
  std::map<std::string, TopicFacts> facts;
  for (const std::string& name : names) facts[name].error = error_of(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
    const auto at = facts.find(topic.topic);
    if (at == facts.end()) continue;
    at->second.error = error_of(topic.err);
    at->second.partitions = topic.err == RD_KAFKA_RESP_ERR_NO_ERROR ? topic.partition_cnt : 0;
    for (int p = 0; p < topic.partition_cnt; ++p) {
      if (topic.partitions[p].leader < 0) ++at->second.leaderless;
      const int32_t replicas = topic.partitions[p].replica_cnt;
      at->second.replication = p == 0 ? replicas : std::min(at->second.replication, replicas);
    }
  }
  return facts;
}

KafkaResult<EventHandle> Admin::describe(const std::vector<std::string>& names, bool rights, int timeout_ms) {
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  TopicCollectionHandle collection(rd_kafka_TopicCollection_of_topic_names(pointers.data(), pointers.size()));
  const ClientShare client = this->client();
  QueueHandle queue(rd_kafka_queue_new(client.get()));
  const AdminOptionsHandle how = options(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout_ms);
  if (rights) {
    static_cast<void>(take_error(rd_kafka_AdminOptions_set_include_authorized_operations(how.get(), 1)));
  }
  rd_kafka_DescribeTopics(client.get(), collection.get(), how.get(), queue.get());
  return wait(queue.get(), timeout_ms);
}

KafkaResult<std::map<std::string, std::string>> Admin::topic_ids(const std::vector<std::string>& names,
                                                                 int timeout_ms) {
  KafkaResult<EventHandle> event = describe(names, false, timeout_ms);
  if (!event) return tl::make_unexpected(std::move(event).error());
  std::map<std::string, std::string> ids;
  size_t count = 0;
  const rd_kafka_TopicDescription_t** topics =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    if (rd_kafka_error_code(rd_kafka_TopicDescription_error(topics[i])) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const rd_kafka_Uuid_t* id = rd_kafka_TopicDescription_topic_id(topics[i]);
    if (id == nullptr) continue;
    if (rd_kafka_Uuid_least_significant_bits(id) == 0 && rd_kafka_Uuid_most_significant_bits(id) == 0) continue;
    ids[rd_kafka_TopicDescription_name(topics[i])] = rd_kafka_Uuid_base64str(id);
  }
  return ids;
}

KafkaResult<std::map<std::string, TopicRights>> Admin::topic_rights(const std::vector<std::string>& names,
                                                                    int timeout_ms) {
  KafkaResult<EventHandle> event = describe(names, true, timeout_ms);
  if (!event) return tl::make_unexpected(std::move(event).error());
  std::map<std::string, TopicRights> rights;
  size_t count = 0;
  const rd_kafka_TopicDescription_t** topics =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    size_t operations = 0;
    const rd_kafka_AclOperation_t* allowed = rd_kafka_TopicDescription_authorized_operations(topics[i], &operations);
    if (allowed == nullptr) continue;
    TopicRights& right = rights[rd_kafka_TopicDescription_name(topics[i])];
    for (size_t o = 0; o < operations; ++o) {
      if (allowed[o] == RD_KAFKA_ACL_OPERATION_READ || allowed[o] == RD_KAFKA_ACL_OPERATION_ALL) right.read = true;
      if (allowed[o] == RD_KAFKA_ACL_OPERATION_WRITE || allowed[o] == RD_KAFKA_ACL_OPERATION_ALL) right.write = true;
    }
  }
  return rights;
}

namespace {

int64_t number_or(const char* text, int64_t otherwise) {
  if (text == nullptr) return otherwise;
  const std::string_view view(text);
  int64_t value = 0;
  const auto parsed = std::from_chars(view.data(), view.data() + view.size(), value);
  return parsed.ec == std::errc() && value >= 0 ? value : otherwise;
}

int64_t signed_or(std::string_view text, int64_t otherwise) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? value : otherwise;
}

// Synonyms are the values that would hold if those before them were taken away: the topic's own comes first.
TopicSetting origin_of(const rd_kafka_ConfigEntry_t* entry, const char* value) {
  TopicSetting setting;
  setting.value = escape_for_log(value, 200);
  setting.of_topic = rd_kafka_ConfigEntry_source(entry) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
  if (!setting.of_topic) setting.broker_default = setting.value;
  size_t count = 0;
  const rd_kafka_ConfigEntry_t** synonyms = rd_kafka_ConfigEntry_synonyms(entry, &count);
  for (size_t i = 0; i < count && setting.broker_default.empty(); ++i) {
    if (rd_kafka_ConfigEntry_source(synonyms[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG) continue;
    const char* text = rd_kafka_ConfigEntry_value(synonyms[i]);
    if (text != nullptr) setting.broker_default = escape_for_log(text, 200);
  }
  return setting;
}

TopicSettings read_settings(const rd_kafka_ConfigResource_t* resource) {
  TopicSettings settings;
  settings.error = error_of(rd_kafka_ConfigResource_error(resource));
  size_t count = 0;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(resource, &count);
  for (size_t i = 0; i < count; ++i) {
    const std::string_view name = rd_kafka_ConfigEntry_name(entries[i]);
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value == nullptr) continue;
    if (std::find(kShownSettings.begin(), kShownSettings.end(), name) != kShownSettings.end()) {
      settings.origin[std::string(name)] = origin_of(entries[i], value);
    }
    if (name == "max.message.bytes") {
      settings.max_message_bytes = number_or(value, settings.max_message_bytes);
    } else if (name == "cleanup.policy") {
      settings.compacted = std::string_view(value).find("compact") != std::string_view::npos;
      settings.deletes = std::string_view(value).find("delete") != std::string_view::npos;
    } else if (name == "retention.ms") {
      settings.retention_ms = signed_or(value, -1);
    } else if (name == "retention.bytes") {
      settings.retention_bytes = signed_or(value, -1);
    } else if (name == "segment.ms") {
      settings.segment_ms = signed_or(value, -1);
    } else if (name == "segment.bytes") {
      settings.segment_bytes = signed_or(value, -1);
    } else if (name == "min.insync.replicas") {
      settings.min_insync_replicas = number_or(value, 1);
    } else if (name == "message.timestamp.type") {
      settings.log_append_time = std::string_view(value) == "LogAppendTime";
    } else if (name == "message.timestamp.before.max.ms") {
      settings.timestamp_before_max_ms = number_or(value, INT64_MAX);
    } else if (name == "message.timestamp.after.max.ms") {
      settings.timestamp_after_max_ms = number_or(value, INT64_MAX);
    }
  }
  // Where the broker sets the time, it does not look at ours.
  if (settings.log_append_time) settings.timestamp_before_max_ms = settings.timestamp_after_max_ms = INT64_MAX;
  return settings;
}

}  // namespace

KafkaResult<std::map<std::string, TopicSettings>> Admin::topic_settings(const std::vector<std::string>& names,
                                                                        int timeout_ms) {
  std::map<std::string, TopicSettings> settings;
  if (names.empty()) return settings;
  std::vector<ConfigResourceHandle> owners;
  std::vector<rd_kafka_ConfigResource_t*> resources;
  for (const std::string& name : names) {
    owners.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
    resources.push_back(owners.back().get());
  }
  const ClientShare client = this->client();
  QueueHandle queue(rd_kafka_queue_new(client.get()));
  const AdminOptionsHandle how = options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
  rd_kafka_DescribeConfigs(client.get(), resources.data(), resources.size(), how.get(), queue.get());
  KafkaResult<EventHandle> event = wait(queue.get(), timeout_ms);
  if (!event) return tl::make_unexpected(std::move(event).error());
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) settings[rd_kafka_ConfigResource_name(results[i])] = read_settings(results[i]);
  return settings;
}

KafkaResult<std::map<TopicPartition, OffsetAnswer>> Admin::offsets(
    const std::map<TopicPartition, OffsetQuestion>& questions, int timeout_ms, bool committed) {
  std::map<TopicPartition, OffsetAnswer> answers;
  if (questions.empty()) return answers;
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(questions.size())));
  for (const auto& [partition, question] : questions) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = question.at;
  }
  const ClientShare client = this->client();
  QueueHandle queue(rd_kafka_queue_new(client.get()));
  const AdminOptionsHandle how = options(RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout_ms);
  static_cast<void>(take_error(rd_kafka_AdminOptions_set_isolation_level(
      how.get(), committed ? RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED : RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED)));
  rd_kafka_ListOffsets(client.get(), list.get(), how.get(), queue.get());
  KafkaResult<EventHandle> event = wait(queue.get(), timeout_ms);
  if (!event) return tl::make_unexpected(std::move(event).error());
  size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_topic_partition_t* partition = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    answers[partition_of(*partition)] = OffsetAnswer{partition->offset, error_of(partition->err)};
  }
  return answers;
}

}  // namespace millrace
