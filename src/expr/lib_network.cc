// IP addresses and networks.
#include "expr/functions.h"
#include "expr/opaque.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

bool is_opaque(const Value& value, uint16_t tag) {
  return value.is(Kind::opaque) && value.tag() == tag;
}
const IpAddress& ip_in(const Value& value) {
  return *static_cast<const IpAddress*>(value.pointer());
}
const Cidr& cidr_in(const Value& value) {
  return *static_cast<const Cidr*>(value.pointer());
}
Value made(Frame& frame, const IpAddress& ip) {
  return Value::opaque(kOpaqueIp, frame.arena.make(ip));
}
Value made(Frame& frame, const Cidr& cidr) {
  return Value::opaque(kOpaqueCidr, frame.arena.make(cidr));
}
Value no_ip(Frame& frame, const Value& value) {
  return frame.fail(ErrorKind::invalid_argument, "{} is no IP address", value);
}

// An address given as such or as text; false: noted.
bool read_ip(Frame& frame, const Value& value, IpAddress& into) {
  if (is_opaque(value, kOpaqueIp)) {
    into = ip_in(value);
    return true;
  }
  if (!value.is(Kind::string)) {
    frame.no_overload("an IP address is expected, not {}", value);
    return false;
  }
  if (parse_ip(value.text(), into)) return true;
  no_ip(frame, value);
  return false;
}

bool read_cidr(Frame& frame, const Value& value, Cidr& into) {
  if (is_opaque(value, kOpaqueCidr)) {
    into = cidr_in(value);
    return true;
  }
  if (!value.is(Kind::string)) {
    frame.no_overload("a network is expected, not {}", value);
    return false;
  }
  if (parse_cidr(value.text(), into)) return true;
  frame.fail(ErrorKind::invalid_argument, "{} is no network as in '10.0.0.0/8'", value);
  return false;
}

Value make_ip(Frame& frame, Args args) {
  if (is_opaque(args[0], kOpaqueIp)) return args[0];
  IpAddress ip;
  return read_ip(frame, args[0], ip) ? made(frame, ip) : frame.noted();
}
Value is_ip(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return frame.no_overload("isIP() wants a string, not {}", args[0]);
  IpAddress ip;
  return Value::boolean(parse_ip(args[0].text(), ip));
}
Value is_canonical(Frame& frame, Args args) {
  IpAddress ip;
  if (!args[0].is(Kind::string)) return frame.no_overload("ip.isCanonical() wants a string, not {}", args[0]);
  if (!parse_ip(args[0].text(), ip)) return no_ip(frame, args[0]);
  return Value::boolean(ip_text(ip) == args[0].text());
}
Value make_cidr(Frame& frame, Args args) {
  if (is_opaque(args[0], kOpaqueCidr)) return args[0];
  Cidr cidr;
  return read_cidr(frame, args[0], cidr) ? made(frame, cidr) : frame.noted();
}
Value is_cidr(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return frame.no_overload("isCIDR() wants a string, not {}", args[0]);
  Cidr cidr;
  return Value::boolean(parse_cidr(args[0].text(), cidr));
}

bool link_local(const IpAddress& ip) {
  return ip.v6 ? ip.bytes[0] == 0xFE && (ip.bytes[1] & 0xC0) == 0x80 : ip.bytes[0] == 169 && ip.bytes[1] == 254;
}
bool all_zero(const IpAddress& ip) {
  return ip.bytes == std::array<uint8_t, 16>{};
}
bool loopback(const IpAddress& ip) {
  if (!ip.v6) return ip.bytes[0] == 127;
  std::array<uint8_t, 16> one{};
  one[15] = 1;
  return ip.bytes == one;
}
bool multicast(const IpAddress& ip) {
  return ip.v6 ? ip.bytes[0] == 0xFF : (ip.bytes[0] & 0xF0) == 0xE0;
}
bool link_local_multicast(const IpAddress& ip) {
  if (ip.v6) return ip.bytes[0] == 0xFF && (ip.bytes[1] & 0x0F) == 0x02;
  return ip.bytes[0] == 224 && ip.bytes[1] == 0 && ip.bytes[2] == 0;
}
bool global_unicast(const IpAddress& ip) {
  const bool broadcast = !ip.v6 && ip.bytes[0] == 255 && ip.bytes[1] == 255 && ip.bytes[2] == 255 && ip.bytes[3] == 255;
  return !broadcast && !all_zero(ip) && !loopback(ip) && !multicast(ip) && !link_local(ip);
}

template <bool (*property)(const IpAddress&)>
Value has_property(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueIp)) return frame.no_overload("{} is no IP address", args[0]);
  return Value::boolean(property(ip_in(args[0])));
}

Value family(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueIp)) return frame.no_overload("{} is no IP address", args[0]);
  return Value::integer(ip_in(args[0]).v6 ? 6 : 4);
}

Value contains_address(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueCidr)) return frame.no_overload("{} is no network", args[0]);
  IpAddress ip;
  if (!read_ip(frame, args[1], ip)) return frame.noted();
  return Value::boolean(contains_ip(cidr_in(args[0]), ip));
}
Value contains_network(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueCidr)) return frame.no_overload("{} is no network", args[0]);
  Cidr inner;
  if (!read_cidr(frame, args[1], inner)) return frame.noted();
  const Cidr& outer = cidr_in(args[0]);
  return Value::boolean(outer.prefix <= inner.prefix && contains_ip(outer, inner.ip));
}
Value address_of(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueCidr)) return frame.no_overload("{} is no network", args[0]);
  return made(frame, cidr_in(args[0]).ip);
}
Value prefix_length(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueCidr)) return frame.no_overload("{} is no network", args[0]);
  return Value::integer(cidr_in(args[0]).prefix);
}

// The network with the bits behind its prefix cleared.
Cidr masked_of(const Cidr& cidr) {
  Cidr result = cidr;
  for (size_t i = 0; i < result.ip.bytes.size(); ++i) {
    const int bits = std::clamp(static_cast<int>(cidr.prefix) - static_cast<int>(i * 8), 0, 8);
    result.ip.bytes[i] &= static_cast<uint8_t>(0xFF00 >> bits);
  }
  return result;
}
Value masked(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueCidr)) return frame.no_overload("{} is no network", args[0]);
  return made(frame, masked_of(cidr_in(args[0])));
}
Value is_mask(Frame& frame, Args args) {
  if (!is_opaque(args[0], kOpaqueCidr)) return frame.no_overload("{} is no network", args[0]);
  return Value::boolean(masked_of(cidr_in(args[0])).ip.bytes == cidr_in(args[0]).ip.bytes);
}

constexpr Function kFunctions[] = {
    {"ip", false, 1, 1, Kind::opaque, Growth::fixed, make_ip},
    {"isIP", false, 1, 1, Kind::boolean, Growth::fixed, is_ip},
    {"ip.isCanonical", false, 1, 1, Kind::boolean, Growth::fixed, is_canonical},
    {"cidr", false, 1, 1, Kind::opaque, Growth::fixed, make_cidr},
    {"isCIDR", false, 1, 1, Kind::boolean, Growth::fixed, is_cidr},
    {"family", true, 1, 1, Kind::integer, Growth::fixed, family},
    {"isUnspecified", true, 1, 1, Kind::boolean, Growth::fixed, has_property<all_zero>},
    {"isLoopback", true, 1, 1, Kind::boolean, Growth::fixed, has_property<loopback>},
    {"isGlobalUnicast", true, 1, 1, Kind::boolean, Growth::fixed, has_property<global_unicast>},
    {"isLinkLocalUnicast", true, 1, 1, Kind::boolean, Growth::fixed, has_property<link_local>},
    {"isLinkLocalMulticast", true, 1, 1, Kind::boolean, Growth::fixed, has_property<link_local_multicast>},
    {"containsIP", true, 2, 2, Kind::boolean, Growth::fixed, contains_address},
    {"containsCIDR", true, 2, 2, Kind::boolean, Growth::fixed, contains_network},
    {"ip", true, 1, 1, Kind::opaque, Growth::fixed, address_of},
    {"masked", true, 1, 1, Kind::opaque, Growth::fixed, masked},
    {"prefixLength", true, 1, 1, Kind::integer, Growth::fixed, prefix_length},
    {"isMask", true, 1, 1, Kind::boolean, Growth::fixed, is_mask},
};

}  // namespace

std::span<const Function> network_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
