// Time-outs hold each other's hands: a longer one around each shorter one, or a promise is cut off in the middle.
#include <fmt/core.h>

#include "base/text.h"
#include "config/parsing.h"

namespace millrace::config {

namespace {

constexpr int64_t kTransactionMaxMs = 900'000;  // what brokers allow unless they are told otherwise

class TimeCheck {
 public:
  explicit TimeCheck(Parsing& parsing) : parsing_(parsing) {}

  void run() {
    const Knobs& knobs = parsing_.spec.knobs;
    if (parsing_.spec.delivery == Delivery::exactly_once) check_transaction();
    at_most("kafka.revoke_limit", knobs.revoke_limit_ms, "kafka.max_poll_interval", knobs.max_poll_interval_ms,
            "the group would take the member for dead while it gives partitions away");
    at_most("kafka.session_timeout", knobs.session_timeout_ms, "kafka.max_poll_interval", knobs.max_poll_interval_ms,
            "the second is for a member that is alive and stands still, and would never be reached");
    at_most("kafka.heartbeat_interval", knobs.heartbeat_interval_ms * 2, "kafka.session_timeout",
            knobs.session_timeout_ms, "one lost heartbeat would cost the partitions", "twice ");
    at_most("producer.linger", knobs.producer_linger_ms, "kafka.message_timeout", knobs.message_timeout_ms,
            "records would fail while they wait for company");
  }

 private:
  void check_transaction() {
    const Knobs& knobs = parsing_.spec.knobs;
    const int64_t transaction_ms = effective_transaction_timeout_ms(knobs);
    if (transaction_ms > kTransactionMaxMs) {
      error({"kafka.commit_deadline", "batch.interval"},
            fmt::format(
                "`kafka.transaction_timeout` comes to {} (`batch.interval` {} plus `kafka.commit_deadline` {} plus "
                "1s), and brokers allow {} (transaction.max.timeout.ms)",
                format_duration_ms(transaction_ms), format_duration_ms(knobs.batch_interval_ms),
                format_duration_ms(knobs.commit_deadline_ms), format_duration_ms(kTransactionMaxMs)));
    }
    if (knobs.batch_interval_ms + knobs.commit_deadline_ms > transaction_ms) {
      error({"kafka.transaction_timeout", "batch.interval", "kafka.commit_deadline"},
            fmt::format(
                "`batch.interval` ({}) plus `kafka.commit_deadline` ({}) must not be longer than "
                "`kafka.transaction_timeout` ({}): the broker would end the transaction of a batch that is still open",
                format_duration_ms(knobs.batch_interval_ms), format_duration_ms(knobs.commit_deadline_ms),
                format_duration_ms(transaction_ms)));
    }
    at_most("kafka.message_timeout", knobs.message_timeout_ms, "kafka.transaction_timeout", transaction_ms,
            "a record could be delivered after the end of its transaction");
    at_most("kafka.socket_timeout", knobs.socket_timeout_ms, "kafka.transaction_timeout", transaction_ms,
            "a request could still be under way after the end of its transaction");
    at_most("kafka.abort_limit", knobs.abort_limit_ms, "kafka.transaction_timeout", transaction_ms,
            "the broker ends it earlier by itself");
  }

  void at_most(const std::string& small, int64_t small_ms, const std::string& large, int64_t large_ms,
               const std::string& why, const std::string& factor = "") {
    if (small_ms <= large_ms) return;
    error({small, large}, fmt::format("{}`{}` ({}) must not be longer than `{}` ({}): {}", factor, small,
                                      format_duration_ms(small_ms), large, format_duration_ms(large_ms), why));
  }

  // At the first of these that the file sets: one of them is, or the defaults would not fit.
  void error(std::initializer_list<std::string_view> paths, const std::string& text) {
    Position position;
    for (const std::string_view path : paths) {
      const auto found = parsing_.places.find(path);
      if (position.line == 0 && found != parsing_.places.end()) position = found->second;
    }
    parsing_.diagnostics.error(position, text);
  }

  Parsing& parsing_;
};

}  // namespace

void check_times(Parsing& parsing) {
  TimeCheck(parsing).run();
}

}  // namespace millrace::config
