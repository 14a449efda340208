// JsonShapes: what the JSON records of a source looked like so far. The next one mostly looks the same, and then it is
// checked by comparing it with what was learned, which costs a third of walking over it.
//
// A shape is the text of a record without its values: the literals (keys, brackets, commas, white space) that stand
// between strings, numbers and words. A record has a learned shape when all literals of the shape stand where they
// must, and what is between them are strings (simdjson's first stage has checked those), and numbers and words of
// JSON. The record that the shape was learned from was walked over, so its grammar, depth and keys were checked; one
// with the same literals has the same grammar, depth and keys. Nothing is taken on trust: a record of no learned
// shape is walked over. So the answer never depends on what was learned, only the time does.
//
// Shapes that begin alike share their beginning: the literals are the edges of a tree. Bounded: kMaxSteps edges,
// kMaxLiteralBytes of text. Where records have too many shapes to learn, learning rests for a while.
//
// Owned by a JsonWalk, used by its worker only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::expr {

class JsonShapes {
 public:
  // A member that the plan wants, by numbers of places (simdjson's structural indexes).
  struct Capture {
    uint16_t slot = 0;
    bool read = false;
    bool span = false;
    uint32_t key = 0;    // the key's place
    uint32_t begin = 0;  // the value's place
    uint32_t end = 0;    // the place behind a string, number or word; the closer of an object or array
    int32_t back = 0;    // the value ends so many bytes before that place; -1: behind it
  };
  using Captures = std::vector<Capture>;

  // The wanted members of the text, when it has a learned shape; else null. `text` has passed the first stage and its
  // escapes are well formed.
  const Captures* match(std::string_view text, const uint32_t* places, uint32_t count);

  // Whether a record that match() did not know is worth recording for learn().
  [[nodiscard]] bool learning() const { return rest_ == 0; }

  // A record that was walked over from end to end and is valid: an object or an array in which no wanted key is
  // repeated.
  void learn(std::string_view text, const uint32_t* places, uint32_t count, const Captures& captures);

 private:
  static constexpr size_t kMaxSteps = 4096;
  static constexpr size_t kMaxLiteralBytes = 128 * 1024;
  static constexpr size_t kMaxLiteral = 32 * 1024;
  static constexpr size_t kRoom = 32;  // bytes that a look at a literal may read: its head and its tail
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kWindow = 256;  // records between two looks at how often match() failed
  static constexpr uint32_t kTooManyMisses = kWindow / 4;
  static constexpr uint32_t kShortestRest = 1024;  // records
  static constexpr uint32_t kLongestRest = 64 * 1024;

  // A literal, and what may follow it. One line of the cache; most steps are followed by the step that stands behind
  // them in memory, and then the processor need not wait for `next` to know where to go on. Head and tail cover all of
  // a literal of up to kRoom bytes, and no look at them goes beyond kRoom bytes from where it begins: match() makes
  // sure of no more than that. A longer one is compared with literals_ besides.
  struct alignas(64) Step {
    static constexpr uint8_t kPlain = 0;
    static constexpr uint8_t kBehindScalar = 1;  // a number or a word stands before it, not a string
    static constexpr uint8_t kLongLiteral = 2;   // it is longer than kRoom

    std::array<char, 16> head{};  // its first bytes
    std::array<char, 16> tail{};  // the last bytes of its first kRoom; the same as `head` when it has sixteen or fewer
    uint32_t place = 0;           // the number of the place that it is found by
    uint32_t literal = 0;         // where in literals_ it stands
    uint32_t next = kNone;        // the first step behind this one and the value that follows it
    uint32_t other = kNone;       // the next alternative to this one; longer literals come first
    uint32_t shape = kNone;       // of the last literal of a record
    uint16_t lead = 0;            // it begins so many bytes before its place
    uint16_t length = 0;
    uint16_t tail_at = 0;  // where in the literal `tail` begins
    uint16_t ignored = 0;  // a bit for each byte of `head` and `tail` behind its end
    uint8_t kind = kPlain;
    bool straight = false;  // `next` is the step behind this one
  };

  // A literal of a record that is being learned.
  struct Piece {
    uint32_t begin = 0;
    uint32_t end = 0;
    uint32_t place = 0;
    bool behind_scalar = false;
  };

  [[nodiscard]] const Captures* find(std::string_view text, const uint32_t* places, uint32_t count) const;
  [[nodiscard]] bool same_rest(const Step& step, const char* from, const char* text_end) const;
  static bool scalar_before(const Step& step, const char* begin, const char* end, const char* text_end);
  void cut(std::string_view text, const uint32_t* places, uint32_t count);
  void append(std::string_view text, const uint32_t* places, const Piece& piece, uint32_t& first);
  [[nodiscard]] uint32_t known(std::string_view literal, const Piece& piece, uint32_t lead, uint32_t at) const;
  void count_miss(bool missed);
  void forget();

  std::vector<Step> steps_;
  std::vector<uint32_t> first_ = std::vector<uint32_t>(kMaxSteps + 1, kNone);  // of all records with so many places
  std::string literals_;
  std::vector<Captures> shapes_;
  std::vector<Piece> pieces_;  // scratch of learn()

  uint32_t looked_ = 0;  // records of this window, and how many of them had no learned shape
  uint32_t missed_ = 0;
  uint32_t rest_ = 0;  // records until learning begins again
  uint32_t next_rest_ = kShortestRest;
};

}  // namespace millrace::expr
