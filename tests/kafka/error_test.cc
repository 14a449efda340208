#include "kafka/error.h"

#include "support/catch.h"

namespace millrace {

TEST_CASE("a TLS alert is a refusal, whatever librdkafka calls it", "[kafka]") {
  const char* alert =
      "ssl://k:9094/1: Receive failed: ssl3_read_bytes error:0A000412:SSL routines::sslv3 alert bad certificate";
  CHECK(complaint_of(RD_KAFKA_RESP_ERR__TRANSPORT, alert).code == RD_KAFKA_RESP_ERR__SSL);
  CHECK(is_authentication(complaint_of(RD_KAFKA_RESP_ERR__TRANSPORT, alert).code));
  CHECK(complaint_of(RD_KAFKA_RESP_ERR__TRANSPORT, "Connection refused").code == RD_KAFKA_RESP_ERR__TRANSPORT);
  CHECK(complaint_of(RD_KAFKA_RESP_ERR__TRANSPORT, nullptr).text.empty());
}

TEST_CASE("A failed delivery is the fault of the record, the destination, the producer or our rights") {
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) == Fault::record_refused);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP) == Fault::record_refused);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_INVALID_RECORD) == Fault::record_refused);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) == Fault::destination);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) == Fault::destination);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS) == Fault::destination);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT) == Fault::destination);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_PRODUCER_FENCED) == Fault::fenced);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) == Fault::authorization);
  CHECK(classify_delivery(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER) == Fault::other);
}

TEST_CASE("What silence means depends on the call") {
  const KafkaError silence = error_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
  CHECK(classify_call(silence, Fault::unknown_outcome) == Fault::unknown_outcome);
  CHECK(classify_call(silence, Fault::destination) == Fault::destination);
}

TEST_CASE("Errors of the group are told from errors of the id and of rights") {
  for (const auto code : {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                          RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS}) {
    CHECK(classify_call(error_of(code), Fault::unknown_outcome) == Fault::generation);
  }
  CHECK(classify_call(error_of(RD_KAFKA_RESP_ERR__FENCED), Fault::unknown_outcome) == Fault::fenced);
  CHECK(classify_call(error_of(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED), Fault::unknown_outcome) ==
        Fault::authorization);
  CHECK(classify_call(error_of(RD_KAFKA_RESP_ERR__AUTHENTICATION), Fault::unknown_outcome) == Fault::authorization);
  CHECK(classify_call(error_of(RD_KAFKA_RESP_ERR_UNKNOWN), Fault::unknown_outcome) == Fault::other);
}

TEST_CASE("No error object is no error") {
  CHECK(take_error(nullptr).ok());
}

TEST_CASE("The text of a failed call says what was being done, and the error's name") {
  const BrokerError error = call_failed(error_of(RD_KAFKA_RESP_ERR__TIMED_OUT), "committing", Fault::other).value();
  CHECK(error.what.starts_with("committing: "));
  CHECK(error.what.find("_TIMED_OUT") != std::string::npos);
}

}  // namespace millrace
