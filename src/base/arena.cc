#include "base/arena.h"

#include <algorithm>
#include <utility>

namespace millrace {

void* Arena::allocate_slow(size_t size) {
  // A large value gets a block to itself, so that the rest of the current one is not thrown away.
  const bool alone = size > kBlockBytes / 4 && current_ != nullptr;
  const size_t block_size = alone ? size + kPadding : std::max(kBlockBytes, size + kPadding);
  Block block{std::unique_ptr<char[]>(new char[block_size]), block_size};
  char* data = block.data.get();
  bytes_ += block_size;
  if (alone) {
    blocks_.insert(blocks_.end() - 1, std::move(block));
    return data;
  }
  blocks_.push_back(std::move(block));
  current_ = data;
  capacity_ = block_size - kPadding;
  used_ = size;
  return data;
}

void Arena::reset() {
  if (blocks_.empty()) return;
  auto keep = std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.size == kBlockBytes; });
  if (keep == blocks_.end()) {
    blocks_.clear();
    current_ = nullptr;
    used_ = capacity_ = bytes_ = 0;
    return;
  }
  std::swap(*keep, blocks_.front());
  blocks_.erase(blocks_.begin() + 1, blocks_.end());
  current_ = blocks_.front().data.get();
  capacity_ = kBlockBytes - kPadding;
  used_ = 0;
  bytes_ = kBlockBytes;
}

}  // namespace millrace
