// What may be called how. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace millrace::config {

// [a-z0-9] and `-` inside, at most 100.
bool is_pipeline_name(std::string_view name);
inline constexpr std::string_view kPipelineNameRule = "small letters, digits and `-` inside, at most 100 characters";

// Sources, stages, ports, tables, destinations: a letter first, then letters, digits, `_` and `-`, at most 64.
bool is_node_name(std::string_view name);
inline constexpr std::string_view kNodeNameRule =
    "a letter first, then letters, digits, `_` and `-`, at most 64 characters";

// Letters, digits, `.`, `_` and `-`, at most 100; a letter or digit first.
bool is_instance_name(std::string_view name);
inline constexpr std::string_view kInstanceNameRule =
    "a letter or digit first, then letters, digits, `.`, `_` and `-`, at most 100 characters";

// A host's name made an instance's name: other characters become `-`; "instance" when nothing is left.
std::string instance_from_host(std::string_view host_name);

// Kafka's rule.
bool is_topic_name(std::string_view name);
inline constexpr std::string_view kTopicNameRule = "letters, digits, `.`, `_` and `-`, at most 249 characters";

// 127.0.0.0/8, ::1 and localhost.
bool is_loopback(std::string_view host);

// "host:port" or "[v6]:port" taken apart.
struct HostPort {
  std::string host;
  int port = -1;  // -1: the text is none
};
HostPort parse_host_port(std::string_view text);

}  // namespace millrace::config
