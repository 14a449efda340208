#include "base/arena.h"

#include <algorithm>

namespace millrace {

void* Arena::allocate_slow(size_t size) {
  // A large value gets a block to itself, so that the rest of the current one is not thrown away.
  if (size > kBlockBytes / 4) {
    large_.emplace_back(new char[size + kPadding]);
    bytes_ += size + kPadding;
    return large_.back().get();
  }
  if (filled_ == blocks_.size()) {
    blocks_.emplace_back(new char[kBlockBytes]);
    bytes_ += kBlockBytes;
  }
  enter(filled_++);
  used_ = size;
  return current_;
}

void Arena::enter(size_t block) {
  current_ = blocks_[block].get();
  capacity_ = kBlockBytes - kPadding;
  used_ = 0;
}

void Arena::reset() {
  // What one large batch needed is given back over the next ones, an eighth at a time: batches alternate in size.
  keep_ = std::max(filled_, keep_ - (keep_ + 7) / 8);
  const size_t kept = std::clamp<size_t>(keep_, 1, kKeptBytes / kBlockBytes);
  if (blocks_.size() > kept) blocks_.resize(kept);
  large_.clear();
  bytes_ = blocks_.size() * kBlockBytes;
  filled_ = 0;
  if (!blocks_.empty()) enter(filled_++);
}

}  // namespace millrace
