// Frame: what the nodes of a program see while it runs: the record's scope, the variables of macros, the budgets, the
// arena for made values, and the note about the last error. One for each evaluation; used by one worker.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "expr/program.h"
#include "expr/value.h"

namespace millrace::expr {

// What is known about an error until somebody asks for its text. `{}` in `text` stands for the values.
struct ErrorNote {
  ErrorKind kind = ErrorKind::none;
  const char* text = "";
  Value first;
  Value second;
};

// Kept by the Evaluator between evaluations.
struct Evaluator::State {
  std::vector<Value> locals;
  std::vector<int> matched;  // of a set of regular expressions
  ErrorNote note;
  // Unread lists and maps that loops of this evaluation opened last, so that one inside of another loop is opened once.
  struct Opened {
    Value unread;
    Value whole;
  };
  std::array<Opened, 4> opened;
  size_t next_opened = 0;
  uint64_t cost_left = 0;
  uint64_t iterations_left = 0;
  uint64_t bytes_left = 0;
};

class Frame {
 public:
  Frame(const Scope& scope_in, Evaluator& evaluator, std::span<const Value> bound_in = {})
      : scope(scope_in),
        state(evaluator.state()),
        arena(evaluator.arena()),
        bound(bound_in),
        locals(evaluator.state().locals.data()) {}

  const Scope& scope;
  Evaluator::State& state;
  Arena& arena;
  std::span<const Value> bound;  // variables given by name; none in a pipeline
  Value* locals;                 // variables of macros

  // Notes the error and gives its value.
  Value fail(ErrorKind kind, const char* text, const Value& first = Value(), const Value& second = Value()) {
    state.note = {kind, text, first, second};
    return Value::error(kind);
  }
  Value no_overload(const char* what, const Value& first = Value(), const Value& second = Value()) {
    return fail(ErrorKind::no_such_overload, what, first, second);
  }

  // Room for a made result; null when the evaluation has made too much (the error is noted).
  char* make_text(size_t size) {
    if (!take_bytes(size)) return nullptr;
    return static_cast<char*>(arena.allocate(size == 0 ? 1 : size, 1));
  }
  Value* make_values(size_t count) {
    if (!take_bytes(count * sizeof(Value))) return nullptr;
    return arena.make_array<Value>(std::max<size_t>(count, 1)).data();
  }
  MapEntry* make_entries(size_t count) {
    if (!take_bytes(count * sizeof(MapEntry))) return nullptr;
    return arena.make_array<MapEntry>(std::max<size_t>(count, 1)).data();
  }
  // A copy of `text` as a value; an error when too much was made.
  Value made_string(std::string_view text) { return made(text, Kind::string); }
  Value made_bytes(std::string_view data) { return made(data, Kind::bytes); }
  Value made_list(std::span<const Value> items) {
    Value* to = make_values(items.size());
    if (to == nullptr) return noted();
    std::copy(items.begin(), items.end(), to);
    return Value::list(to, static_cast<uint32_t>(items.size()));
  }
  // An optional that holds `value`.
  Value made_optional(const Value& value) { return Value::optional_of(arena.make(value)); }
  Value noted() const { return Value::error(state.note.kind); }

  // Pays for work that grows with the data; false when the budget is spent (the error is noted).
  bool pay(uint64_t cost) {
    if (cost > state.cost_left) {
      state.cost_left = 0;
      fail(ErrorKind::cost_exceeded, "the evaluation cost more than expressions.max_cost allows");
      return false;
    }
    state.cost_left -= cost;
    return true;
  }
  bool iterate(uint64_t cost) {
    if (state.iterations_left == 0) {
      fail(ErrorKind::iterations_exceeded, "more iterations than expressions.max_iterations allows");
      return false;
    }
    --state.iterations_left;
    return pay(cost);
  }

 private:
  bool take_bytes(size_t size) {
    if (size > state.bytes_left) {
      fail(ErrorKind::result_too_large, "the evaluation made more bytes than expressions.max_result_bytes allows");
      return false;
    }
    state.bytes_left -= size;
    return true;
  }
  Value made(std::string_view text, Kind kind) {
    char* to = make_text(text.size());
    if (to == nullptr) return noted();
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    const std::string_view copy(to, text.size());
    return kind == Kind::string ? Value::string(copy) : Value::bytes(copy);
  }
};

}  // namespace millrace::expr
