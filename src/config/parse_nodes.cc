// Sources, tables and stages.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/text.h"
#include "config/names.h"
#include "config/parsing.h"
#include "config/quantity.h"
#include "config/timestamp.h"

namespace millrace::config {

namespace {

// Far above any pipeline that people can read; the checks of the graph compare everything with everything.
constexpr size_t kNodesMax = 1000;

Start read_start(Reader& reader) {
  const auto text = reader.scalar("start");
  if (!text || !text->known || text->text == "earliest") return {};
  if (text->text == "latest") return {Start::Kind::latest, 0};
  if (const auto time = parse_timestamp_ms(text->text)) return {Start::Kind::timestamp, *time};
  reader.wrong("start", fmt::format("must be `earliest`, `latest` or a time such as `2026-01-31T12:00:00Z`, not {}",
                                    in_ticks(reader.get("start")->text)));
  return {};
}

void read_topics(Reader& reader, SourceSpec& source) {
  for (const ScalarText& topic : reader.texts("topics", true)) {
    if (topic.known && !is_topic_name(topic.text)) {
      reader.diagnostics().error(topic.position, fmt::format("{}: {} is no topic's name ({})", reader.what(),
                                                             in_ticks(topic.text), kTopicNameRule));
    } else if (std::find(source.topics.begin(), source.topics.end(), topic.text) != source.topics.end()) {
      reader.diagnostics().error(topic.position,
                                 fmt::format("{}: topic {} is listed twice", reader.what(), in_ticks(topic.text)));
    } else if (source.topics.size() == kNodesMax) {
      return reader.wrong("topics", fmt::format("has more than {} entries", kNodesMax));
    } else {
      source.topics.push_back(topic.text);
    }
  }
}

// A value that DESIGN knows and this version does not.
bool is_later(Reader& reader, std::string_view key, std::initializer_list<std::string_view> later) {
  const Node* node = reader.get(key);
  if (node == nullptr || !node->is_scalar() || std::find(later.begin(), later.end(), node->text) == later.end())
    return false;
  reader.wrong(key, fmt::format("{} is not available in this version", in_ticks(node->text)));
  return true;
}

void read_sources(Reader& top, Parsing& parsing) {
  for (const NamedNode& named : named_nodes(top, "sources", "source", true, parsing)) {
    Reader reader(*named.node, fmt::format("source `{}`", named.name), parsing.diagnostics);
    SourceSpec source;
    source.name = named.name;
    source.position = named.position;
    read_topics(reader, source);
    if (!is_later(reader, "format", {"avro", "regex", "csv", "key-value"})) {
      source.format = reader.choice("format", {"json", "bytes"}, "json");
    }
    source.duplicate_keys = reader.choice("duplicate_keys", {"first", "last", "reject"}, "last");
    source.start = read_start(reader);
    source.on_data_loss =
        reader.choice("on_data_loss", {"stop", "skip"}, "stop") == "skip" ? OnDataLoss::skip : OnDataLoss::stop;
    source.expect = read_expect(reader, parsing);
    source.on_error = read_on_error(reader);
    reader.finish();
    parsing.spec.sources.push_back(std::move(source));
  }
}

int64_t read_refresh(Reader& reader) {
  constexpr int64_t kMinMs = 1000;
  constexpr int64_t kMaxMs = 7LL * 24 * 3600 * 1000;
  const auto text = reader.scalar("refresh");
  if (!text || !text->known || text->text == "changed") return TableSpec::kWhenChanged;
  if (text->text == "never") return TableSpec::kNever;
  const auto every = read_duration_ms(text->text, kMinMs, kMaxMs);
  if (every.problem.empty()) return every.value;
  reader.wrong("refresh", every.problem + "; or `changed` (when the file has changed), or `never`");
  return TableSpec::kWhenChanged;
}

void read_tables(Reader& top, Parsing& parsing) {
  const std::filesystem::path folder = std::filesystem::path(parsing.spec.file).parent_path();
  for (const NamedNode& named : named_nodes(top, "tables", "table", false, parsing)) {
    Reader reader(*named.node, fmt::format("table `{}`", named.name), parsing.diagnostics);
    TableSpec table;
    table.name = named.name;
    table.position = named.position;
    for (const char* key : {"topic", "sqlite", "postgresql", "mmdb"}) reader.not_yet(key);
    if (const auto file = reader.scalar("file", true)) {
      table.file = (folder / file->text).lexically_normal().string();
      const bool known_kind = file->text.ends_with(".csv") || file->text.ends_with(".jsonl");
      if (file->known && !known_kind) {
        reader.wrong("file",
                     fmt::format("must be a .csv or a .jsonl file, not {}", in_ticks(reader.get("file")->text)));
      }
    }
    table.key = reader.required_text("key");
    table.refresh_ms = read_refresh(reader);
    if (!is_later(reader, "match", {"cidr", "domain"})) static_cast<void>(reader.choice("match", {"exact"}, "exact"));
    reader.finish();
    parsing.spec.tables.push_back(std::move(table));
  }
}

// The kind is the one key of the stage that is a kind's name.
void read_kind(Reader& reader, StageSpec& stage, const std::vector<std::string>& kinds) {
  std::vector<std::string> found;
  for (const std::string& kind : kinds) {
    const Node* body = reader.get(kind);
    if (body == nullptr) continue;
    if (found.empty()) {
      stage.kind = kind;
      stage.body = body;
    }
    found.push_back(kind);
  }
  if (found.size() > 1) {
    reader.wrong(found[1], fmt::format("cannot stand beside `{}`: a stage does one thing; write two stages", found[0]));
  }
  if (!found.empty() || !reader.node().is_map()) return;
  // A misspelt kind is an unknown key, and is named as such.
  for (const auto& [key, value] : reader.node().members) {
    if (key.text != "from" && key.text != "on_error") return;
  }
  reader.diagnostics().error(stage.position,
                             fmt::format("{} does nothing: give it one of {}", reader.what(), quoted_list(kinds)));
}

void read_stages(Reader& top, Parsing& parsing) {
  for (const NamedNode& named : named_nodes(top, "stages", "stage", false, parsing)) {
    Reader reader(*named.node, fmt::format("stage `{}`", named.name), parsing.diagnostics);
    StageSpec stage;
    stage.name = named.name;
    stage.position = named.position;
    stage.from = read_inputs(reader, parsing);
    read_kind(reader, stage, parsing.context.stage_kinds);
    stage.on_error = read_on_error(reader);
    reader.finish();
    parsing.spec.stages.push_back(std::move(stage));
  }
}

}  // namespace

std::vector<NamedNode> named_nodes(Reader& top, std::string_view key, std::string_view what, bool required,
                                   Parsing& parsing) {
  std::vector<NamedNode> result;
  const Node* section = top.get(key, required);
  if (section == nullptr) return result;
  const Reader check(*section, std::string(key), top.diagnostics());
  if (required && (section->is_null() || (section->is_map() && section->members.empty()))) {
    top.wrong(key, fmt::format("is empty; a pipeline needs at least one {}", what));
  }
  for (const auto& [name, node] : section->members) {
    if (result.size() == kNodesMax) {
      top.wrong(key, fmt::format("has more than {} entries", kNodesMax));
      parsing.inputs_known = false;
      break;
    }
    if (is_node_name(name.text)) {
      result.push_back({name.text, name.position, &node});
    } else {
      parsing.inputs_known = false;
      top.diagnostics().error(name.position,
                              fmt::format("a {} cannot be called {} ({})", what, in_ticks(name.text), kNodeNameRule));
    }
  }
  return result;
}

std::vector<Input> read_inputs(Reader& reader, Parsing& parsing) {
  std::vector<Input> result;
  for (const auto& [text, position] : reader.names("from", true)) {
    const size_t dot = std::min(text.find('.'), text.size());
    Input input{text.substr(0, dot), dot == text.size() ? "" : text.substr(dot + 1), position};
    if (result.size() == kNodesMax) {
      reader.wrong("from", fmt::format("has more than {} entries", kNodesMax));
      break;
    }
    if (is_node_name(input.node) && (dot == text.size() || is_node_name(input.port))) {
      result.push_back(std::move(input));
    } else {
      reader.diagnostics().error(position, fmt::format("{}: `from` names a source, a stage, or a port as in "
                                                       "`stage.port`, not {}",
                                                       reader.what(), in_ticks(text)));
    }
  }
  const Node* from = reader.get("from");
  const size_t named = from == nullptr ? 0 : from->is_list() ? from->items.size() : 1;
  if (result.empty() || result.size() != named) parsing.inputs_known = false;
  return result;
}

OnError read_on_error(Reader& reader) {
  const std::string policy = reader.choice("on_error", {"dead_letter", "drop", "keep", "stop"}, "dead_letter");
  if (policy == "drop") return OnError::drop;
  if (policy == "keep") return OnError::keep;
  if (policy == "stop") return OnError::stop;
  return OnError::dead_letter;
}

void read_nodes(Reader& top, Parsing& parsing) {
  read_sources(top, parsing);
  read_tables(top, parsing);
  read_stages(top, parsing);
}

}  // namespace millrace::config
