#include "kafka/group_offsets.h"

#include <array>
#include <memory>
#include <string>

#include "kafka/error.h"
#include "kafka/handles.h"
#include "kafka/partition_list.h"

namespace millrace {
namespace {

struct ClientDestroyer {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }
};
struct ListDestroyer {
  void operator()(rd_kafka_ListConsumerGroupOffsets_t* request) const {
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
  }
};
struct AlterDestroyer {
  void operator()(rd_kafka_AlterConsumerGroupOffsets_t* request) const {
    rd_kafka_AlterConsumerGroupOffsets_destroy(request);
  }
};

tl::unexpected<Error> failed(const std::string& doing, const std::string& why) {
  return fail(Remedy::stop, doing + ": " + why);
}

// The offsets of the group in the answer to either question, or why there is none.
Result<PartitionListHandle> offsets_of(const rd_kafka_group_result_t** groups, size_t count, const std::string& doing) {
  if (count != 1) return failed(doing, "no answer for the group");
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    return failed(doing, rd_kafka_error_string(error));
  }
  PartitionListHandle list(rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(groups[0])));
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = list->elems[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failed(doing, partition_of(each).text() + ": " + error_of(each.err).text);
    }
  }
  return list;
}

Result<EventHandle> wait_for(rd_kafka_queue_t* queue, int64_t deadline_ms, const std::string& doing) {
  EventHandle event(rd_kafka_queue_poll(queue, static_cast<int>(deadline_ms)));
  if (!event) return failed(doing, "no answer in time");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failed(doing, rd_kafka_event_error_string(event.get()));
  }
  return event;
}

}  // namespace

Result<void> move_group_offsets(const EdgeSettings& settings, const Progress& to, int64_t deadline_ms) {
  TRY_ASSIGN(ConfHandle conf, group_admin_conf(settings));
  std::array<char, 512> why{};
  const std::unique_ptr<rd_kafka_t, ClientDestroyer> client(
      rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why.data(), why.size()));
  if (!client) return failed("making a client", why.data());
  [[maybe_unused]] rd_kafka_conf_t* taken = conf.release();  // by the client
  const QueueHandle queue(rd_kafka_queue_new(client.get()));
  const AdminOptionsHandle options(rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_ANY));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(deadline_ms), why.data(), why.size());

  std::vector<TopicPartition> partitions;
  for (const auto& each : to) partitions.push_back(each.first);
  const PartitionListHandle asked = list_of(partitions);
  const std::string reading = "reading the offsets of group " + settings.group;
  const std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, ListDestroyer> list(
      rd_kafka_ListConsumerGroupOffsets_new(settings.group.c_str(), asked.get()));
  rd_kafka_ListConsumerGroupOffsets_t* lists[] = {list.get()};
  rd_kafka_ListConsumerGroupOffsets(client.get(), lists, 1, options.get(), queue.get());
  TRY_ASSIGN(const EventHandle listed, wait_for(queue.get(), deadline_ms, reading));
  size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(listed.get()), &count);
  TRY_ASSIGN(const PartitionListHandle offsets, offsets_of(groups, count, reading));

  for (int i = 0; i < offsets->cnt; ++i) offsets->elems[i].offset = to.at(partition_of(offsets->elems[i]));
  const std::string moving = "moving the offsets of group " + settings.group;
  const std::unique_ptr<rd_kafka_AlterConsumerGroupOffsets_t, AlterDestroyer> alter(
      rd_kafka_AlterConsumerGroupOffsets_new(settings.group.c_str(), offsets.get()));
  rd_kafka_AlterConsumerGroupOffsets_t* alters[] = {alter.get()};
  rd_kafka_AlterConsumerGroupOffsets(client.get(), alters, 1, options.get(), queue.get());
  TRY_ASSIGN(const EventHandle altered, wait_for(queue.get(), deadline_ms, moving));
  groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(altered.get()), &count);
  TRY_ASSIGN(const PartitionListHandle moved, offsets_of(groups, count, moving));
  return {};
}

}  // namespace millrace
