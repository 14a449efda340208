#include "config/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"

namespace millrace::config {

namespace {

constexpr std::array<std::string_view, 4> kNodeSections = {"sources", "tables", "stages", "destinations"};
constexpr std::array<std::string_view, 3> kFixedInSources = {"topics", "start", "on_data_loss"};
// What is looked at beside the pipeline, or by `check --connect` alone.
constexpr std::array<std::string_view, 3> kLiveInNodes = {"readers", "exclusive", "expect"};
constexpr std::array<std::string_view, 2> kFixedInProducers = {"compression", "acks"};

template <typename List>
bool is_in(const List& list, std::string_view key) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

// The same text in the same places; how it is quoted or laid out does not count.
bool same(const Node* a, const Node* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->kind != b->kind || a->text != b->text || a->items.size() != b->items.size() ||
      a->members.size() != b->members.size()) {
    return false;
  }
  for (size_t i = 0; i < a->items.size(); ++i) {
    if (!same(&a->items[i], &b->items[i])) return false;
  }
  for (size_t i = 0; i < a->members.size(); ++i) {
    const auto& one = a->members[i];
    const auto& other = b->members[i];
    if (one.key.text != other.key.text || !same(&one.value, &other.value)) return false;
  }
  return true;
}

const Node* at(const Node* node, std::string_view key) {
  return node == nullptr || !node->is_map() ? nullptr : node->find(key);
}

// Keys of both, those of the first in its order.
std::vector<std::string> keys_of(const Node* a, const Node* b) {
  std::vector<std::string> keys;
  for (const Node* node : {a, b}) {
    if (node == nullptr || !node->is_map()) continue;
    for (const auto& member : node->members) {
      if (!is_in(keys, member.key.text)) keys.push_back(member.key.text);
    }
  }
  return keys;
}

constexpr const char* kLong = "...";

std::string short_text(const Node* node) {
  constexpr size_t kShown = 60;
  if (node == nullptr) return "";
  const bool fits = node->is_scalar() && node->text.size() <= kShown && node->text.find('\n') == std::string::npos;
  return fits ? node->text : kLong;
}

class Comparison {
 public:
  Comparison(const PipelineSpec& running, const Node& started_with, const PipelineSpec& fresh)
      : running_(running), started_with_(started_with), fresh_(fresh) {}

  std::vector<Change> run() {
    compare_knobs();
    compare_values();
    for (const std::string_view section : kNodeSections) compare_nodes(section);
    compare_dead_letters();
    compare_the_rest();
    if (sources_differ_) {
      for (Change& change : changes_) {
        if (node_change_.count(change.what) != 0) change.applies = Applies::needs_restart;
      }
    }
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const Change& a, const Change& b) { return a.position < b.position; });
    return std::move(changes_);
  }

 private:
  Position place(std::string_view path) const {
    const Node* node = fresh_.document.get();
    for (const std::string_view key : split(path, '.')) node = at(node, key);
    return node == nullptr ? Position{} : node->position;
  }

  void add(std::string what, std::string from, std::string to, Applies applies) {
    handled_.insert(what);
    const Position position = place(what);
    changes_.push_back({std::move(what), std::move(from), std::move(to), applies, position});
  }

  void compare_knobs() {
    const bool new_transaction =
        effective_transaction_timeout_ms(running_.knobs) != effective_transaction_timeout_ms(fresh_.knobs);
    for (const KnobInfo& knob : all_knobs()) {
      handled_.insert(std::string(knob.path));
      const std::string from = knob_text(knob, running_.knobs);
      std::string to = knob_text(knob, fresh_.knobs);
      if (from == to) continue;
      Applies applies = knob_applies(knob);
      // The transaction's time-out is the producer's, and follows from the interval.
      if (knob.path == "batch.interval" && new_transaction) applies = Applies::new_producer;
      add(std::string(knob.path), from, std::move(to), applies);
    }
  }

  template <typename Value>
  void value(const char* path, const Value& from, const Value& to, Applies applies = Applies::needs_restart) {
    handled_.insert(path);
    if (from != to) add(path, "", "", applies);
  }

  // What is compared by its value, because leaving a key out means the same as writing its default.
  void compare_values() {
    const PipelineSpec& a = running_;
    const PipelineSpec& b = fresh_;
    value("pipeline", a.name, b.name);
    value("instance", a.instance, b.instance);
    value("delivery", a.delivery, b.delivery);
    value("kafka.brokers", a.kafka.brokers, b.kafka.brokers);
    value("kafka.group", a.kafka.group, b.kafka.group);
    value("kafka.transactional_id_prefix", a.kafka.transactional_id_prefix, b.kafka.transactional_id_prefix);
    value("kafka.static", a.kafka.static_membership, b.kafka.static_membership);
    value("kafka.properties", std::pair(a.kafka.properties, a.kafka.property_references),
          std::pair(b.kafka.properties, b.kafka.property_references));
    value("http.listen", std::tuple(a.http_enabled, a.http_host, a.http_port),
          std::tuple(b.http_enabled, b.http_host, b.http_port));
    value("http.token", a.http_token, b.http_token);
    value("stop.touch_file", a.touch_file, b.touch_file);
    value("state.directory", a.state_directory, b.state_directory);
    value("log.format", a.log_format, b.log_format);
    handled_.insert("log.level");
    if (a.log_level != b.log_level) add("log.level", a.log_level, b.log_level, Applies::live);
  }

  void compare_nodes(std::string_view section) {
    const Node* from = at(running_.document.get(), section);
    const Node* to = at(fresh_.document.get(), section);
    handled_.insert(std::string(section));
    for (const std::string& name : keys_of(to, from)) {
      const Node* before = at(from, name);
      const Node* now = at(to, name);
      if (same(before, now)) continue;
      const std::string what = fmt::format("{}.{}", section, name);
      if (before == nullptr || now == nullptr) {
        if (section == "sources") sources_differ_ = true;
        note_node(what, before == nullptr ? "(nothing)" : "", now == nullptr ? "(nothing)" : "",
                  section == "sources" ? Applies::needs_restart : Applies::next_batch);
        continue;
      }
      for (const std::string& key : keys_of(now, before)) {
        if (!same(at(before, key), at(now, key))) compare_key(section, name, key, at(before, key), at(now, key));
      }
      if (keys_of(now, before).empty()) note_node(what, "", "", Applies::next_batch);
    }
  }

  void compare_key(std::string_view section, const std::string& name, const std::string& key, const Node* before,
                   const Node* now) {
    Applies applies = is_in(kLiveInNodes, key) ? Applies::live : Applies::next_batch;
    if (section == "sources" && is_in(kFixedInSources, key)) {
      applies = Applies::needs_restart;
      sources_differ_ = sources_differ_ || key == "topics";
    }
    if (section == "destinations" && is_in(kFixedInProducers, key)) applies = Applies::new_producer;
    note_node(fmt::format("{}.{}.{}", section, name, key), short_text(before), short_text(now), applies);
  }

  void note_node(std::string what, std::string from, std::string to, Applies applies) {
    node_change_.insert(what);
    add(std::move(what), std::move(from), std::move(to), applies);
  }

  void compare_dead_letters() {
    const Node* from = at(running_.document.get(), "dead_letters");
    const Node* to = at(fresh_.document.get(), "dead_letters");
    handled_.insert("dead_letters");
    for (const std::string& key : keys_of(to, from)) {
      if (same(at(from, key), at(to, key))) continue;
      note_node("dead_letters." + key, short_text(at(from, key)), short_text(at(to, key)),
                key == "threshold" || is_in(kLiveInNodes, key) ? Applies::live : Applies::next_batch);
    }
  }

  // Whatever no one above knows was read at the start.
  void compare_the_rest() {
    for (const std::string& key : keys_of(fresh_.document.get(), &started_with_)) {
      const Node* before = started_with_.find(key);
      const Node* now = fresh_.document->find(key);
      if (handled_.count(key) != 0 || same(before, now)) continue;
      const auto inner = keys_of(now, before);
      for (const std::string& name : inner) {
        const std::string what = key + "." + name;
        if (handled_.count(what) == 0 && !same(at(before, name), at(now, name)) && !is_section(what)) {
          add(what, "", "", Applies::needs_restart);
        }
      }
      if (inner.empty()) add(key, "", "", Applies::needs_restart);
    }
  }

  // Knobs and values lie below it ("rate.backpressure").
  bool is_section(const std::string& what) const {
    const auto below = handled_.lower_bound(what + ".");
    return below != handled_.end() && below->starts_with(what + ".");
  }

  const PipelineSpec& running_;
  const Node& started_with_;
  const PipelineSpec& fresh_;
  std::vector<Change> changes_;
  std::set<std::string> handled_;
  std::set<std::string> node_change_;
  bool sources_differ_ = false;
};

void keep_knobs(const Knobs& running, Knobs& fresh) {
  for (const KnobInfo& knob : all_knobs()) {
    if (!knob.live) std::visit([&](auto member) { fresh.*member = running.*member; }, knob.member);
  }
}

void keep_sources(const PipelineSpec& running, PipelineSpec& fresh) {
  std::vector<SourceSpec> sources;
  // Records carry the number of their source: the order is that of the start.
  for (const SourceSpec& before : running.sources) {
    const auto now = std::find_if(fresh.sources.begin(), fresh.sources.end(),
                                  [&before](const SourceSpec& one) { return one.name == before.name; });
    SourceSpec& kept = sources.emplace_back(*now);
    kept.topics = before.topics;
    kept.start = before.start;
    kept.on_data_loss = before.on_data_loss;
  }
  fresh.sources = std::move(sources);
}

}  // namespace

std::string_view to_string(Applies applies) {
  switch (applies) {
    case Applies::live:
      return "live";
    case Applies::next_batch:
      return "next batch";
    case Applies::new_producer:
      return "new producer";
    case Applies::needs_restart:
      return "needs restart";
  }
  return "needs restart";
}

Applies knob_applies(const KnobInfo& knob) {
  if (!knob.live) return Applies::needs_restart;
  if (knob.path.starts_with("producer.")) return Applies::new_producer;
  if (knob.path.starts_with("stop.")) return Applies::live;
  return Applies::next_batch;
}

std::vector<Change> changes_between(const PipelineSpec& running, const Node& started_with, const PipelineSpec& fresh) {
  return Comparison(running, started_with, fresh).run();
}

PipelineSpec applicable(const PipelineSpec& running, const PipelineSpec& fresh, const std::vector<Change>& changes) {
  PipelineSpec result = fresh;
  result.name = running.name;
  result.instance = running.instance;
  result.kafka = running.kafka;
  result.delivery = running.delivery;
  result.touch_file = running.touch_file;
  result.http_host = running.http_host;
  result.http_port = running.http_port;
  result.http_enabled = running.http_enabled;
  result.http_token = running.http_token;
  result.log_format = running.log_format;
  result.state_directory = running.state_directory;
  keep_knobs(running.knobs, result.knobs);
  const auto of_source = [](const Change& change) {
    const auto parts = split(change.what, '.');
    return parts[0] == "sources" && (parts.size() == 2 || parts[2] == "topics");
  };
  if (std::any_of(changes.begin(), changes.end(), of_source)) {
    result.sources = running.sources;
    result.tables = running.tables;
    result.stages = running.stages;
    result.destinations = running.destinations;
    result.dead_letters = running.dead_letters;
    result.document = running.document;
  } else {
    keep_sources(running, result);
  }
  const auto waits = [](const Change& change) { return change.applies == Applies::needs_restart; };
  // What runs is not what the file says, and its hash says so.
  if (std::any_of(changes.begin(), changes.end(), waits)) result.config_hash += "+";
  return result;
}

std::string words_of(const Change& change) {
  std::string text = change.what + ": ";
  if (change.to == "(nothing)") {
    text += "removed";
  } else if (change.from == "(nothing)") {
    text += "added";
  } else if ((change.from.empty() && change.to.empty()) || change.from == kLong || change.to == kLong) {
    text += "changed";
  } else {
    text += fmt::format("{} -> {}", change.from.empty() ? "(unset)" : escape_for_log(change.from),
                        change.to.empty() ? "(unset)" : escape_for_log(change.to));
  }
  return text + fmt::format(" ({})", to_string(change.applies));
}

std::string text_of(const Change& change, const std::string& file) {
  const Position& at = change.position;
  const std::string place = at.line > 0 ? fmt::format("{}:{}:{}", file, at.line, at.column) : file;
  return place + ": " + words_of(change);
}

}  // namespace millrace::config
