#include "app/state_directory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace millrace {
namespace {

constexpr size_t kNoteBytesMax = 1024 * 1024;

// What a restart may mend is no fault of the configuration.
tl::unexpected<Error> file_error(const std::string& doing, int error) {
  const bool passing = error == EIO || error == ENOSPC || error == ESTALE || error == EMFILE || error == ENFILE;
  const std::string what = doing + ": " + std::strerror(error);
  return passing ? fail(Remedy::stop, what) : fail(Remedy::fix_config, what, ExitCode::config);
}

Result<void> make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return file_error("making the state directory " + escape_for_log(part), errno);
    }
    if (end == std::string::npos) return {};
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string read_all(int fd, size_t bytes_max) {
  std::string text;
  char piece[4096];
  while (text.size() < bytes_max) {
    const ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(piece, static_cast<size_t>(got));
  }
  return text;
}

}  // namespace

Result<StateDirectory> StateDirectory::open(const std::string& path) {
  TRY(make_folders(path));
  const std::string lock = path + "/lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return file_error("opening " + escape_for_log(lock), errno);
  StateDirectory directory(path, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("locking " + escape_for_log(lock), errno);
    const std::string pid(trim(read_all(fd, 64)));
    return fail(Remedy::stop,
                fmt::format("already running: process {} holds {}; another instance needs another --instance",
                            pid.empty() ? "(not known)" : escape_for_log(pid), escape_for_log(lock)),
                ExitCode::already_running);
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 || !write_all(fd, pid)) return file_error("writing " + escape_for_log(lock), errno);
  return directory;
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

StateDirectory::~StateDirectory() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

Result<void> StateDirectory::write_note(const std::string& name, const std::string& text) const {
  const std::string file = path_ + "/" + name;
  const std::string fresh = file + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return file_error("writing " + escape_for_log(fresh), errno);
  const bool written = write_all(fd, text) && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!written) return file_error("writing " + escape_for_log(fresh), error);
  if (rename(fresh.c_str(), file.c_str()) != 0) return file_error("writing " + escape_for_log(file), errno);
  return {};
}

std::optional<std::string> StateDirectory::read_note(const std::string& name) const {
  const std::string file = path_ + "/" + name;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::nullopt;
  std::string text = read_all(fd, kNoteBytesMax);
  close(fd);
  return text;
}

void StateDirectory::remove_note(const std::string& name) const {
  unlink((path_ + "/" + name).c_str());
}

}  // namespace millrace
