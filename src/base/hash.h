// Hashes that other systems compute too. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

// Kafka's murmur2 (org.apache.kafka.common.utils.Utils.murmur2: MurmurHash2, 32 bit, seed 0x9747b28c).
uint32_t murmur2(std::string_view data);

// The partition that Kafka's Java producer gives a record with this (non-null) key: toPositive(murmur2(key)) %
// partitions.
inline int32_t partition_for_key(std::string_view key, int32_t partitions) {
  return static_cast<int32_t>((murmur2(key) & 0x7fffffffU) % static_cast<uint32_t>(partitions));
}

}  // namespace millrace
