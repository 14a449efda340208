// Questions about groups, on librdkafka's mock cluster: errors that a real broker gives for a moment only.
#include "kafka/admin.h"

#include <future>

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

// scripts/lib/librdkafka-coordinator-reference.patch: without it one client in some tens waits for ever, for the thread
// of a broker in which a question that is gone still has a part. It takes an answer about the coordinator that comes
// just then, so many are tried.
TEST_CASE("a client that is destroyed while it looks for a coordinator lets go", "[mock]") {
  constexpr int kClients = 150;
  MockCluster cluster(3);
  cluster.topic("out", 4);
  rd_kafka_mock_coordinator_set(cluster.get(), "group", "readers", 2);
  const std::map<TopicPartition, OffsetQuestion> questions{
      {{"out", 0}, {}}, {{"out", 1}, {}}, {{"out", 2}, {}}, {{"out", 3}, {}}};
  for (int round = 0; round < 4; ++round) {
    rd_kafka_mock_broker_set_up(cluster.get(), 2);
    std::vector<std::future<void>> gone;
    std::atomic<int> connected{0};
    std::promise<void> down;
    const std::shared_future<void> is_down = down.get_future().share();
    for (int client = 0; client < kClients; ++client) {
      auto promise = std::make_shared<std::promise<void>>();  // shared with a thread that may never end
      gone.push_back(promise->get_future());
      auto admin = Admin::create(settings_for(cluster.address()));
      REQUIRE(admin);
      std::thread([&connected, is_down, promise, questions, wait_ms = client * 10,
                   admin = std::move(*admin)]() mutable {
        static_cast<void>(admin->topics({"out"}, 5000));
        ++connected;
        is_down.wait();
        admin->give_up();
        for (const int part_ms : {wait_ms / 2, wait_ms / 2, 0}) {
          static_cast<void>(admin->group_offsets("readers", {{"out", 0}}, 4000));
          static_cast<void>(admin->group_description("readers", 4000));
          static_cast<void>(admin->offsets(questions, 4000));
          std::this_thread::sleep_for(std::chrono::milliseconds(part_ms));
        }
        admin.reset();
        promise->set_value();
      }).detach();
    }
    REQUIRE(wait_until([&] { return connected == kClients; }));
    rd_kafka_mock_broker_set_down(cluster.get(), 2);
    down.set_value();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (std::future<void>& each : gone) REQUIRE(each.wait_until(end) == std::future_status::ready);
  }
}

}  // namespace millrace::test
