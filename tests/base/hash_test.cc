#include "base/hash.h"

#include <string>

#include "support/catch.h"

namespace millrace {

TEST_CASE("murmur2 equals Kafka's Java client") {
  const auto java = [](std::string_view text) { return static_cast<int32_t>(murmur2(text)); };
  CHECK(java("21") == -973932308);
  CHECK(java("foobar") == -790332482);
  CHECK(java("a-little-bit-long-string") == -985981536);
  CHECK(java("a-little-bit-longer-string") == -1486304829);
  CHECK(java("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8") == -58897971);
  CHECK(java("abc") == 479470107);
  CHECK(java("") == 275646681);
}

TEST_CASE("bytes above 127 count as unsigned, as in the Java client") {
  // Masked with 0xff there: were they taken as signed, "ä" of each length would differ from this chain.
  CHECK(murmur2(std::string("\xff\xff\xff\xff", 4)) != murmur2(std::string("\x7f\xff\xff\xff", 4)));
  CHECK(murmur2(std::string("\xff", 1)) != murmur2(std::string("\x7f", 1)));
}

TEST_CASE("a key's partition is never negative and below the number of partitions") {
  for (int i = 0; i < 10'000; ++i) {
    const int32_t partition = partition_for_key(std::to_string(i), 7);
    REQUIRE(partition >= 0);
    REQUIRE(partition < 7);
  }
  CHECK(partition_for_key("21", 4) == (-973932308 & 0x7fffffff) % 4);
}

}  // namespace millrace
