#include "app/touch_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace millrace {

int TouchFile::probe_file(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? 0 : errno;
}

TouchFile::TouchFile(std::string path, Probe probe) : path_(std::move(path)), probe_(std::move(probe)) {}

Result<void> TouchFile::make(const std::string& text) {
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
  const int error = errno;
  // Another user's file that we may see but not write serves as well.
  if (fd < 0 && error == EACCES && probe_(path_) == 0) return {};
  if (fd < 0) {
    const std::string what = "making the touch file " + escape_for_log(path_) + ": " + std::strerror(error);
    const bool passing = error == EIO || error == ESTALE || error == ENOSPC;
    return passing ? fail(Remedy::stop, what) : fail(Remedy::fix_config, what, ExitCode::config);
  }
  struct stat status {};
  const bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  // A disk that is full takes the file and not its text, which is for people only.
  if (regular && write(fd, text.data(), text.size()) < 0) {
    log_warn("touch_file", "cannot write into {}: {}", escape_for_log(path_), std::strerror(errno));
  }
  close(fd);
  if (!regular) {
    return fail(Remedy::fix_config, "the touch file " + escape_for_log(path_) + " is no regular file",
                ExitCode::config);
  }
  const std::string folder = path_.substr(0, path_.rfind('/') + 1);
  if (lstat(folder.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
    log_warn("touch_file", "everybody may write to {}, and so stop this pipeline", escape_for_log(folder));
  }
  return {};
}

bool TouchFile::gone() {
  const int error = probe_(path_);
  if (error == ENOENT) return ++absences_ >= 2;
  absences_ = 0;
  if (error != 0 && error != last_error_) {
    log_warn("touch_file", "cannot look at {}: {}; this is not taken for a request to stop", escape_for_log(path_),
             std::strerror(error));
  } else if (error == 0 && last_error_ != 0) {
    log_info("touch_file", "{} can be seen again", escape_for_log(path_));
  }
  last_error_ = error;
  return false;
}

void TouchFile::remove() const {
  unlink(path_.c_str());
}

}  // namespace millrace
