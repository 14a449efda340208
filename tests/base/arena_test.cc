#include "base/arena.h"

#include <cstring>
#include <string>

#include "support/catch.h"

namespace millrace {

TEST_CASE("an arena gives aligned memory that keeps its contents") {
  Arena arena;
  std::vector<std::pair<std::string_view, std::string>> copies;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = "text " + std::to_string(i);
    copies.emplace_back(arena.copy(text), text);
    auto* number = arena.make<uint64_t>(i);
    REQUIRE(reinterpret_cast<uintptr_t>(number) % alignof(uint64_t) == 0);
    REQUIRE(*number == static_cast<uint64_t>(i));
  }
  for (const auto& [copy, text] : copies) REQUIRE(copy == text);
  CHECK(arena.bytes() > Arena::kBlockBytes);
}

TEST_CASE("a reset keeps what the batch filled and uses it again") {
  Arena arena;
  std::vector<void*> first;
  for (int i = 0; i < 40; ++i) first.push_back(arena.allocate(60'000));
  const size_t bytes = arena.bytes();
  CHECK(bytes == 10 * Arena::kBlockBytes);
  CHECK(arena.filled_bytes() == bytes);
  arena.reset();
  CHECK(arena.bytes() == bytes);
  CHECK(arena.filled_bytes() == Arena::kBlockBytes);
  for (int i = 0; i < 40; ++i) REQUIRE(arena.allocate(60'000) == first[static_cast<size_t>(i)]);
  CHECK(arena.bytes() == bytes);
}

TEST_CASE("a reset keeps no more than the bound") {
  Arena arena;
  for (int i = 0; i < 200; ++i) arena.allocate(60'000);
  CHECK(arena.bytes() > 2 * Arena::kKeptBytes);
  arena.reset();
  CHECK(arena.bytes() == Arena::kKeptBytes);
}

TEST_CASE("what one large batch needed is given back over small ones, down to one block") {
  Arena arena;
  for (int i = 0; i < 32; ++i) arena.allocate(60'000);
  CHECK(arena.bytes() == 8 * Arena::kBlockBytes);
  arena.reset();
  size_t before = arena.bytes();
  int resets = 0;
  for (; resets < 100 && arena.bytes() > Arena::kBlockBytes; ++resets) {
    arena.allocate(100);
    arena.reset();
    CHECK(arena.bytes() <= before);
    before = arena.bytes();
  }
  CHECK(arena.bytes() == Arena::kBlockBytes);
  CHECK(resets > 2);  // not at once: the next batch may be large again
}

TEST_CASE("nothing has an address, even in an empty arena") {
  Arena arena;
  CHECK(arena.allocate(0) != nullptr);
  CHECK(arena.make_array<uint64_t>(0).data() != nullptr);
  CHECK(arena.bytes() == 0);
}

TEST_CASE("a large value has a block of its own, padded, and the current block goes on") {
  Arena arena;
  char* small = static_cast<char*>(arena.allocate(8));
  const size_t size = 3 * Arena::kBlockBytes;
  char* large = static_cast<char*>(arena.allocate(size));
  std::memset(large, 'x', size + Arena::kPadding);  // a sanitizer would complain were the padding missing
  char* next = static_cast<char*>(arena.allocate(8));
  CHECK(next == small + 8);
  arena.reset();
  CHECK(arena.bytes() == Arena::kBlockBytes);
}

TEST_CASE("an arena that held large values only forgets them") {
  Arena arena;
  arena.allocate(2 * Arena::kBlockBytes);
  arena.reset();
  CHECK(arena.bytes() == 0);
  CHECK(arena.copy("again") == "again");
}

TEST_CASE("what a writer reserved too much goes back") {
  Arena arena;
  char* text = static_cast<char*>(arena.allocate(1000, 1));
  arena.shrink_last(text, 1000, 10);
  CHECK(static_cast<char*>(arena.allocate(1, 1)) == text + 10);
  arena.shrink_last(text, 1000, 10);  // no longer the last: nothing happens
  CHECK(static_cast<char*>(arena.allocate(1, 1)) == text + 11);
}

TEST_CASE("arrays are made, empty ones too") {
  Arena arena;
  auto numbers = arena.make_array<uint32_t>(1000);
  CHECK(numbers.size() == 1000);
  for (const uint32_t number : numbers) REQUIRE(number == 0);
  CHECK(arena.make_array<uint32_t>(0).empty());
  CHECK(arena.copy("").data() != nullptr);
}

}  // namespace millrace
