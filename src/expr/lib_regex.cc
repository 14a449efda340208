// Regular expressions, by RE2: linear in the text, without look-around and back references.
#include <re2/re2.h>

#include <algorithm>

#include "expr/functions.h"
#include "expr/nodes.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {

std::unique_ptr<re2::RE2> compile_regex(std::string_view pattern, const Limits& limits, std::string& problem) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(static_cast<int64_t>(limits.regex_max_memory_bytes));
  auto regex = std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) {
    problem = "the regular expression does not compile: " + regex->error();
    return nullptr;
  }
  if (regex->ProgramSize() > static_cast<int>(limits.regex_max_program_size)) {
    problem = "the regular expression is too large: " + std::to_string(regex->ProgramSize()) +
              " instructions, and expressions.regex_max_program_size allows " +
              std::to_string(limits.regex_max_program_size);
    return nullptr;
  }
  return regex;
}

namespace {

using Args = std::span<const Value>;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view(const re2::StringPiece& text) {
  return {text.data() == nullptr ? "" : text.data(), text.size()};
}

bool strings(Frame& frame, Args args) {
  for (const Value& value : args) {
    if (value.is(Kind::string)) continue;
    frame.no_overload("a regular expression works on strings, not on {}", value);
    return false;
  }
  return true;
}

Value matches(Frame& frame, const re2::RE2& regex, Args args) {
  if (!strings(frame, args)) return frame.noted();
  return Value::boolean(re2::RE2::PartialMatch(piece(args[0].text()), regex));
}

// What a match gives: its group when there is one, else the whole.
Value extract(Frame& frame, const re2::RE2& regex, Args args) {
  if (!strings(frame, args)) return frame.noted();
  if (regex.NumberOfCapturingGroups() > 1) {
    return frame.fail(ErrorKind::invalid_argument, "regex.extract wants at most one group in {}", args[1]);
  }
  re2::StringPiece groups[2];
  const re2::StringPiece text = piece(args[0].text());
  const int count = regex.NumberOfCapturingGroups() + 1;
  if (!regex.Match(text, 0, text.size(), re2::RE2::UNANCHORED, groups, count)) return Value::optional_none();
  const re2::StringPiece& found = groups[count - 1];
  if (found.data() == nullptr) return Value::optional_none();
  return frame.made_optional(Value::string(view(found)));
}

// All matches from left to right. After an empty one the search goes on behind the next character, and right behind
// another match there is no empty one.
template <typename Take>
bool each_match(Frame& frame, const re2::RE2& regex, std::string_view text, int groups, Take take) {
  re2::StringPiece found[10];
  size_t at = 0;
  size_t last_end = std::string_view::npos;
  while (at <= text.size()) {
    if (!frame.pay(1)) return false;
    if (!regex.Match(piece(text), at, text.size(), re2::RE2::UNANCHORED, found, groups)) break;
    at = static_cast<size_t>(found[0].data() - text.data()) + found[0].size();
    const bool empty = found[0].empty();
    if (!(empty && at == last_end) && !take(found)) break;
    last_end = at;
    if (!empty) continue;
    at += at < text.size() ? decode_utf8(text, at).length : 1;
  }
  return true;
}

Value all_matches(Frame& frame, const re2::RE2& regex, std::string_view text, int64_t limit) {
  std::vector<Value> out;
  const int count = regex.NumberOfCapturingGroups() + 1;
  const bool ok = each_match(frame, regex, text, count, [&](const re2::StringPiece* found) {
    if (found[count - 1].data() != nullptr) out.push_back(Value::string(view(found[count - 1])));
    return static_cast<int64_t>(out.size()) < limit;
  });
  return ok ? frame.made_list(out) : frame.noted();
}

Value extract_all(Frame& frame, const re2::RE2& regex, Args args) {
  if (!strings(frame, args)) return frame.noted();
  if (regex.NumberOfCapturingGroups() > 1) {
    return frame.fail(ErrorKind::invalid_argument, "regex.extractAll wants at most one group in {}", args[1]);
  }
  return all_matches(frame, regex, args[0].text(), INT64_MAX);
}

// \1 in the replacement is the first group, \0 the match, \\ a backslash. False: noted.
bool append_replacement(Frame& frame, std::string_view with, const re2::StringPiece* groups, int count,
                        std::string& out) {
  for (size_t i = 0; i < with.size(); ++i) {
    if (with[i] != '\\') {
      out += with[i];
      continue;
    }
    const char next = i + 1 < with.size() ? with[i + 1] : '\0';
    if (next == '\\') {
      out += '\\';
    } else if (next >= '0' && next <= '9' && next - '0' < count) {
      out += view(groups[next - '0']);
    } else {
      frame.fail(ErrorKind::invalid_argument, "the replacement {} names a group that is not there",
                 Value::string(with));
      return false;
    }
    ++i;
  }
  return true;
}

Value replace(Frame& frame, const re2::RE2& regex, Args args) {
  if (!strings(frame, args.subspan(0, 3))) return frame.noted();
  if (args.size() == 4 && !args[3].is(Kind::integer))
    return frame.no_overload("regex.replace wants an int as its limit, not {}", args[3]);
  int64_t limit = args.size() == 4 ? args[3].as_int() : -1;
  if (limit < 0) limit = INT64_MAX;
  const std::string_view text = args[0].text();
  const int count = std::min(regex.NumberOfCapturingGroups(), 9) + 1;
  if (limit == 0) return args[0];
  std::string out;
  size_t copied = 0;
  bool good = true;
  const bool ok = each_match(frame, regex, text, count, [&](const re2::StringPiece* found) {
    const size_t begin = static_cast<size_t>(found[0].data() - text.data());
    out += text.substr(copied, begin - copied);
    copied = begin + found[0].size();
    good = append_replacement(frame, args[2].text(), found, count, out);
    return good && --limit > 0 && out.size() <= frame.state.bytes_left;
  });
  if (!ok || !good) return frame.noted();
  out += text.substr(copied);
  if (!frame.pay(out.size() / 10)) return frame.noted();
  return frame.made_string(out);
}

Value find(Frame& frame, const re2::RE2& regex, Args args) {
  if (!strings(frame, args)) return frame.noted();
  re2::StringPiece found;
  const re2::StringPiece text = piece(args[0].text());
  if (!regex.Match(text, 0, text.size(), re2::RE2::UNANCHORED, &found, 1)) return Value::string("");
  return Value::string(view(found));
}

Value find_all(Frame& frame, const re2::RE2& regex, Args args) {
  if (!strings(frame, args.subspan(0, 2))) return frame.noted();
  if (args.size() == 3 && !args[2].is(Kind::integer))
    return frame.no_overload("findAll() wants an int as its limit, not {}", args[2]);
  int64_t limit = args.size() == 3 ? args[2].as_int() : -1;
  if (limit == 0) return Value::list(nullptr, 0);
  if (limit < 0) limit = INT64_MAX;
  std::vector<Value> out;
  const bool ok = each_match(frame, regex, args[0].text(), 1, [&](const re2::StringPiece* match) {
    out.push_back(Value::string(view(match[0])));
    return static_cast<int64_t>(out.size()) < limit;
  });
  return ok ? frame.made_list(out) : frame.noted();
}

constexpr Function kFunctions[] = {
    {"matches", true, 2, 2, Kind::boolean, Growth::walk, nullptr, matches, 1},
    {"matches", false, 2, 2, Kind::boolean, Growth::walk, nullptr, matches, 1},
    {"find", true, 2, 2, Kind::string, Growth::walk, nullptr, find, 1},
    {"findAll", true, 2, 3, Kind::list, Growth::multiply, nullptr, find_all, 1},
    {"regex.extract", false, 2, 2, Kind::optional, Growth::walk, nullptr, extract, 1},
    {"regex.extractAll", false, 2, 2, Kind::list, Growth::multiply, nullptr, extract_all, 1},
    {"regex.replace", false, 3, 4, Kind::string, Growth::multiply, nullptr, replace, 1},
};

class RegexCall final : public Node {
 public:
  RegexCall(const Function& function, std::unique_ptr<re2::RE2> regex, std::vector<NodePtr> arguments, Limits limits)
      : function_(function), regex_(std::move(regex)), arguments_(std::move(arguments)), limits_(limits) {}

  Value eval(Frame& frame) const override {
    Value values[4];
    for (size_t i = 0; i < arguments_.size(); ++i) {
      values[i] = arguments_[i]->eval(frame);
      if (values[i].is_error()) return values[i];
    }
    const Args args(values, arguments_.size());
    uint64_t size = 1;
    if (args[0].is(Kind::string)) size += args[0].text().size();
    if (regex_ != nullptr) {
      if (!frame.pay(1 + size * price_ / 40)) return frame.noted();
      return function_.call_regex(frame, *regex_, args);
    }
    const Value& pattern = args[function_.pattern];
    if (!pattern.is(Kind::string)) return frame.no_overload("a pattern must be a string, not {}", pattern);
    if (!frame.pay(1 + (size * 16 + pattern.text().size() * 100) / 40)) return frame.noted();
    std::string problem;
    const auto regex = compile_regex(pattern.text(), limits_, problem);
    if (regex == nullptr) return frame.fail(ErrorKind::invalid_argument, "{} is no regular expression", pattern);
    return function_.call_regex(frame, *regex, args);
  }
  [[nodiscard]] std::string describe() const override {
    return describe_all(std::string(function_.name).c_str(), arguments_);
  }

 private:
  const Function& function_;
  const std::unique_ptr<re2::RE2> regex_;
  const std::vector<NodePtr> arguments_;
  const Limits limits_;
  const uint64_t price_ = regex_ == nullptr ? 0 : std::clamp<uint64_t>(regex_->pattern().size(), 4, 16);
};

}  // namespace

NodePtr make_regex_call(const Function& function, std::unique_ptr<re2::RE2> regex, std::vector<NodePtr> arguments,
                        const Limits& limits) {
  return std::make_unique<RegexCall>(function, std::move(regex), std::move(arguments), limits);
}

std::span<const Function> regex_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
