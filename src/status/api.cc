#include "status/api.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "config/changes.h"
#include "config/knobs.h"
#include "status/json_writer.h"

namespace millrace {
namespace {

constexpr size_t kBatchesMax = 100;
constexpr size_t kEventsMax = 200;

std::string node_id(const Graph& graph, PortRef port) {
  const size_t sources = graph.sources().size();
  return port.node < sources ? "s" + std::to_string(port.node) : "n" + std::to_string(port.node - sources);
}

std::string port_of(const Graph& graph, PortRef port) {
  const size_t sources = graph.sources().size();
  return port.node < sources ? "" : graph.stages()[port.node - sources].ports[port.port];
}

void write_node(JsonWriter& out, const std::string& id, std::string_view role, std::string_view name,
                std::string_view kind) {
  out.open('{').member("id", id).member("role", role).member("name", name).member("kind", kind).close('}');
}

void write_edge(JsonWriter& out, const Graph& graph, PortRef from, const std::string& to) {
  out.open('{').member("from", node_id(graph, from)).member("to", to).member("port", port_of(graph, from)).close('}');
}

template <typename Get>
void write_column(JsonWriter& out, std::string_view name, const std::vector<TimelinePoint>& points, const Get& get) {
  out.key(name).open('[');
  for (const TimelinePoint& point : points) out.value(get(point));
  out.close(']');
}

void write_batch(JsonWriter& out, const BatchRow& row) {
  out.open('{').member("worker", row.worker).member("number", row.number).member("config", row.config_hash);
  out.member("result", to_string(row.result)).member("submitted_ms", row.submitted_wall_ms);
  out.member("started_ms", row.opened_wall_ms).member("completed_ms", row.completed_wall_ms);
  out.member("interval_ms", row.interval_ms).member("received", row.records).member("received_bytes", row.bytes);
  out.member("sent", row.sent).member("filtered", row.filtered).member("unmatched", row.unmatched);
  out.member("dead", row.dead).member("dropped", row.dropped).member("recoveries", row.recoveries);
  out.key("errors").open('{');
  for (size_t i = 1; i < row.rejected.size(); ++i) {
    if (row.rejected[i] > 0) out.member(to_string(static_cast<RejectReason>(i)), row.rejected[i]);
  }
  out.close('}').member("scheduling_delay_ms", row.scheduling_seconds * 1e3);
  out.member("processing_ms", row.processing_seconds() * 1e3).member("total_delay_ms", row.delay_seconds * 1e3);
  out.key("phases_ms").open('{');
  for (size_t i = 0; i < static_cast<size_t>(BatchPhase::total); ++i) {
    out.member(to_string(static_cast<BatchPhase>(i)), row.seconds[i] * 1e3);
  }
  out.close('}').close('}');
}

void write_topics(JsonWriter& out, const EdgeSnapshot& edge) {
  out.key("topics").open('[');
  for (const SourceTopicSnapshot& each : edge.sources) {
    out.open('{').member("topic", each.topic).member("partitions", each.partitions);
    out.member("replication", each.replication).member("settings_known", each.settings.has_value());
    const TopicSettings settings = each.settings.value_or(TopicSettings());
    out.member("retention_ms", settings.deletes ? settings.retention_ms : -1);
    out.member("retention_bytes", settings.deletes ? settings.retention_bytes : -1).close('}');
  }
  out.close(']');
}

void write_readers(JsonWriter& out, const EdgeSnapshot& edge) {
  out.key("readers").open('[');
  for (const ReaderSnapshot& each : edge.readers) {
    int64_t sum = 0;
    int64_t most = 0;
    for (const auto& [partition, lag] : each.lag) {
      sum += lag;
      most = std::max(most, lag);
    }
    out.open('{').member("destination", each.destination).member("topic", each.topic).member("group", each.group);
    out.member("partitions", each.lag.size()).member("lag_records", sum).member("largest_lag_records", most).close('}');
  }
  out.close(']');
}

}  // namespace

std::string graph_json(const Graph& graph) {
  JsonWriter out;
  out.open('{').key("nodes").open('[');
  for (size_t i = 0; i < graph.sources().size(); ++i) {
    write_node(out, "s" + std::to_string(i), "source", graph.sources()[i].name, "source");
  }
  for (size_t i = 0; i < graph.stages().size(); ++i) {
    write_node(out, "n" + std::to_string(i), "stage", graph.stages()[i].name, graph.stages()[i].kind);
  }
  for (size_t i = 0; i < graph.topics().size(); ++i) {
    const TopicNode& topic = graph.topics()[i];
    write_node(out, "t" + std::to_string(i), "topic", topic.topic, topic.destination);
  }
  out.close(']').key("edges").open('[');
  for (size_t i = 0; i < graph.stages().size(); ++i) {
    for (const PortRef input : graph.stages()[i].inputs) write_edge(out, graph, input, "n" + std::to_string(i));
  }
  for (const DestinationNode& destination : graph.destinations()) {
    for (const auto& input : destination.inputs) {
      write_edge(out, graph, input.from, "t" + std::to_string(input.topic));
    }
  }
  out.close(']').close('}');
  return out.text();
}

void write_partitions(JsonWriter& out, const View& view) {
  out.key("partitions").open('[');
  for (const PartitionView& each : partition_views(view)) {
    out.open('{').member("topic", each.partition.topic).member("partition", each.partition.partition);
    out.member("worker", each.worker).member("committed", each.committed).member("low", each.low);
    out.member("end", each.end).member("lag_records", each.lag_records).member("lag_seconds", each.lag_seconds);
    out.member("headroom_records", each.committed >= 0 && each.low >= 0 ? each.committed - each.low : -1);
    // -1: nothing is unread, nothing is deleted, or it is not known.
    out.member("headroom_seconds", each.headroom_seconds.value_or(-1));
    out.member("stopped", each.stopped).close('}');
  }
  out.close(']');
}

void write_spread(JsonWriter& out, const Snapshot& engine) {
  out.key("spread").open('[');
  for (const SpreadStatus& each : engine.spread) {
    out.open('{').member("role", each.node.source ? "source" : "destination").member("node", each.node.name);
    out.member("topic", each.node.topic).member("records", each.records).member("partitions", each.partitions);
    out.member("largest_partition", each.largest_partition).member("largest_share", each.largest_share);
    out.member("max_over_mean", each.max_over_mean).key("hot_keys").open('[');
    for (const HotKey& key : each.hot_keys) {
      out.open('{').member("share", key.share).member("partition", key.partition);
      out.key("seen").open('{').member("topic", key.place.topic).member("partition", key.place.partition);
      out.member("offset", key.offset).close('}').close('}');
    }
    out.close(']').close('}');
  }
  out.close(']');
}

std::string partitions_json(const View& view) {
  JsonWriter out;
  out.open('{');
  write_partitions(out, view);
  write_spread(out, view.engine);
  write_topics(out, view.edge);
  write_readers(out, view.edge);
  out.close('}');
  return out.text() + "\n";
}

std::string knobs_json(const View& view) {
  JsonWriter out;
  out.open('{').key("knobs").open('[');
  for (const auto& [name, value] : view.program->knobs) {
    const config::KnobInfo* knob = config::find_knob(name);
    if (knob == nullptr) continue;
    out.open('{').member("name", name).member("value", value).member("default", config::knob_default_text(*knob));
    out.member("range", config::knob_range_text(*knob)).member("applies", to_string(config::knob_applies(*knob)));
    out.member("help", knob->help).close('}');
  }
  out.close(']').close('}');
  return out.text() + "\n";
}

void write_advice(JsonWriter& out, const Advice& advice) {
  out.open('{').member("kind", to_string(advice.kind)).member("text", advice.text).member("knob", advice.knob);
  out.member("node", advice.node).close('}');
}

std::string advice_json(const Advice& advice) {
  JsonWriter out;
  write_advice(out, advice);
  return out.text() + "\n";
}

std::string batches_json(const Recorder* recorder) {
  JsonWriter out;
  out.open('{').key("batches").open('[');
  if (recorder != nullptr) {
    for (const BatchRow& row : recorder->batches(kBatchesMax)) write_batch(out, row);
  }
  out.close(']').close('}');
  return out.text() + "\n";
}

std::string events_json(const Recorder* recorder) {
  JsonWriter out;
  out.open('{').key("events").open('[');
  if (recorder != nullptr) {
    for (const Event& event : recorder->events(kEventsMax)) {
      out.open('{').member("at_ms", event.at_ms).member("kind", event.kind).member("subject", event.subject);
      out.member("text", event.text).close('}');
    }
  }
  out.close(']').close('}');
  return out.text() + "\n";
}

std::string timeline_json(const Recorder* recorder) {
  const auto points = recorder != nullptr ? recorder->timeline() : std::vector<TimelinePoint>();
  JsonWriter out;
  out.open('{');
  write_column(out, "at_ms", points, [](const TimelinePoint& point) { return point.at_ms; });
  write_column(out, "read_per_second", points, [](const TimelinePoint& point) { return point.read_per_second; });
  write_column(out, "sent_per_second", points, [](const TimelinePoint& point) { return point.sent_per_second; });
  write_column(out, "dead_per_second", points, [](const TimelinePoint& point) { return point.dead_per_second; });
  write_column(out, "lag_records", points, [](const TimelinePoint& point) { return point.lag_records; });
  write_column(out, "batches", points, [](const TimelinePoint& point) { return point.batches; });
  write_column(out, "scheduling_delay_ms", points, [](const TimelinePoint& point) { return point.scheduling_ms; });
  write_column(out, "processing_ms", points, [](const TimelinePoint& point) { return point.processing_ms; });
  write_column(out, "total_delay_ms", points, [](const TimelinePoint& point) { return point.delay_ms; });
  out.close('}');
  return out.text() + "\n";
}

}  // namespace millrace
