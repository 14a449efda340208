// DaemonPointer: a note that says where the daemon of a file keeps its state, for daemons that keep it elsewhere than
// usual: `millrace reload` reads `state.directory` from the file, and finds by the note whoever runs it while the file
// is half written, wrong, or names another place by now. Left and removed by the main thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace millrace {

class DaemonPointer {
 public:
  // In `root`, where state usually lies; both paths are absolute. Nothing is left where `directory` lies below `root`,
  // since there everybody looks. Notes of daemons that are gone, such as killed ones, are removed.
  static Result<DaemonPointer> leave(const std::string& root, const std::string& file, const std::string& directory);

  DaemonPointer(DaemonPointer&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  DaemonPointer& operator=(DaemonPointer&& other) noexcept;
  ~DaemonPointer();

 private:
  explicit DaemonPointer(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: none is left
};

// What the notes in `root` say; who is gone may be among them. Any thread.
struct PointedDaemon {
  std::string file;
  std::string directory;
};
std::vector<PointedDaemon> pointed_daemons(const std::string& root);

}  // namespace millrace
