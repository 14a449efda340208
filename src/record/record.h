// Record: views of one message on its way from a source to the destinations. Trivially copyable.
//
// The bytes belong to the batch (a held Kafka message, or the batch's arena) and live until the batch is settled.
// Used by the worker that owns the batch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

// Bytes that may be null (a tombstone's value, a missing key), which is not the same as empty.
struct Bytes {
  const char* data = nullptr;
  size_t size = 0;

  Bytes() = default;
  Bytes(const char* bytes, size_t length) : data(bytes), size(length) {}
  Bytes(std::string_view text) : data(text.data() != nullptr ? text.data() : ""), size(text.size()) {}

  [[nodiscard]] bool is_null() const { return data == nullptr; }
  [[nodiscard]] std::string_view view() const {
    return data == nullptr ? std::string_view() : std::string_view(data, size);
  }
};

struct Header {
  std::string_view name;
  Bytes value;
};

// Where a record came from. One for each assigned partition; outlives every record of it.
struct Origin {
  std::string topic;
  int32_t partition = 0;
  uint16_t source = 0;  // index into the pipeline's sources
};

struct Record {
  Bytes key;
  Bytes value;
  std::span<const Header> headers;
  // The Kafka edge's own form of `headers`, passed on without another copy while they are unchanged; else null.
  const void* native_headers = nullptr;
  const Origin* origin = nullptr;
  int64_t offset = 0;
  int64_t timestamp_ms = -1;  // -1: the record has none

  void set_headers(std::span<const Header> changed) {
    headers = changed;
    native_headers = nullptr;
  }
};

}  // namespace millrace
