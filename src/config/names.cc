#include "config/names.h"

#include <algorithm>
#include <charconv>

namespace millrace::config {

namespace {

bool is_small(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_letter(char c) {
  return is_small(c) || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_topic_letter(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
}

bool made_of(std::string_view name, size_t size_max, bool (*allowed)(char)) {
  return !name.empty() && name.size() <= size_max && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

bool is_pipeline_name(std::string_view name) {
  return made_of(name, 100, [](char c) { return is_small(c) || is_digit(c) || c == '-'; }) && name.front() != '-' &&
         name.back() != '-';
}

bool is_node_name(std::string_view name) {
  return made_of(name, 64, [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; }) &&
         is_letter(name.front());
}

bool is_instance_name(std::string_view name) {
  return made_of(name, 100, is_topic_letter) && (is_letter(name.front()) || is_digit(name.front()));
}

std::string instance_from_host(std::string_view host_name) {
  std::string result(host_name.substr(0, 100));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return !is_topic_letter(c); }, '-');
  result.erase(result.begin(),
               std::find_if(result.begin(), result.end(), [](char c) { return is_letter(c) || is_digit(c); }));
  return result.empty() ? "instance" : result;
}

bool is_topic_name(std::string_view name) {
  return made_of(name, 249, is_topic_letter) && name != "." && name != "..";
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

HostPort parse_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return {};
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":/[]@ ") != std::string_view::npos) {
    return {};
  }
  int port = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (host.empty() || error != std::errc() || end != digits.data() + digits.size() || port < 0 || port > 65535)
    return {};
  return {std::string(host), port};
}

}  // namespace millrace::config
