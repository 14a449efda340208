#include "expr/json_walk.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "expr/json_scalar.h"
#include "expr/json_text.h"

namespace millrace::expr {

namespace {

// Records without white space between their parts are the rule; there, what stands around a structural character is
// looked at in one word.
constexpr uint32_t kKeyEnd = four('"', ':', 0, 0);
constexpr uint32_t kKeyEndString = four('"', ':', '"', 0);
constexpr uint32_t kNextMember = four(',', '"', 0, 0);

uint64_t first_bytes(std::string_view name) {
  uint64_t word = 0;
  std::memcpy(&word, name.data(), std::min<size_t>(name.size(), 8));
  return word;
}

inline bool literal_ok(std::string_view text, uint32_t begin, uint32_t next) {
  return is_json_scalar(text.data() + begin, json_token_end(text.data(), begin, next) - begin, text.size() - begin);
}

}  // namespace

JsonWalk::JsonWalk(const FieldPlan& plan, const DecodeLimits& limits)
    : max_depth_(static_cast<uint32_t>(std::max<size_t>(limits.max_json_depth, 1))),
      duplicates_(limits.duplicate_keys),
      open_(max_depth_ + 2) {
  nodes_.emplace_back();
  add_children(plan, 0, {});
  seen_.resize(nodes_.size());
}

void JsonWalk::add_children(const FieldPlan& plan, uint32_t node, const FieldPath& path) {
  std::vector<std::string> names;
  for (size_t i = 0; i < plan.size(); ++i) {
    const FieldPlan::Wanted& wanted = plan.wanted()[i];
    if (!wanted.read && !wanted.span) continue;
    if (wanted.path.size() < path.size() || !std::equal(path.begin(), path.end(), wanted.path.begin())) continue;
    if (wanted.path.size() == path.size()) {
      nodes_[node].slot = static_cast<int32_t>(i);
      nodes_[node].read = wanted.read;
      nodes_[node].span = wanted.span;
      continue;
    }
    const std::string& name = wanted.path[path.size()];
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  const auto first = static_cast<uint32_t>(nodes_.size());
  nodes_[node].first_child = first;
  nodes_[node].child_count = static_cast<uint32_t>(names.size());
  for (const std::string& name : names) {
    Node child;
    child.name = name;
    child.prefix = first_bytes(name);
    child.length = static_cast<uint32_t>(name.size());
    nodes_.push_back(std::move(child));
  }
  hash_children(nodes_[node]);
  for (size_t i = 0; i < names.size(); ++i) {
    FieldPath below = path;
    below.push_back(names[i]);
    add_children(plan, first + static_cast<uint32_t>(i), below);
  }
}

const uint32_t* JsonWalk::fail(RejectReason reason, const char* what, size_t at) {
  failure_ = {reason, what, at};
  return nullptr;
}

bool JsonWalk::run(std::string_view text, uint32_t* places, uint32_t count, Arena& arena, DecodedRecord& into) {
  text_ = text.data();
  size_ = text.size();
  places_ = places;
  end_ = places + count;
  last_ = places[count - 1];
  fast_end_ = count > 5 ? end_ - 5 : places;
  arena_ = &arena;
  into_ = &into;
  if (++run_ == 0) {
    std::fill(seen_.begin(), seen_.end(), 0);
    run_ = 1;
  }
  escapes_ = std::memchr(text.data(), '\\', text.size()) != nullptr;
  if (escapes_) {
    const size_t bad = find_bad_escape(text);
    if (bad != std::string_view::npos) return fail("a backslash that begins no escape", bad) != nullptr;
  }
  if (const JsonShapes::Captures* captures = shapes_.match(text, places, count)) {
    for (const JsonShapes::Capture& capture : *captures) fill(capture, false);
    return true;
  }
  captures_.clear();
  learnable_ = shapes_.learning();
  if (!walk(count)) return false;
  if (duplicates_ == DuplicateKeys::reject && repeated_keys(places, count)) return false;
  if (learnable_) shapes_.learn(text, places, count, captures_);
  return true;
}

bool JsonWalk::walk(uint32_t count) {
  const char first = text_[places_[0]];
  if (first == '{' || first == '[') {
    // Behind the last place stands its closer again: whoever reads on there finds no way to go on.
    const uint32_t last = places_[count - 1];
    places_[count] = places_[count + 1] = places_[count + 2] = last;
    if (text_[last] != (first == '{' ? '}' : ']')) {
      return fail("the document does not end where its text ends", last) != nullptr;
    }
  } else {
    if (count > 1) return fail("more text behind the value", places_[1]) != nullptr;
    places_[1] = places_[2] = places_[3] = static_cast<uint32_t>(size_);
  }
  const uint32_t* p = wanted(places_, nodes_[0], 0, 0);
  if (p == nullptr) return false;
  return p == end_ || fail("more text behind the value", *p) != nullptr;
}

inline void JsonWalk::fill(const JsonShapes::Capture& capture, bool again) {
  const uint32_t begin = places_[capture.begin];
  const uint32_t end = places_[capture.end] - static_cast<uint32_t>(capture.back);
  if (capture.read) into_->fields[capture.slot] = read(begin, end);
  if (capture.span) into_->spans[capture.slot] = {places_[capture.key], begin, end, again};
}

// A hash of the first eight bytes and the length that keeps the children apart, so that a key is compared with one name
// at most and nearly all unwanted keys with none.
void JsonWalk::hash_children(Node& parent) {
  if (parent.child_count > kBuckets / 4) return;
  for (uint64_t attempt = 1; attempt < 1000 && !parent.hashed; ++attempt) {
    parent.multiplier = attempt * 0x9E3779B97F4A7C15ULL | 1;
    parent.by_hash.fill(0);
    parent.hashed = true;
    for (uint32_t i = 0; i < parent.child_count; ++i) {
      const Node& child = nodes_[parent.first_child + i];
      uint8_t& bucket = parent.by_hash[(child.prefix + child.length) * parent.multiplier >> 58];
      if (bucket != 0) parent.hashed = false;
      bucket = static_cast<uint8_t>(i + 1);
    }
  }
}

inline const JsonWalk::Node* JsonWalk::match(const Node& parent, uint32_t key, uint32_t end) {
  const char* name = text_ + key + 1;
  const uint32_t length = end - key - 2;
  if (!parent.hashed || key + 9 > last_) return match_slowly(parent, {name, length});
  const uint64_t word = length < 8 ? load8(name) & ((uint64_t{1} << (8 * length)) - 1) : load8(name);
  const uint8_t bucket = parent.by_hash[(word + length) * parent.multiplier >> 58];
  if (bucket != 0) {
    const Node* child = nodes_.data() + parent.first_child + bucket - 1;
    if (child->prefix == word && child->length == length &&
        (length <= 8 || std::memcmp(name + 8, child->name.data() + 8, length - 8) == 0)) {
      return child;
    }
  }
  return escapes_ ? match_slowly(parent, {name, length}) : nullptr;
}

const JsonWalk::Node* JsonWalk::match_slowly(const Node& parent, std::string_view name) {
  if (escapes_ && std::memchr(name.data(), '\\', name.size()) != nullptr) {
    scratch_.clear();
    json_unescape(name, scratch_);
    name = scratch_;
  }
  const Node* child = nodes_.data() + parent.first_child;
  for (const Node* const last = child + parent.child_count; child != last; ++child) {
    if (child->name == name) return child;
  }
  return nullptr;
}

inline const uint32_t* JsonWalk::skip(const uint32_t* p, uint32_t depth) {
  const char c = text_[*p];
  if (c == '"') return p + 1;
  if (c == '{' || c == '[') return container(p + 1, c == '{', depth + 1);
  return literal_ok({text_, size_}, p[0], p[1]) ? p + 1 : fail("a value was expected", *p);
}

// Steps from behind a value over `,` to a key, where no white space is in between and the end is not near.
inline bool JsonWalk::next_member(const uint32_t*& p) const {
  if (p >= fast_end_ || load2(text_ + *p) != kNextMember) return false;
  ++p;
  return true;
}

// A key, known to begin at *p, and its value.
inline const uint32_t* JsonWalk::member(const uint32_t* p, const Node& node, uint32_t depth) {
  const uint32_t colon = p[1];
  const Node* child = nullptr;
  const uint32_t word = p < fast_end_ ? load4(text_ + colon - 1) : 0;
  if ((word & 0xFFFF) == kKeyEnd) {
    child = match(node, *p, colon);
    if (child == nullptr && (word & 0xFFFFFF) == kKeyEndString) return p + 3;
  } else {
    if (text_[colon] != ':') return fail("':' was expected", colon);
    child = match(node, *p, json_token_end(text_, *p, colon));
  }
  return child == nullptr ? skip(p + 2, depth) : wanted(p + 2, *child, static_cast<uint32_t>(p - places_), depth);
}

const uint32_t* JsonWalk::object(const uint32_t* p, const Node& node, uint32_t depth) {
  if (text_[*p] == '}') return p + 1 > end_ ? fail("an object that is not closed", *p) : p + 1;
  for (;;) {
    if (text_[*p] != '"') return fail("a key was expected", *p);
    do {
      p = member(p, node, depth);
      if (p == nullptr) return nullptr;
    } while (next_member(p));
    const char c = text_[*p++];
    if (c == ',') continue;
    if (c != '}') return fail("',' or '}' was expected", p[-1]);
    return p > end_ ? fail("an object that is not closed", p[-1]) : p;
  }
}

// Everything inside of a container that nobody wants, down to its closer. `depth` is the depth of the container.
const uint32_t* JsonWalk::container(const uint32_t* p, bool is_object, uint32_t depth) {
  const uint32_t outside = depth - 1;
  const char* const text = text_;  // copies, because writes to open_ might change the members
  const size_t size = size_;
  const uint32_t* const fast_end = fast_end_;
  char c = 0;
open:
  if (depth > max_depth_) return fail(RejectReason::too_deep, "nested deeper than the limit", p[-1]);
  open_[depth] = is_object ? '}' : ']';
  if (text[*p] == open_[depth]) goto close;
  if (!is_object) goto value;
key:
  if (text[*p] != '"') return fail("a key was expected", *p);
member:
  if (p < fast_end && (load4(text + p[1] - 1) & 0xFFFFFF) == kKeyEndString) {
    p += 3;
    goto next;
  }
  if (text[p[1]] != ':') return fail("':' was expected", p[1]);
  p += 2;
value:
  c = text[*p++];
  if (c == '{' || c == '[') {
    is_object = c == '{';
    ++depth;
    goto open;
  }
  if (c != '"' && !literal_ok({text, size}, p[-1], p[0])) return fail("a value was expected", p[-1]);
next:
  if (is_object && next_member(p)) goto member;
  c = text[*p];
  if (c == ',') {
    ++p;
    if (is_object) goto key;
    goto value;
  }
  if (c != open_[depth]) return fail(is_object ? "',' or '}' was expected" : "',' or ']' was expected", *p);
close:
  if (++p > end_) return fail("a container that is not closed", p[-1]);
  if (--depth == outside) return p;
  is_object = open_[depth] == '}';
  goto next;
}

const uint32_t* JsonWalk::wanted(const uint32_t* p, const Node& node, uint32_t key, uint32_t depth) {
  const bool again = seen_before(node);
  if (again) {
    learnable_ = false;
    if (node.span) into_->spans[static_cast<size_t>(node.slot)].repeated = true;
    if (duplicates_ == DuplicateKeys::first) return skip(p, depth);
    forget(node);
  }
  const uint32_t begin = *p;
  const char c = text_[begin];
  const uint32_t* next = p + 1;
  if (c == '{' && node.child_count > 0) {
    if (depth + 1 > max_depth_) return fail(RejectReason::too_deep, "nested deeper than the limit", begin);
    next = object(p + 1, node, depth + 1);
  } else if (c == '{' || c == '[') {
    next = container(p + 1, c == '{', depth + 1);
  } else if (c != '"' && !literal_ok({text_, size_}, begin, p[1])) {
    return fail("a value was expected", begin);
  }
  if (next == nullptr || node.slot < 0) return next;
  JsonShapes::Capture capture{
      static_cast<uint16_t>(node.slot),      node.read, node.span, key, static_cast<uint32_t>(p - places_),
      static_cast<uint32_t>(next - places_), -1};
  if (c == '{' || c == '[') {
    --capture.end;
  } else {
    capture.back = static_cast<int32_t>(*next - json_token_end(text_, begin, *next));
  }
  fill(capture, again);
  if (learnable_) captures_.push_back(capture);
  return next;
}

Value JsonWalk::read(uint32_t begin, uint32_t end) {
  const uint16_t tag = duplicates_ == DuplicateKeys::first ? kFirstKeyWins : kLastKeyWins;
  const std::string_view token(text_ + begin, end - begin);
  switch (token.front()) {
    case '"': {
      const std::string_view raw = token.substr(1, token.size() - 2);
      return Value::string(escapes_ ? json_unescape(raw, *arena_) : raw);
    }
    case '{':
      return Value::json_object(token, tag);
    case '[':
      return Value::json_array(token, tag);
    case 't':
      return Value::boolean(true);
    case 'f':
      return Value::boolean(false);
    case 'n':
      return Value::null();
    default:
      return json_number(token);
  }
}

bool JsonWalk::seen_before(const Node& node) {
  uint32_t& mark = seen_[static_cast<size_t>(&node - nodes_.data())];
  const bool before = mark == run_;
  mark = run_;
  return before;
}

// The last of equal keys counts: what an earlier one brought, and everything inside of it, was never there.
void JsonWalk::forget(const Node& node) {
  if (node.slot >= 0) into_->fields[static_cast<size_t>(node.slot)] = Value();
  for (uint32_t i = node.first_child; i < node.first_child + node.child_count; ++i) {
    seen_[i] = 0;
    if (nodes_[i].span) into_->spans[static_cast<size_t>(nodes_[i].slot)] = {};
    forget(nodes_[i]);
  }
}

// With `reject`: any object of the document with two equal keys. Runs on a document that is known to be whole.
bool JsonWalk::repeated_keys(const uint32_t* places, uint32_t count) {
  std::vector<std::string_view> keys;
  std::vector<size_t> begins;
  for (uint32_t i = 0; i < count; ++i) {
    const char c = text_[places[i]];
    if (c == '{' || c == '[') begins.push_back(keys.size());
    if (c == '"' && i + 1 < count && text_[places[i + 1]] == ':') {
      const uint32_t end = json_token_end(text_, places[i], places[i + 1]);
      keys.push_back(json_unescape({text_ + places[i] + 1, end - places[i] - 2}, *arena_));
    }
    if (c != '}' && c != ']') continue;
    const auto first = keys.begin() + static_cast<std::ptrdiff_t>(begins.back());
    begins.pop_back();
    std::sort(first, keys.end());
    if (std::adjacent_find(first, keys.end()) != keys.end()) {
      fail(RejectReason::duplicate_key, "an object with a repeated key ends", places[i]);
      return true;
    }
    keys.erase(first, keys.end());
  }
  return false;
}

}  // namespace millrace::expr
