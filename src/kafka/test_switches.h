// Switches that make the Kafka edge wrong on purpose, for the tests that have to convict it. They exist only in builds
// with MILLRACE_TEST_SWITCHES; in all others they are constants, and the environment is not looked at.
#pragma once

#ifdef MILLRACE_TEST_SWITCHES
#include <cstdlib>
#include <cstring>
#include <string>
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
#else
constexpr bool outcome_rule_is_on() {
  return true;
}
constexpr int ring_of(int slots) {
  return slots;
}
#endif

}  // namespace millrace
