// The group on librdkafka's mock cluster: joining, where to begin, reading, giving back, out of range, stopping. The
// mock's rebalances are not those of a real broker; what several members do to each other is tested on one.
#include "mock/rig.h"
#include "support/catch.h"

namespace millrace::test {

namespace {

const SystemClock kClock;

void produce(const std::string& brokers, const std::string& topic, int partition, int count,
             bool with_headers = false) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[256];
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), text, sizeof(text));
  ClientHandle client(rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text)));
  for (int i = 0; i < count; ++i) {
    const std::string value = std::to_string(i);
    rd_kafka_headers_t* headers = with_headers ? rd_kafka_headers_new(2) : nullptr;
    if (headers != nullptr) {
      rd_kafka_header_add(headers, "a", -1, "1", 1);
      rd_kafka_header_add(headers, "empty", -1, nullptr, 0);
    }
    rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_TIMESTAMP(1000 + i),
                      RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
  }
  rd_kafka_flush(client.get(), 10'000);
}

struct Rig {
  MockCluster cluster;
  TemporaryDirectory state;
  MiniOwner owner;
  std::unique_ptr<Edge> edge;
  std::unique_ptr<Broker> broker;
  EdgeSettings settings;

  explicit Rig(StartPosition::Kind start = StartPosition::Kind::earliest) {
    cluster.topic("in", 2);
    cluster.topic("out", 2);
    settings = settings_for(cluster.address());
    settings.delivery = Delivery::at_least_once;
    settings.state_directory = state.path();
    settings.sources = {SourceSettings{"in", {"in"}, StartPosition{start, 0}, OnDataLoss::stop}};
    settings.destinations = {DestinationSettings{"out", "none"}};
  }
  void run() {
    edge = std::move(Edge::create(settings, kClock).value());
    broker = edge->make_broker(0);
    REQUIRE(broker->start(10'000));
    edge->run(owner);
  }
  EdgeStop stop() {
    owner.drop_all();
    broker.reset();
    return edge->stop(10'000);
  }
};

size_t read_until(Rig& rig, Batch& batch, size_t count) {
  wait_until([&] {
    rig.owner.drain(batch.arena, batch.records, batch.held, batch.progress);
    return batch.records.size() >= count;
  });
  return batch.records.size();
}

}  // namespace

TEST_CASE("Partitions come with where to begin, records come from their own queues, a stop is clean") {
  Rig rig;
  produce(rig.cluster.address(), "in", 0, 100, true);
  produce(rig.cluster.address(), "in", 1, 50);
  rig.run();
  REQUIRE(wait_until([&] { return rig.owner.count() == 2; }));
  CHECK(rig.owner.starts() == std::map<TopicPartition, int64_t>{{{"in", 0}, 0}, {{"in", 1}, 0}});
  {
    Batch batch;
    REQUIRE(read_until(rig, batch, 150) == 150);
    const auto first = std::find_if(batch.records.begin(), batch.records.end(),
                                    [](const Record& record) { return record.origin->partition == 0; });
    CHECK(first->offset == 0);
    CHECK(first->value.view() == "0");
    CHECK(first->key.is_null());
    CHECK(first->timestamp_ms == 1000);
    REQUIRE(first->headers.size() == 2);
    CHECK(first->headers[0].name == "a");
    CHECK(first->headers[0].value.view() == "1");
    CHECK(first->headers[1].value.is_null());
    CHECK(first->native_headers != nullptr);
    const Record& other = *std::find_if(batch.records.begin(), batch.records.end(),
                                        [](const Record& record) { return record.origin->partition == 1; });
    CHECK(other.headers.empty());
    CHECK(other.native_headers == nullptr);

    const GroupStamp stamp = rig.broker->group_stamp();
    CHECK(stamp.valid());
    REQUIRE(rig.broker->begin());
    REQUIRE(rig.broker->send_offsets(batch.progress, stamp, 5000));
    REQUIRE(rig.broker->commit(5000));
    const auto committed = rig.broker->committed({{"in", 0}, {"in", 1}}, 5000);
    REQUIRE(committed);
    CHECK(*committed == Progress{{{"in", 0}, 100}, {{"in", 1}, 50}});
  }
  REQUIRE(wait_until([&] {
    const EdgeSnapshot snapshot = rig.edge->snapshot();
    return std::all_of(snapshot.partitions.begin(), snapshot.partitions.end(),
                       [](const PartitionSnapshot& partition) { return partition.lag == 0; });
  }));
  const EdgeSnapshot snapshot = rig.edge->snapshot();
  CHECK(snapshot.state == GroupState::steady);
  CHECK(snapshot.ever_assigned);
  CHECK(snapshot.partitions.size() == 2);
  CHECK(snapshot.partitions_of_sources == 2);
  CHECK_FALSE(snapshot.brokers.empty());
  CHECK_FALSE(snapshot.member_id.empty());
  CHECK(rig.stop().complete);
}

TEST_CASE("`start: latest` is resolved once: a restart goes on there, also when nothing was read") {
  Rig rig(StartPosition::Kind::latest);
  produce(rig.cluster.address(), "in", 0, 10);
  rig.run();
  REQUIRE(wait_until([&] { return rig.owner.count() == 2; }));
  CHECK(rig.owner.starts()[{"in", 0}] == 10);
  CHECK(rig.stop().complete);
  produce(rig.cluster.address(), "in", 0, 5);
  MiniOwner again;
  rig.edge = std::move(Edge::create(rig.settings, kClock).value());
  rig.broker = rig.edge->make_broker(0);
  REQUIRE(rig.broker->start(10'000));
  rig.edge->run(again);
  REQUIRE(wait_until([&] { return again.count() == 2; }));
  CHECK(again.starts()[{"in", 0}] == 10);
  again.drop_all();
  rig.broker.reset();
  CHECK(rig.edge->stop(10'000).complete);
}

TEST_CASE("A group without offsets, of which the state directory remembers a run, asks before it begins") {
  Rig rig;
  std::ofstream(rig.state.path() + "/topics") << "in \n";
  rig.run();
  REQUIRE(wait_until([&] { return rig.edge->failure().has_value(); }));
  CHECK(rig.edge->failure()->exit_code == ExitCode::stopped_by_policy);
  CHECK(rig.edge->failure()->what.find("--accept-start") != std::string::npos);
  CHECK(rig.owner.count() == 0);
  CHECK(rig.stop().complete);
}

TEST_CASE("More partitions than memory can serve end the process with the config's exit code") {
  Rig rig;
  rig.settings.prefetch_bytes = 200 << 10;
  rig.run();
  REQUIRE(wait_until([&] { return rig.edge->failure().has_value(); }));
  CHECK(rig.edge->failure()->exit_code == ExitCode::config);
  CHECK(rig.stop().complete);
}

TEST_CASE("An owner that does not let go in time loses the partitions, and is told by their epoch") {
  Rig rig;
  rig.settings.times.revoke_ms = 300;
  rig.run();
  REQUIRE(wait_until([&] { return rig.owner.count() == 2; }));
  rig.owner.hold(true);
  // A second member of the group makes the first one give partitions back.
  EdgeSettings second = rig.settings;
  second.instance = "j";
  second.state_directory.clear();
  MiniOwner other;
  auto edge = std::move(Edge::create(second, kClock).value());
  auto broker = edge->make_broker(0);
  REQUIRE(broker->start(10'000));
  edge->run(other);
  REQUIRE(wait_until([&] { return rig.edge->snapshot().counters.revokes_overdue > 0; }, 30'000));
  CHECK(rig.owner.revokes() > 0);
  CHECK((rig.owner.epoch({"in", 0}) > 0 || rig.owner.epoch({"in", 1}) > 0));
  broker.reset();
  other.drop_all();
  CHECK(edge->stop(10'000).complete);
  rig.owner.hold(false);
  CHECK(rig.stop().complete);
}

TEST_CASE("A member that is fenced by its static name ends with the code for that, and does not stay without a group") {
  Rig rig;
  rig.settings.static_membership = true;
  rig.settings.times.heartbeat_ms = 200;
  rig.run();
  REQUIRE(wait_until([&] { return rig.owner.count() == 2 && rig.edge->snapshot().state == GroupState::steady; }));
  constexpr int16_t kHeartbeat = 12;
  rig.cluster.next(kHeartbeat, {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID});
  REQUIRE(wait_until([&] { return rig.edge->failure().has_value(); }));
  CHECK(rig.edge->failure()->exit_code == ExitCode::fenced);
  rig.stop();
}

TEST_CASE("A stop before anything was assigned, or without brokers, ends in time") {
  Rig rig;
  rig.edge = std::move(Edge::create(rig.settings, kClock).value());
  rig.broker = rig.edge->make_broker(0);
  rd_kafka_mock_broker_set_down(rig.cluster.get(), 1);
  rig.edge->run(rig.owner);
  REQUIRE(wait_until([&] { return !rig.edge->snapshot().trouble.empty(); }));
  const int64_t before = kClock.mono_ms();
  CHECK(rig.stop().complete);
  CHECK(kClock.mono_ms() - before < 9'000);
}

}  // namespace millrace::test
