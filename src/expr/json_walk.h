// JsonWalk: one pass over the structural characters of a JSON text that puts the members of a plan into their slots.
//
// simdjson's first stage gives the places: every brace, bracket, colon, comma, and the first character of every
// string, number and word; it also refuses invalid UTF-8, control characters in strings and strings that do not end.
// The walk goes over all of these places, wanted or not, and checks the grammar as it goes: order of characters,
// every number and word, nothing behind the document. Escapes are checked for the text as a whole. So whether a
// record is JSON never depends on which of its members an expression touches. What is accepted is RFC 8259, with two
// liberties that it leaves to readers: half of a surrogate pair (\ud800 alone) reads as U+FFFD, and a number beyond
// the range of a double reads as infinity; both pass through unchanged when nobody reads them.
//
// Records that look like earlier ones are not walked over but compared (expr/json_shapes.h), with the same answer.
//
// The walk never reads outside of the text, so the text needs no padding and may lie anywhere.
// Owned by a decoder, used by its worker only.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "expr/decoder.h"
#include "expr/field_plan.h"
#include "expr/json_shapes.h"
#include "expr/value.h"

namespace millrace::expr {

class JsonWalk {
 public:
  JsonWalk(const FieldPlan& plan, const DecodeLimits& limits);

  // `places` are simdjson's structural indexes of `text`, `count` of them (at least 1), with room for three more.
  // False: failure() says what is wrong.
  bool run(std::string_view text, uint32_t* places, uint32_t count, Arena& arena, DecodedRecord& into);

  struct Failure {
    RejectReason reason = RejectReason::none;
    const char* what = "";
    size_t at = 0;
  };
  [[nodiscard]] const Failure& failure() const { return failure_; }

 private:
  static constexpr uint32_t kBuckets = 64;

  // A place in the tree of wanted paths. The children of a node are contiguous.
  struct Node {
    std::string name;
    uint64_t prefix = 0;  // the first bytes of the name, at most 8
    uint32_t length = 0;
    uint32_t first_child = 0;
    uint32_t child_count = 0;
    uint64_t multiplier = 1;                  // of the hash of the children's names
    std::array<uint8_t, kBuckets> by_hash{};  // 1 + the child's number; 0: no child has this hash
    bool hashed = false;                      // false: too many children for a table without collisions
    int32_t slot = -1;
    bool read = false;
    bool span = false;
  };

  bool walk(uint32_t count);
  void fill(const JsonShapes::Capture& capture, bool again);
  void hash_children(Node& parent);
  void add_children(const FieldPlan& plan, uint32_t node, const FieldPath& path);
  bool next_member(const uint32_t*& p) const;
  const uint32_t* member(const uint32_t* p, const Node& node, uint32_t depth);
  const uint32_t* object(const uint32_t* p, const Node& node, uint32_t depth);
  const uint32_t* container(const uint32_t* p, bool is_object, uint32_t depth);
  const uint32_t* skip(const uint32_t* p, uint32_t depth);
  // `key` is the number of the key's place.
  const uint32_t* wanted(const uint32_t* p, const Node& node, uint32_t key, uint32_t depth);
  [[nodiscard]] const Node* match(const Node& parent, uint32_t key, uint32_t end);
  [[nodiscard]] const Node* match_slowly(const Node& parent, std::string_view name);
  [[nodiscard]] Value read(uint32_t begin, uint32_t end);
  bool seen_before(const Node& node);
  void forget(const Node& node);
  bool repeated_keys(const uint32_t* places, uint32_t count);
  const uint32_t* fail(RejectReason reason, const char* what, size_t at);
  const uint32_t* fail(const char* what, size_t at) { return fail(RejectReason::not_decodable, what, at); }

  const uint32_t max_depth_;
  const DuplicateKeys duplicates_;
  std::vector<Node> nodes_;     // [0] is the root
  std::vector<uint32_t> seen_;  // by node: the run in which its key was met
  uint32_t run_ = 0;
  std::vector<char> open_;  // what is open, by depth, while unwanted containers are skipped
  std::string scratch_;

  JsonShapes shapes_;
  JsonShapes::Captures captures_;  // what this run found, for learning
  bool learnable_ = false;

  // Of the run.
  const char* text_ = nullptr;
  size_t size_ = 0;
  uint32_t* places_ = nullptr;
  const uint32_t* end_ = nullptr;
  const uint32_t* fast_end_ = nullptr;  // before it, the bytes around a place and the three behind it may be read
  uint32_t last_ = 0;                   // where the last structural character stands: bytes up to it may be read
  bool escapes_ = false;
  Arena* arena_ = nullptr;
  DecodedRecord* into_ = nullptr;
  Failure failure_;
};

}  // namespace millrace::expr
