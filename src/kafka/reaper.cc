#include "kafka/reaper.h"

#include <algorithm>
#include <chrono>

namespace millrace {

Reaper::Reaper() : thread_("reaper", [this] { run(); }) {}

Reaper::~Reaper() {
  bool blocked = false;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    blocked = working_ || !queue_.empty();
  }
  changed_.notify_all();
  // A destroy that blocks cannot be waited for; drain() has told the owner, who leaves by _exit.
  if (blocked) {
    drain(1000);
    std::lock_guard lock(mutex_);
    blocked = working_;
  }
  if (blocked) {
    thread_.abandon();
  } else {
    thread_.join();
  }
}

DiscardedShare Reaper::discard(std::unique_ptr<Producer> producer) {
  auto discarded = std::make_shared<Discarded>();
  discarded->producer = std::move(producer);
  ++discarded_;
  ++outstanding_;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(discarded);
  }
  changed_.notify_all();
  return discarded;
}

void Reaper::free_after(std::vector<DiscardedShare> readers, std::vector<HeldMessage> held,
                        std::unique_ptr<Arena> arena) {
  {
    std::lock_guard lock(mutex_);
    bundles_.push_back(Bundle{std::move(readers), std::move(held), std::move(arena)});
  }
  changed_.notify_all();
}

bool Reaper::drain(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                           [this] { return queue_.empty() && bundles_.empty() && !working_; });
}

// Takes what is ready out under the lock and frees it outside.
void Reaper::free_ready() {
  std::vector<Bundle> ready;
  {
    std::lock_guard lock(mutex_);
    auto still_read = [](const Bundle& bundle) {
      return std::any_of(bundle.readers.begin(), bundle.readers.end(),
                         [](const DiscardedShare& reader) { return !reader->destroyed; });
    };
    auto first_ready = std::partition(bundles_.begin(), bundles_.end(), still_read);
    std::move(first_ready, bundles_.end(), std::back_inserter(ready));
    bundles_.erase(first_ready, bundles_.end());
    working_ = !ready.empty();
  }
  for (Bundle& bundle : ready) {
    for (const HeldMessage& message : bundle.held) message.release(message.message);
  }
}

void Reaper::run() {
  for (;;) {
    DiscardedShare next;
    {
      std::unique_lock lock(mutex_);
      working_ = false;
      changed_.notify_all();
      changed_.wait(lock, [this] {
        const bool ready = std::any_of(bundles_.begin(), bundles_.end(), [](const Bundle& bundle) {
          return std::all_of(bundle.readers.begin(), bundle.readers.end(),
                             [](const DiscardedShare& reader) { return reader->destroyed.load(); });
        });
        return stopping_ || !queue_.empty() || ready;
      });
      if (queue_.empty() && stopping_ && bundles_.empty()) return;
      if (!queue_.empty()) {
        next = std::move(queue_.front());
        queue_.pop_front();
        working_ = true;
      }
    }
    if (next) {
      next->producer.reset();
      next->destroyed = true;
      --outstanding_;
    }
    free_ready();
  }
}

}  // namespace millrace
