// StateFiles: what the edge remembers over restarts, in small files of the state directory that are replaced at once
// (written beside, synced, renamed). An empty directory name remembers nothing.
//
//   worker-<n>.slot   the slot of the ring of transactional ids in use
//   workers           how many workers there were: their ids are ended when there are fewer
//   topics            source topics that were begun, with their ids
//
// Any thread; files of one worker only by that worker.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/error.h"

namespace millrace {

class StateFiles {
 public:
  explicit StateFiles(std::string directory) : directory_(std::move(directory)) {}

  // Empty when there is none, or what is there makes no sense.
  [[nodiscard]] std::optional<int> slot(int worker, int slots) const;
  Result<void> write_slot(int worker, int slot) const;

  [[nodiscard]] std::optional<int> workers() const;
  Result<void> write_workers(int workers) const;

  // Topic to its id (empty: not known).
  [[nodiscard]] std::map<std::string, std::string> topics() const;
  Result<void> write_topics(const std::map<std::string, std::string>& topics) const;

 private:
  [[nodiscard]] std::optional<std::string> read(const std::string& name) const;
  Result<void> write(const std::string& name, const std::string& text) const;
  std::string directory_;
};

}  // namespace millrace
