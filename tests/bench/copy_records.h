// The records that the benchmark's stand-in broker serves: batches made once, repeated for ever, so that serving costs
// little and always the same. Constant after the constructor.
#pragma once

#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "copy_wire.h"

namespace millrace::bench {

inline uint32_t crc32c(std::string_view data) {
  uint32_t crc = ~0U;
  for (const char byte : data) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0x82F63B78U & (0U - (crc & 1)));
  }
  return ~crc;
}

struct PoolSettings {
  size_t size = 512;      // bytes of a value; not used with a file
  std::string file;       // one record a line
  int headers = 0;        // of each record
  size_t batch = 65'536;  // bytes of a batch, about
  size_t batches = 64;    // different ones, at least; a file is used whole
};

class RecordPool {
 public:
  explicit RecordPool(const PoolSettings& settings) : settings_(settings) {
    if (settings.file.empty()) {
      std::mt19937 random(1);
      for (int number = 0; batches_.size() < settings.batches; ++number) add(made(number, random), number);
    } else {
      std::ifstream in(settings.file);
      int number = 0;
      for (std::string line; std::getline(in, line); ++number) add(line, number);
    }
    close();
  }

  // Records of one round through the pool.
  [[nodiscard]] int64_t round() const { return ends_.empty() ? 0 : ends_.back(); }

  // Appends the batches from the one that holds `offset` on, while they fit into `room` and begin below `end` (the
  // first one in any case). Gives the bytes appended.
  size_t serve(int64_t offset, int64_t end, size_t room, std::string& out) const {
    size_t index = 0;
    while (ends_[index] <= offset % round()) ++index;
    int64_t base = offset - offset % round() + (index == 0 ? 0 : ends_[index - 1]);
    size_t total = 0;
    while (base < end) {
      const std::string& batch = batches_[index];
      if (total > 0 && total + batch.size() > room) break;
      WireWriter head;
      head.i64(base);
      out.append(head.out);
      out.append(batch, 8);
      total += batch.size();
      base += counts_[index];
      index = (index + 1) % batches_.size();
    }
    return total;
  }

  // The first batch boundary at or behind `offset`.
  [[nodiscard]] int64_t boundary(int64_t offset) const {
    size_t index = 0;
    while (ends_[index] < offset % round()) ++index;
    return offset % round() == 0 ? offset : offset - offset % round() + ends_[index];
  }

 private:
  std::string made(int number, std::mt19937& random) const {
    std::string text = "{\"id\":" + std::to_string(10'000'000 + number) +
                       ",\"robot\":" + (random() % 2 == 0 ? "true" : "false") +
                       ",\"delta\":" + std::to_string(static_cast<int>(random() % 4000) - 2000) + ",\"channel\":\"c" +
                       std::to_string(random() % 40) + "\",\"pad\":\"";
    const size_t tail = 2;
    if (text.size() + tail < settings_.size) text.append(settings_.size - text.size() - tail, 'x');
    return text + "\"}";
  }

  void add(std::string_view value, int number) {
    WireWriter record;
    const std::string key = "key-" + std::to_string(number % 10'000);
    record.i8(0).signed_varint(0).signed_varint(count_);
    record.signed_varint(static_cast<int32_t>(key.size())).out.append(key);
    record.signed_varint(static_cast<int32_t>(value.size())).out.append(value);
    record.signed_varint(settings_.headers);
    for (int header = 0; header < settings_.headers; ++header) {
      record.signed_varint(5).out.append("trace");
      record.signed_varint(16).out.append("0123456789abcdef");
    }
    WireWriter size;
    size.signed_varint(static_cast<int32_t>(record.out.size()));
    records_ += size.out + record.out;
    ++count_;
    if (records_.size() >= settings_.batch) close();
  }

  void close() {
    if (count_ == 0) return;
    constexpr int64_t kTime = 1'700'000'000'000;
    WireWriter body;
    body.i16(0).i32(count_ - 1).i64(kTime).i64(kTime).i64(-1).i16(-1).i32(-1).i32(count_);
    body.out += records_;
    WireWriter batch;
    batch.i64(0).i32(static_cast<int64_t>(9 + body.out.size())).i32(0).i8(2).i32(crc32c(body.out));
    batches_.push_back(batch.out + body.out);
    counts_.push_back(count_);
    ends_.push_back(round() + count_);
    records_.clear();
    count_ = 0;
  }

  PoolSettings settings_;
  std::string records_;
  int count_ = 0;
  std::vector<std::string> batches_;
  std::vector<int64_t> counts_;
  std::vector<int64_t> ends_;
};

}  // namespace millrace::bench
