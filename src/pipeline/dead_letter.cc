#include "pipeline/dead_letter.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

namespace millrace {

namespace {

std::string sha256_hex(std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return "";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

// Headers stay countable in the record whatever an error's text quotes.
constexpr size_t kErrorBytes = 1024;

class Headers {
 public:
  explicit Headers(Arena& arena) : arena_(arena) {}
  void add(std::string_view name, std::string_view value) { all_.push_back({name, Bytes(arena_.copy(value))}); }
  void add_all(std::span<const Header> headers) { all_.insert(all_.end(), headers.begin(), headers.end()); }
  [[nodiscard]] std::span<const Header> list() const { return all_; }
  [[nodiscard]] std::span<const Header> in_arena() {
    auto array = arena_.make_array<Header>(all_.size());
    std::copy(all_.begin(), all_.end(), array.begin());
    return array;
  }

 private:
  Arena& arena_;
  std::vector<Header> all_;
};

void add_reason(Headers& headers, const Record& original, const DeadLetterReason& why) {
  headers.add("millrace.pipeline", why.pipeline);
  headers.add("millrace.stage", why.node);
  headers.add("millrace.reason", to_string(why.reason));
  headers.add("millrace.error", why.error.substr(0, kErrorBytes));
  headers.add("millrace.topic", original.origin->topic);
  headers.add("millrace.partition", std::to_string(original.origin->partition));
  headers.add("millrace.offset", std::to_string(original.offset));
  headers.add("millrace.timestamp", std::to_string(original.timestamp_ms));
  headers.add("millrace.config", why.config_hash);
}

bool timestamp_fits(int64_t timestamp_ms, const DestinationLimits& limits, int64_t now_ms) {
  if (timestamp_ms < 0) return true;
  return now_ms - timestamp_ms <= limits.timestamp_before_max_ms &&
         timestamp_ms - now_ms <= limits.timestamp_after_max_ms;
}

// The start of the value, with what identifies the whole of it. Original headers and key stay while they fit.
void make_stub(const Record& original, const DeadLetterReason& why, const DestinationLimits& limits, Arena& arena,
               OutputRecord& record) {
  Headers short_headers(arena);
  add_reason(short_headers, original, why);
  short_headers.add("millrace.stub", "true");
  short_headers.add("millrace.size", std::to_string(original.value.size));
  short_headers.add("millrace.sha256", sha256_hex(original.value.view()));
  Headers headers(arena);
  headers.add_all(original.headers);
  headers.add_all(short_headers.list());

  const auto room = [&limits, &record](std::span<const Header> list) {
    return limits.max_message_bytes - batch_bytes(record.key.size, 0, list);
  };
  constexpr int64_t kSmallest = 1024;
  const bool whole_headers = room(headers.list()) >= kSmallest;
  if (!whole_headers && room(short_headers.list()) < 0) record.key = Bytes();
  record.headers = whole_headers ? headers.in_arena() : short_headers.in_arena();
  const int64_t left = std::clamp<int64_t>(room(record.headers), 0, static_cast<int64_t>(kStubBytes));
  if (!original.value.is_null()) {
    record.value = Bytes(original.value.data, std::min<size_t>(original.value.size, static_cast<size_t>(left)));
  }
}

}  // namespace

int64_t batch_bytes(size_t key_bytes, size_t value_bytes, std::span<const Header> headers) {
  // The batch's head, and the record's own fields at their longest; a header has two lengths.
  constexpr size_t kBatchHead = 61;
  constexpr size_t kRecordHead = 36;
  constexpr size_t kHeaderHead = 10;
  size_t bytes = kBatchHead + kRecordHead + key_bytes + value_bytes;
  for (const Header& header : headers) bytes += kHeaderHead + header.name.size() + header.value.size;
  return static_cast<int64_t>(bytes);
}

DeadLetter make_dead_letter(const Record& original, const DeadLetterReason& why, const DestinationLimits& limits,
                            int64_t now_ms, Arena& arena) {
  DeadLetter letter;
  OutputRecord& record = letter.record;
  record.key = original.key;
  record.value = original.value;
  record.timestamp_ms = timestamp_fits(original.timestamp_ms, limits, now_ms) ? original.timestamp_ms : now_ms;
  Headers headers(arena);
  headers.add_all(original.headers);
  add_reason(headers, original, why);
  if (batch_bytes(record.key.size, record.value.size, headers.list()) > limits.max_message_bytes) {
    letter.stub = true;
    make_stub(original, why, limits, arena, record);
  } else {
    record.headers = headers.in_arena();
  }
  if (limits.compacted && record.key.is_null()) {
    // A compacted topic refuses null keys; the record's place is a key that nothing else has.
    record.key =
        Bytes(arena.copy(fmt::format("{}-{}-{}", original.origin->topic, original.origin->partition, original.offset)));
  }
  return letter;
}

}  // namespace millrace
