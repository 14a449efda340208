// Arena: bump memory that dies together, one for each batch. Owned by one worker, used by one thread at a time.
//
// Blocks end in kPadding spare bytes, so that a JSON parser that reads past the end of a value placed here (simdjson
// wants 64) stays inside the block. Nothing is destroyed: only trivially destructible things belong here.
//
// A reset keeps blocks, as many as recent batches filled and never more than kKeptBytes: memory that goes back to the
// system costs a page fault for every 4 KiB when it is taken again, more than what most batches do with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace millrace {

class Arena {
 public:
  static constexpr size_t kPadding = 64;
  static constexpr size_t kBlockBytes = 256 * 1024;
  static constexpr size_t kKeptBytes = 4 * 1024 * 1024;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Memory of `size` bytes aligned to `align` (a power of two, at most 16). Never null.
  void* allocate(size_t size, size_t align = 8) {
    size_t start = (used_ + align - 1) & ~(align - 1);
    if (start + size > capacity_) return allocate_slow(size);
    used_ = start + size;
    return current_ + start;
  }

  template <typename T>
  T* make(const T& value) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (allocate(sizeof(T), alignof(T))) T(value);
  }

  template <typename T>
  std::span<T> make_array(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    T* first = static_cast<T*>(allocate(sizeof(T) * count, alignof(T)));
    for (size_t i = 0; i < count; ++i) new (first + i) T();
    return {first, count};
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {"", 0};
    char* to = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  // Gives the last bytes of the most recent allocation back: for writers that reserve the worst case.
  void shrink_last(void* last, size_t reserved, size_t kept) {
    if (static_cast<char*>(last) + reserved == current_ + used_) used_ -= reserved - kept;
  }

  // Forgets everything; keeps one block at least for the next batch when there is one. Values that had a block to
  // themselves are given back.
  void reset();

  // Bytes taken from the system, spare blocks included.
  [[nodiscard]] size_t bytes() const { return bytes_; }

  // The same without blocks that are kept and hold nothing yet: for budgets of a batch. Those blocks were in the budget
  // of the batch that filled them; were they in that of the next one, it might have nothing left to begin with.
  [[nodiscard]] size_t filled_bytes() const { return bytes_ - (blocks_.size() - filled_) * kBlockBytes; }

 private:
  void* allocate_slow(size_t size);
  void enter(size_t block);

  // Where an empty arena points, so that even nothing has an address.
  alignas(16) static inline char nowhere_[16];

  std::vector<std::unique_ptr<char[]>> blocks_;  // of kBlockBytes each
  std::vector<std::unique_ptr<char[]>> large_;   // of one value each
  size_t filled_ = 0;                            // blocks that hold something; the last of them is the current one
  size_t keep_ = 0;                              // blocks that recent batches filled
  char* current_ = nowhere_;
  size_t used_ = 0;
  size_t capacity_ = 0;  // of the current block, without its padding
  size_t bytes_ = 0;
};

}  // namespace millrace
