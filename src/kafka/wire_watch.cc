#include "kafka/wire_watch.h"

#include <fmt/core.h>

namespace millrace {

namespace {

constexpr int16_t kProduce = 0;
constexpr int16_t kInitProducerId = 22;
constexpr int16_t kAddPartitionsToTxn = 24;
constexpr int16_t kAddOffsetsToTxn = 25;
constexpr int16_t kEndTxn = 26;
constexpr int16_t kTxnOffsetCommit = 28;
constexpr const char* kName = "millrace";

bool writes(int16_t api_key) {
  return api_key == kProduce || api_key == kInitProducerId || api_key == kAddPartitionsToTxn ||
         api_key == kAddOffsetsToTxn || api_key == kEndTxn || api_key == kTxnOffsetCommit;
}

const char* name_of(int16_t api_key) {
  switch (api_key) {
    case kProduce:
      return "Produce";
    case kInitProducerId:
      return "InitProducerId";
    case kAddPartitionsToTxn:
      return "AddPartitionsToTxn";
    case kAddOffsetsToTxn:
      return "AddOffsetsToTxn";
    case kEndTxn:
      return "EndTxn";
    case kTxnOffsetCommit:
      return "TxnOffsetCommit";
    default:
      return "a request";
  }
}

rd_kafka_resp_err_t on_request_sent(rd_kafka_t* /*client*/, int /*socket*/, const char* /*name*/, int32_t /*id*/,
                                    int16_t api_key, int16_t /*version*/, int32_t /*correlation*/, size_t /*size*/,
                                    void* opaque) {
  static_cast<WireWatch*>(opaque)->saw_request(api_key);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// The error is local (time-out, lost connection), never the broker's code; the correlation id is always 0.
rd_kafka_resp_err_t on_response_received(rd_kafka_t* /*client*/, int /*socket*/, const char* /*name*/, int32_t /*id*/,
                                         int16_t api_key, int16_t /*version*/, int32_t /*correlation*/, size_t /*size*/,
                                         int64_t /*rtt*/, rd_kafka_resp_err_t error, void* opaque) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) static_cast<WireWatch*>(opaque)->saw_local_error(api_key);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_new(rd_kafka_t* client, const rd_kafka_conf_t* /*conf*/, void* opaque, char* /*text*/,
                           size_t /*text_size*/) {
  rd_kafka_interceptor_add_on_request_sent(client, kName, on_request_sent, opaque);
  rd_kafka_interceptor_add_on_response_received(client, kName, on_response_received, opaque);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

void WireWatch::attach(rd_kafka_conf_t* conf) {
  rd_kafka_conf_interceptor_add_on_new(conf, kName, on_new, this);
}

void WireWatch::reset() {
  ends_sent_ = 0;
  writes_sent_ = 0;
  unanswered_ = 0;
  unanswered_key_ = -1;
}

void WireWatch::saw_request(int16_t api_key) {
  if (api_key == kEndTxn) ++ends_sent_;
  if (writes(api_key)) ++writes_sent_;
}

void WireWatch::saw_local_error(int16_t api_key) {
  if (!writes(api_key)) return;
  unanswered_key_ = api_key;
  ++unanswered_;
}

std::string WireWatch::suspicion() const {
  if (!outcome_rule_is_on()) return {};
  const uint32_t ends = ends_sent_;
  if (unanswered_ > 0) return fmt::format("{} was left without an answer", name_of(unanswered_key_));
  if (ends > 1) return fmt::format("EndTxn was sent {} times", ends);
  // A transaction to which nothing was added ends without a request.
  if (ends == 0 && writes_sent_ > 0) return "EndTxn was not sent";
  return {};
}

}  // namespace millrace
