// Producer: one librdkafka producer with its topics, its wire watch, and what went wrong on it.
//
// Owned and used by one worker's broker; handed to the reaper, which destroys it (the destructor blocks while
// librdkafka takes its threads down). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/thread.h"
#include "kafka/error.h"
#include "kafka/handles.h"
#include "kafka/settings.h"
#include "kafka/statistics.h"
#include "kafka/wire_watch.h"

namespace millrace {

// The first record that could not be delivered (not those that we purged ourselves).
struct DeliveryFailure {
  KafkaError error;
  uint32_t tag = 0;
  uint16_t destination = 0;
};

class Producer {
 public:
  static Result<std::unique_ptr<Producer>> create(const EdgeSettings& settings, const ProducerKind& kind,
                                                  const Clock& clock);
  ~Producer() = default;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Topics of the list that it has not yet, in their places.
  Result<void> add_topics(const std::vector<DestinationSettings>& destinations);

  KafkaError init_transactions(int timeout_ms);

  // Metadata of every destination, and a connection to a broker, so that the first transaction waits for neither.
  KafkaError load_metadata(int timeout_ms);

  // Nothing is copied but the key and the headers. QUEUE_FULL: serve() and try again.
  KafkaError send(const OutputRecord& record);

  // Runs delivery reports for up to `wait_ms`.
  void serve(int wait_ms);

  // Waits until nothing is outstanding.
  KafkaError flush(int timeout_ms);

  // Drops what is queued or in flight; its delivery reports come as purged.
  void purge();

  [[nodiscard]] int outstanding() const;
  [[nodiscard]] const std::optional<DeliveryFailure>& failure() const { return failure_; }
  void clear_failure() { failure_.reset(); }

  // The client's fatal error, if it has one.
  [[nodiscard]] KafkaError fatal() const;

  // Why the open transaction failed, after a call was refused with _STATE: librdkafka says that to some calls only.
  [[nodiscard]] KafkaError transaction_failure() const;

  // The topic that could not be added to the transaction because of this error; empty: none.
  [[nodiscard]] std::string refused_topic(rd_kafka_resp_err_t code) const;
  void clear_refused_topics();

  // The last thing librdkafka complained about (brokers down, authentication); served by serve() and flush().
  [[nodiscard]] const KafkaError& complaint() const { return complaint_; }

  // What is with the producer and not acknowledged yet; values only, as librdkafka counts them against its limit.
  [[nodiscard]] int64_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] int64_t queue_limit_bytes() const { return queue_limit_bytes_; }
  // The longest delay by a quota that a broker told of within the last ten seconds or twice as long as it lasts; 0:
  // none.
  [[nodiscard]] double throttle_ms() const;
  // Deliveries that failed, those that we purged ourselves left out.
  [[nodiscard]] uint64_t failed_deliveries() const { return failed_deliveries_; }
  // As librdkafka counted them last; empty before its first interval is over. Served by serve() and flush().
  [[nodiscard]] const std::optional<ProducerStatistics>& statistics() const { return statistics_; }
  // How often they came: a change says that there are new ones.
  [[nodiscard]] uint64_t statistics_count() const { return statistics_count_; }

  [[nodiscard]] rd_kafka_t* client() const { return client_.get(); }
  [[nodiscard]] WireWatch& watch() { return watch_; }

 private:
  explicit Producer(const Clock& clock) : clock_(clock) {}
  static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);
  static void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text);
  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque);
  static void on_throttle(rd_kafka_t* client, const char* broker, int32_t id, int throttle_ms, void* opaque);
  static int on_statistics(rd_kafka_t* client, char* json, size_t size, void* opaque);

  const Clock& clock_;
  WireWatch watch_;  // outlives the client, whose threads call it
  std::optional<DeliveryFailure> failure_;
  KafkaError complaint_;
  int throttle_ms_ = 0;
  int64_t throttled_at_ms_ = 0;
  int64_t queued_bytes_ = 0;
  int64_t queue_limit_bytes_ = 1;
  uint64_t failed_deliveries_ = 0;
  std::optional<ProducerStatistics> statistics_;
  uint64_t statistics_count_ = 0;
  mutable Mutex refused_mutex_;
  std::vector<std::pair<std::string, std::string>> refused_topics_ GUARDED_BY(refused_mutex_);  // and the error's text
  ClientHandle client_;
  std::vector<TopicHandle> topics_;  // null: not written to; destroyed before the client
};

}  // namespace millrace
