#include "kafka/state_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/text.h"

namespace millrace {

namespace {

std::optional<int> parse_int(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const std::string_view trimmed = trim(*text);
  int value = 0;
  const auto [end, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), value);
  if (error != std::errc() || end != trimmed.data() + trimmed.size()) return std::nullopt;
  return value;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

std::optional<std::string> StateFiles::read(const std::string& name) const {
  if (directory_.empty()) return std::nullopt;
  std::ifstream file(directory_ + "/" + name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<void> StateFiles::write(const std::string& name, const std::string& text) const {
  if (directory_.empty()) return {};
  const std::string path = directory_ + "/" + name;
  const std::string beside = path + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool done = fd >= 0 && write_all(fd, text) && ::fsync(fd) == 0;
  int error = errno;
  if (fd >= 0) ::close(fd);
  if (done && ::rename(beside.c_str(), path.c_str()) != 0) {
    error = errno;
    done = false;
  }
  if (!done) return fail(Remedy::retry, fmt::format("writing {}: {}", path, std::strerror(error)));
  // The rename itself lasts only when the directory is synced.
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return {};
}

std::optional<int> StateFiles::slot(int worker, int slots) const {
  const std::optional<int> slot = parse_int(read(fmt::format("worker-{}.slot", worker)));
  if (!slot || *slot < 0 || *slot >= slots) return std::nullopt;
  return slot;
}

Result<void> StateFiles::write_slot(int worker, int slot) const {
  return write(fmt::format("worker-{}.slot", worker), fmt::format("{}\n", slot));
}

std::optional<int> StateFiles::workers() const {
  const std::optional<int> workers = parse_int(read("workers"));
  if (!workers || *workers < 1 || *workers > 10'000) return std::nullopt;
  return workers;
}

Result<void> StateFiles::write_workers(int workers) const {
  return write("workers", fmt::format("{}\n", workers));
}

std::map<std::string, std::string> StateFiles::topics() const {
  std::map<std::string, std::string> topics;
  const std::optional<std::string> text = read("topics");
  if (!text) return topics;
  for (const std::string_view line : split(*text, '\n')) {
    const std::vector<std::string_view> words = split(line, ' ');
    if (words.empty() || words[0].empty()) continue;
    topics[std::string(words[0])] = words.size() > 1 ? std::string(words[1]) : std::string();
  }
  return topics;
}

Result<void> StateFiles::write_topics(const std::map<std::string, std::string>& topics) const {
  std::string text;
  for (const auto& [topic, id] : topics) text += topic + " " + id + "\n";
  return write("topics", text);
}

}  // namespace millrace
