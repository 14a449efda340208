#include "config/parse.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "config/load.h"
#include "config/names.h"
#include "config/parsing.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

constexpr size_t kFileBytesMax = LoadLimits{}.bytes;

void read_identity(Reader& top, Parsing& parsing) {
  PipelineSpec& spec = parsing.spec;
  if (const Node* node = top.get("pipeline", true); node != nullptr) {
    // A name of the house: no ${...}, which the rule for names says anyway.
    if (node->is_scalar() && is_pipeline_name(node->text)) {
      spec.name = node->text;
    } else if (node->is_scalar()) {
      top.wrong("pipeline", fmt::format("cannot be {} ({})", in_ticks(node->text), kPipelineNameRule));
    } else {
      top.wrong("pipeline", fmt::format("must be a name, not {}", kind_text(*node)));
    }
  }
  const auto instance = top.scalar("instance");
  spec.instance = parsing.context.instance;
  if (spec.instance.empty() && instance) {
    spec.instance = instance->text;
    if (instance->known && !is_instance_name(spec.instance)) {
      top.wrong("instance", fmt::format("cannot be {} ({})", in_ticks(top.get("instance")->text), kInstanceNameRule));
    }
  } else if (!spec.instance.empty() && !is_instance_name(spec.instance)) {
    parsing.diagnostics.error(
        {}, fmt::format("the instance cannot be called {} ({})", in_ticks(spec.instance), kInstanceNameRule));
  }
  if (spec.instance.empty()) spec.instance = instance_from_host(parsing.context.host_name);
}

Delivery read_delivery(Reader& top) {
  const std::string delivery =
      top.choice("delivery", {"exactly_once", "at_least_once", "sync", "fire_and_forget"}, "exactly_once");
  if (delivery == "at_least_once") return Delivery::at_least_once;
  if (delivery == "sync") return Delivery::sync;
  if (delivery == "fire_and_forget") return Delivery::fire_and_forget;
  return Delivery::exactly_once;
}

}  // namespace

std::string instance_directory(const PipelineSpec& spec) {
  if (spec.state_directory.empty()) return {};
  return fmt::format("{}/{}/{}", spec.state_directory, spec.name, spec.instance);
}

std::string topic_for_port(const std::string& topic, const std::string& port) {
  constexpr std::string_view kPlaceholder = "{port}";
  const size_t at = topic.find(kPlaceholder);
  return at == std::string::npos ? topic : std::string(topic).replace(at, kPlaceholder.size(), port);
}

std::string default_state_directory(const std::function<const char*(const char*)>& getenv) {
  const auto get = [&](const char* name) -> std::string_view {
    const char* value = getenv(name);
    return value == nullptr || value[0] != '/' ? "" : value;
  };
  // systemd gives several, with colons between, where a unit names several.
  if (const auto directory = get("STATE_DIRECTORY"); !directory.empty()) return std::string(split(directory, ':')[0]);
  if (const auto directory = get("XDG_STATE_HOME"); !directory.empty()) return std::string(directory) + "/millrace";
  if (const auto home = get("HOME"); !home.empty()) return std::string(home) + "/.local/state/millrace";
  return {};
}

Reader section_of(Reader& parent, std::string_view key) {
  static const Node kNothing;
  const Node* node = parent.get(key);
  const std::string what = parent.what().empty() ? std::string(key) : fmt::format("{}.{}", parent.what(), key);
  return {node != nullptr ? *node : kNothing, what, parent.diagnostics()};
}

std::optional<PipelineSpec> parse_pipeline(const std::string& file_name, const std::string& text,
                                           const ParseContext& context, Diagnostics& diagnostics) {
  PipelineSpec spec;
  spec.file = file_name;
  spec.config_hash = hash_text(text);
  spec.document = load_document(text, diagnostics, context.secrets);
  if (spec.document == nullptr) return std::nullopt;
  Reader top(*spec.document, "", diagnostics);
  if (!spec.document->is_map()) return std::nullopt;
  Parsing parsing{context, diagnostics, spec, {}, true};
  read_identity(top, parsing);
  spec.delivery = read_delivery(top);
  read_settings(top, parsing);
  read_kafka(top, parsing);
  read_nodes(top, parsing);
  read_destinations(top, parsing);
  read_dead_letters(top, parsing);
  top.finish();
  check_graph(parsing);
  check_times(parsing);
  check_producer(parsing);
  return spec;
}

std::optional<std::string> read_config_file(const std::string& file_name, Diagnostics& diagnostics) {
  const int fd = open(file_name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    diagnostics.error({}, fmt::format("cannot be opened: {}", std::strerror(errno)));
    return std::nullopt;
  }
  struct stat status {};
  std::string text;
  ssize_t got = 0;
  size_t size = 0;
  const bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (regular) {
    text.resize(kFileBytesMax + 1);
    while (size < text.size() && (got = read(fd, text.data() + size, text.size() - size)) > 0) {
      size += static_cast<size_t>(got);
    }
  }
  const std::string problem = !regular               ? "is no regular file"
                              : got < 0              ? fmt::format("cannot be read: {}", std::strerror(errno))
                              : size > kFileBytesMax ? fmt::format("is larger than {}", format_bytes(kFileBytesMax))
                                                     : "";
  close(fd);
  if (!problem.empty()) {
    diagnostics.error({}, problem);
    return std::nullopt;
  }
  text.resize(size);
  return text;
}

}  // namespace millrace::config
