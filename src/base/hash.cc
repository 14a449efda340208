#include "base/hash.h"

namespace millrace {

uint32_t murmur2(std::string_view data) {
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  const auto* at = reinterpret_cast<const unsigned char*>(data.data());
  size_t left = data.size();
  uint32_t hash = 0x9747b28cU ^ static_cast<uint32_t>(left);
  for (; left >= 4; left -= 4, at += 4) {
    uint32_t word = static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
                    static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
    word *= kMultiplier;
    word ^= word >> 24;
    word *= kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  if (left == 3) hash ^= static_cast<uint32_t>(at[2]) << 16;
  if (left >= 2) hash ^= static_cast<uint32_t>(at[1]) << 8;
  if (left >= 1) hash = (hash ^ at[0]) * kMultiplier;
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return hash;
}

}  // namespace millrace
