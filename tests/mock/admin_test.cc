// Questions about groups, on librdkafka's mock cluster: errors that a real broker gives for a moment only.
#include "kafka/admin.h"

#include "mock/rig.h"
#include "support/catch.h"

namespace millrace::test {

TEST_CASE("a coordinator that moves is an error of the question, not the end of the process", "[mock]") {
  constexpr int16_t kOffsetFetch = 9;
  MockCluster cluster;
  cluster.topic("out", 1);
  const auto admin = Admin::create(settings_for(cluster.address()));
  REQUIRE(admin);
  for (const auto error : {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                           RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE}) {
    cluster.next(kOffsetFetch, {error});
    CHECK_FALSE((*admin)->group_offsets("readers", {{"out", 0}}, 3000));
    cluster.clear(kOffsetFetch);
    const auto offsets = (*admin)->group_offsets("readers", {{"out", 0}}, 3000);
    REQUIRE(offsets);
    CHECK(offsets->empty());
  }
}

}  // namespace millrace::test
