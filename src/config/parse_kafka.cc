// The section `kafka`.
#include <fmt/core.h>

#include "base/text.h"
#include "config/names.h"
#include "config/parsing.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

void read_brokers(Reader& kafka, Parsing& parsing) {
  for (const ScalarText& entry : kafka.texts("brokers", true)) {
    if (!entry.known) {
      parsing.spec.kafka.brokers.push_back(entry.text);
      continue;
    }
    // A reference may stand for several, with commas between.
    for (const std::string_view part : split(entry.text, ',')) {
      const std::string_view broker = trim(part);
      if (parse_host_port(broker).port > 0) {
        parsing.spec.kafka.brokers.emplace_back(broker);
      } else {
        parsing.diagnostics.error(entry.position, fmt::format("kafka: a broker is written `host:port`, as in "
                                                              "`localhost:9092`, not {}",
                                                              in_ticks(broker)));
      }
    }
  }
}

std::string read_id(Reader& kafka, std::string_view key, const std::string& fallback) {
  const auto id = kafka.scalar(key);
  if (!id) return fallback;
  if (id->known && (id->text.empty() || id->text.size() > 200 || escape_for_log(id->text) != id->text)) {
    kafka.wrong(key, "must be a text of 1 to 200 printable characters");
  }
  return id->text;
}

}  // namespace

void read_kafka(Reader& top, Parsing& parsing) {
  KafkaSpec& spec = parsing.spec.kafka;
  if (top.get("kafka", true) == nullptr) return;
  Reader kafka = section_of(top, "kafka");
  read_brokers(kafka, parsing);
  spec.group = read_id(kafka, "group", parsing.spec.name);
  spec.transactional_id_prefix = read_id(kafka, "transactional_id_prefix", parsing.spec.name);
  spec.static_membership = kafka.flag("static", false);
  read_knobs(kafka, "kafka", parsing);
  read_kafka_properties(kafka, parsing);
  // The empty map is what people have who keep every key in their file.
  const Node* registry = kafka.get("registry");
  if (registry != nullptr && !(registry->is_map() && registry->members.empty())) kafka.not_yet("registry");
  kafka.finish();
}

}  // namespace millrace::config
