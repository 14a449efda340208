// WireWatch: sees what one producer puts on the wire, through librdkafka's interceptors, and says whether a transaction
// ended cleanly.
//
// librdkafka repeats requests by itself after a time-out or a lost connection, and says nothing. A request of which the
// first copy is only late may take effect in a later transaction: so a transaction is trusted only if its end was sent
// exactly once and no request that writes was left without an answer.
//
// Owned by the producer and outlives its client. The interceptors run on librdkafka's threads (atomics); the rest is
// for the producer's thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "kafka/test_switches.h"

namespace millrace {

class WireWatch {
 public:
  WireWatch() = default;
  WireWatch(const WireWatch&) = delete;
  WireWatch& operator=(const WireWatch&) = delete;

  // Before the client is made from `conf`.
  void attach(rd_kafka_conf_t* conf);

  // Forgets what was seen. Called when everything seen so far is accounted for: after the producer's id was initialised
  // and after each clean end. What comes after a clean end counts against the next transaction.
  void reset();

  // Empty when the transaction that just ended can be trusted; else why not.
  [[nodiscard]] std::string suspicion() const;

  // Was the end of the transaction sent?
  [[nodiscard]] bool end_sent() const { return ends_sent_ > 0; }

  // Was a request left without an answer, whatever became of the transaction?
  [[nodiscard]] bool unanswered() const { return unanswered_ > 0 && outcome_rule_is_on(); }

  // For the interceptors and tests.
  void saw_request(int16_t api_key);
  void saw_local_error(int16_t api_key);

 private:
  std::atomic<uint32_t> ends_sent_{0};
  std::atomic<uint32_t> writes_sent_{0};
  std::atomic<uint32_t> unanswered_{0};
  std::atomic<int16_t> unanswered_key_{-1};
};

}  // namespace millrace
