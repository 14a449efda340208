// Kafka's wire types, read from and written to plain buffers, for the benchmark's stand-in broker.
// Values; one thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace millrace::bench {

// Throws std::out_of_range where a request is shorter than it says: the connection is then closed.
class WireReader {
 public:
  explicit WireReader(std::string_view data) : data_(data) {}

  template <typename T>
  T number() {
    const std::string_view bytes = take(sizeof(T));
    uint64_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
    return static_cast<T>(value);
  }
  int8_t i8() { return number<int8_t>(); }
  int16_t i16() { return number<int16_t>(); }
  int32_t i32() { return number<int32_t>(); }
  int64_t i64() { return number<int64_t>(); }

  std::string_view take(size_t size) {
    if (size > data_.size()) throw std::out_of_range("short request");
    const std::string_view found = data_.substr(0, size);
    data_.remove_prefix(size);
    return found;
  }
  // A string with a length of two bytes; null reads as empty.
  std::string_view text() {
    const int16_t size = i16();
    return size < 0 ? std::string_view() : take(static_cast<size_t>(size));
  }
  std::string_view bytes() {
    const int32_t size = i32();
    return size < 0 ? std::string_view() : take(static_cast<size_t>(size));
  }
  // The same in the flexible versions: lengths are varints, one more than they say, and tags follow each structure.
  uint32_t varint() {
    uint32_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(i8());
      value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }
  std::string_view compact_text() {
    const uint32_t size = varint();
    return size == 0 ? std::string_view() : take(size - 1);
  }
  // Elements of a compact array; nothing for null.
  std::optional<uint32_t> compact_count() {
    const uint32_t size = varint();
    return size == 0 ? std::nullopt : std::optional(size - 1);
  }
  void tags() {
    for (uint32_t left = varint(); left > 0; --left) {
      varint();
      take(varint());
    }
  }

 private:
  std::string_view data_;
};

class WireWriter {
 public:
  template <typename T>
  WireWriter& number(T value) {
    for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
      out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift & 0xff));
    }
    return *this;
  }
  WireWriter& i8(int value) { return number(static_cast<int8_t>(value)); }
  WireWriter& i16(int value) { return number(static_cast<int16_t>(value)); }
  WireWriter& i32(int64_t value) { return number(static_cast<int32_t>(value)); }
  WireWriter& i64(int64_t value) { return number(value); }
  WireWriter& text(std::string_view value) {
    i16(static_cast<int>(value.size()));
    out.append(value);
    return *this;
  }
  WireWriter& null_text() { return i16(-1); }
  WireWriter& bytes(std::string_view value) {
    i32(static_cast<int64_t>(value.size()));
    out.append(value);
    return *this;
  }
  WireWriter& varint(uint32_t value) {
    while (value > 0x7f) {
      out.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out.push_back(static_cast<char>(value));
    return *this;
  }
  // As in records: zigzag.
  WireWriter& signed_varint(int32_t value) {
    return varint(static_cast<uint32_t>(value) << 1 ^ static_cast<uint32_t>(value >> 31));
  }
  WireWriter& compact_text(std::string_view value) {
    varint(static_cast<uint32_t>(value.size()) + 1);
    out.append(value);
    return *this;
  }
  WireWriter& tags() { return i8(0); }

  std::string out;
};

}  // namespace millrace::bench
