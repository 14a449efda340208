#include "config/secrets.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

constexpr size_t kFileBytesMax = 64 * 1024;

tl::unexpected<Error> refuse(std::string what) {
  return fail(Remedy::fix_config, std::move(what));
}

Result<std::string> read_small_file(const std::string& path) {
  // Not blocking: a FIFO under this name must not stop the start.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return refuse(fmt::format("cannot open {}: {}", in_ticks(path), std::strerror(errno)));
  struct stat status {};
  std::string text;
  std::string problem;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    problem = "is no regular file";
  } else {
    text.resize(kFileBytesMax + 1);
    ssize_t got = 0;
    size_t size = 0;
    while (size < text.size() && (got = read(fd, text.data() + size, text.size() - size)) > 0) {
      size += static_cast<size_t>(got);
    }
    if (got < 0) problem = fmt::format("cannot be read: {}", std::strerror(errno));
    if (size > kFileBytesMax) problem = fmt::format("is larger than {}", format_bytes(kFileBytesMax));
    text.resize(size);
  }
  close(fd);
  if (!problem.empty()) return refuse(fmt::format("{} {}", in_ticks(path), problem));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.find('\0') != std::string::npos) return refuse(fmt::format("{} holds a NUL byte", in_ticks(path)));
  return text;
}

bool is_word(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

// What is wrong with the inside of ${...}; empty when it is well-formed.
std::string reference_problem(std::string_view inside) {
  const size_t colon = inside.find(':');
  if (colon == std::string_view::npos) {
    return fmt::format("{0} names no source: write `${{env:{1}}}`, `${{file:/path}}` or `${{credential:name}}`",
                       in_ticks(fmt::format("${{{}}}", inside)), escape_for_log(inside, 40));
  }
  const std::string_view source = inside.substr(0, colon);
  const std::string_view name = inside.substr(colon + 1);
  if (source == "file") {
    return name.starts_with('/') ? ""
                                 : fmt::format("the path in `${{file:...}}` must be absolute, not {}", in_ticks(name));
  }
  if (source != "env" && source != "credential") {
    return fmt::format("`${{...}}` knows `env`, `file` and `credential`, not {}", in_ticks(source));
  }
  if (is_word(name) && name != "." && name != "..") return {};
  return fmt::format("{} is no name for `${{{}:...}}`", in_ticks(name), source);
}

}  // namespace

Result<std::string> SystemSecrets::resolve(std::string_view source, std::string_view name) const {
  if (source == "env") {
    const char* value = getenv_(std::string(name).c_str());
    if (value == nullptr) return refuse(fmt::format("the environment variable {} is not set", in_ticks(name)));
    return std::string(value);
  }
  if (source == "file") return read_small_file(std::string(name));
  const char* directory = getenv_("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) {
    return refuse(
        fmt::format("there is no credential {}: CREDENTIALS_DIRECTORY is not set (systemd sets it for "
                    "LoadCredential=)",
                    in_ticks(name)));
  }
  return read_small_file(fmt::format("{}/{}", directory, name));
}

bool has_reference(std::string_view text) {
  return text.find("${") != std::string_view::npos;
}

bool is_reference(std::string_view text) {
  return text.starts_with("${") && text.find('}') == text.size() - 1;
}

Substituted substitute(std::string_view text, const Secrets* secrets) {
  Substituted result;
  while (!text.empty()) {
    const size_t begin = std::min(text.find("${"), text.size());
    if (begin > 0 && begin < text.size() && text[begin - 1] == '$') {
      result.text += text.substr(0, begin - 1);
      result.text += "${";
      text.remove_prefix(begin + 2);
      continue;
    }
    result.text += text.substr(0, begin);
    text.remove_prefix(begin);
    if (text.empty()) break;
    const size_t end = text.find('}');
    if (end == std::string_view::npos) {
      result.problem = "`${` is not closed; a literal `${` is written `$${`";
      return result;
    }
    const std::string_view inside = text.substr(2, end - 2);
    result.problem = reference_problem(inside);
    if (!result.problem.empty()) return result;
    if (secrets == nullptr) {
      result.known = false;
      result.text += text.substr(0, end + 1);
    } else {
      const size_t colon = inside.find(':');
      auto value = secrets->resolve(inside.substr(0, colon), inside.substr(colon + 1));
      if (!value) {
        result.problem = value.error().what;
        return result;
      }
      result.text += *value;
    }
    text.remove_prefix(end + 1);
  }
  return result;
}

}  // namespace millrace::config
