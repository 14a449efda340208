#include <array>

#include "base/text.h"
#include "kafka/admin.h"
#include "kafka/partition_list.h"

namespace millrace {

namespace {

using ListRequestHandle =
    std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroyer<&rd_kafka_ListConsumerGroupOffsets_destroy>>;
using AlterRequestHandle =
    std::unique_ptr<rd_kafka_AlterConsumerGroupOffsets_t, Destroyer<&rd_kafka_AlterConsumerGroupOffsets_destroy>>;

// The offsets of the one group in the answer to either request; an error of a single partition is one of all.
KafkaResult<PartitionListHandle> offsets_of(const std::string& group, const rd_kafka_group_result_t** answers,
                                            size_t count) {
  const auto failed = [&](KafkaError error, const std::string& why) {
    error.text = "group " + group + ": " + why;
    return tl::make_unexpected(std::move(error));
  };
  if (count != 1) return failed(error_of(RD_KAFKA_RESP_ERR__BAD_MSG), "no answer for it");
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(answers[0])) {
    return failed(error_of(rd_kafka_error_code(error)), escape_for_log(rd_kafka_error_string(error), 512));
  }
  PartitionListHandle list(rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(answers[0])));
  for (int i = 0; i < list->cnt; ++i) {
    KafkaError error = error_of(list->elems[i].err);
    if (!error.ok()) return failed(error, partition_of(list->elems[i]).text() + ": " + error.text);
  }
  return list;
}

}  // namespace

KafkaResult<Admin::ClientShare> Admin::group_client() {
  MutexLock lock(mutex_);
  if (group_client_) return group_client_;
  rd_kafka_conf_t* conf = rd_kafka_conf_dup(group_conf_.get());
  std::array<char, 512> text{};
  rd_kafka_t* made = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text.data(), text.size());
  if (made == nullptr) {
    rd_kafka_conf_destroy(conf);
    KafkaError error = error_of(RD_KAFKA_RESP_ERR__FAIL);
    error.text = std::string("creating a client: ") + text.data();
    return tl::make_unexpected(std::move(error));
  }
  group_client_.reset(made,
                      [](rd_kafka_t* client) { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); });
  return group_client_;
}

// A client that had no answer may go on asking a broker that is the coordinator no more; another one looks for it anew.
void Admin::forget_group_client(const ClientShare& client) {
  MutexLock lock(mutex_);
  if (group_client_ == client) group_client_.reset();
}

KafkaResult<PartitionListHandle> Admin::list_group_offsets(const std::string& group,
                                                           const std::vector<TopicPartition>& partitions,
                                                           int timeout_ms) {
  const KafkaResult<ClientShare> client = group_client();
  if (!client) return tl::make_unexpected(client.error());
  // What it has to say of itself; nobody else takes it.
  rd_kafka_poll(client->get(), 0);
  const PartitionListHandle asked = list_of(partitions);
  const ListRequestHandle request(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), asked.get()));
  rd_kafka_ListConsumerGroupOffsets_t* requests[] = {request.get()};
  QueueHandle queue(rd_kafka_queue_new(client->get()));
  const AdminOptionsHandle how = options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms);
  rd_kafka_ListConsumerGroupOffsets(client->get(), requests, 1, how.get(), queue.get());
  KafkaResult<EventHandle> event = wait(queue.get(), timeout_ms);
  if (!event) {
    forget_group_client(*client);
    return tl::make_unexpected(std::move(event).error());
  }
  size_t count = 0;
  const rd_kafka_group_result_t** answers = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event->get()), &count);
  KafkaResult<PartitionListHandle> offsets = offsets_of(group, answers, count);
  if (!offsets) forget_group_client(*client);
  return offsets;
}

KafkaResult<Progress> Admin::group_offsets(const std::string& group, const std::vector<TopicPartition>& partitions,
                                           int timeout_ms) {
  const KafkaResult<PartitionListHandle> list = list_group_offsets(group, partitions, timeout_ms);
  if (!list) return tl::make_unexpected(list.error());
  Progress offsets;
  for (int i = 0; i < (*list)->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = (*list)->elems[i];
    if (each.offset >= 0) offsets[partition_of(each)] = each.offset;
  }
  return offsets;
}

KafkaResult<GroupDescription> Admin::group_description(const std::string& group, int timeout_ms) {
  const ClientShare asked = client();
  QueueHandle queue(rd_kafka_queue_new(asked.get()));
  const AdminOptionsHandle how = options(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout_ms);
  const char* names[] = {group.c_str()};
  rd_kafka_DescribeConsumerGroups(asked.get(), names, 1, how.get(), queue.get());
  KafkaResult<EventHandle> event = wait(queue.get(), timeout_ms);
  if (!event) return tl::make_unexpected(std::move(event).error());
  size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** groups =
      rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(event->get()), &count);
  if (count != 1) return tl::make_unexpected(error_of(RD_KAFKA_RESP_ERR__BAD_MSG));
  if (const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
      error != nullptr && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(error_of(rd_kafka_error_code(error)));
  }
  GroupDescription description;
  const rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(groups[0]);
  description.stable = state == RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
  description.at_rest = description.stable || state == RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY;
  for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(groups[0]); ++i) {
    const rd_kafka_topic_partition_list_t* list = rd_kafka_MemberAssignment_partitions(
        rd_kafka_MemberDescription_assignment(rd_kafka_ConsumerGroupDescription_member(groups[0], i)));
    for (int p = 0; list != nullptr && p < list->cnt; ++p) description.assigned.insert(partition_of(list->elems[p]));
  }
  return description;
}

KafkaResult<void> Admin::move_group_offsets(const std::string& group, const Progress& to, int timeout_ms) {
  std::vector<TopicPartition> partitions;
  for (const auto& each : to) partitions.push_back(each.first);
  // What is there is read first, for the notes.
  const KafkaResult<PartitionListHandle> offsets = list_group_offsets(group, partitions, timeout_ms);
  if (!offsets) return tl::make_unexpected(offsets.error());
  for (int i = 0; i < (*offsets)->cnt; ++i) (*offsets)->elems[i].offset = to.at(partition_of((*offsets)->elems[i]));
  const KafkaResult<ClientShare> client = group_client();
  if (!client) return tl::make_unexpected(client.error());
  const AlterRequestHandle request(rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), offsets->get()));
  rd_kafka_AlterConsumerGroupOffsets_t* requests[] = {request.get()};
  QueueHandle queue(rd_kafka_queue_new(client->get()));
  const AdminOptionsHandle how = options(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, timeout_ms);
  rd_kafka_AlterConsumerGroupOffsets(client->get(), requests, 1, how.get(), queue.get());
  KafkaResult<EventHandle> event = wait(queue.get(), timeout_ms);
  if (!event) return tl::make_unexpected(std::move(event).error());
  size_t count = 0;
  const rd_kafka_group_result_t** answers = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(event->get()), &count);
  const KafkaResult<PartitionListHandle> moved = offsets_of(group, answers, count);
  if (!moved) return tl::make_unexpected(moved.error());
  return {};
}

}  // namespace millrace
