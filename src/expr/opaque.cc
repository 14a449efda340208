#include "expr/opaque.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "expr/number_text.h"

namespace millrace::expr {
namespace {

bool parse_v4(std::string_view text, IpAddress& into) {
  into = IpAddress();
  for (size_t part = 0; part < 4; ++part) {
    size_t digits = 0;
    int value = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9' && digits < 3) {
      value = value * 10 + (text[digits] - '0');
      ++digits;
    }
    if (digits == 0 || value > 255 || (digits > 1 && text[0] == '0')) return false;
    into.bytes[part] = static_cast<uint8_t>(value);
    text.remove_prefix(digits);
    if (part == 3) return text.empty();
    if (text.empty() || text[0] != '.') return false;
    text.remove_prefix(1);
  }
  return false;
}

// The IPv4 address inside ::ffff:a.b.c.d, else the address itself.
IpAddress unmapped(const IpAddress& ip) {
  static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (!ip.v6 || !std::equal(kMapped.begin(), kMapped.end(), ip.bytes.begin())) return ip;
  IpAddress v4;
  std::copy(ip.bytes.begin() + 12, ip.bytes.end(), v4.bytes.begin());
  return v4;
}

}  // namespace

bool parse_ip(std::string_view text, IpAddress& into) {
  if (text.find(':') == std::string_view::npos) return parse_v4(text, into);
  if (text.size() > 45 || text.find('%') != std::string_view::npos) return false;
  into = IpAddress();
  into.v6 = true;
  const std::string copy(text);
  if (inet_pton(AF_INET6, copy.c_str(), into.bytes.data()) != 1) return false;
  // An IPv4 address in IPv6's clothes is that IPv4 address; with dots it has to be written as one.
  const IpAddress plain = unmapped(into);
  if (!plain.v6 && text.find('.') != std::string_view::npos) return false;
  into = plain;
  return true;
}

bool parse_cidr(std::string_view text, Cidr& into) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || !parse_ip(text.substr(0, slash), into.ip)) return false;
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0') ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return false;
  }
  const auto prefix = parse_uint(digits);
  if (!prefix) return false;
  // The 96 bits that say "this is an IPv4 address" are no part of that address.
  const uint64_t dropped = !into.ip.v6 && text.find(':') != std::string_view::npos ? 96 : 0;
  if (*prefix < dropped || *prefix - dropped > (into.ip.v6 ? 128U : 32U)) return false;
  into.prefix = static_cast<uint8_t>(*prefix - dropped);
  return true;
}

// RFC 5952, section 4. Not inet_ntop(), which ends the addresses of ::/96 in an IPv4 address.
std::string ip_text(const IpAddress& ip) {
  if (!ip.v6) return fmt::format("{}.{}.{}.{}", ip.bytes[0], ip.bytes[1], ip.bytes[2], ip.bytes[3]);
  std::array<unsigned, 8> groups{};
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = ip.bytes[2 * i] * 256U + ip.bytes[2 * i + 1];
  // The first of the longest rows of zeros, of two groups at least, is left out.
  size_t gap = 0;
  size_t gap_length = 1;
  for (size_t i = 0; i < groups.size(); ++i) {
    size_t length = 0;
    while (i + length < groups.size() && groups[i + length] == 0) ++length;
    if (length > gap_length) {
      gap = i;
      gap_length = length;
    }
  }
  std::string text;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (gap_length > 1 && i == gap) {
      text += "::";
      i += gap_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += fmt::format("{:x}", groups[i]);
  }
  return text;
}

std::string cidr_text(const Cidr& cidr) {
  return ip_text(cidr.ip) + "/" + std::to_string(cidr.prefix);
}

bool same_ip(const IpAddress& a, const IpAddress& b) {
  const IpAddress x = unmapped(a);
  const IpAddress y = unmapped(b);
  return x.v6 == y.v6 && x.bytes == y.bytes;
}

bool contains_ip(const Cidr& network, const IpAddress& ip) {
  if (network.ip.v6 != ip.v6) return false;
  const size_t whole = network.prefix / 8;
  if (std::memcmp(network.ip.bytes.data(), ip.bytes.data(), whole) != 0) return false;
  const int rest = network.prefix % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xFF << (8 - rest));
  return (network.ip.bytes[whole] & mask) == (ip.bytes[whole] & mask);
}

bool parse_url(std::string_view text, Url& into) {
  into = Url();
  into.text = text;
  for (const char c : text) {
    if (static_cast<uint8_t>(c) <= 0x20 || c == 0x7F) return false;
  }
  std::string_view rest = text.substr(0, text.find('#'));
  if (const size_t question = rest.find('?'); question != std::string_view::npos) {
    into.query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  if (!rest.starts_with('/')) {
    const size_t colon = rest.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    into.scheme = rest.substr(0, colon);
    const bool letter = (into.scheme[0] | 0x20) >= 'a' && (into.scheme[0] | 0x20) <= 'z';
    if (!letter || into.scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") !=
                       std::string_view::npos) {
      return false;
    }
    rest.remove_prefix(colon + 1);
    if (!rest.starts_with("//") && !rest.starts_with('/')) return false;
  }
  if (rest.starts_with("//") && !into.scheme.empty()) {
    rest.remove_prefix(2);
    const size_t slash = std::min(rest.find('/'), rest.size());
    std::string_view authority = rest.substr(0, slash);
    rest.remove_prefix(slash);
    if (const size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
    into.host = authority;
    into.hostname = authority;
    const size_t bracket = authority.rfind(']');
    const size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
      into.hostname = authority.substr(0, colon);
      into.port = authority.substr(colon + 1);
      if (into.port.find_first_not_of("0123456789") != std::string_view::npos) return false;
    }
    if (into.hostname.starts_with('[')) {
      IpAddress ip;
      if (!into.hostname.ends_with(']')) return false;
      into.hostname = into.hostname.substr(1, into.hostname.size() - 2);
      if (!parse_ip(into.hostname, ip) || !ip.v6) return false;
    } else if (into.hostname.find_first_of("[]:") != std::string_view::npos) {
      return false;
    }
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') continue;
    const auto hex = [&](size_t at) { return at < rest.size() && isxdigit(static_cast<uint8_t>(rest[at])) != 0; };
    if (!hex(i + 1) || !hex(i + 2)) return false;
  }
  into.path = rest;
  return true;
}

std::string_view opaque_type_name(uint16_t tag) {
  switch (tag) {
    case kOpaqueIp:
      return "net.IP";
    case kOpaqueCidr:
      return "net.CIDR";
    default:
      return "kubernetes.URL";
  }
}

std::string opaque_text(const Value& value) {
  switch (value.tag()) {
    case kOpaqueIp:
      return ip_text(*static_cast<const IpAddress*>(value.pointer()));
    case kOpaqueCidr:
      return cidr_text(*static_cast<const Cidr*>(value.pointer()));
    default:
      return std::string(static_cast<const Url*>(value.pointer())->text);
  }
}

bool opaque_equal(const Value& a, const Value& b) {
  if (a.tag() != b.tag()) return false;
  if (a.tag() == kOpaqueIp) {
    return same_ip(*static_cast<const IpAddress*>(a.pointer()), *static_cast<const IpAddress*>(b.pointer()));
  }
  if (a.tag() == kOpaqueCidr) {
    const auto& x = *static_cast<const Cidr*>(a.pointer());
    const auto& y = *static_cast<const Cidr*>(b.pointer());
    return x.prefix == y.prefix && same_ip(x.ip, y.ip);
  }
  return opaque_text(a) == opaque_text(b);
}

uint64_t opaque_hash(const Value& value) {
  if (value.tag() == kOpaqueUrl) return std::hash<std::string>()(opaque_text(value));
  const bool is_ip = value.tag() == kOpaqueIp;
  const auto& cidr = *static_cast<const Cidr*>(value.pointer());
  const IpAddress ip = unmapped(is_ip ? *static_cast<const IpAddress*>(value.pointer()) : cidr.ip);
  uint64_t hash = is_ip ? 41 : 43 + cidr.prefix;
  for (const uint8_t byte : ip.bytes) hash = hash * 31 + byte;
  return hash;
}

}  // namespace millrace::expr
