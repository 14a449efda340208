// Error and Result<T>: an operation that failed, and what its caller has to do about it. Values; any thread.
//
// A bad record is data (stage/stage.h), a broken promise of our own is a CHECK (base/check.h); this is the third thing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace millrace {

// What the caller must do. The Kafka edge maps librdkafka's three questions to it; whatever is not known is `stop`.
enum class Remedy : uint8_t {
  retry,       // the same call again, until the deadline
  recover,     // the one recovery path of the commit state machine
  stop,        // end the process with `exit_code`
  fix_config,  // end the process with exit code 78
};

// The process' exit codes; runbooks/exit-codes has a page for each.
enum class ExitCode : uint8_t {
  done = 0,
  internal = 1,
  usage = 2,
  already_running = 3,
  fenced = 4,
  refused = 5,  // authentication, group, source or transactional-id right refused before the first assignment
  stop_cut_short = 6,
  no_progress = 7,
  stopped_by_policy = 8,  // a policy or the offset audit
  config = 78,
};

struct [[nodiscard]] Error {
  Remedy remedy = Remedy::stop;
  std::string what;
  ExitCode exit_code = ExitCode::internal;  // of interest only with Remedy::stop

  // The same error with the doing in front, as in "committing batch 812: sending offsets: ...".
  Error while_doing(std::string_view doing) && {
    what.insert(0, std::string(doing) + ": ");
    return std::move(*this);
  }
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Remedy remedy, std::string what, ExitCode exit_code = ExitCode::internal) {
  return tl::make_unexpected(Error{remedy, std::move(what), exit_code});
}

inline tl::unexpected<Error> fail(Error error) {
  return tl::make_unexpected(std::move(error));
}

std::string_view to_string(Remedy remedy);

}  // namespace millrace

#define MILLRACE_CONCAT_INNER(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_INNER(a, b)

// Returns the error of a Result<void> expression from the calling function.
#define TRY(expression)                                                      \
  do {                                                                       \
    auto try_result = (expression);                                          \
    if (!try_result) return ::millrace::fail(std::move(try_result).error()); \
  } while (false)

// TRY_ASSIGN(auto x, f()): x is the value, or the error is returned from the calling function.
#define TRY_ASSIGN(declaration, expression) \
  TRY_ASSIGN_INNER(MILLRACE_CONCAT(try_result_, __LINE__), declaration, expression)
#define TRY_ASSIGN_INNER(name, declaration, expression)        \
  auto name = (expression);                                    \
  if (!name) return ::millrace::fail(std::move(name).error()); \
  declaration = std::move(*name)
