// StateDirectory: where an instance keeps its lock, its touch file and its small notes. Made at start by the main
// thread, which owns it; the lock is held until it is destroyed, or the process ends however it ends.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "config/spec.h"

namespace millrace {

using GetEnv = std::function<const char*(const char*)>;

// state.directory, else systemd's STATE_DIRECTORY, else $XDG_STATE_HOME/millrace, else ~/.local/state/millrace; below
// it PIPELINE/INSTANCE. An error when none of them is there.
Result<std::string> state_directory_path(const config::PipelineSpec& spec, const GetEnv& getenv);

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
