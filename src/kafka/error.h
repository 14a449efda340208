// Errors of librdkafka as plain values. Its error objects answer three questions (fatal? may it be retried? must the
// transaction be aborted?); they are asked at once, where the call is made, and the object is gone. Values; any thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

#include "io/broker.h"

namespace millrace {

struct KafkaError {
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  bool fatal = false;
  bool retriable = false;
  bool abortable = false;
  std::string text;
  [[nodiscard]] bool ok() const { return code == RD_KAFKA_RESP_ERR_NO_ERROR; }
};

// Takes ownership; null is no error.
KafkaError take_error(rd_kafka_error_t* error);
KafkaError error_of(rd_kafka_resp_err_t code);

// What librdkafka's error callback says. A handshake that fails, or a TLS alert, may come as a lost connection; it
// means that one side refuses the other.
KafkaError complaint_of(int code, const char* reason);

// What a failed delivery of a record says. A record, a destination, the producer or the cluster may be the reason.
Fault classify_delivery(rd_kafka_resp_err_t code);

// What a failed call says. A time-out or a lost connection means `on_silence`: whether anything may have happened
// depends on the call.
Fault classify_call(const KafkaError& error, Fault on_silence);

// "doing: text", classified.
tl::unexpected<BrokerError> call_failed(const KafkaError& error, std::string_view doing, Fault on_silence);

// Brokers could not be reached, or refuse to know us.
bool is_silence(rd_kafka_resp_err_t code);
bool is_authentication(rd_kafka_resp_err_t code);

}  // namespace millrace
