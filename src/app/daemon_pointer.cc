#include "app/daemon_pointer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "app/control_socket.h"
#include "base/text.h"
#include "config/load.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

// No pipeline's name begins so.
constexpr const char* kFolder = ".daemons";
constexpr size_t kNotesMax = 1000;

std::vector<fs::path> notes_in(const std::string& root) {
  std::vector<fs::path> notes;
  std::error_code error;
  for (fs::directory_iterator at(fs::path(root) / kFolder, error), end; !error && at != end; at.increment(error)) {
    if (notes.size() < kNotesMax) notes.push_back(at->path());
  }
  return notes;
}

std::optional<PointedDaemon> read_note(const fs::path& path) {
  std::ifstream in(path);
  PointedDaemon daemon;
  if (!std::getline(in, daemon.directory) || !std::getline(in, daemon.file)) return std::nullopt;
  return daemon;
}

}  // namespace

std::vector<PointedDaemon> pointed_daemons(const std::string& root) {
  std::vector<PointedDaemon> daemons;
  if (root.empty()) return daemons;
  for (const fs::path& note : notes_in(root)) {
    if (auto daemon = read_note(note)) daemons.push_back(std::move(*daemon));
  }
  return daemons;
}

Result<DaemonPointer> DaemonPointer::leave(const std::string& root, const std::string& file,
                                           const std::string& directory) {
  if (!root.empty() && directory.starts_with(root + "/")) return DaemonPointer("");
  const std::string text = directory + "\n" + file + "\n";
  const auto refused = [&](const std::string& why) {
    return fail(Remedy::stop, "leaving a note of this daemon in " + escape_for_log(root) + ": " + why);
  };
  if (root.empty()) return fail(Remedy::stop, "neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME names a folder");
  if (directory.find('\n') != std::string::npos || file.find('\n') != std::string::npos) {
    return refused("the path of its file or of its state has a line break");
  }
  for (const fs::path& note : notes_in(root)) {
    const auto daemon = read_note(note);
    if (daemon && nobody_listens(daemon->directory)) unlink(note.c_str());
  }
  const fs::path folder = fs::path(root) / kFolder;
  std::error_code error;
  fs::create_directories(fs::path(root).parent_path(), error);
  static_cast<void>(mkdir(root.c_str(), 0700));
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return refused(std::strerror(errno));
  std::string path = folder / (config::hash_text(file) + "-" + config::hash_text(directory));
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return refused(std::strerror(errno));
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int problem = errno;
  close(fd);
  if (!written) return refused(std::strerror(problem));
  if (rename(fresh.c_str(), path.c_str()) != 0) return refused(std::strerror(errno));
  return DaemonPointer(std::move(path));
}

DaemonPointer& DaemonPointer::operator=(DaemonPointer&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

DaemonPointer::~DaemonPointer() {
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace millrace
