// Owners of librdkafka's objects, so that every C object has exactly one owner in C++. Values; the thread that owns the
// object they hold.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace millrace {

template <auto Destroy>
struct Destroyer {
  template <typename T>
  void operator()(T* object) const {
    Destroy(object);
  }
};

using ConfHandle = std::unique_ptr<rd_kafka_conf_t, Destroyer<&rd_kafka_conf_destroy>>;
using TopicConfHandle = std::unique_ptr<rd_kafka_topic_conf_t, Destroyer<&rd_kafka_topic_conf_destroy>>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, Destroyer<&rd_kafka_topic_destroy>>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, Destroyer<&rd_kafka_queue_destroy>>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, Destroyer<&rd_kafka_event_destroy>>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, Destroyer<&rd_kafka_error_destroy>>;
using PartitionListHandle =
    std::unique_ptr<rd_kafka_topic_partition_list_t, Destroyer<&rd_kafka_topic_partition_list_destroy>>;
using GroupMetadataHandle =
    std::unique_ptr<rd_kafka_consumer_group_metadata_t, Destroyer<&rd_kafka_consumer_group_metadata_destroy>>;
using HeadersHandle = std::unique_ptr<rd_kafka_headers_t, Destroyer<&rd_kafka_headers_destroy>>;
using AdminOptionsHandle = std::unique_ptr<rd_kafka_AdminOptions_t, Destroyer<&rd_kafka_AdminOptions_destroy>>;
using ConfigResourceHandle = std::unique_ptr<rd_kafka_ConfigResource_t, Destroyer<&rd_kafka_ConfigResource_destroy>>;
using TopicCollectionHandle = std::unique_ptr<rd_kafka_TopicCollection_t, Destroyer<&rd_kafka_TopicCollection_destroy>>;

// rd_kafka_metadata_destroy takes a pointer to const.
struct MetadataDestroyer {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
using MetadataHandle = std::unique_ptr<const rd_kafka_metadata_t, MetadataDestroyer>;

// Clients block in their destroy; whoever holds one of these chooses the thread on which that happens.
using ClientHandle = std::unique_ptr<rd_kafka_t, Destroyer<&rd_kafka_destroy>>;

}  // namespace millrace
