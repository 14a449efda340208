#include "kafka/group_commit.h"

namespace millrace {

KafkaError commit_as_member(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets, int timeout_ms) {
  if (consumer == nullptr) return error_of(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
  QueueHandle queue(rd_kafka_queue_new(consumer));
  const KafkaError begun = error_of(rd_kafka_commit_queue(consumer, offsets, queue.get(), nullptr, nullptr));
  if (!begun.ok()) return begun;
  EventHandle event(rd_kafka_queue_poll(queue.get(), timeout_ms));
  if (!event) return error_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
  const KafkaError error = error_of(rd_kafka_event_error(event.get()));
  if (!error.ok()) return error;
  const rd_kafka_topic_partition_list_t* results = rd_kafka_event_topic_partition_list(event.get());
  for (int i = 0; results != nullptr && i < results->cnt; ++i) {
    if (results->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(results->elems[i].err);
  }
  return {};
}

}  // namespace millrace
