// StateDirectory: where an instance keeps its lock, its touch file and its small notes. Made at start by the main
// thread, which owns it; the lock is held until it is destroyed, or the process ends however it ends.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/error.h"

namespace millrace {

class StateDirectory {
 public:
  // Makes the folders (0700) that are missing and takes the lock. Held by another process: exit code 3, with its pid.
  static Result<StateDirectory> open(const std::string& path);

  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&&) = delete;
  ~StateDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }

  // A small note that survives a restart: written beside and renamed, so that it is whole or not there.
  Result<void> write_note(const std::string& name, const std::string& text) const;
  [[nodiscard]] std::optional<std::string> read_note(const std::string& name) const;
  void remove_note(const std::string& name) const;

 private:
  StateDirectory(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  int lock_fd_ = -1;
};

}  // namespace millrace
