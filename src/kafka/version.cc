#include "kafka/version.h"

#include <fmt/core.h>
#include <librdkafka/rdkafka.h>

namespace millrace {

namespace {

constexpr int kMinimum = 0x020d02ff;  // 2.13.2

std::string text_of(int version) {
  return fmt::format("{}.{}.{}", (version >> 24) & 0xff, (version >> 16) & 0xff, (version >> 8) & 0xff);
}

}  // namespace

std::string rdkafka_version_text() {
  return rd_kafka_version_str();
}

Result<void> check_rdkafka_version(int version) {
  if ((version | 0xff) < kMinimum) {
    return fail(Remedy::fix_config,
                fmt::format("librdkafka {} is too old: before 2.13.2 it loses or repeats records around rebalances, or "
                            "misreads positions at the end of a partition",
                            text_of(version)),
                ExitCode::config);
  }
  return {};
}

Result<void> check_rdkafka_version() {
  return check_rdkafka_version(rd_kafka_version());
}

}  // namespace millrace
