// The types that the library of functions adds: IP addresses, networks, URLs. Plain data in the arena; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "expr/value.h"

namespace millrace::expr {

enum OpaqueTag : uint16_t { kOpaqueIp = 1, kOpaqueCidr = 2, kOpaqueUrl = 3 };

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // an IPv4 address uses the first four
};

struct Cidr {
  IpAddress ip;
  uint8_t prefix = 0;
};

struct Url {
  std::string_view text;
  std::string_view scheme;
  std::string_view host;      // as written, with port
  std::string_view hostname;  // without port and brackets
  std::string_view port;
  std::string_view path;
  std::string_view query;
};

// Texts of addresses; false when `text` is none. Zones and, in text, IPv4 inside IPv6 are refused.
bool parse_ip(std::string_view text, IpAddress& into);
bool parse_cidr(std::string_view text, Cidr& into);
std::string ip_text(const IpAddress& ip);
std::string cidr_text(const Cidr& cidr);
bool same_ip(const IpAddress& a, const IpAddress& b);
bool contains_ip(const Cidr& network, const IpAddress& ip);

bool parse_url(std::string_view text, Url& into);

std::string_view opaque_type_name(uint16_t tag);
std::string opaque_text(const Value& value);
bool opaque_equal(const Value& a, const Value& b);
uint64_t opaque_hash(const Value& value);

}  // namespace millrace::expr
