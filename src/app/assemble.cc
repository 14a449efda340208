#include "app/assemble.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "base/text.h"
#include "config/parse.h"
#include "stages/registry.h"

namespace millrace {
namespace {

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

config::ParseContext parse_context(const std::string& instance, const config::Secrets* secrets) {
  config::ParseContext context;
  for (const StageKind* kind : stage_kinds()) context.stage_kinds.emplace_back(kind->name);
  context.secrets = secrets;
  context.instance = instance;
  context.host_name = host_name();
  context.default_state_directory = usual_state_root();
  return context;
}

// A file that is written anew while this reads is told by its stamp, which is taken first.
void load_tables(Pipeline& pipeline, const Pipeline* before) {
  for (const config::TableSpec& table : pipeline.spec.tables) {
    const expr::FileStamp stamp = expr::stamp_of(table.file);
    if (before != nullptr) {
      const auto& old = before->spec.tables;
      const auto same = std::find_if(old.begin(), old.end(), [&](const config::TableSpec& one) {
        return one.name == table.name && one.file == table.file && one.key == table.key;
      });
      if (same != old.end() && before->stamps.at(table.name) == stamp) {
        pipeline.tables.add(table.name, before->tables.all().at(table.name));
        pipeline.stamps[table.name] = stamp;
        continue;
      }
    }
    auto loaded = read_table(pipeline.spec, table);
    if (loaded) {
      pipeline.tables.add(table.name, std::move(*loaded));
      pipeline.stamps[table.name] = stamp;
    } else {
      pipeline.diagnostics.error(table.position, "table `" + table.name + "`: " + loaded.error().what);
    }
  }
}

const config::ExpectSpec& expect_of(const config::PipelineSpec& spec, const std::string& destination) {
  for (const config::DestinationSpec& each : spec.destinations) {
    if (each.name == destination) return each.expect;
  }
  return spec.dead_letters.expect;
}

// What librdkafka says to its settings is a problem of the file as well. This connects to nothing.
Result<void> try_settings(const Pipeline& pipeline) {
  EdgeSettings settings = edge_settings(pipeline.spec, *pipeline.graph);
  settings.read_again = {};
  if (pipeline.secrets == nullptr) {
    for (const auto& reference : pipeline.spec.kafka.property_references) settings.properties.erase(reference.first);
  }
  TRY_ASSIGN(const FetchLimits limits, divide_prefetch(settings.prefetch_bytes, 1));
  TRY_ASSIGN(const auto consumer, consumer_conf(settings, limits));
  ProducerKind kind;
  kind.delivery = settings.delivery;
  kind.transactional_id = settings.transactional_id_prefix;
  TRY_ASSIGN(const auto producer, producer_conf(settings, kind));
  return {};
}

config::Position place_of(const Error& error, const config::KafkaSpec& kafka) {
  for (const auto& [key, position] : kafka.property_places) {
    if (error.what.find(key) != std::string::npos) return position;
  }
  return {};
}

}  // namespace

std::string usual_state_root() {
  return config::default_state_directory([](const char* name) { return std::getenv(name); });
}

Result<expr::TableShare> read_table(const config::PipelineSpec& spec, const config::TableSpec& table) {
  expr::TableLimits limits;
  limits.max_file_bytes = static_cast<uint64_t>(spec.knobs.table_max_bytes);
  limits.max_rows = static_cast<uint64_t>(spec.knobs.table_max_rows);
  TRY_ASSIGN(auto loaded, expr::load_table(table.file, table.key, limits));
  return expr::TableShare(std::move(loaded));
}

std::vector<DestinationSettings> destination_settings(const config::PipelineSpec& spec, const Graph& graph) {
  std::vector<DestinationSettings> all;
  for (const TopicNode& topic : graph.topics()) {
    DestinationSettings& destination = all.emplace_back();
    destination.topic = topic.topic;
    destination.compression = topic.compression;
    destination.acks = topic.acks.value_or(spec.delivery == Delivery::fire_and_forget ? "0" : "all");
    destination.expect = expect_of(spec, topic.destination);
    destination.name = topic.destination;
    for (const config::DestinationSpec& from : spec.destinations) {
      if (from.name == topic.destination) destination.readers = from.readers;
    }
  }
  return all;
}

// Shared as Version says.
std::shared_ptr<const Graph> graph_with_tables(const std::shared_ptr<const Pipeline>& pipeline) {
  return {pipeline, pipeline->graph.get()};
}

// Shared, too.
std::shared_ptr<Pipeline> assemble(config::PipelineSpec spec, const Pipeline& parts) {
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->secrets = parts.secrets;
  pipeline->spec = std::move(spec);
  pipeline->tables = parts.tables;
  pipeline->stamps = parts.stamps;
  pipeline->graph = build_graph(pipeline->spec, stage_kinds(), pipeline->tables, pipeline->diagnostics);
  return pipeline;
}

std::unique_ptr<Pipeline> load_pipeline(const std::string& file, const std::string& instance, bool resolve_secrets,
                                        const Pipeline* before) {
  auto pipeline = std::make_unique<Pipeline>();
  if (resolve_secrets) {
    pipeline->secrets = std::make_shared<config::SystemSecrets>([](const char* name) { return std::getenv(name); });
  }
  const auto text = config::read_config_file(file, pipeline->diagnostics);
  if (!text) return pipeline;
  auto spec =
      config::parse_pipeline(file, *text, parse_context(instance, pipeline->secrets.get()), pipeline->diagnostics);
  if (!spec) return pipeline;
  pipeline->spec = std::move(*spec);
  load_tables(*pipeline, before);
  // The graph is built even after errors, so that all problems come at once.
  config::Diagnostics found;
  pipeline->graph = build_graph(pipeline->spec, stage_kinds(), pipeline->tables, found);
  pipeline->diagnostics.merge(found);
  if (pipeline->diagnostics.has_errors()) {
    pipeline->graph = nullptr;
    return pipeline;
  }
  if (const auto accepted = try_settings(*pipeline); !accepted) {
    pipeline->diagnostics.error(place_of(accepted.error(), pipeline->spec.kafka), accepted.error().what);
    pipeline->graph = nullptr;
  }
  return pipeline;
}

namespace {

// What ${...} in kafka.properties stands for now; without references there is nothing to read.
std::function<Result<std::map<std::string, std::string>>()> reader_of(const config::KafkaSpec& kafka) {
  if (kafka.property_references.empty()) return {};
  return [references = kafka.property_references]() -> Result<std::map<std::string, std::string>> {
    const config::SystemSecrets secrets([](const char* name) { return std::getenv(name); });
    std::map<std::string, std::string> values;
    for (const auto& [key, text] : references) {
      config::Substituted value = config::substitute(text, &secrets);
      if (!value.problem.empty()) return fail(Remedy::retry, key + ": " + value.problem);
      values[key] = std::move(value.text);
    }
    return values;
  };
}

}  // namespace

EdgeSettings edge_settings(const config::PipelineSpec& spec, const Graph& graph) {
  const config::Knobs& knobs = spec.knobs;
  EdgeSettings settings;
  settings.pipeline = spec.name;
  settings.instance = spec.instance;
  settings.brokers = spec.kafka.brokers;
  settings.group = spec.kafka.group;
  settings.transactional_id_prefix = spec.kafka.transactional_id_prefix;
  settings.static_membership = spec.kafka.static_membership;
  settings.properties.insert(spec.kafka.properties.begin(), spec.kafka.properties.end());
  settings.read_again = reader_of(spec.kafka);
  settings.delivery = spec.delivery;
  settings.workers = static_cast<int>(knobs.workers);
  // memory.limit is divided over prefetch, held batches (engine_options) and the producers' queues.
  settings.prefetch_bytes = knobs.memory_limit_bytes / 2;
  settings.producer_queue_bytes =
      knobs.producer_queue_bytes > 0 ? knobs.producer_queue_bytes * knobs.workers : knobs.memory_limit_bytes / 5;
  for (const config::SourceSpec& source : spec.sources) {
    settings.sources.push_back({source.name, source.topics, source.start, source.on_data_loss, source.expect});
  }
  settings.destinations = destination_settings(spec, graph);
  settings.times.socket_ms = knobs.socket_timeout_ms;
  settings.times.message_ms = knobs.message_timeout_ms;
  settings.times.transaction_ms = config::effective_transaction_timeout_ms(knobs);
  settings.times.session_ms = knobs.session_timeout_ms;
  settings.times.heartbeat_ms = knobs.heartbeat_interval_ms;
  settings.producer_linger_ms = knobs.producer_linger_ms;
  settings.producer_batch_bytes = knobs.producer_batch_bytes;
  settings.producer_retries = knobs.producer_retries;
  settings.times.max_poll_ms = knobs.max_poll_interval_ms;
  settings.times.revoke_ms = knobs.revoke_limit_ms;
  settings.times.refused_ms = knobs.refused_limit_ms;
  return settings;
}

std::vector<std::pair<std::string, std::string>> knob_values(const config::Knobs& knobs) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const config::KnobInfo& knob : config::all_knobs()) {
    values.emplace_back(knob.path, config::knob_text(knob, knobs));
  }
  return values;
}

}  // namespace millrace
