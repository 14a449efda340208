// Every class of error that a transaction can meet, on librdkafka's mock cluster: which step reports it, as what, and
// that one rebuild brings the worker back. The mock has no isolation and no fencing: this tests the handling only.
#include "kafka/library_log.h"
#include "kafka/producer.h"
#include "mock/rig.h"
#include "support/catch.h"

namespace millrace::test {

namespace {

constexpr int16_t kProduce = 0;
constexpr int16_t kInitProducerId = 22;
constexpr int16_t kAddPartitions = 24;
constexpr int16_t kAddOffsets = 25;
constexpr int16_t kEndTxn = 26;
constexpr int16_t kTxnOffsetCommit = 28;

const SystemClock kClock;

GroupStamp some_stamp() {
  GroupStamp stamp;
  stamp.generation = 1;
  stamp.member_id = "member";
  stamp.native = std::shared_ptr<void>(
      rd_kafka_consumer_group_metadata_new_with_genid("p", 1, "member", nullptr), [](void* object) {
        rd_kafka_consumer_group_metadata_destroy(static_cast<rd_kafka_consumer_group_metadata_t*>(object));
      });
  return stamp;
}

struct Rig {
  MockCluster cluster;
  TemporaryDirectory state;
  std::unique_ptr<Edge> edge;
  std::unique_ptr<Broker> broker;

  explicit Rig(Delivery delivery = Delivery::exactly_once, int brokers = 1) : cluster(brokers) {
    cluster.topic("in", 2);
    cluster.topic("out", 4);
    EdgeSettings settings = settings_for(cluster.address());
    settings.delivery = delivery;
    // Where a slot is remembered, one id is ended instead of all.
    std::ofstream(state.path() + "/worker-0.slot") << 14;
    settings.state_directory = state.path();
    settings.sources = {SourceSettings{"in", {"in"}, {}, OnDataLoss::stop}};
    settings.destinations = {DestinationSettings{"out", "none"}};
    edge = std::move(Edge::create(std::move(settings), kClock).value());
    broker = edge->make_broker(0);
  }
};

struct Ended {
  std::string step = "done";
  Fault fault = Fault::none;
  std::string what;
};

OutputRecord some_record(uint32_t tag = 0) {
  OutputRecord record;
  record.key = Bytes(std::string_view("k"));
  record.value = Bytes(std::string_view("v"));
  record.timestamp_ms = 1'700'000'000'000;
  record.tag = tag;
  return record;
}

Ended transaction(Broker& broker, bool with_offsets = true) {
  auto ended = [](const char* step, BrokerError error) { return Ended{step, error.fault, std::move(error.what)}; };
  if (auto done = broker.begin(); !done) return ended("begin", done.error());
  for (uint32_t i = 0; i < 10; ++i) {
    OutputRecord record = some_record(i);
    record.partition = static_cast<int32_t>(i % 4);
    if (auto done = broker.send(record); !done) return ended("send", done.error());
  }
  if (with_offsets) {
    if (auto done = broker.send_offsets({{{"in", 0}, 10}}, some_stamp(), 5000); !done) {
      return ended("offsets", done.error());
    }
  }
  if (auto done = broker.commit(5000); !done) return ended("commit", done.error());
  return {};
}

struct Case {
  int16_t api_key;
  std::vector<rd_kafka_resp_err_t> errors;
  Fault fault;
};

void check_case(Rig& rig, const Case& one) {
  REQUIRE(transaction(*rig.broker).fault == Fault::none);
  rig.cluster.next(one.api_key, one.errors);
  const Ended ended = transaction(*rig.broker);
  INFO("api " << one.api_key << ", " << rd_kafka_err2name(one.errors[0]) << ": " << ended.step << ", "
              << to_string(ended.fault) << ", " << ended.what);
  CHECK(ended.fault == one.fault);
  rig.cluster.clear(one.api_key);
  if (one.fault == Fault::none) return;
  const auto rebuilt = rig.broker->rebuild(false, 10'000);
  INFO((rebuilt ? "" : rebuilt.error().what));
  REQUIRE(rebuilt);
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

}  // namespace

TEST_CASE("Brokers that are busy for a moment are waited for") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  for (const auto code : {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS}) {
    check_case(rig, {kAddPartitions, {code}, Fault::none});
    check_case(rig, {kAddOffsets, {code}, Fault::none});
  }
  check_case(rig, {kProduce, {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS}, Fault::none});
}

TEST_CASE("An end that had to be repeated is not trusted, although librdkafka reports success") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  check_case(rig, {kEndTxn, {RD_KAFKA_RESP_ERR_NOT_COORDINATOR}, Fault::unknown_outcome});
  check_case(rig, {kEndTxn, {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS}, Fault::unknown_outcome});
  check_case(rig, {kEndTxn, {RD_KAFKA_RESP_ERR__TRANSPORT}, Fault::unknown_outcome});
}

TEST_CASE("A request without an answer is not trusted, although librdkafka reports success") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  check_case(rig, {kTxnOffsetCommit, {RD_KAFKA_RESP_ERR__TRANSPORT}, Fault::unknown_outcome});
  check_case(rig, {kAddOffsets, {RD_KAFKA_RESP_ERR__TRANSPORT}, Fault::unknown_outcome});
  check_case(rig, {kProduce, {RD_KAFKA_RESP_ERR__TRANSPORT}, Fault::unknown_outcome});
}

TEST_CASE("Rights and missing topics are told apart") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  check_case(rig, {kAddPartitions, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED}, Fault::destination});
  check_case(rig, {kAddOffsets, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED}, Fault::authorization});
  check_case(rig, {kProduce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED}, Fault::destination});
}

TEST_CASE("The group that moved on is told from everything else") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  for (const auto code : {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                          RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID}) {
    check_case(rig, {kTxnOffsetCommit, {code}, Fault::generation});
  }
}

TEST_CASE("A refused record is named by the isolating producer") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  rig.cluster.next(kProduce, {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  Ended ended = transaction(*rig.broker);
  INFO(ended.what);
  CHECK(ended.fault == Fault::record_refused);
  REQUIRE(rig.broker->rebuild(true, 10'000));
  rig.cluster.next(kProduce, {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  ended = transaction(*rig.broker);
  CHECK(ended.fault == Fault::record_refused);
  const std::optional<RefusedRecord> refused = rig.broker->refused();
  REQUIRE(refused);
  CHECK(refused->tag < 10);
  CHECK_FALSE(refused->what.empty());
  CHECK_FALSE(rig.broker->refused());
  REQUIRE(rig.broker->rebuild(false, 10'000));
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

TEST_CASE("A fenced or broken producer is replaced") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  check_case(rig, {kProduce, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}, Fault::fenced});
  check_case(rig, {kAddPartitions, {RD_KAFKA_RESP_ERR_PRODUCER_FENCED}, Fault::fenced});
  check_case(rig, {kTxnOffsetCommit, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}, Fault::fenced});
  check_case(rig, {kProduce, {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER}, Fault::other});
  check_case(rig, {kAddPartitions, {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE}, Fault::other});
  check_case(rig, {kAddPartitions, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING}, Fault::other});
}

TEST_CASE("Errors of the end leave the outcome unknown, except that we were fenced") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  check_case(rig, {kEndTxn, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING}, Fault::unknown_outcome});
  check_case(rig, {kEndTxn, {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE}, Fault::unknown_outcome});
  check_case(rig, {kEndTxn, {RD_KAFKA_RESP_ERR_PRODUCER_FENCED}, Fault::fenced});
}

TEST_CASE("A broken connection is shown when it begins, and every ten seconds") {
  OutageFilter filter;
  const std::string one = "[thrd:10.0.0.1:9092/1]: 10.0.0.1:9092/1: Connect to ipv4#10.0.0.1:9092 failed";
  const std::string same = "[thrd:10.0.0.1:9092/bootstrap]: 10.0.0.1:9092/bootstrap: Connect to 10.0.0.1:9092 failed";
  const std::string other = "[thrd:10.0.0.2:9092/2]: 10.0.0.2:9092/2: Connect to ipv4#10.0.0.2:9092 failed";
  CHECK(filter.shows(one, 100'000));
  CHECK_FALSE(filter.shows(same, 100'010));
  CHECK(filter.shows(other, 100'020));
  int shown = 0;
  for (int64_t ms = 100'030; ms < 200'030; ms += 10) {
    shown += filter.shows(one, ms) ? 1 : 0;
    shown += filter.shows(other, ms) ? 1 : 0;
  }
  CHECK(shown >= 9);
  CHECK(shown <= 10);
  CHECK(filter.shows(one, 300'000));
}

TEST_CASE("A topic that cannot be added to a transaction is named, whichever call meets it first") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  rig.cluster.next(kAddPartitions, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  REQUIRE(rig.broker->begin());
  BrokerResult<void> failed;
  SECTION("sending a record") {
    REQUIRE(wait_until([&] {
      failed = rig.broker->send(some_record());
      return !failed;
    }));
  }
  SECTION("sending offsets") {
    REQUIRE(rig.broker->send(some_record()));
    REQUIRE(wait_until([&] {
      failed = rig.broker->send_offsets({{{"in", 0}, 10}}, some_stamp(), 5000);
      return !failed;
    }));
  }
  SECTION("committing") {
    REQUIRE(rig.broker->send(some_record()));
    failed = rig.broker->commit(5000);
    REQUIRE_FALSE(failed);
  }
  INFO(failed.error().what);
  CHECK(failed.error().fault == Fault::destination);
  CHECK(failed.error().destination == 0);
  CHECK(failed.error().what.find("writing to out: ") == 0);
  CHECK(failed.error().what.find("TOPIC_AUTHORIZATION_FAILED") != std::string::npos);
}

TEST_CASE("A start that knows no slot ends all of them, in the time of a few") {
  Rig rig;
  std::filesystem::remove(rig.state.path() + "/worker-0.slot");
  const int64_t before = kClock.mono_ms();
  REQUIRE(rig.broker->start(10'000));
  WARN("all slots ended in " << kClock.mono_ms() - before << " ms");
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

TEST_CASE("A client that knows the topics is connected, so that its transactional id is there at once") {
  // So long the library chooses no other broker to connect to; on real brokers it then waits for half a second more.
  constexpr int64_t kSuppressedMs = 50;
  Rig rig;
  rd_kafka_mock_broker_set_rtt(rig.cluster.get(), 1, 1);
  ProducerKind kind;
  kind.transactional_id = "one";
  std::vector<int64_t> took_ms;
  for (int round = 0; round < 40; ++round) {
    auto producer = Producer::create(settings_for(rig.cluster.address()), kind, kClock);
    REQUIRE(producer);
    REQUIRE((*producer)->load_metadata(5000).ok());
    const int64_t before_ms = kClock.mono_ms();
    REQUIRE((*producer)->init_transactions(5000).ok());
    took_ms.push_back(kClock.mono_ms() - before_ms);
  }
  // A quarter of them: the machine may be busy with something else in between.
  std::sort(took_ms.begin(), took_ms.end());
  CHECK(took_ms[took_ms.size() / 4] < kSuppressedMs / 2);
}

TEST_CASE("A start and each recovery take the next id of the ring, and none is used twice within a minute") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  auto slot = [&] {
    std::ifstream file(rig.state.path() + "/worker-0.slot");
    int value = -1;
    file >> value;
    return value;
  };
  CHECK(slot() == 15);
  for (int expected = 0; expected < 14; ++expected) {
    REQUIRE(rig.broker->rebuild(false, 10'000));
    CHECK(slot() == expected);
  }
  CHECK(transaction(*rig.broker).fault == Fault::none);
  const auto rebuilt = rig.broker->rebuild(false, 1000);
  REQUIRE_FALSE(rebuilt);
  CHECK(rebuilt.error().what.find("rests") != std::string::npos);
  CHECK(slot() == 13);
}

TEST_CASE("A transaction without a member's stamp is refused before anything is sent") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  const auto sent = rig.broker->send_offsets({{{"in", 0}, 1}}, GroupStamp{}, 1000);
  REQUIRE_FALSE(sent);
  CHECK(sent.error().fault == Fault::generation);
}

TEST_CASE("An abort with nothing amiss is clean, and the next transaction goes on") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  REQUIRE(rig.broker->send(some_record()));
  const auto aborted = rig.broker->abort(3000);
  INFO((aborted ? "" : aborted.error().what));
  CHECK(aborted);
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

TEST_CASE("An empty transaction is a clean one") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  CHECK(rig.broker->commit(3000));
}

TEST_CASE("A start without brokers ends at its deadline, and succeeds when they come") {
  Rig rig;
  rd_kafka_mock_broker_set_down(rig.cluster.get(), 1);
  const int64_t before = kClock.mono_ms();
  const auto started = rig.broker->start(1000);
  CHECK(kClock.mono_ms() - before < 5000);
  REQUIRE_FALSE(started);
  CHECK(started.error().fault == Fault::destination);
  rd_kafka_mock_broker_set_up(rig.cluster.get(), 1);
  CHECK(rig.broker->start(10'000));
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

TEST_CASE("A commit without brokers ends at its deadline with an unknown outcome or a destination's fault") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  REQUIRE(rig.broker->send(some_record()));
  rd_kafka_mock_broker_set_down(rig.cluster.get(), 1);
  const int64_t before = kClock.mono_ms();
  const auto committed = rig.broker->commit(1500);
  CHECK(kClock.mono_ms() - before < 6000);
  REQUIRE_FALSE(committed);
  CHECK((committed.error().fault == Fault::unknown_outcome || committed.error().fault == Fault::destination));
  // Recovery while it is still away fails within its deadline, and can be gone on with.
  CHECK_FALSE(rig.broker->rebuild(false, 500));
  rd_kafka_mock_broker_set_up(rig.cluster.get(), 1);
  REQUIRE(wait_until([&] { return rig.broker->rebuild(false, 3000).has_value(); }));
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

// librdkafka's own limit of this call (scripts/lib/librdkafka-coordinator-timeout.patch): without it the call lasts as
// long as the outage.
TEST_CASE(
    "Offsets for a group whose coordinator is away end at their deadline, and a rebuild goes on when it is back") {
  Rig rig(Delivery::exactly_once, 2);
  rd_kafka_mock_coordinator_set(rig.cluster.get(), "transaction", "p.i.0.15", 1);
  rd_kafka_mock_coordinator_set(rig.cluster.get(), "group", "p", 2);
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  rd_kafka_mock_broker_set_down(rig.cluster.get(), 2);
  const int64_t before = kClock.mono_ms();
  const auto sent = rig.broker->send_offsets({{{"in", 0}, 10}}, some_stamp(), 2000);
  CHECK(kClock.mono_ms() - before < 10'000);
  REQUIRE_FALSE(sent);
  WARN(sent.error().what);
  rd_kafka_mock_broker_set_up(rig.cluster.get(), 2);
  REQUIRE(wait_until([&] { return rig.broker->rebuild(false, 3000).has_value(); }));
  CHECK(transaction(*rig.broker).fault == Fault::none);
}

TEST_CASE("Memory that a discarded producer may read is freed only when that producer is gone") {
  Rig rig;
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  REQUIRE(rig.broker->send(some_record()));
  static std::atomic<int> released{0};
  released = 0;
  REQUIRE(rig.broker->rebuild(false, 10'000));
  std::vector<HeldMessage> held{HeldMessage{nullptr, [](void*) { ++released; }}};
  rig.broker->free_later(std::move(held), std::make_unique<Arena>());
  CHECK(wait_until([&] { return released == 1; }));
  CHECK_FALSE(rig.broker->discarded_pending());
  CHECK(rig.edge->snapshot().counters.producers_discarded >= 1);
}

TEST_CASE("A full queue is said as such, and serving it makes room") {
  MockCluster cluster;
  cluster.topic("out", 4);
  EdgeSettings settings = settings_for(cluster.address());
  settings.destinations = {DestinationSettings{"out", "none"}};
  settings.producer_queue_bytes = 1 << 20;
  auto edge = std::move(Edge::create(std::move(settings), kClock).value());
  auto broker = edge->make_broker(0);
  REQUIRE(broker->start(10'000));
  REQUIRE(broker->begin());
  const std::string value(100'000, 'x');
  bool full = false;
  for (int i = 0; i < 100 && !full; ++i) {
    OutputRecord record = some_record();
    record.value = Bytes(value);
    const auto sent = broker->send(record);
    full = !sent && sent.error().fault == Fault::queue_full;
  }
  CHECK(full);
  REQUIRE(wait_until([&] {
    static_cast<void>(broker->poll(10));
    return broker->send(some_record()).has_value();
  }));
  CHECK(broker->commit(10'000));
}

TEST_CASE("A producer says how full its queue is, how long acknowledgements take, and what failed") {
  Rig rig;
  CHECK(rig.broker->load().queue_fill == 0);
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  const std::string value(100'000, 'x');
  OutputRecord record = some_record();
  record.value = Bytes(value);
  REQUIRE(rig.broker->send(record));
  CHECK(rig.broker->load().queue_fill > 0);
  REQUIRE(rig.broker->commit(10'000));
  CHECK(rig.broker->load().queue_fill == 0);
  CHECK(rig.broker->load().errors == 0);
  // What one interval measured is gone in the next.
  CHECK(wait_until([&] {
    REQUIRE(transaction(*rig.broker, false).fault == Fault::none);
    return rig.broker->load().ack_latency_ms > 0;
  }));
  const std::vector<ProducerSnapshot> shown = rig.edge->snapshot().producers;
  REQUIRE(shown.size() == 1);
  CHECK(shown[0].ack_p99_ms >= shown[0].ack_p50_ms);
  CHECK(shown[0].ack_p50_ms >= shown[0].request_p50_ms);
  CHECK(shown[0].queue_limit_bytes > 0);

  rig.cluster.next(kProduce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  CHECK(transaction(*rig.broker, false).fault == Fault::destination);
  const uint64_t errors = rig.broker->load().errors;
  CHECK(errors > 0);
  REQUIRE(rig.broker->rebuild(false, 10'000));
  CHECK(rig.broker->load().errors >= errors);
}

TEST_CASE("At least once: errors of delivery come back at the commit, and a rebuild brings a clean producer") {
  Rig rig(Delivery::at_least_once);
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(transaction(*rig.broker, false).fault == Fault::none);
  rig.cluster.next(kProduce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  const Ended ended = transaction(*rig.broker, false);
  CHECK(ended.fault == Fault::destination);
  REQUIRE(rig.broker->rebuild(false, 10'000));
  CHECK(transaction(*rig.broker, false).fault == Fault::none);
}

TEST_CASE("sync: the error is that of the record that was just sent") {
  Rig rig(Delivery::sync);
  REQUIRE(rig.broker->start(10'000));
  REQUIRE(rig.broker->begin());
  REQUIRE(rig.broker->send(some_record(1)));
  rig.cluster.next(kProduce, {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  const auto sent = rig.broker->send(some_record(2));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().fault == Fault::record_refused);
  CHECK(rig.broker->refused()->tag == 2);
}

TEST_CASE("fire_and_forget commits without waiting for acknowledgements") {
  Rig rig(Delivery::fire_and_forget);
  REQUIRE(rig.broker->start(10'000));
  CHECK(transaction(*rig.broker, false).fault == Fault::none);
}

}  // namespace millrace::test
