// Names: variables of macros, of the record, of tests; members of the record's value become slots.
#include <array>

#include "base/text.h"
#include "expr/builder.h"
#include "expr/opaque.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

constexpr std::array<std::string_view, 9> kRecordNames = {"value",     "message", "key",  "headers", "topic",
                                                          "partition", "offset",  "time", "now"};
constexpr std::array<std::string_view, 15> kTypeNames = {"bool",
                                                         "int",
                                                         "uint",
                                                         "double",
                                                         "string",
                                                         "bytes",
                                                         "list",
                                                         "map",
                                                         "null_type",
                                                         "type",
                                                         "optional_type",
                                                         "google.protobuf.Timestamp",
                                                         "google.protobuf.Duration",
                                                         "net.IP",
                                                         "net.CIDR"};

bool is_record_name(std::string_view name) {
  return std::find(kRecordNames.begin(), kRecordNames.end(), name) != kRecordNames.end();
}

const std::string_view* find_type(std::string_view name) {
  for (const std::string_view& type : kTypeNames) {
    if (type == name) return &type;
  }
  static constexpr std::string_view kUrl = "kubernetes.URL";
  return name == kUrl ? &kUrl : nullptr;
}

std::string path_text(const FieldPath& path, size_t count) {
  std::string text = "value";
  for (size_t i = 0; i < count; ++i) {
    const bool simple = !path[i].empty() && path[i].find_first_not_of(
                                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                "0123456789_") == std::string::npos;
    text += simple ? "." + path[i] : "['" + escape_for_log(path[i], 64) + "']";
  }
  return text;
}

}  // namespace

const size_t* Builder::find_local(const std::string& name) const {
  for (size_t i = scope_.size(); i > 0; --i) {
    if (scope_[i - 1].name == name) return &scope_[i - 1].index;
  }
  return nullptr;
}

bool Builder::is_variable(const std::string& name) const {
  if (find_local(name) != nullptr) return true;
  if (std::find(environment_.bound.begin(), environment_.bound.end(), name) != environment_.bound.end()) return true;
  return environment_.record && is_record_name(name);
}

uint16_t Builder::slot(const FieldPath& path) {
  if (std::find(fields_.begin(), fields_.end(), path) == fields_.end()) fields_.push_back(path);
  return plan_.slot(path);
}

Built Builder::name(const AstNode& node) {
  Built built;
  built.cost = 1;
  const size_t* local = node.root_scope ? nullptr : find_local(node.text);
  if (local != nullptr) {
    for (const LocalName& other : scope_) {
      if (other.index == *local) built.bytes = other.bytes;
    }
    built.node = make_local(*local, node.text);
    return built;
  }
  const auto bound = std::find(environment_.bound.begin(), environment_.bound.end(), node.text);
  if (bound != environment_.bound.end()) {
    built.bytes = static_cast<double>(options_.limits.max_record_bytes);
    built.node = make_bound(static_cast<size_t>(bound - environment_.bound.begin()), node.text);
    return built;
  }
  if (environment_.record) {
    if (node.text == "value" || node.text == "message") return member({}, SIZE_MAX, false);
    struct Entry {
      const char* name;
      RecordVariable variable;
      Kind type;
      double bytes;
    };
    const auto most = static_cast<double>(options_.limits.max_record_bytes);
    const std::array<Entry, 7> entries = {{{"key", RecordVariable::key, Kind::absent, most},
                                           {"headers", RecordVariable::headers, Kind::map, most},
                                           {"topic", RecordVariable::topic, Kind::string, 249},
                                           {"partition", RecordVariable::partition, Kind::integer, 16},
                                           {"offset", RecordVariable::offset, Kind::integer, 16},
                                           {"time", RecordVariable::time, Kind::absent, 16},
                                           {"now", RecordVariable::now, Kind::timestamp, 16}}};
    for (const Entry& entry : entries) {
      if (node.text != entry.name) continue;
      built.type = entry.type;
      built.bytes = entry.bytes;
      built.node = make_record_variable(entry.variable, entry.name);
      return built;
    }
  }
  if (const std::string_view* type = find_type(node.text); type != nullptr) return literal(Value::type(*type));
  return unknown_name(node);
}

Built Builder::unknown_name(const AstNode& node) {
  std::vector<std::string> known;
  for (const LocalName& local : scope_) known.push_back(local.name);
  known.insert(known.end(), environment_.bound.begin(), environment_.bound.end());
  if (environment_.record) known.insert(known.end(), kRecordNames.begin(), kRecordNames.end());
  std::string message = "no field or variable `" + node.text + "`";
  const std::string near = nearest(node.text, known);
  if (!near.empty()) {
    message += "; did you mean `" + near + "`?";
  } else if (environment_.record) {
    message += "; a member of the record's value is written `value." + node.text + "`";
  }
  return mistake(node, ErrorKind::no_such_field, message);
}

// value.a['b'].?c[?'d'] -> a, b, c, d. False when something else than constant names is on the way.
bool Builder::static_path(AstId id, FieldPath& path, size_t& first_optional) const {
  if (!environment_.record) return false;
  std::vector<const AstNode*> steps;
  while (ast_.at(id).kind == AstKind::select || ast_.at(id).kind == AstKind::index) {
    steps.push_back(&ast_.at(id));
    id = ast_.at(id).children[0];
  }
  const AstNode& root = ast_.at(id);
  if (root.kind != AstKind::name || (root.text != "value" && root.text != "message")) return false;
  if (!root.root_scope && find_local(root.text) != nullptr) return false;
  if (std::find(environment_.bound.begin(), environment_.bound.end(), root.text) != environment_.bound.end())
    return false;
  path.clear();
  first_optional = SIZE_MAX;
  for (size_t i = steps.size(); i > 0; --i) {
    const AstNode& step = *steps[i - 1];
    if (step.optional && first_optional == SIZE_MAX) first_optional = path.size();
    if (step.kind == AstKind::select) {
      path.push_back(step.text);
      continue;
    }
    const AstNode& key = ast_.at(step.children[1]);
    if (key.kind != AstKind::literal || !key.literal.is(Kind::string)) return false;
    path.emplace_back(key.literal.text());
  }
  return true;
}

Built Builder::member(const FieldPath& path, size_t first_optional, bool test) {
  Built built;
  built.cost = 1;
  built.bytes = static_cast<double>(options_.limits.max_record_bytes);
  ValuePath where;
  where.slot = slot(path);
  where.text = path_text(path, path.size());
  if (!test && first_optional == SIZE_MAX) {
    built.node = make_field(where.slot, where.text);
    built.text = where.text;
    built.slot = where.slot;
    return built;
  }
  for (size_t count = 0; count < path.size(); ++count) {
    where.way.push_back(plan_.slot_for_kind({path.begin(), path.begin() + static_cast<std::ptrdiff_t>(count)}));
  }
  where.first_optional = first_optional;
  built.cost = 1 + static_cast<double>(path.size());
  if (test) {
    built.type = Kind::boolean;
    built.bytes = 16;
    built.node = make_has_field(std::move(where));
  } else {
    built.type = Kind::optional;
    built.node = make_optional_field(std::move(where));
  }
  return built;
}

bool Builder::header_name(AstId id, std::string& header, bool& optional) const {
  const AstNode& node = ast_.at(id);
  const AstNode& root = ast_.at(node.children[0]);
  if (!environment_.record || root.kind != AstKind::name || root.text != "headers") return false;
  if (!root.root_scope && find_local(root.text) != nullptr) return false;
  if (std::find(environment_.bound.begin(), environment_.bound.end(), root.text) != environment_.bound.end())
    return false;
  optional = node.optional;
  if (node.kind != AstKind::index) {
    header = node.text;
    return true;
  }
  const AstNode& key = ast_.at(node.children[1]);
  if (key.kind != AstKind::literal || !key.literal.is(Kind::string)) return false;
  header = std::string(key.literal.text());
  return true;
}

// "a.b.c" when the node is a row of plain selections on a name that is no variable; else empty.
std::string Builder::dotted_name(AstId id) const {
  std::string text;
  while (true) {
    const AstNode& node = ast_.at(id);
    if (node.kind == AstKind::name) {
      return is_variable(node.text) ? "" : node.text + text;
    }
    if (node.kind != AstKind::select || node.optional || node.quoted) return "";
    text = "." + node.text + text;
    id = node.children[0];
  }
}

Built Builder::select(AstId id) {
  const AstNode& node = ast_.at(id);
  FieldPath path;
  size_t first_optional = SIZE_MAX;
  if (static_path(id, path, first_optional)) return member(path, first_optional, false);
  std::string header;
  bool optional = false;
  if (header_name(id, header, optional)) {
    Built built;
    built.cost = 2;
    built.bytes = static_cast<double>(options_.limits.max_record_bytes);
    built.node = make_header(header, optional);
    return built;
  }
  if (const std::string dotted = dotted_name(id); !dotted.empty()) {
    if (const std::string_view* type = find_type(dotted); type != nullptr) return literal(Value::type(*type));
  }
  Built operand = build(node.children[0]);
  const bool constant = operand.constant;
  Built built;
  built.cost = operand.cost + 1 + (operand.constant ? 0 : operand.bytes * 0.1);
  built.bytes = operand.bytes;
  built.node = make_select(std::move(operand.node), node.text, node.optional);
  return constant ? folded(std::move(built)) : std::move(built);
}

Built Builder::has(AstId id) {
  const AstNode& node = ast_.at(id);
  FieldPath path;
  size_t first_optional = SIZE_MAX;
  if (static_path(node.children[0], path, first_optional)) {
    path.push_back(node.text);
    return member(path, first_optional, true);
  }
  std::string header;
  bool optional = false;
  Built built;
  built.type = Kind::boolean;
  if (header_name(id, header, optional)) {
    built.cost = 2;
    built.node = make_has_header(header);
    return built;
  }
  Built operand = build(node.children[0]);
  const bool constant = operand.constant;
  built.cost = operand.cost + 1 + (operand.constant ? 0 : operand.bytes * 0.1);
  built.node = make_has(std::move(operand.node), node.text);
  return constant ? folded(std::move(built)) : std::move(built);
}

Built Builder::index(AstId id) {
  const AstNode& node = ast_.at(id);
  FieldPath path;
  size_t first_optional = SIZE_MAX;
  if (static_path(id, path, first_optional)) return member(path, first_optional, false);
  std::string header;
  bool optional = false;
  if (header_name(id, header, optional)) {
    Built built;
    built.cost = 2;
    built.bytes = static_cast<double>(options_.limits.max_record_bytes);
    built.node = make_header(header, optional);
    return built;
  }
  Built operand = build(node.children[0]);
  Built key = build(node.children[1]);
  const bool constant = operand.constant && key.constant;
  Built built;
  built.cost = operand.cost + key.cost + 1 + (operand.constant ? 0 : operand.bytes * 0.1);
  built.bytes = operand.bytes;
  built.node = make_index(std::move(operand.node), std::move(key.node), node.optional);
  return constant ? folded(std::move(built)) : std::move(built);
}

}  // namespace millrace::expr
