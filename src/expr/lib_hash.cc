// Hashes for sampling, sharding and masking. A string is hashed as its UTF-8, as the bytes that it came as.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include <array>

#include "base/hash.h"
#include "expr/functions.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

bool data_of(Frame& frame, const Value& value) {
  if (value.is(Kind::string) || value.is(Kind::bytes)) return true;
  frame.no_overload("a hash wants a string or bytes, not {}; string(x) makes one", value);
  return false;
}

// The CRC of zlib, gzip and PNG: polynomial 0xEDB88320, reflected.
constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = crc_table();

Value xxh64(Frame& frame, Args args) {
  if (!data_of(frame, args[0])) return frame.noted();
  return Value::uinteger(XXH64(args[0].text().data(), args[0].text().size(), 0));
}

Value crc32(Frame& frame, Args args) {
  if (!data_of(frame, args[0])) return frame.noted();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char c : args[0].text()) crc = kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  return Value::uinteger(crc ^ 0xFFFFFFFFU);
}

Value murmur2_of(Frame& frame, Args args) {
  if (!data_of(frame, args[0])) return frame.noted();
  return Value::uinteger(murmur2(args[0].text()));
}

Value sha256(Frame& frame, Args args) {
  if (!data_of(frame, args[0])) return frame.noted();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const std::string_view data = args[0].text();
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return frame.fail(ErrorKind::invalid_argument, "SHA-256 is not to be had from this system's OpenSSL");
  }
  return frame.made_bytes({reinterpret_cast<const char*>(digest.data()), size});
}

Value hmac_sha256(Frame& frame, Args args) {
  if (!data_of(frame, args[0]) || !data_of(frame, args[1])) return frame.noted();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const std::string_view key = args[0].text();
  const std::string_view data = args[1].text();
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
           data.size(), digest.data(), &size) == nullptr) {
    return frame.fail(ErrorKind::invalid_argument, "SHA-256 is not to be had from this system's OpenSSL");
  }
  return frame.made_bytes({reinterpret_cast<const char*>(digest.data()), size});
}

constexpr Function kFunctions[] = {
    {"hash.xxh64", false, 1, 1, Kind::uinteger, Growth::walk, xxh64},
    {"hash.crc32", false, 1, 1, Kind::uinteger, Growth::walk, crc32},
    {"hash.murmur2", false, 1, 1, Kind::uinteger, Growth::walk, murmur2_of},
    {"hash.sha256", false, 1, 1, Kind::bytes, Growth::walk, sha256},
    {"hash.hmacSha256", false, 2, 2, Kind::bytes, Growth::walk, hmac_sha256},
};

}  // namespace

std::span<const Function> hash_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
