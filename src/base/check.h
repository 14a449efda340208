// CHECK ends the process when our own code broke a promise. It is never used for users' input or brokers' answers.
// Any thread. DCHECK is the same in builds without NDEBUG and nothing otherwise.
#pragma once

#include <string_view>

namespace millrace {

// Prints place, condition and detail to stderr and calls abort().
[[noreturn]] void check_failed(const char* file, int line, const char* condition, std::string_view detail);

}  // namespace millrace

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) ::millrace::check_failed(__FILE__, __LINE__, #condition, ""); \
  } while (false)

// The detail (anything that converts to std::string_view) is built only when the check fails.
#define CHECK_MSG(condition, detail)                                                      \
  do {                                                                                    \
    if (!(condition)) ::millrace::check_failed(__FILE__, __LINE__, #condition, (detail)); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false)
#else
#define DCHECK(condition) CHECK(condition)
#endif
