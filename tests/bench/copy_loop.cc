// copy_loop: the least program that does what an identity pipeline does, on bare librdkafka: one topic to another,
// exactly once. The yardstick of scripts/bench; no part of the product.
//
// The same librdkafka settings as the daemon (made by the same functions), the same number of workers, the same clock
// of commits and the same budget of a transaction. One consumer whose partition queues are taken by worker threads,
// each with its own transactional producer; values go out without a copy and are held until the commit. No recovery:
// any error ends the program.

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "kafka/settings.h"
#include "pipeline/batch.h"

namespace millrace::bench {
namespace {

constexpr size_t kChunk = 1024;
constexpr int kDeadlineMs = 8000;
constexpr uint64_t kNotification = 1;

struct Options {
  std::string brokers;
  std::string from = "bench.in";
  std::string to = "bench.out";
  std::string group = "copy-loop";
  int partitions = 4;
  int workers = 2;
  int64_t interval_ms = 1000;
  int64_t memory_bytes = 256 << 20;
  int64_t max_records = 100'000;
  int64_t max_bytes = 64 << 20;
};

std::atomic<bool> stopping{false};

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "copy_loop: {}\n", what);
  std::_Exit(1);
}

void must(rd_kafka_error_t* error, const char* doing) {
  if (error != nullptr) die(fmt::format("{}: {}", doing, rd_kafka_error_string(error)));
}

void on_delivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* /*opaque*/) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) die(fmt::format("delivery: {}", rd_kafka_err2str(message->err)));
}

template <typename Made>
Made taken(Result<Made> made) {
  if (!made) die(made.error().what);
  return std::move(*made);
}

EdgeSettings settings_of(const Options& options) {
  EdgeSettings settings;
  settings.pipeline = settings.group = settings.transactional_id_prefix = options.group;
  settings.instance = "copy";
  settings.brokers = {options.brokers};
  settings.workers = options.workers;
  settings.prefetch_bytes = options.memory_bytes / 2;
  settings.producer_queue_bytes = options.memory_bytes / 5;
  settings.times.transaction_ms = std::max<int64_t>(10'000, options.interval_ms + 9'000);
  return settings;
}

rd_kafka_t* make_client(rd_kafka_type_t type, ConfHandle conf) {
  std::array<char, 512> text{};
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), text.data(), text.size());
  if (client == nullptr) die(text.data());
  static_cast<void>(conf.release());
  return client;
}

struct Source {
  int32_t partition = 0;
  QueueHandle queue;
  int64_t next = 0;
};

class Worker {
 public:
  Worker(const Options& options, int number) : options_(options), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    const EdgeSettings settings = settings_of(options);
    ProducerKind kind;
    kind.transactional_id = fmt::format("{}-{}", options.group, number);
    kind.queue_bytes = settings.producer_queue_bytes / options.workers;
    ConfHandle conf = taken(producer_conf(settings, kind));
    rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
    producer_ = make_client(RD_KAFKA_PRODUCER, std::move(conf));
    must(rd_kafka_init_transactions(producer_, kDeadlineMs), "init_transactions");
    topic_ = rd_kafka_topic_new(producer_, options.to.c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(producer_, 0, topic_, &metadata, kDeadlineMs) != RD_KAFKA_RESP_ERR_NO_ERROR) die("metadata");
    to_partitions_ = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    limit_ = options.memory_bytes / 10 * 3 / options.workers / 10 * 8;
  }

  // Before the partition is assigned; on the consumer's thread.
  void take(Source source) {
    rd_kafka_queue_io_event_enable(source.queue.get(), wake_, &kNotification, sizeof(kNotification));
    const std::lock_guard lock(mutex_);
    incoming_.push_back(std::move(source));
  }

  void run(rd_kafka_t* consumer) {
    while (!stopping) {
      {
        const std::lock_guard lock(mutex_);
        for (Source& source : incoming_) sources_.push_back(std::move(source));
        incoming_.clear();
      }
      size_t got = 0;
      for (Source& source : sources_) got += read(source);
      rd_kafka_poll(producer_, 0);
      const bool full = bytes_held_ >= limit_ || static_cast<int64_t>(held_.size()) >= options_.max_records ||
                        bytes_ >= options_.max_bytes;
      if (!held_.empty() && (full || clock_.mono_ms() >= closes_ms_)) commit(consumer);
      if (got == 0) wait();
    }
    if (!held_.empty()) commit(consumer);
  }

  void close() {
    sources_.clear();
    rd_kafka_topic_destroy(topic_);
    rd_kafka_destroy(producer_);
  }

 private:
  void wait() {
    pollfd fd{wake_, POLLIN, 0};
    const int64_t left = held_.empty() ? 100 : std::max<int64_t>(0, closes_ms_ - clock_.mono_ms());
    poll(&fd, 1, static_cast<int>(std::min<int64_t>(left, 100)));
    uint64_t count = 0;
    if (::read(wake_, &count, sizeof(count)) < 0 && errno != EAGAIN) die("eventfd");
  }

  size_t read(Source& source) {
    if (bytes_held_ >= limit_) return 0;
    std::array<rd_kafka_message_t*, kChunk> messages;  // NOLINT: filled by the call below
    const ssize_t got = rd_kafka_consume_batch_queue(source.queue.get(), 0, messages.data(), messages.size());
    for (ssize_t i = 0; i < got; ++i) copy(source, messages[static_cast<size_t>(i)]);
    return got > 0 ? static_cast<size_t>(got) : 0;
  }

  void copy(Source& source, rd_kafka_message_t* message) {
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      rd_kafka_message_destroy(message);
      return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_message_errstr(message));
    if (held_.empty()) {
      must(rd_kafka_begin_transaction(producer_), "begin");
      closes_ms_ = (clock_.mono_ms() / options_.interval_ms + 1) * options_.interval_ms;
    }
    send(source, *message);
    source.next = message->offset + 1;
    held_.push_back(message);
    bytes_ += static_cast<int64_t>(message->len + message->key_len);
    bytes_held_ = bytes_ + static_cast<int64_t>(held_.size() * kRecordOverheadBytes);
  }

  void send(const Source& source, const rd_kafka_message_t& message) {
    const std::string_view key(static_cast<const char*>(message.key), message.key_len);
    const int32_t to =
        message.key == nullptr ? source.partition % to_partitions_ : partition_for_key(key, to_partitions_);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      headers = rd_kafka_headers_copy(headers);
    }
    const int64_t timestamp = rd_kafka_message_timestamp(&message, nullptr);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    while (true) {
      const auto key_part = std::pair(message.key, message.key_len);
      error = headers == nullptr
                  ? rd_kafka_producev(producer_, RD_KAFKA_V_RKT(topic_), RD_KAFKA_V_PARTITION(to),
                                      RD_KAFKA_V_VALUE(message.payload, message.len),
                                      RD_KAFKA_V_KEY(key_part.first, key_part.second), RD_KAFKA_V_TIMESTAMP(timestamp),
                                      RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_END)
                  : rd_kafka_producev(producer_, RD_KAFKA_V_RKT(topic_), RD_KAFKA_V_PARTITION(to),
                                      RD_KAFKA_V_VALUE(message.payload, message.len),
                                      RD_KAFKA_V_KEY(key_part.first, key_part.second), RD_KAFKA_V_TIMESTAMP(timestamp),
                                      RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_END);
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
      rd_kafka_poll(producer_, 1);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die(fmt::format("producev: {}", rd_kafka_err2str(error)));
  }

  void commit(rd_kafka_t* consumer) {
    const PartitionListHandle offsets(rd_kafka_topic_partition_list_new(static_cast<int>(sources_.size())));
    for (const Source& source : sources_) {
      if (source.next == 0) continue;
      rd_kafka_topic_partition_list_add(offsets.get(), options_.from.c_str(), source.partition)->offset = source.next;
    }
    const GroupMetadataHandle group(rd_kafka_consumer_group_metadata(consumer));
    must(rd_kafka_send_offsets_to_transaction(producer_, offsets.get(), group.get(), kDeadlineMs), "offsets");
    must(rd_kafka_commit_transaction(producer_, kDeadlineMs), "commit");
    for (rd_kafka_message_t* message : held_) rd_kafka_message_destroy(message);
    held_.clear();
    bytes_ = bytes_held_ = 0;
  }

  const Options& options_;
  SystemClock clock_;
  int wake_;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_topic_t* topic_ = nullptr;
  int32_t to_partitions_ = 0;
  std::mutex mutex_;
  std::vector<Source> incoming_;
  std::vector<Source> sources_;
  std::vector<rd_kafka_message_t*> held_;
  int64_t bytes_ = 0;
  int64_t bytes_held_ = 0;
  int64_t limit_ = 0;
  int64_t closes_ms_ = 0;
};

struct Assignment {
  std::vector<std::unique_ptr<Worker>>& workers;
};

// Queues are detached from the consumer's before the partitions are assigned: no record takes another way.
void on_rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
                  void* opaque) {
  if (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    must(rd_kafka_incremental_unassign(consumer, partitions), "unassign");
    return;
  }
  auto& workers = static_cast<Assignment*>(opaque)->workers;
  for (int i = 0; i < partitions->cnt; ++i) {
    rd_kafka_topic_partition_t& place = partitions->elems[i];
    QueueHandle queue(rd_kafka_queue_get_partition(consumer, place.topic, place.partition));
    rd_kafka_queue_forward(queue.get(), nullptr);
    place.offset = 0;
    workers[static_cast<size_t>(i) % workers.size()]->take({place.partition, std::move(queue), 0});
  }
  must(rd_kafka_incremental_assign(consumer, partitions), "assign");
}

void copy(const Options& options) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < options.workers; ++i) workers.push_back(std::make_unique<Worker>(options, i));
  const EdgeSettings settings = settings_of(options);
  Assignment assignment{workers};
  const FetchLimits limits = taken(divide_prefetch(settings.prefetch_bytes, options.partitions));
  ConfHandle conf = taken(consumer_conf(settings, limits));
  rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  rd_kafka_conf_set_opaque(conf.get(), &assignment);
  rd_kafka_t* consumer = make_client(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(consumer);
  const PartitionListHandle topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), options.from.c_str(), RD_KAFKA_PARTITION_UA);
  if (rd_kafka_subscribe(consumer, topics.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) die("subscribe");

  std::vector<std::thread> threads;
  for (auto& worker : workers) threads.emplace_back([&worker, consumer] { worker->run(consumer); });
  while (!stopping) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) die("a record came by the consumer's own queue");
    fmt::print(stderr, "copy_loop: {}\n", rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& worker : workers) worker->close();
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  using namespace millrace::bench;
  Options options;
  CLI::App app{"copies one topic to another on bare librdkafka, until SIGTERM"};
  app.add_option("--brokers", options.brokers)->required();
  app.add_option("--from", options.from);
  app.add_option("--to", options.to);
  app.add_option("--group", options.group);
  app.add_option("--partitions", options.partitions);
  app.add_option("--workers", options.workers);
  app.add_option("--interval-ms", options.interval_ms);
  app.add_option("--memory", options.memory_bytes);
  app.add_option("--max-records", options.max_records);
  app.add_option("--max-bytes", options.max_bytes);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGINT, [](int) { stopping = true; });
  copy(options);
  return 0;
}
