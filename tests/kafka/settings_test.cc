#include "kafka/settings.h"

#include "kafka/version.h"
#include "support/catch.h"

namespace millrace {

namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;

EdgeSettings some_settings() {
  EdgeSettings settings;
  settings.pipeline = "p";
  settings.instance = "i";
  settings.brokers = {"127.0.0.1:1", "127.0.0.1:2"};
  settings.group = "p";
  settings.transactional_id_prefix = "p";
  return settings;
}

ProducerKind kind_of(Delivery delivery) {
  ProducerKind kind;
  kind.delivery = delivery;
  return kind;
}

std::string value_of(const ConfHandle& conf, const char* key) {
  size_t size = 0;
  if (rd_kafka_conf_get(conf.get(), key, nullptr, &size) != RD_KAFKA_CONF_OK) return "?";
  std::string value(size, '\0');
  rd_kafka_conf_get(conf.get(), key, value.data(), &size);
  value.resize(size - 1);
  return value;
}

}  // namespace

TEST_CASE("what comes from files is read again for each client; a file that is gone is what it was", "[kafka]") {
  EdgeSettings settings = some_settings();
  settings.properties = {{"sasl.username", "user"}, {"sasl.password", "canary00000000000000f1"}};
  CHECK(current_properties(settings).at("sasl.password") == "canary00000000000000f1");
  int calls = 0;
  settings.read_again = [&calls]() -> Result<std::map<std::string, std::string>> {
    if (++calls == 3) return fail(Remedy::retry, "it is gone");
    return std::map<std::string, std::string>{{"sasl.password", "canary00000000000000f2"}};
  };
  for (const bool consumer : {true, false}) {
    const auto conf = consumer ? consumer_conf(settings, {}) : producer_conf(settings, {});
    REQUIRE(conf);
    CHECK(value_of(*conf, "sasl.password") == "canary00000000000000f2");
    CHECK(value_of(*conf, "sasl.username") == "user");
  }
  CHECK(current_properties(settings).at("sasl.password") == "canary00000000000000f1");
}

TEST_CASE("Memory for what is fetched ahead is divided over all partitions") {
  const FetchLimits few = divide_prefetch(128 * kMiB, 4).value();
  CHECK(few.partition_bytes == kMiB);
  CHECK(few.queue_bytes == kMiB);
  CHECK(divide_prefetch(128 * kMiB, 42).value().queue_bytes == kMiB);
  CHECK(divide_prefetch(128 * kMiB, 43).value().queue_bytes == kMiB / 2);
  CHECK(few.response_bytes == 16 * kMiB);
  CHECK(few.partition_messages == 2048);
  const FetchLimits many = divide_prefetch(128 * kMiB, 900).value();
  CHECK(many.partition_bytes == 128 * kMiB / 1800);
  CHECK(many.queue_bytes == many.partition_bytes / 2);
  const FetchLimits most = divide_prefetch(128 * kMiB, 1024).value();
  CHECK(most.partition_bytes == 64 * kKiB);
  CHECK(divide_prefetch(4 * kMiB, 4).value().response_bytes == kMiB);
}

TEST_CASE("More partitions than memory can serve are refused, with the limit that would do") {
  const Result<FetchLimits> refused = divide_prefetch(128 * kMiB, 1025);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().remedy == Remedy::fix_config);
  CHECK(refused.error().exit_code == ExitCode::config);
  CHECK(refused.error().what.find("1025 partitions") != std::string::npos);
}

TEST_CASE("The consumer reads committed records, never resets by itself, never commits by itself") {
  const Result<ConfHandle> conf = consumer_conf(some_settings(), FetchLimits{kMiB, kMiB, 16 * kMiB, 2048});
  REQUIRE(conf);
  CHECK(value_of(*conf, "bootstrap.servers") == "127.0.0.1:1,127.0.0.1:2");
  CHECK(value_of(*conf, "isolation.level") == "read_committed");
  CHECK(value_of(*conf, "auto.offset.reset") == "error");
  CHECK(value_of(*conf, "enable.auto.commit") == "false");
  CHECK(value_of(*conf, "enable.auto.offset.store") == "false");
  CHECK(value_of(*conf, "enable.partition.eof") == "true");
  CHECK(value_of(*conf, "check.crcs") == "true");
  CHECK(value_of(*conf, "allow.auto.create.topics") == "false");
  CHECK(value_of(*conf, "fetch.queue.backoff.ms") == "5");
  CHECK(value_of(*conf, "queued.max.messages.kbytes") == "1024");
  CHECK(value_of(*conf, "fetch.message.max.bytes") == "1048576");
  CHECK(value_of(*conf, "partition.assignment.strategy") == "cooperative-sticky");
  CHECK(value_of(*conf, "group.instance.id") == "?");  // not set
}

TEST_CASE("A static member is named after pipeline and instance") {
  EdgeSettings settings = some_settings();
  settings.static_membership = true;
  const Result<ConfHandle> conf = consumer_conf(settings, FetchLimits{kMiB, kMiB, kMiB, 1});
  REQUIRE(conf);
  CHECK(value_of(*conf, "group.instance.id") == "p.i");
}

TEST_CASE("Producers are made for their delivery") {
  ProducerKind kind;
  kind.transactional_id = "p.i.0.0";
  const Result<ConfHandle> exactly = producer_conf(some_settings(), kind);
  REQUIRE(exactly);
  CHECK(value_of(*exactly, "transactional.id") == "p.i.0.0");
  CHECK(value_of(*exactly, "enable.idempotence") == "true");
  CHECK(value_of(*exactly, "transaction.timeout.ms") == "10000");
  CHECK(value_of(*exactly, "batch.num.messages") == "100000");

  kind.isolating = true;
  const Result<ConfHandle> isolating = producer_conf(some_settings(), kind);
  REQUIRE(isolating);
  CHECK(value_of(*isolating, "batch.num.messages") == "1");
  CHECK(value_of(*isolating, "max.in.flight.requests.per.connection") == "1");

  const Result<ConfHandle> loose = producer_conf(some_settings(), kind_of(Delivery::fire_and_forget));
  REQUIRE(loose);
  CHECK(value_of(*loose, "enable.idempotence") == "false");
  CHECK(value_of(*loose, "max.in.flight.requests.per.connection") == "5");

  ProducerKind fewer = kind_of(Delivery::at_least_once);
  CHECK(value_of(*producer_conf(some_settings(), fewer), "max.in.flight.requests.per.connection") == "5");
  fewer.idempotent = false;
  const Result<ConfHandle> in_order = producer_conf(some_settings(), fewer);
  REQUIRE(in_order);
  CHECK(value_of(*in_order, "enable.idempotence") == "false");
  CHECK(value_of(*in_order, "max.in.flight.requests.per.connection") == "1");
}

TEST_CASE("A batch of records stays within the smallest limit of the destinations, a record within the largest") {
  ProducerKind kind;
  kind.delivery = Delivery::at_least_once;
  kind.batch_bytes = 20'000;
  kind.message_max_bytes = 10 * kMiB;
  const Result<ConfHandle> conf = producer_conf(some_settings(), kind);
  REQUIRE(conf);
  CHECK(value_of(*conf, "batch.size") == "20000");
  CHECK(value_of(*conf, "message.max.bytes") == "10485760");
}

TEST_CASE("Users set what is on the list, where it belongs") {
  EdgeSettings settings = some_settings();
  settings.properties = {{"compression.level", "7"}, {"fetch.wait.max.ms", "250"}, {"socket.keepalive.enable", "true"}};
  const Result<ConfHandle> consumer = consumer_conf(settings, FetchLimits{kMiB, kMiB, kMiB, 1});
  REQUIRE(consumer);
  CHECK(value_of(*consumer, "fetch.wait.max.ms") == "250");
  CHECK(value_of(*consumer, "socket.keepalive.enable") == "true");
  const Result<ConfHandle> producer = producer_conf(settings, kind_of(Delivery::at_least_once));
  REQUIRE(producer);
  CHECK(value_of(*producer, "compression.level") == "7");

  settings.properties = {{"isolation.level", "read_uncommitted"}};
  const Result<ConfHandle> refused = consumer_conf(settings, FetchLimits{kMiB, kMiB, kMiB, 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == "kafka.properties.isolation.level cannot be set here");
}

TEST_CASE("A value that librdkafka refuses is not printed: it may be a secret") {
  EdgeSettings settings = some_settings();
  settings.properties = {{"ssl.key.pem", "hunter2\n"}, {"security.protocol", "hunter2"}};
  const Result<ConfHandle> refused = admin_conf(settings);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("hunter2") == std::string::npos);
  CHECK(refused.error().what.find("security.protocol") != std::string::npos);
}

TEST_CASE("Old versions of librdkafka are refused") {
  CHECK_FALSE(check_rdkafka_version(0x020002ff));
  CHECK_FALSE(check_rdkafka_version(0x020d01ff));
  CHECK(check_rdkafka_version(0x020d02ff));
  CHECK(check_rdkafka_version(0x020e02ff));
  CHECK(check_rdkafka_version());
}

}  // namespace millrace
