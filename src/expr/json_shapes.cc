#include "expr/json_shapes.h"

#include <algorithm>
#include <cstring>

#include "expr/json_scalar.h"

namespace millrace::expr {

const JsonShapes::Captures* JsonShapes::match(std::string_view text, const uint32_t* places, uint32_t count) {
  if (rest_ > 0) {
    if (--rest_ == 0) forget();
    return nullptr;
  }
  const Captures* found = find(text, places, count);
  count_miss(found == nullptr);
  return found;
}

// Why comparing literals is enough. Say that everything up to the value behind a literal is as in the shape, so the
// numbers of the places are, too. When a string begins there, the next place stands behind its end, with nothing but
// white space in between, because everything else would be a place. So a quote that stands before that place and as
// much white space as in the shape is the string's end. When a number or word begins there, all of it up to the next
// literal is looked at. Then the next literal is compared from its first byte to its last, which brings the same places
// as in the shape, and so on to the end of the text.
const JsonShapes::Captures* JsonShapes::find(std::string_view text, const uint32_t* places, uint32_t count) const {
  if (count > kMaxSteps || first_[count] == kNone) return nullptr;
  const Step* const steps = steps_.data();
  const char* const text_end = text.data() + text.size();
  const char* const roomy = text_end - std::min(text.size(), kRoom);
  const char* end = text.data();  // behind the last literal
  const Step* step = steps + first_[count];
  for (;;) {
    const char* const from = text.data() + (places[step->place] - step->lead);
    if (from >= roomy) break;
    if ((equal16_twice(from, step->head.data(), from + step->tail_at, step->tail.data()) | step->ignored) != 0xFFFF ||
        (step->kind != Step::kPlain &&
         !(same_rest(*step, from, text_end) && scalar_before(*step, end, from, text_end)))) {
      if (step->other == kNone) return nullptr;
      step = steps + step->other;
      continue;
    }
    end = from + step->length;
    if (step->straight) {
      ++step;
    } else {
      if (step->next == kNone) return nullptr;  // more text than in the shape
      step = steps + step->next;
    }
  }
  // Near the end of the text no more may be read than is compared.
  for (;;) {
    const char* const from = text.data() + (places[step->place] - step->lead);
    if (text_end - from < step->length || !std::equal(from, from + step->length, literals_.data() + step->literal) ||
        !scalar_before(*step, end, from, text_end)) {
      if (step->other == kNone) return nullptr;
      step = steps + step->other;
      continue;
    }
    end = from + step->length;
    if (step->next == kNone) return end == text_end ? &shapes_[step->shape] : nullptr;
    step = steps + step->next;
  }
}

// All of a literal that is longer than kRoom: what stands behind that is in neither head nor tail.
inline bool JsonShapes::same_rest(const Step& step, const char* from, const char* text_end) const {
  if ((step.kind & Step::kLongLiteral) == 0) return true;
  return text_end - from >= step.length && std::memcmp(from, literals_.data() + step.literal, step.length) == 0;
}

// Whether what stands between two literals is a number or word, where it has to be.
inline bool JsonShapes::scalar_before(const Step& step, const char* begin, const char* end, const char* text_end) {
  if ((step.kind & Step::kBehindScalar) == 0) return true;
  if (begin >= end) return false;
  const auto room = static_cast<size_t>(text_end - begin);
  const auto length = static_cast<size_t>(end - begin);
  return is_json_scalar(begin, length, room);
}

// The literals of a record. A key is a part of its literal: it is a string before a colon.
void JsonShapes::cut(std::string_view text, const uint32_t* places, uint32_t count) {
  pieces_.clear();
  Piece piece;
  for (uint32_t i = 0; i < count; ++i) {
    const char c = text[places[i]];
    if (c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':') continue;
    if (c == '"' && text[places[i + 1]] == ':') continue;
    piece.end = places[i] + (c == '"' ? 1 : 0);
    pieces_.push_back(piece);
    piece.begin = json_token_end(text.data(), places[i], places[i + 1]) - (c == '"' ? 1 : 0);
    piece.place = i + 1;
    piece.behind_scalar = c != '"';
  }
  piece.end = static_cast<uint32_t>(text.size());
  pieces_.push_back(piece);
}

void JsonShapes::learn(std::string_view text, const uint32_t* places, uint32_t count, const Captures& captures) {
  if (count > kMaxSteps || count < 2) return;
  cut(text, places, count);
  size_t bytes = 0;
  size_t longest = 0;
  for (const Piece& piece : pieces_) {
    bytes += piece.end - piece.begin;
    longest = std::max<size_t>(longest, piece.end - piece.begin);
    // At least as many bytes as places stand before a place. So what is found by it never begins before the text.
    if (places[piece.place] - piece.begin > piece.place) return;
  }
  if (longest > kMaxLiteral || steps_.size() + pieces_.size() > kMaxSteps ||
      literals_.size() + bytes > kMaxLiteralBytes) {
    return;
  }
  // Along what is known already, then new steps for the rest.
  size_t i = 0;
  uint32_t last = kNone;
  for (; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    const uint32_t at = known(text.substr(piece.begin, piece.end - piece.begin), piece,
                              places[piece.place] - piece.begin, last == kNone ? first_[count] : steps_[last].next);
    if (at == kNone) break;
    last = at;
  }
  steps_.reserve(steps_.size() + pieces_.size() - i);  // append() writes into the step before
  for (; i < pieces_.size(); ++i) {
    append(text, places, pieces_[i], last == kNone ? first_[count] : steps_[last].next);
    if (last != kNone) steps_[last].straight = steps_[last].next == last + 1;
    last = static_cast<uint32_t>(steps_.size() - 1);
  }
  if (steps_[last].shape == kNone) {
    steps_[last].shape = static_cast<uint32_t>(shapes_.size());
    shapes_.push_back(captures);
  }
}

uint32_t JsonShapes::known(std::string_view literal, const Piece& piece, uint32_t lead, uint32_t at) const {
  for (; at != kNone; at = steps_[at].other) {
    const Step& step = steps_[at];
    if (step.place == piece.place && step.lead == lead &&
        std::string_view(literals_).substr(step.literal, step.length) == literal) {
      break;
    }
  }
  return at;
}

// A literal may be the beginning of another one (`,"a":` of `,"a":"`), so the longer one has to be tried first.
void JsonShapes::append(std::string_view text, const uint32_t* places, const Piece& piece, uint32_t& first) {
  Step step;
  step.place = piece.place;
  step.lead = static_cast<uint16_t>(places[piece.place] - piece.begin);
  step.length = static_cast<uint16_t>(piece.end - piece.begin);
  step.kind = static_cast<uint8_t>((piece.behind_scalar ? Step::kBehindScalar : 0) |
                                   (step.length > kRoom ? Step::kLongLiteral : 0));
  step.literal = static_cast<uint32_t>(literals_.size());
  literals_ += text.substr(piece.begin, step.length);
  const size_t head_length = std::min<size_t>(step.length, 16);
  step.tail_at = static_cast<uint16_t>(std::min<size_t>(step.length, kRoom) - head_length);
  step.ignored = static_cast<uint16_t>(0xFFFFU << head_length);
  std::memcpy(step.head.data(), literals_.data() + step.literal, head_length);
  std::memcpy(step.tail.data(), literals_.data() + step.literal + step.tail_at, head_length);
  const auto at = static_cast<uint32_t>(steps_.size());
  steps_.push_back(step);
  uint32_t* link = &first;
  while (*link != kNone && steps_[*link].length >= step.length) link = &steps_[*link].other;
  steps_[at].other = *link;
  *link = at;
}

// Learning pays for itself when most records have a shape that was learned. Where they have not, it rests, each time
// for longer; then it begins anew, because the stream may have changed.
void JsonShapes::count_miss(bool missed) {
  missed_ += missed ? 1 : 0;
  if (++looked_ < kWindow) return;
  if (missed_ > kTooManyMisses) {
    rest_ = next_rest_;
    next_rest_ = std::min(next_rest_ * 2, kLongestRest);
  } else {
    next_rest_ = kShortestRest;
  }
  looked_ = missed_ = 0;
}

void JsonShapes::forget() {
  steps_.clear();
  std::fill(first_.begin(), first_.end(), kNone);
  literals_.clear();
  shapes_.clear();
}

}  // namespace millrace::expr
