// A commit of offsets by the group's member, with an end to the waiting. Any thread.
#pragma once

#include "kafka/error.h"
#include "kafka/handles.h"

namespace millrace {

// Blocks up to `timeout_ms`. After a time-out the commit may still come through.
KafkaError commit_as_member(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets, int timeout_ms);

}  // namespace millrace
