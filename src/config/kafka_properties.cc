// kafka.properties: librdkafka's own settings, those that cannot break a promise of ours.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/names.h"
#include "config/parsing.h"
#include "config/quantity.h"
#include "config/secrets.h"

namespace millrace::config {

namespace {

constexpr std::array<std::string_view, 54> kAllowed{
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "compression.level",
    "connections.max.idle.ms",
    "debug",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "https.ca.location",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.sigalgs.list",
};

constexpr std::array<std::string_view, 6> kSecret{
    "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "sasl.password", "ssl.key.password", "ssl.key.pem",
    "ssl.keystore.password"};

struct Refused {
  std::string_view name;
  std::string_view reason;
};

constexpr std::string_view kOurs = "delivery and order depend on it, and millrace sets it";
constexpr std::string_view kMemory = "it follows from `memory.limit`";

constexpr std::array kRefused{
    Refused{"acks", "it is `acks` of a destination, outside `delivery: exactly_once`"},
    Refused{"allow.auto.create.topics", "a misspelt topic would be made instead of reported"},
    Refused{"auto.commit.interval.ms", kOurs},
    Refused{"auto.offset.reset", "it is `start` and `on_data_loss` of a source"},
    Refused{"batch.num.messages", kOurs},
    Refused{"batch.size", "it is `producer.batch_size`"},
    Refused{"bootstrap.servers", "it is `kafka.brokers`"},
    Refused{"check.crcs", kOurs},
    Refused{"client.id", "it is made from the names of pipeline and instance"},
    Refused{"compression.codec", "it is `compression` of a destination"},
    Refused{"compression.type", "it is `compression` of a destination"},
    Refused{"delivery.timeout.ms", "it is `kafka.message_timeout`"},
    Refused{"enable.auto.commit", kOurs},
    Refused{"enable.auto.offset.store", kOurs},
    Refused{"enable.gapless.guarantee", kOurs},
    Refused{"enable.idempotence", kOurs},
    Refused{"enable.partition.eof", kOurs},
    Refused{"fetch.max.bytes", kMemory},
    Refused{"fetch.message.max.bytes", kMemory},
    Refused{"fetch.queue.backoff.ms", kOurs},
    Refused{"group.id", "it is `kafka.group`"},
    Refused{"group.instance.id", "it is made from `kafka.static: true` and the instance's name"},
    Refused{"group.protocol", "millrace speaks the classic protocol only"},
    Refused{"group.remote.assignor", "millrace speaks the classic protocol only"},
    Refused{"heartbeat.interval.ms", "it is `kafka.heartbeat_interval`"},
    Refused{"isolation.level", kOurs},
    Refused{"linger.ms", "it is `producer.linger`"},
    Refused{"max.in.flight", kOurs},
    Refused{"max.in.flight.requests.per.connection", kOurs},
    Refused{"max.partition.fetch.bytes", kMemory},
    Refused{"max.poll.interval.ms", "it is `kafka.max_poll_interval`"},
    Refused{"log_level", "it is `log.level`"},
    Refused{"message.copy.max.bytes", kOurs},
    Refused{"message.max.bytes", kOurs},
    Refused{"message.send.max.retries", "it is `producer.retries`"},
    Refused{"message.timeout.ms", "it is `kafka.message_timeout`"},
    Refused{"metadata.broker.list", "it is `kafka.brokers`"},
    Refused{"partitioner", "it is `partition` of a destination"},
    Refused{"plugin.library.paths", "it loads code into the daemon"},
    Refused{"queue.buffering.max.kbytes", "it is `producer.queue`"},
    Refused{"queue.buffering.max.messages", "it is `producer.queue`"},
    Refused{"queue.buffering.max.ms", "it is `producer.linger`"},
    Refused{"queued.max.messages.kbytes", kMemory},
    Refused{"queued.min.messages", kMemory},
    Refused{"queuing.strategy", kOurs},
    Refused{"receive.message.max.bytes", kMemory},
    Refused{"request.required.acks", "it is `acks` of a destination, outside `delivery: exactly_once`"},
    Refused{"request.timeout.ms", "it is `kafka.socket_timeout`"},
    Refused{"retries", "it is `producer.retries`"},
    Refused{"session.timeout.ms", "it is `kafka.session_timeout`"},
    Refused{"socket.timeout.ms", "it is `kafka.socket_timeout`"},
    Refused{"ssl.engine.location", "it loads code into the daemon"},
    Refused{"ssl.providers", "it loads code into the daemon"},
    Refused{"statistics.interval.ms", "millrace sets it for its own numbers"},
    Refused{"transaction.timeout.ms", "it is `kafka.transaction_timeout`"},
    Refused{"transactional.id", "it is made from `kafka.transactional_id_prefix`, the instance and the worker"},
};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Why a property is not taken; empty when it is.
std::string refusal(const std::string& name) {
  if (contains(kAllowed, name)) return {};
  const auto* refused =
      std::find_if(kRefused.begin(), kRefused.end(), [&](const Refused& entry) { return entry.name == name; });
  if (refused != kRefused.end())
    return fmt::format("property {} cannot be set here: {}", in_ticks(name), refused->reason);
  const std::vector<std::string> known(kAllowed.begin(), kAllowed.end());
  const std::string near = nearest(name, known);
  return fmt::format("property {} is not among those that can be set{}", in_ticks(name),
                     near.empty() ? "" : "; did you mean `" + near + "`?");
}

// Values that would switch off what keeps a connection safe.
std::string unsafe(std::string_view name, std::string_view value) {
  if (name == "enable.ssl.certificate.verification" && value != "true") {
    return "must stay `true`: without it anyone can pose as a broker; name the right CA in `ssl.ca.location`";
  }
  if (name == "ssl.endpoint.identification.algorithm" && value != "https") {
    return "must stay `https`: without it any certificate of the CA can pose as a broker";
  }
  return {};
}

// A password must not cross a network that anyone can read.
void check_plain(const Reader& properties, Parsing& parsing) {
  std::string protocol;
  std::string mechanism;
  for (const auto& [name, value] : parsing.spec.kafka.properties) {
    if (name == "security.protocol") protocol = value;
    if (name == "sasl.mechanism" || name == "sasl.mechanisms") mechanism = value;
  }
  std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (protocol != "SASL_PLAINTEXT" || mechanism != "PLAIN") return;
  const auto& brokers = parsing.spec.kafka.brokers;
  const bool local = std::all_of(brokers.begin(), brokers.end(), [](const std::string& broker) {
    return has_reference(broker) || is_loopback(parse_host_port(broker).host);
  });
  if (local) return;
  parsing.diagnostics.error(properties.node().position,
                            "kafka.properties: PLAIN without TLS sends the password in clear "
                            "text; set `security.protocol: SASL_SSL`, or use SCRAM");
}

}  // namespace

std::span<const std::string_view> allowed_kafka_properties() {
  return kAllowed;
}

void read_kafka_properties(Reader& kafka, Parsing& parsing) {
  Reader properties = section_of(kafka, "properties");
  KafkaSpec& spec = parsing.spec.kafka;
  for (const auto& [key, node] : properties.node().members) {
    const std::string problem = refusal(key.text);
    if (!problem.empty()) {
      parsing.diagnostics.error(key.position, "kafka.properties: " + problem);
      continue;
    }
    const auto value = properties.scalar(key.text);
    if (!value) continue;
    if (contains(kSecret, key.text) && !has_reference(node.text)) {
      properties.wrong(key.text,
                       "is a secret and must not stand in the file; write `${file:/path}`, `${env:NAME}` or "
                       "`${credential:name}`");
      continue;
    }
    if (const std::string danger = unsafe(key.text, value->text); value->known && !danger.empty()) {
      properties.wrong(key.text, danger);
    }
    spec.properties.emplace_back(key.text, value->text);
    spec.property_places.emplace(key.text, value->position);
    if (has_reference(node.text)) spec.property_references.emplace_back(key.text, node.text);
  }
  check_plain(properties, parsing);
}

}  // namespace millrace::config
