#include "kafka/producer.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/text.h"
#include "kafka/deadline.h"
#include "kafka/library_log.h"

namespace millrace {

namespace {

// Which record a delivery report is about: its tag and destination, in the opaque pointer.
void* pack(uint32_t tag, uint16_t destination) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(tag) << 16 | destination);
}

HeadersHandle make_headers(const OutputRecord& record) {
  if (record.native_headers != nullptr) {
    return HeadersHandle(rd_kafka_headers_copy(static_cast<const rd_kafka_headers_t*>(record.native_headers)));
  }
  if (record.headers.empty()) return nullptr;
  HeadersHandle headers(rd_kafka_headers_new(record.headers.size()));
  for (const Header& header : record.headers) {
    rd_kafka_header_add(headers.get(), header.name.data(), static_cast<ssize_t>(header.name.size()), header.value.data,
                        static_cast<ssize_t>(header.value.size));
  }
  return headers;
}

}  // namespace

Result<std::unique_ptr<Producer>> Producer::create(const EdgeSettings& settings, const ProducerKind& kind,
                                                   const Clock& clock) {
  TRY_ASSIGN(ConfHandle conf, producer_conf(settings, kind));
  std::unique_ptr<Producer> producer(new Producer(clock));
  rd_kafka_conf_set_opaque(conf.get(), producer.get());
  // Without a delivery callback each flush sleeps 10 ms.
  rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_stats_cb(conf.get(), on_statistics);
  rd_kafka_conf_set_throttle_cb(conf.get(), on_throttle);
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  producer->watch_.attach(conf.get());
  std::array<char, 512> text{};
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text.data(), text.size());
  if (client == nullptr) {
    return fail(Remedy::fix_config, std::string("creating a producer: ") + text.data(), ExitCode::config);
  }
  static_cast<void>(conf.release());  // the client has it now
  producer->client_.reset(client);
  producer->queue_limit_bytes_ = millrace::queue_limit_bytes(kind);
  TRY(producer->add_topics(settings.destinations));
  return producer;
}

Result<void> Producer::add_topics(const std::vector<DestinationSettings>& destinations) {
  if (topics_.size() < destinations.size()) topics_.resize(destinations.size());
  for (size_t i = 0; i < destinations.size(); ++i) {
    const DestinationSettings& destination = destinations[i];
    if (topics_[i] || destination.topic.empty()) continue;
    TopicConfHandle conf(rd_kafka_default_topic_conf_dup(client_.get()));
    std::array<char, 512> text{};
    const std::pair<const char*, const std::string&> own[] = {{"compression.type", destination.compression},
                                                              {"request.required.acks", destination.acks}};
    for (const auto& [key, value] : own) {
      if (rd_kafka_topic_conf_set(conf.get(), key, value.c_str(), text.data(), text.size()) != RD_KAFKA_CONF_OK) {
        return fail(Remedy::fix_config, destination.topic + ": " + text.data(), ExitCode::config);
      }
    }
    rd_kafka_topic_t* topic = rd_kafka_topic_new(client_.get(), destination.topic.c_str(), conf.get());
    if (topic == nullptr) {
      return fail(Remedy::fix_config, destination.topic + ": " + error_of(rd_kafka_last_error()).text,
                  ExitCode::config);
    }
    static_cast<void>(conf.release());  // the topic has it now
    topics_[i].reset(topic);
  }
  return {};
}

KafkaError Producer::init_transactions(int timeout_ms) {
  KafkaError error = take_error(rd_kafka_init_transactions(client_.get(), timeout_ms));
  serve(0);
  // A time-out says nothing; what librdkafka complained about says why.
  if (is_silence(error.code) && !complaint_.ok()) {
    if (is_authentication(complaint_.code)) error.code = complaint_.code;
    error.text += "; " + complaint_.text;
  }
  return error;
}

KafkaError Producer::load_metadata(int timeout_ms) {
  // The connection to an address of the configuration is closed as soon as its broker has a number. Who looks for a
  // coordinator just then has nobody to ask and waits half a second, so a broker with a number is asked, too.
  constexpr int kRounds = 3;
  const Deadline deadline(clock_, timeout_ms);
  KafkaError error;
  for (int round = 0; round < kRounds; ++round) {
    const rd_kafka_metadata_t* metadata = nullptr;
    error = error_of(rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, deadline.timeout()));
    MetadataHandle owner(metadata);
    if (!error.ok() || metadata->orig_broker_id >= 0 || deadline.over()) break;
  }
  return error;
}

KafkaError Producer::send(const OutputRecord& record) {
  DCHECK(record.destination < topics_.size() && topics_[record.destination]);
  HeadersHandle headers = make_headers(record);
  rd_kafka_topic_t* topic = topics_[record.destination].get();
  void* value = const_cast<char*>(record.value.data);
  // librdkafka takes 0 for "not set" and writes the time of now; a millisecond off is nearer.
  const int64_t timestamp = record.timestamp_ms < 0 ? 0 : std::max<int64_t>(record.timestamp_ms, 1);
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (headers) {
    code =
        rd_kafka_producev(client_.get(), RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record.partition),
                          RD_KAFKA_V_VALUE(value, record.value.size), RD_KAFKA_V_KEY(record.key.data, record.key.size),
                          RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_HEADERS(headers.get()),
                          RD_KAFKA_V_OPAQUE(pack(record.tag, record.destination)), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) static_cast<void>(headers.release());
  } else {
    code = rd_kafka_producev(client_.get(), RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record.partition),
                             RD_KAFKA_V_VALUE(value, record.value.size),
                             RD_KAFKA_V_KEY(record.key.data, record.key.size), RD_KAFKA_V_TIMESTAMP(timestamp),
                             RD_KAFKA_V_OPAQUE(pack(record.tag, record.destination)), RD_KAFKA_V_END);
  }
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) queued_bytes_ += static_cast<int64_t>(record.value.size);
  return error_of(code);
}

void Producer::serve(int wait_ms) {
  rd_kafka_poll(client_.get(), wait_ms);
}

KafkaError Producer::flush(int timeout_ms) {
  return error_of(rd_kafka_flush(client_.get(), timeout_ms));
}

void Producer::purge() {
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

int Producer::outstanding() const {
  return rd_kafka_outq_len(client_.get());
}

KafkaError Producer::fatal() const {
  std::array<char, 512> text{};
  KafkaError error = error_of(rd_kafka_fatal_error(client_.get(), text.data(), text.size()));
  if (!error.ok()) {
    error.fatal = true;
    error.text = escape_for_log(text.data(), 512);
  }
  return error;
}

KafkaError Producer::transaction_failure() const {
  // Beginning another one is refused with the failure of the one that is open.
  return take_error(rd_kafka_begin_transaction(client_.get()));
}

std::string Producer::refused_topic(rd_kafka_resp_err_t code) const {
  const std::string_view text = rd_kafka_err2str(code);
  const MutexLock lock(refused_mutex_);
  for (const auto& [topic, why] : refused_topics_) {
    if (why == text) return topic;
  }
  return {};
}

void Producer::clear_refused_topics() {
  const MutexLock lock(refused_mutex_);
  refused_topics_.clear();
}

// Called by librdkafka's threads. Which topic could not be added to a transaction is said nowhere but here.
void Producer::on_log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  log_from_library(client, level, facility, text);
  if (std::string_view(facility) != "ADDPARTS") return;
  const auto refused = parse_refused_partition(text);
  auto* self = static_cast<Producer*>(rd_kafka_opaque(client));
  constexpr size_t kRefusedMax = 1000;
  const MutexLock lock(self->refused_mutex_);
  if (refused && self->refused_topics_.size() < kRefusedMax) self->refused_topics_.push_back(*refused);
}

void Producer::on_delivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<Producer*>(opaque);
  self->queued_bytes_ -= static_cast<int64_t>(message->len);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
  ++self->failed_deliveries_;
  if (self->failure_) return;
  DeliveryFailure failure;
  failure.error = error_of(message->err);
  const auto packed = reinterpret_cast<uintptr_t>(message->_private);
  failure.tag = static_cast<uint32_t>(packed >> 16);
  failure.destination = static_cast<uint16_t>(packed & 0xffff);
  if (const char* text = rd_kafka_message_errstr(message)) failure.error.text = escape_for_log(text, 512);
  self->failure_ = std::move(failure);
}

// librdkafka tells of each throttled request, and once more when the first one is not.
void Producer::on_throttle(rd_kafka_t* /*client*/, const char* /*broker*/, int32_t /*id*/, int throttle_ms,
                           void* opaque) {
  auto* self = static_cast<Producer*>(opaque);
  if (throttle_ms <= 0) return;
  const bool fresh = self->throttle_ms() == 0;
  self->throttle_ms_ = fresh ? throttle_ms : std::max(self->throttle_ms_, throttle_ms);
  self->throttled_at_ms_ = self->clock_.mono_ms();
}

double Producer::throttle_ms() const {
  constexpr int64_t kShownMs = 10'000;
  if (throttle_ms_ == 0) return 0;
  const bool over = clock_.mono_ms() - throttled_at_ms_ > std::max<int64_t>(kShownMs, 2 * throttle_ms_);
  return over ? 0 : throttle_ms_;
}

// 0: librdkafka frees its text.
int Producer::on_statistics(rd_kafka_t* /*client*/, char* json, size_t size, void* opaque) {
  auto* self = static_cast<Producer*>(opaque);
  if (std::optional<ProducerStatistics> parsed = parse_statistics(std::string_view(json, size))) {
    self->statistics_ = *parsed;
    ++self->statistics_count_;
  }
  return 0;
}

void Producer::on_error(rd_kafka_t* /*client*/, int code, const char* reason, void* opaque) {
  auto* self = static_cast<Producer*>(opaque);
  KafkaError error = complaint_of(code, reason);
  // "All brokers down" follows an authentication failure; the first says more.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && is_authentication(self->complaint_.code)) return;
  self->complaint_ = std::move(error);
}

}  // namespace millrace
