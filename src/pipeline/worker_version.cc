// Worker: changing over to another version of the configuration.
#include <algorithm>

#include "base/log.h"
#include "pipeline/worker.h"

namespace millrace {

void Worker::give(VersionShare version) {
  {
    const MutexLock lock(mail_mutex_);
    next_version_ = std::move(version);
    version_waits_.store(true);
  }
  wake_.notify();
}

void Worker::keep_for_discarded(const std::shared_ptr<Executor>& executor) {  // shared, too
  if (!broker_->discarded_pending()) return;
  const auto same = [&executor](const Kept& kept) { return kept.executor == executor; };
  if (std::find_if(kept_.begin(), kept_.end(), same) == kept_.end()) kept_.push_back({version_, executor});
}

void Worker::let_go_of_kept() {
  if (!kept_.empty() && !broker_->discarded_pending()) kept_.clear();
}

void Worker::take_version() {
  if (!version_waits_.load() || !committer_.may_change(*batch_)) return;
  VersionShare next;
  {
    const MutexLock lock(mail_mutex_);
    next = std::move(next_version_);
    version_waits_.store(false);
  }
  if (next != nullptr && next != version_) change_version(std::move(next));
}

// A batch that is open here is one that waits for a destination, say, with nothing in flight: all of it is processed
// anew by the version that may well have come to mend this.
void Worker::change_version(VersionShare next) {
  constexpr int64_t kPrepareMs = 1000;
  publish();  // what belongs to the topics of before
  broker_->prepare(kPrepareMs);
  keep_for_discarded(executor_);
  const VersionShare before = std::move(version_);
  version_ = std::move(next);
  options_ = version_->options;
  forget_shared();
  for (auto& spare : spare_) spare->work.counts = {};
  executor_ = std::make_shared<Executor>(*version_, &clock_);
  committer_.change(*version_);
  controller_.configure(options_.rate.backpressure, static_cast<double>(options_.interval_ms) / 1000, initial_rate());
  rates_begun_ = false;
  limits_.clear();
  const NodeNames names = node_names(*version_->graph);
  batch_->counts = shape_of(names);
  batch_->refused.clear();
  {
    const MutexLock lock(view_mutex_);
    reshape(totals_.names, totals_.counts, names);
  }
  log_info("version", "worker {}: goes on with version {} of the configuration ({}){}", index_, version_->number,
           version_->graph->config_hash(), batch_->open ? ", from the batch that it holds" : "");
  version_number_.store(version_->number);
  publish();
}

}  // namespace millrace
