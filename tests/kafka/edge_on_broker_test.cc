// The edge on a real broker. Hidden: runs with `kafka_test "[broker]"` and MILLRACE_TEST_BROKERS=host:port in the
// environment. Every test makes its own topics and groups, so it can run again and again on one broker.
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <set>

#include "kafka/admin.h"
#include "kafka/partition_list.h"
#include "mock/rig.h"
#include "support/catch.h"

namespace millrace::test {

namespace {

const SystemClock kClock;

std::string brokers() {
  const char* value = std::getenv("MILLRACE_TEST_BROKERS");
  REQUIRE(value != nullptr);
  return value;
}

std::string unique(const std::string& name) {
  static std::atomic<int> number{0};
  return name + "-" + std::to_string(kClock.wall_ms()) + "-" + std::to_string(++number);
}

// A client that changes things.
class Changer {
 public:
  Changer() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), text, sizeof(text));
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text)));
    queue_.reset(rd_kafka_queue_new(client_.get()));
  }
  void create(const std::string& topic, int partitions) {
    char text[256];
    rd_kafka_NewTopic_t* made = rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, text, sizeof(text));
    rd_kafka_CreateTopics(client_.get(), &made, 1, nullptr, queue_.get());
    answered();
    rd_kafka_NewTopic_destroy(made);
  }
  void remove(const std::string& topic) {
    rd_kafka_DeleteTopic_t* gone = rd_kafka_DeleteTopic_new(topic.c_str());
    rd_kafka_DeleteTopics(client_.get(), &gone, 1, nullptr, queue_.get());
    answered();
    rd_kafka_DeleteTopic_destroy(gone);
  }
  void grow(const std::string& topic, size_t partitions) {
    char text[256];
    rd_kafka_NewPartitions_t* more = rd_kafka_NewPartitions_new(topic.c_str(), partitions, text, sizeof(text));
    rd_kafka_CreatePartitions(client_.get(), &more, 1, nullptr, queue_.get());
    answered();
    rd_kafka_NewPartitions_destroy(more);
  }
  void delete_before(const std::string& topic, int partition, int64_t offset) {
    PartitionListHandle list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
    rd_kafka_DeleteRecords_t* records = rd_kafka_DeleteRecords_new(list.get());
    rd_kafka_DeleteRecords(client_.get(), &records, 1, nullptr, queue_.get());
    answered();
    rd_kafka_DeleteRecords_destroy(records);
  }
  void produce(const std::string& topic, int partition, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(partition) + ":" + std::to_string(i);
      rd_kafka_producev(client_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
    }
    REQUIRE(rd_kafka_flush(client_.get(), 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }

 private:
  void answered() {
    const EventHandle event(rd_kafka_queue_poll(queue_.get(), 10'000));
    REQUIRE(event);
    REQUIRE(rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  ClientHandle client_;
  QueueHandle queue_;
};

// An instance with one worker, which the test's own thread plays.
struct Instance {
  EdgeSettings settings;
  MiniOwner owner;
  std::unique_ptr<Edge> edge;
  std::unique_ptr<Broker> broker;

  Instance(const std::string& name, const std::string& instance, const std::string& from, const std::string& to) {
    settings = settings_for(brokers());
    settings.pipeline = settings.group = settings.transactional_id_prefix = name;
    settings.instance = instance;
    settings.times.admin_request_ms = 5000;
    settings.times.metadata_ms = 1000;
    settings.sources = {SourceSettings{"in", {from}, {StartPosition::Kind::earliest, 0}, OnDataLoss::stop}};
    settings.destinations = {DestinationSettings{to, "lz4"}};
  }
  ~Instance() {
    owner.drop_all();
    broker.reset();
  }
  void run() {
    edge = std::move(Edge::create(settings, kClock).value());
    broker = edge->make_broker(0);
    const auto started = broker->start(20'000);
    INFO((started ? "" : started.error().what));
    REQUIRE(started);
    edge->run(owner);
  }
  void stop() {
    owner.drop_all();
    broker.reset();
    const EdgeStop stopped = edge->stop(10'000);
    INFO(stopped.what);
    CHECK(stopped.complete);
    edge.reset();
  }
  // Copies what is there in one transaction; false when the transaction did not commit.
  bool copy(Batch& batch, bool abort = false) {
    REQUIRE(broker->begin());
    for (const Record& record : batch.records) {
      OutputRecord out;
      out.partition = record.origin->partition;
      out.value = record.value;
      out.timestamp_ms = record.timestamp_ms;
      REQUIRE(broker->send(out));
    }
    if (abort) return broker->abort(2000).has_value();
    const auto offsets = broker->send_offsets(batch.progress, broker->group_stamp(), 5000);
    INFO((offsets ? "" : offsets.error().what));
    REQUIRE(offsets);
    const auto committed = broker->commit(8000);
    INFO((committed ? "" : committed.error().what));
    return committed.has_value();
  }
};

std::vector<std::string> values_in(const std::string& topic, int partitions, size_t at_least) {
  Instance reader(unique("reader"), "r", topic, topic);
  reader.settings.destinations.clear();
  reader.settings.delivery = Delivery::at_least_once;
  reader.run();
  REQUIRE(wait_until([&] { return reader.owner.count() == static_cast<size_t>(partitions); }));
  Batch batch;
  // What is there beyond the expected would be read in this time too.
  wait_until(
      [&] {
        return reader.owner.drain(batch.arena, batch.records, batch.held, batch.progress) == 0 &&
               batch.records.size() > at_least;
      },
      at_least == 0 ? 1000 : 2500);
  std::vector<std::string> values;
  for (const Record& record : batch.records) values.emplace_back(record.value.view());
  std::sort(values.begin(), values.end());
  batch.clear();
  reader.stop();
  return values;
}

int64_t timed(const std::string& what, const std::function<void()>& body) {
  const int64_t before = kClock.mono_ms();
  body();
  const int64_t took = kClock.mono_ms() - before;
  std::cout << "  " << what << ": " << took << " ms\n";
  return took;
}

}  // namespace

TEST_CASE("Copies through aborts and rebuilds are exact, with headers of time on the way", "[.][broker]") {
  Changer changer;
  const std::string in = unique("in");
  const std::string out = unique("out");
  changer.create(in, 4);
  changer.create(out, 4);
  for (int p = 0; p < 4; ++p) changer.produce(in, p, 250);
  TemporaryDirectory state;
  Instance one(unique("copy"), "a", in, out);
  one.settings.state_directory = state.path();
  timed("start", [&] { one.run(); });
  timed("first assignment", [&] { REQUIRE(wait_until([&] { return one.owner.count() == 4; })); });
  Batch batch;
  REQUIRE(wait_until([&] {
    one.owner.drain(batch.arena, batch.records, batch.held, batch.progress);
    return batch.records.size() == 1000;
  }));
  timed("abort", [&] { CHECK(one.copy(batch, true)); });
  REQUIRE(one.broker->begin());
  for (const Record& record : batch.records) {
    OutputRecord lost;
    lost.value = record.value;
    REQUIRE(one.broker->send(lost));
  }
  timed("rebuild in the middle", [&] { REQUIRE(one.broker->rebuild(false, 10'000)); });
  timed("committed", [&] {
    const auto found = one.broker->committed({{in, 0}, {in, 1}, {in, 2}, {in, 3}}, 5000);
    REQUIRE(found);
    // What was resolved at the start.
    CHECK(found->at({in, 0}) == 0);
  });
  timed("transaction", [&] { REQUIRE(one.copy(batch)); });
  timed("committed after it", [&] {
    const auto found = one.broker->committed({{in, 0}, {in, 1}, {in, 2}, {in, 3}}, 5000);
    REQUIRE(found);
    CHECK(*found == batch.progress);
  });
  batch.clear();
  timed("isolating rebuild", [&] { REQUIRE(one.broker->rebuild(true, 10'000)); });
  timed("ordinary rebuild", [&] { REQUIRE(one.broker->rebuild(false, 10'000)); });
  CHECK(wait_until([&] { return one.edge->snapshot().partitions.at(0).lag == 0; }));
  CHECK(one.edge->snapshot().destinations.at(0).limits.max_message_bytes == 1'048'588);
  timed("stop", [&] { one.stop(); });
  const std::vector<std::string> values = values_in(out, 4, 1000);
  CHECK(values.size() == 1000);
  CHECK(std::set<std::string>(values.begin(), values.end()).size() == 1000);
}

TEST_CASE("Out of range: stop keeps the others running, skip goes on at the first record", "[.][broker]") {
  const std::string strategy = GENERATE(as<std::string>{}, "cooperative-sticky", "range");
  const OnDataLoss policy = GENERATE(OnDataLoss::stop, OnDataLoss::skip);
  CAPTURE(strategy, static_cast<int>(policy));
  Changer changer;
  const std::string in = unique("in");
  changer.create(in, 2);
  changer.produce(in, 0, 100);
  changer.produce(in, 1, 100);
  Instance one(unique("loss"), "a", in, in + "-none");
  one.settings.properties["partition.assignment.strategy"] = strategy;
  one.settings.sources[0].on_data_loss = policy;
  one.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 2; }));
  one.stop();
  changer.delete_before(in, 0, 60);
  one.run();
  Batch batch;
  const size_t expected = policy == OnDataLoss::stop ? 100 : 140;
  CHECK(wait_until([&] {
    one.owner.drain(batch.arena, batch.records, batch.held, batch.progress);
    return batch.records.size() >= expected && one.edge->snapshot().counters.data_losses == 1;
  }));
  wait_until(
      [&] {
        one.owner.drain(batch.arena, batch.records, batch.held, batch.progress);
        return false;
      },
      500);
  const EdgeSnapshot snapshot = one.edge->snapshot();
  CHECK(snapshot.counters.data_losses == 1);
  if (policy == OnDataLoss::stop) {
    CHECK(batch.records.size() == 100);
    CHECK(snapshot.counters.offsets_skipped == 0);
    const auto stopped = std::count_if(snapshot.partitions.begin(), snapshot.partitions.end(),
                                       [](const PartitionSnapshot& partition) { return !partition.stopped.empty(); });
    CHECK(stopped == 1);
    CHECK(one.owner.count() == 1);
  } else {
    // With `range` too the other partition is left alone.
    CHECK(batch.records.size() == 140);
    CHECK(snapshot.counters.offsets_skipped == 60);
    CHECK(one.owner.count() == 2);
    const auto first = std::find_if(batch.records.begin(), batch.records.end(),
                                    [](const Record& record) { return record.origin->partition == 0; });
    REQUIRE(first != batch.records.end());
    CHECK(first->offset == 60);
  }
  batch.clear();
  one.stop();
}

TEST_CASE("A topic that is made anew is not read with its old offsets", "[.][broker]") {
  Changer changer;
  const std::string in = unique("in");
  changer.create(in, 1);
  changer.produce(in, 0, 10);
  TemporaryDirectory state;
  Instance one(unique("anew"), "a", in, in + "-none");
  one.settings.state_directory = state.path();
  one.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 1; }));
  one.stop();
  changer.remove(in);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  changer.create(in, 1);
  changer.produce(in, 0, 3);
  one.run();
  CHECK(wait_until([&] {
    const EdgeSnapshot snapshot = one.edge->snapshot();
    return snapshot.partitions.size() == 1 && snapshot.partitions[0].stopped.find("made anew") != std::string::npos;
  }));
  CHECK(one.owner.count() == 0);
  one.stop();
  one.settings.accept_start = true;
  one.run();
  CHECK(wait_until([&] { return one.owner.count() == 1; }));
  CHECK(one.owner.starts()[{in, 0}] == 0);
  one.stop();
}

TEST_CASE("Partitions added while it runs begin at their first record, also with `start: latest`", "[.][broker]") {
  Changer changer;
  const std::string in = unique("in");
  changer.create(in, 2);
  changer.produce(in, 0, 10);
  Instance one(unique("grow"), "a", in, in + "-none");
  one.settings.sources[0].start.kind = StartPosition::Kind::latest;
  one.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 2; }));
  CHECK(one.owner.starts()[{in, 0}] == 10);
  changer.grow(in, 4);
  Changer writer;
  writer.produce(in, 3, 7);
  REQUIRE(wait_until([&] { return one.owner.count() == 4; }, 30'000));
  CHECK(one.owner.starts()[{in, 3}] == 0);
  Batch batch;
  CHECK(wait_until([&] {
    one.owner.drain(batch.arena, batch.records, batch.held, batch.progress);
    return batch.records.size() == 7;
  }));
  batch.clear();
  one.stop();
}

TEST_CASE("Two instances share the partitions, and one takes over what the other leaves", "[.][broker]") {
  const std::string strategy = GENERATE(as<std::string>{}, "cooperative-sticky", "range");
  CAPTURE(strategy);
  Changer changer;
  const std::string in = unique("in");
  const std::string out = unique("out");
  changer.create(in, 4);
  changer.create(out, 4);
  for (int p = 0; p < 4; ++p) changer.produce(in, p, 100);
  const std::string name = unique("pair");
  Instance one(name, "a", in, out);
  Instance two(name, "b", in, out);
  for (Instance* instance : {&one, &two}) instance->settings.properties["partition.assignment.strategy"] = strategy;
  one.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 4; }));
  two.run();
  timed("second instance has its share",
        [&] { REQUIRE(wait_until([&] { return one.owner.count() == 2 && two.owner.count() == 2; }, 30'000)); });
  for (Instance* instance : {&one, &two}) {
    Batch batch;
    REQUIRE(wait_until([&] {
      instance->owner.drain(batch.arena, batch.records, batch.held, batch.progress);
      return batch.records.size() == 200;
    }));
    CHECK(instance->copy(batch));
  }
  two.stop();
  timed("first instance has all again", [&] { REQUIRE(wait_until([&] { return one.owner.count() == 4; }, 30'000)); });
  // What moved goes on where the other instance committed; with the cooperative protocol the rest never left.
  const std::map<TopicPartition, int64_t> starts = one.owner.starts();
  const auto moved = std::count_if(starts.begin(), starts.end(), [](const auto& start) { return start.second == 100; });
  CHECK(moved == (strategy == "range" ? 4 : 2));
  CHECK(one.edge->snapshot().counters.partitions_lost == 0);
  CHECK(one.edge->snapshot().counters.revokes_overdue == 0);
  one.stop();
  CHECK(values_in(out, 4, 400).size() == 400);
}

TEST_CASE("A stamp of a generation that is over is refused by the brokers", "[.][broker]") {
  Changer changer;
  const std::string in = unique("in");
  changer.create(in, 2);
  changer.produce(in, 0, 1);
  const std::string name = unique("stamp");
  Instance one(name, "a", in, in + "-none");
  one.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 2; }));
  const GroupStamp before = one.broker->group_stamp();
  REQUIRE(before.valid());
  Instance two(name, "b", in, in + "-none");
  two.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 1 && two.owner.count() == 1; }, 30'000));
  REQUIRE(one.broker->begin());
  const auto sent = one.broker->send_offsets({{{in, 0}, 1}}, before, 5000);
  REQUIRE_FALSE(sent);
  CHECK(sent.error().fault == Fault::generation);
  CHECK(one.broker->abort(3000));
  two.stop();
  one.stop();
}

// Needs the broker's pid in MILLRACE_TEST_BROKER_PID.
TEST_CASE("Against a broker that stands still every call ends at its deadline, and so does a stop", "[.][frozen]") {
  Changer changer;
  const std::string in = unique("in");
  const std::string out = unique("out");
  changer.create(in, 2);
  changer.create(out, 2);
  changer.produce(in, 0, 100);
  Instance one(unique("frozen"), "a", in, out);
  one.run();
  REQUIRE(wait_until([&] { return one.owner.count() == 2; }));
  Batch batch;
  REQUIRE(wait_until([&] {
    one.owner.drain(batch.arena, batch.records, batch.held, batch.progress);
    return batch.records.size() == 100;
  }));
  const char* given = std::getenv("MILLRACE_TEST_BROKER_PID");
  REQUIRE(given != nullptr);
  const pid_t pid = std::stoi(given);
  REQUIRE(pid > 1);
  REQUIRE(one.broker->begin());
  OutputRecord record;
  record.value = batch.records[0].value;
  REQUIRE(one.broker->send(record));
  kill(pid, SIGSTOP);
  CHECK(timed("offsets",
              [&] { CHECK_FALSE(one.broker->send_offsets(batch.progress, one.broker->group_stamp(), 1000)); }) < 3000);
  CHECK(timed("commit", [&] { CHECK_FALSE(one.broker->commit(1000)); }) < 3000);
  CHECK(timed("committed", [&] { CHECK_FALSE(one.broker->committed({{in, 0}}, 1000)); }) < 3000);
  CHECK(timed("rebuild", [&] { CHECK_FALSE(one.broker->rebuild(false, 1000)); }) < 4000);
  CHECK(timed("rebuild again", [&] { CHECK_FALSE(one.broker->rebuild(false, 1000)); }) < 4000);
  one.broker->free_later(std::move(batch.held), nullptr);
  batch.held.clear();
  batch.clear();
  CHECK(timed("stop", [&] { one.stop(); }) < 10'000);
  kill(pid, SIGCONT);
}

TEST_CASE("What the brokers say to a configuration", "[.][broker]") {
  Changer changer;
  const std::string in = unique("in");
  changer.create(in, 3);
  Instance one(unique("check"), "a", in, in + "-none");
  const std::vector<Finding> findings = connect_check(one.settings, kClock, 20'000);
  std::string all;
  for (const Finding& finding : findings) all += finding.what + "\n";
  INFO(all);
  CHECK(all.find("source topic " + in + ": 3 partitions") != std::string::npos);
  CHECK(all.find("can be initialised") != std::string::npos);
  CHECK(all.find("offsets can be read") != std::string::npos);
  const auto errors = std::count_if(findings.begin(), findings.end(),
                                    [](const Finding& finding) { return finding.level == Finding::Level::error; });
  CHECK(errors == 1);  // the destination does not exist
}

}  // namespace millrace::test
