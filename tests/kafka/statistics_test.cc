#include "kafka/statistics.h"

#include "support/catch.h"

namespace millrace {

TEST_CASE("Of a producer's statistics the slowest broker that took records counts") {
  const auto statistics = parse_statistics(R"({
    "name": "rdkafka#producer-1", "msg_cnt": 12, "msg_size": 3400, "msg_max": 2147483647, "msg_size_max": 1048576,
    "simple_cnt": 0,
    "brokers": {
      "a:9092/1": {"name": "a:9092/1", "state": "UP", "toppars": {"out-0": {"topic": "out", "partition": 0}},
        "int_latency": {"min": 1, "max": 9000, "cnt": 4, "p50": 1000, "p99": 9000},
        "outbuf_latency": {"cnt": 4, "p50": 100, "p99": 200},
        "rtt": {"cnt": 4, "p50": 2000, "p99": 30500}},
      "b:9092/2": {"name": "b:9092/2",
        "int_latency": {"cnt": 1, "p50": 500, "p99": 500},
        "outbuf_latency": {"cnt": 1, "p50": 0, "p99": 0},
        "rtt": {"cnt": 1, "p50": 500, "p99": 500}},
      "idle:9092/3": {"name": "idle:9092/3",
        "int_latency": {"cnt": 0, "p50": 0, "p99": 0},
        "rtt": {"cnt": 2, "p50": 900000, "p99": 900000}}
    },
    "topics": {"out": {"topic": "out", "batchsize": {"p50": 7}}}})");
  REQUIRE(statistics);
  CHECK(statistics->queued_records == 12);
  CHECK(statistics->queued_bytes == 3400);
  CHECK(statistics->bytes_max == 1'048'576);
  CHECK(statistics->ack_p50_ms == 3.1);
  CHECK(statistics->ack_p99_ms == 39.7);
  CHECK(statistics->request_p50_ms == 2.0);
  CHECK(statistics->request_p99_ms == 30.5);
}

TEST_CASE("What is no statistics is no zero either") {
  CHECK_FALSE(parse_statistics(""));
  CHECK_FALSE(parse_statistics("[]"));
  CHECK_FALSE(parse_statistics("{}"));
  CHECK_FALSE(parse_statistics(R"({"msg_size_max": 5, "brokers": {"a": )"));
}

}  // namespace millrace
