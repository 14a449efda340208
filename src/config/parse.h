// parse_pipeline: the text of a YAML file becomes a PipelineSpec, and a list of everything that is wrong with it.
// Used by the thread that loads a config. Opens no connection and no table; reads the machine through ParseContext
// only.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/secrets.h"
#include "config/spec.h"

namespace millrace::config {

struct ParseContext {
  std::vector<std::string> stage_kinds;
  // Resolves ${...}; null (as in `millrace check`): nobody does, and such values are not judged. Stage kinds read their
  // part of the document later, so it must outlive the spec.
  const Secrets* secrets = nullptr;
  std::string instance;                 // --instance: wins over the YAML
  std::string host_name;                // the instance where nobody names one
  std::string default_state_directory;  // see below; empty: there is none
};

// systemd's STATE_DIRECTORY, else `millrace` below XDG_STATE_HOME, else ~/.local/state/millrace, else empty.
std::string default_state_directory(const std::function<const char*(const char*)>& getenv);

// Empty when there is nothing to go on with (no YAML). Otherwise the spec, even when `diagnostics` has errors: the
// graph can then be checked too, and all problems come at once. A spec with errors must not be run.
std::optional<PipelineSpec> parse_pipeline(const std::string& file_name, const std::string& text,
                                           const ParseContext& context, Diagnostics& diagnostics);

// Reads the file (regular, at most 1 MiB). A problem is a diagnostic of the file as a whole.
std::optional<std::string> read_config_file(const std::string& file_name, Diagnostics& diagnostics);

// librdkafka's settings that `kafka.properties` takes.
std::span<const std::string_view> allowed_kafka_properties();

}  // namespace millrace::config
