// Edits spliced into the text of a JSON object: every byte that no edit touches stays as it was.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "expr/decoder.h"
#include "expr/json_text.h"

namespace millrace::expr {

namespace {

// [begin, end) of the text gives way to `with`.
struct Splice {
  uint32_t begin = 0;
  uint32_t end = 0;
  std::string_view with;
};

// A member that goes away, and the object that it stands in.
struct Removal {
  uint32_t object_end = 0;  // behind the object's closing brace
  uint32_t key_begin = 0;
  uint32_t value_end = 0;
};

// A member that is not there yet: `edit` brings it into the object that ends at `object_end`. Of its path, the parts
// from `level` on have to be made.
struct Insertion {
  uint32_t object_end = 0;
  uint32_t level = 0;
  const Edit* edit = nullptr;
};

class JsonEncoder final : public Encoder {
 public:
  explicit JsonEncoder(const FieldPlan& plan) {
    paths_.resize(plan.size());
    for (size_t i = 0; i < plan.size(); ++i) {
      Path& path = paths_[i];
      for (const std::string& name : plan.wanted()[i].path) {
        Part part;
        part.name = name;
        Arena arena;
        part.member = "," + std::string(to_json(Value::string(name), arena).text) + ":";
        path.parts.push_back(std::move(part));
      }
      path.slots = slots_on_the_way(plan, plan.wanted()[i].path);
    }
  }

  EncodeResult encode(const DecodedRecord& record, std::span<const Edit> edits, Arena& arena) override {
    text_ = record.text;
    spans_ = record.spans;
    uint32_t begin = 0;
    uint32_t end = static_cast<uint32_t>(text_.size());
    while (begin < end && is_json_space(text_[begin])) ++begin;
    while (end > begin && is_json_space(text_[end - 1])) --end;
    if (begin == end || text_[begin] != '{') return {RejectReason::not_an_object, "the value is no JSON object", {}};
    if (only_new_members(edits)) return {RejectReason::none, {}, append(edits, end, arena)};
    splices_.clear();
    removals_.clear();
    insertions_.clear();
    emptied_.clear();
    for (const Edit& edit : edits) {
      if (!place(edit, begin, end)) {
        return {RejectReason::not_an_object, fmt::format("{} is no object", describe(edit.slot, failed_level_)), {}};
      }
    }
    resolve_removals();
    resolve_insertions();
    return {RejectReason::none, {}, assemble(arena)};
  }

 private:
  struct Part {
    std::string name;
    std::string member;  // `,"name":`
  };
  struct Path {
    std::vector<Part> parts;
    std::vector<int32_t> slots;  // of the first part, the first two parts, ... the whole path; -1: not in the plan
  };

  static std::vector<int32_t> slots_on_the_way(const FieldPlan& plan, const FieldPath& path) {
    std::vector<int32_t> slots;
    for (size_t length = 1; length <= path.size(); ++length) {
      const FieldPath prefix(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(length));
      int32_t found = -1;
      for (size_t i = 0; i < plan.size(); ++i) {
        if (plan.wanted()[i].path == prefix) found = static_cast<int32_t>(i);
      }
      slots.push_back(found);
    }
    return slots;
  }

  [[nodiscard]] std::string describe(uint16_t slot, size_t level) const {
    std::string name = "value";
    for (size_t i = 0; i <= level; ++i) name += "." + paths_[slot].parts[i].name;
    return name;
  }

  [[nodiscard]] bool only_new_members(std::span<const Edit> edits) const {
    return std::all_of(edits.begin(), edits.end(), [this](const Edit& edit) {
      const Path& path = paths_[edit.slot];
      if (edit.remove || path.parts.size() != 1) return false;
      return spans_.empty() || !spans_[edit.slot].present();
    });
  }

  // What decorating mostly is: members that the object at the root does not have go before its closing brace.
  std::string_view append(std::span<const Edit> edits, uint32_t root_end, Arena& arena) const {
    const uint32_t at = before_space(root_end - 1);
    size_t size = text_.size();
    for (const Edit& edit : edits) size += paths_[edit.slot].parts[0].member.size() + edit.json.size();
    size -= !edits.empty() && text_[at - 1] == '{' ? 1 : 0;  // no comma before the first member of all
    char* const to = static_cast<char*>(arena.allocate(size, 1));
    std::memcpy(to, text_.data(), at);
    char* out = to + at;
    bool first = text_[at - 1] == '{';
    for (const Edit& edit : edits) {
      const std::string_view member = paths_[edit.slot].parts[0].member;
      out = put(out, member.substr(first ? 1 : 0));
      out = put(out, edit.json);
      first = false;
    }
    put(out, text_.substr(at));
    return {to, size};
  }

  // Names and values are mostly shorter than the call of memcpy is worth.
  static char* put(char* to, std::string_view text) {
    const size_t size = text.size();
    if (size > 16 || size < 4) {
      if (size > 16) {
        std::memcpy(to, text.data(), size);
      } else {
        for (size_t i = 0; i < size; ++i) to[i] = text[i];
      }
    } else if (size >= 8) {
      std::memcpy(to, text.data(), 8);
      std::memcpy(to + size - 8, text.data() + size - 8, 8);
    } else {
      std::memcpy(to, text.data(), 4);
      std::memcpy(to + size - 4, text.data() + size - 4, 4);
    }
    return to + size;
  }

  // Finds where an edit goes. False: something on the way is there and no object.
  bool place(const Edit& edit, uint32_t root_begin, uint32_t root_end) {
    const Path& path = paths_[edit.slot];
    CHECK(!path.parts.empty());
    uint32_t object_begin = root_begin;
    uint32_t object_end = root_end;
    for (size_t level = 0; level < path.parts.size(); ++level) {
      const int32_t slot = path.slots[level];
      const FieldSpan span = slot < 0 || spans_.empty() ? FieldSpan() : spans_[static_cast<size_t>(slot)];
      if (!span.present()) {
        if (!edit.remove) insertions_.push_back({object_end, static_cast<uint32_t>(level), &edit});
        return true;
      }
      if (span.repeated) remove_others(object_begin, object_end, path.parts[level].name, span.key_begin);
      if (level + 1 == path.parts.size()) {
        if (edit.remove) {
          removals_.push_back({object_end, span.key_begin, span.value_end});
        } else {
          splices_.push_back({span.value_begin, span.value_end, edit.json});
        }
        return true;
      }
      if (text_[span.value_begin] != '{') {
        if (edit.remove) return true;
        failed_level_ = level;
        return false;
      }
      object_begin = span.value_begin;
      object_end = span.value_end;
    }
    return true;
  }

  // A key that stands in its object more than once: nobody may find an old value under it, so the others go away.
  void remove_others(uint32_t object_begin, uint32_t object_end, std::string_view name, uint32_t kept) {
    JsonReader reader(text_.substr(object_begin, object_end - object_begin));
    (void)reader.take('{');
    do {
      reader.skip_space();
      const auto key_begin = static_cast<uint32_t>(object_begin + reader.at());
      std::string_view key;
      std::string_view raw;
      if (!reader.string(key) || !reader.take(':') || !reader.skip(raw)) return;
      scratch_.clear();
      json_unescape(key, scratch_);
      if (scratch_ != name || key_begin == kept) continue;
      removals_.push_back({object_end, key_begin, static_cast<uint32_t>(object_begin + reader.at())});
    } while (reader.take(','));
  }

  [[nodiscard]] uint32_t before_space(uint32_t at) const {
    while (is_json_space(text_[at - 1])) --at;
    return at;
  }
  [[nodiscard]] uint32_t behind_space(uint32_t at) const {
    while (is_json_space(text_[at])) ++at;
    return at;
  }

  // A member goes with the comma before it, or, when nothing is left before it, with the comma behind it.
  void resolve_removals() {
    if (removals_.empty()) return;
    std::sort(removals_.begin(), removals_.end(),
              [](const Removal& a, const Removal& b) { return a.key_begin < b.key_begin; });
    uint32_t leading_end = 0;  // where the next member begins when all before it in its object went away
    uint32_t previous = 0;
    for (const Removal& removal : removals_) {
      if (previous > removal.key_begin || previous == removal.value_end)
        continue;  // named twice, or gone with its parent
      previous = removal.value_end;
      const uint32_t before = before_space(removal.key_begin);
      if (text_[before - 1] != '{' && removal.key_begin != leading_end) {
        splices_.push_back({before - 1, removal.value_end, ""});
        continue;
      }
      const uint32_t behind = behind_space(removal.value_end);
      if (text_[behind] == ',') {
        leading_end = behind_space(behind + 1);
        splices_.push_back({removal.key_begin, leading_end, ""});
      } else {
        splices_.push_back({removal.key_begin, removal.value_end, ""});
        emptied_.push_back(removal.object_end);
      }
    }
  }

  void resolve_insertions() {
    for (size_t i = 0; i < insertions_.size(); ++i) {
      const uint32_t object_end = insertions_[i].object_end;
      if (object_end == 0) continue;  // went along with an earlier one
      const uint32_t at = before_space(object_end - 1);
      bool first = text_[at - 1] == '{' || std::find(emptied_.begin(), emptied_.end(), object_end) != emptied_.end();
      for (size_t k = i; k < insertions_.size(); ++k) {
        if (insertions_[k].object_end != object_end) continue;
        insert(k, at, insertions_[k].level, first);
        first = false;
      }
    }
  }

  // Writes member `level` of an insertion's path and takes along the later ones that have this part in common.
  void insert(size_t index, uint32_t at, size_t level, bool first) {
    const Insertion insertion = insertions_[index];
    const Path& path = paths_[insertion.edit->slot];
    const std::string_view member = path.parts[level].member;
    splices_.push_back({at, at, member.substr(first ? 1 : 0)});
    if (level + 1 == path.parts.size()) {
      insertions_[index].object_end = 0;
      splices_.push_back({at, at, insertion.edit->json});
      return;
    }
    splices_.push_back({at, at, "{"});
    bool inner_first = true;
    for (size_t k = index; k < insertions_.size(); ++k) {
      if (insertions_[k].object_end != insertion.object_end) continue;
      if (!same_start(path, paths_[insertions_[k].edit->slot], level + 1)) continue;
      insert(k, at, level + 1, inner_first);
      inner_first = false;
    }
    splices_.push_back({at, at, "}"});
  }

  static bool same_start(const Path& a, const Path& b, size_t parts) {
    if (b.parts.size() < parts) return false;
    for (size_t i = 0; i < parts; ++i) {
      if (a.parts[i].name != b.parts[i].name) return false;
    }
    return true;
  }

  std::string_view assemble(Arena& arena) {
    const auto earlier = [](const Splice& a, const Splice& b) { return a.begin < b.begin; };
    if (!std::is_sorted(splices_.begin(), splices_.end(), earlier)) {
      std::stable_sort(splices_.begin(), splices_.end(), earlier);
    }
    size_t size = text_.size();
    for (const Splice& splice : splices_) size = size + splice.with.size() - (splice.end - splice.begin);
    char* const to = static_cast<char*>(arena.allocate(size, 1));
    char* out = to;
    uint32_t from = 0;
    for (const Splice& splice : splices_) {
      CHECK(splice.begin >= from);
      std::memcpy(out, text_.data() + from, splice.begin - from);
      out += splice.begin - from;
      std::memcpy(out, splice.with.data(), splice.with.size());
      out += splice.with.size();
      from = splice.end;
    }
    std::memcpy(out, text_.data() + from, text_.size() - from);
    return {to, size};
  }

  std::vector<Path> paths_;  // by slot
  std::string_view text_;
  std::span<const FieldSpan> spans_;
  std::vector<Splice> splices_;
  std::vector<Removal> removals_;
  std::vector<Insertion> insertions_;
  std::vector<uint32_t> emptied_;  // ends of the objects that lost all their members
  std::string scratch_;
  size_t failed_level_ = 0;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(Format format, const FieldPlan& plan) {
  switch (format) {
    case Format::json:
      return std::make_unique<JsonEncoder>(plan);
    case Format::bytes:
      return nullptr;
  }
  CHECK_MSG(false, "an unknown format");
}

}  // namespace millrace::expr
