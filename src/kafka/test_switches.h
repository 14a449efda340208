// Switches that make the Kafka edge wrong on purpose, for the tests that have to convict it. They exist only in builds
// with MILLRACE_TEST_SWITCHES; in all others they are constants, and the environment is not looked at.
#pragma once

#ifdef MILLRACE_TEST_SWITCHES
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.h"
#include "base/thread.h"
#endif

namespace millrace {

#ifdef MILLRACE_TEST_SWITCHES
// MILLRACE_TEST_OUTCOME_RULE=off: a transaction is trusted whatever was seen on the wire.
inline bool outcome_rule_is_on() {
  const char* value = std::getenv("MILLRACE_TEST_OUTCOME_RULE");
  return value == nullptr || std::strcmp(value, "off") != 0;
}
// MILLRACE_TEST_RING=1: recovery goes on with the transactional id that it has just initialised.
inline int ring_of(int slots) {
  const char* value = std::getenv("MILLRACE_TEST_RING");
  return value == nullptr ? slots : std::stoi(value);
}
// MILLRACE_TEST_SWAP_PAUSE_MS=50: a worker that changes over to another version of the configuration says so and stands
// still for so long, in the middle of it: the place for a kill.
inline void pause_in_the_swap() {
  const char* value = std::getenv("MILLRACE_TEST_SWAP_PAUSE_MS");
  if (value == nullptr) return;
  log_info("swap", "in the middle of a swap");
  WakeUp pause;
  static_cast<void>(pause.wait(std::stoll(value)));
}
// MILLRACE_TEST_GROUP_PROTOCOL=consumer: the group protocol of KIP-848, which is not offered as long as it is unproven.
inline bool group_protocol_is_consumer() {
  const char* value = std::getenv("MILLRACE_TEST_GROUP_PROTOCOL");
  return value != nullptr && std::strcmp(value, "consumer") == 0;
}
#else
constexpr bool group_protocol_is_consumer() {
  return false;
}
inline void pause_in_the_swap() {}
constexpr bool outcome_rule_is_on() {
  return true;
}
constexpr int ring_of(int slots) {
  return slots;
}
#endif

}  // namespace millrace
