// A copier from one topic to another, exactly once unless it is told to be wrong: the positive and the negative control
// of the fault runs. It uses librdkafka directly and nothing of the product.
//
//   faults_copier --brokers A --group G --from T --to T --id PREFIX [--batch N] [--interval MS] [--session MS]
//                 [--instance NAME] [--ring N] [--flush] [--abort-batch K] [--broken WHAT]
//
// WHAT: offsets-first        offsets are committed before the records are produced
//       no-transaction       records are produced without a transaction, offsets committed after them
//       no-abort-on-revoke   a batch goes on although its partitions were taken away
//       cached-generation    the group's metadata is read once, before the group was joined
//       no-outcome-rule      a transaction is trusted although its end was sent twice or a request had no answer
// --ring N: after an untrusted transaction the next of N transactional ids is used; 1: the same one again.
// --abort-batch K: the K-th batch is aborted once after its flush, and read again.
//
// SIGTERM ends it. Exit 0: asked to; 1: a fatal error, to be started again.

#include <librdkafka/rdkafka.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

std::atomic<bool> stopping{false};

void fail(const std::string& what) {
  fprintf(stderr, "copier: %s\n", what.c_str());
  std::_Exit(1);
}

void say(const std::string& what) {
  fprintf(stderr, "copier: %s\n", what.c_str());
}

struct Options {
  std::map<std::string, std::string> words;

  std::string text(const std::string& name, const std::string& otherwise = "") const {
    auto found = words.find(name);
    return found == words.end() ? otherwise : found->second;
  }
  int number(const std::string& name, int otherwise) const {
    auto found = words.find(name);
    return found == words.end() ? otherwise : std::stoi(found->second);
  }
  bool broken(const char* how) const { return text("broken") == how; }
};

// Sees what the producer puts on the wire; librdkafka repeats requests and does not say so.
struct Watch {
  std::atomic<int> ends_sent{0};
  std::atomic<int> unanswered{0};

  void reset() { ends_sent = unanswered = 0; }
  bool clean() const { return ends_sent <= 1 && unanswered == 0; }
};

bool writes(int16_t api) {
  return api == 0 || api == 22 || (api >= 24 && api <= 28);
}

rd_kafka_resp_err_t on_sent(rd_kafka_t*, int, const char*, int32_t, int16_t api, int16_t, int32_t, size_t,
                            void* opaque) {
  if (api == 26) ++static_cast<Watch*>(opaque)->ends_sent;
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_received(rd_kafka_t*, int, const char*, int32_t, int16_t api, int16_t, int32_t, size_t, int64_t,
                                rd_kafka_resp_err_t error, void* opaque) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && writes(api)) ++static_cast<Watch*>(opaque)->unanswered;
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_new(rd_kafka_t* client, const rd_kafka_conf_t*, void* opaque, char*, size_t) {
  rd_kafka_interceptor_add_on_request_sent(client, "copier", on_sent, opaque);
  rd_kafka_interceptor_add_on_response_received(client, "copier", on_received, opaque);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void set(rd_kafka_conf_t* conf, const char* key, const std::string& value) {
  char text[256];
  if (rd_kafka_conf_set(conf, key, value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) fail(text);
}

struct FreeMessage {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, FreeMessage>;

struct FreeList {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using List = std::unique_ptr<rd_kafka_topic_partition_list_t, FreeList>;

class Copier {
 public:
  explicit Copier(Options options) : options_(std::move(options)) {}

  void run() {
    make_consumer();
    slot_ = 0;
    for (int slot = options_.number("ring", 4) - 1; slot >= 0; --slot) {
      // A predecessor may have left a transaction open under any of the ids.
      make_producer(slot);
      if (slot > 0) drop_producer();
    }
    say("started");
    while (!stopping) {
      collect();
      if (batch_.empty()) continue;
      ++batches_;
      copy();
      batch_.clear();
    }
    rd_kafka_consumer_close(consumer_);
    drop_producer();
    rd_kafka_destroy(consumer_);
  }

 private:
  void make_consumer() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    common(conf);
    set(conf, "group.id", options_.text("group"));
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "isolation.level", "read_committed");
    set(conf, "session.timeout.ms", options_.text("session", "6000"));
    set(conf, "heartbeat.interval.ms", "300");
    set(conf, "fetch.wait.max.ms", "20");
    // A restart takes the place of the one that was killed, without waiting for its session to end.
    if (options_.words.count("instance")) set(conf, "group.instance.id", options_.text("instance"));
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_rebalance_cb(conf, &Copier::rebalance);
    char text[256];
    consumer_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!consumer_) fail(text);
    rd_kafka_poll_set_consumer(consumer_);
    cached_ = rd_kafka_consumer_group_metadata(consumer_);
    List topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), options_.text("from").c_str(), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer_, topics.get());
  }

  void common(rd_kafka_conf_t* conf) {
    set(conf, "bootstrap.servers", options_.text("brokers"));
    set(conf, "client.id", options_.text("id"));
    set(conf, "socket.timeout.ms", "5000");
    set(conf, "reconnect.backoff.ms", "20");
    set(conf, "reconnect.backoff.max.ms", "200");
    set(conf, "log_level", "3");
  }

  static void rebalance(rd_kafka_t* client, rd_kafka_resp_err_t why, rd_kafka_topic_partition_list_t* list,
                        void* self) {
    if (why == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      rd_kafka_assign(client, list);
      return;
    }
    auto* copier = static_cast<Copier*>(self);
    if (!copier->options_.broken("no-abort-on-revoke") && !copier->options_.broken("cached-generation")) {
      copier->batch_.clear();
    }
    rd_kafka_assign(client, nullptr);
  }

  // Records until the batch is full or the tick is over.
  void collect() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.number("interval", 100));
    const size_t most = static_cast<size_t>(options_.number("batch", 20));
    while (!stopping && batch_.size() < most && std::chrono::steady_clock::now() < end) {
      Message message(rd_kafka_consumer_poll(consumer_, 10));
      if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) batch_.push_back(std::move(message));
    }
  }

  void make_producer(int slot) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    common(conf);
    const bool transactional = !options_.broken("no-transaction");
    if (transactional) {
      set(conf, "transactional.id", options_.text("id") + "-" + std::to_string(slot));
      set(conf, "transaction.timeout.ms", options_.text("transaction", "30000"));
    }
    set(conf, "partitioner", "murmur2_random");
    set(conf, "linger.ms", "1");
    set(conf, "message.timeout.ms", "20000");
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
      if (message->err) say(std::string("not delivered: ") + rd_kafka_err2str(message->err));
    });
    rd_kafka_conf_interceptor_add_on_new(conf, "copier", on_new, &watch_);
    char text[256];
    producer_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer_) fail(text);
    // Without knowing the brokers it would ask for its coordinator for ever and never connect to it.
    const struct rd_kafka_metadata* brokers = nullptr;
    if (!rd_kafka_metadata(producer_, 0, nullptr, &brokers, 10'000)) rd_kafka_metadata_destroy(brokers);
    for (int tries = 0; transactional && tries < 20; ++tries) {
      rd_kafka_error_t* error = rd_kafka_init_transactions(producer_, 10'000);
      if (!error) break;
      if (!rd_kafka_error_is_retriable(error)) fail(std::string("init: ") + rd_kafka_error_string(error));
      rd_kafka_error_destroy(error);
    }
    watch_.reset();
  }

  void drop_producer() {
    rd_kafka_purge(producer_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(producer_, 1000);
    rd_kafka_destroy(producer_);
    producer_ = nullptr;
  }

  void copy() {
    if (options_.broken("offsets-first")) commit_offsets();
    if (!options_.broken("no-transaction") && !must(rd_kafka_begin_transaction(producer_), "begin")) return;
    for (const Message& message : batch_) produce(*message);
    if (options_.words.count("flush") || options_.broken("no-transaction")) rd_kafka_flush(producer_, 20'000);
    if (options_.broken("no-transaction")) {
      commit_offsets();
      return;
    }
    if (options_.number("abort-batch", 0) == batches_) {
      say("aborts a batch");
      must(rd_kafka_abort_transaction(producer_, 20'000), "abort") && trusted();
      go_back();
      return;
    }
    if (!options_.broken("offsets-first") && !send_offsets()) return;
    if (must(rd_kafka_commit_transaction(producer_, 20'000), "commit")) trusted();
  }

  void produce(const rd_kafka_message_t& message) {
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
      headers = rd_kafka_headers_copy(headers);
    rd_kafka_timestamp_type_t kind;
    const int64_t timestamp = rd_kafka_message_timestamp(&message, &kind);
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        producer_, RD_KAFKA_V_TOPIC(options_.text("to").c_str()), RD_KAFKA_V_KEY(message.key, message.key_len),
        RD_KAFKA_V_VALUE(message.payload, message.len), RD_KAFKA_V_TIMESTAMP(timestamp),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error) say(std::string("produce: ") + rd_kafka_err2str(error));
    rd_kafka_poll(producer_, 0);
  }

  List progress() const {
    std::map<std::pair<std::string, int32_t>, int64_t> next;
    for (const Message& message : batch_) {
      next[{rd_kafka_topic_name(message->rkt), message->partition}] = message->offset + 1;
    }
    List list(rd_kafka_topic_partition_list_new(static_cast<int>(next.size())));
    for (const auto& [place, offset] : next) {
      rd_kafka_topic_partition_list_add(list.get(), place.first.c_str(), place.second)->offset = offset;
    }
    return list;
  }

  void commit_offsets() {
    List list = progress();
    const rd_kafka_resp_err_t error = rd_kafka_commit(consumer_, list.get(), 0);
    if (error) say(std::string("offsets: ") + rd_kafka_err2str(error));
  }

  bool send_offsets() {
    List list = progress();
    rd_kafka_consumer_group_metadata_t* fresh = rd_kafka_consumer_group_metadata(consumer_);
    const bool stale = options_.broken("cached-generation");
    const bool sent =
        must(rd_kafka_send_offsets_to_transaction(producer_, list.get(), stale ? cached_ : fresh, 20'000), "offsets");
    rd_kafka_consumer_group_metadata_destroy(fresh);
    return sent;
  }

  // After an end that looks clean: the outcome rule.
  bool trusted() {
    const bool clean = watch_.clean();
    if (clean || options_.broken("no-outcome-rule")) {
      watch_.reset();
      return true;
    }
    say("outcome unknown: the producer is replaced");
    drop_producer();
    make_producer(slot_);
    const int ring = options_.number("ring", 4);
    if (ring > 1) {
      drop_producer();
      slot_ = (slot_ + 1) % ring;
      make_producer(slot_);
    }
    go_back();
    return false;
  }

  // False when the call failed: then the transaction is over, and reading goes on from what is committed.
  bool must(rd_kafka_error_t* error, const char* what) {
    if (!error) return true;
    say(std::string(what) + ": " + rd_kafka_error_string(error));
    const bool fatal = rd_kafka_error_is_fatal(error);
    const bool abortable = rd_kafka_error_txn_requires_abort(error);
    rd_kafka_error_destroy(error);
    if (fatal || !abortable) fail(std::string(what) + " ends this process");
    rd_kafka_error_t* again = rd_kafka_abort_transaction(producer_, 20'000);
    if (again) fail(std::string("abort: ") + rd_kafka_error_string(again));
    if (trusted()) go_back();
    return false;
  }

  void go_back() {
    rd_kafka_topic_partition_list_t* raw = nullptr;
    if (rd_kafka_assignment(consumer_, &raw) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    List list(raw);
    const rd_kafka_resp_err_t error = rd_kafka_committed(consumer_, list.get(), 20'000);
    if (error) fail(std::string("committed: ") + rd_kafka_err2str(error));
    for (int i = 0; i < list->cnt; ++i) {
      if (list->elems[i].offset < 0) list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_error_t* sought = rd_kafka_seek_partitions(consumer_, list.get(), 20'000);
    if (sought) fail(std::string("seek: ") + rd_kafka_error_string(sought));
  }

  Options options_;
  rd_kafka_t* consumer_ = nullptr;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_consumer_group_metadata_t* cached_ = nullptr;
  Watch watch_;
  std::vector<Message> batch_;
  int batches_ = 0;
  int slot_ = 0;
};

}  // namespace

int main(int count, char** words) {
  Options options;
  for (int at = 1; at < count; ++at) {
    if (strncmp(words[at], "--", 2) != 0) fail(std::string("what is ") + words[at]);
    const bool alone = at + 1 == count || strncmp(words[at + 1], "--", 2) == 0;
    options.words[words[at] + 2] = alone ? "" : words[at + 1];
    at += alone ? 0 : 1;
  }
  signal(SIGTERM, [](int) { stopping = true; });
  Copier(options).run();
  return 0;
}
