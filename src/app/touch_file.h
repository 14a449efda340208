// TouchFile: made at start, looked at while the pipeline runs; its removal is the request to stop. Main thread.
//
// It may lie on a shared file system, watched by several instances. So a file that is there already is taken as it is
// (a stale one, too: what counts is that it goes away), and only "there is no such file", seen twice in a row, is a
// request. A file system that answers with an error is warned about and asked again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"

namespace millrace {

class TouchFile {
 public:
  // 0 when the file is there, else errno. Tests bring their own.
  using Probe = std::function<int(const std::string& path)>;
  static int probe_file(const std::string& path);

  explicit TouchFile(std::string path, Probe probe = probe_file);

  // Makes the file, or takes the one that is there.
  Result<void> make(const std::string& text);

  // One look: true when the file is gone for the second time in a row.
  bool gone();

  // How long to wait until the next look: a first absence is looked into soon.
  [[nodiscard]] int64_t look_again_ms() const { return absences_ > 0 ? 250 : 500; }

  // Takes the file away, when it is ours alone.
  void remove() const;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const Probe probe_;
  int absences_ = 0;
  int last_error_ = 0;
};

}  // namespace millrace
