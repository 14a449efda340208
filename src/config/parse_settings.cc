// The sections that hold knobs, and those around the process: http, log, state, stop.
#include <fmt/core.h>

#include <array>

#include "config/names.h"
#include "config/parsing.h"
#include "config/quantity.h"
#include "config/secrets.h"

namespace millrace::config {

namespace {

constexpr size_t kTokenBytesMin = 16;

bool is_absolute(const std::string& path) {
  return path.starts_with('/');
}

void read_stop(Reader& top, Parsing& parsing) {
  Reader stop = section_of(top, "stop");
  read_knobs(stop, "stop", parsing);
  if (const auto file = stop.scalar("touch_file")) {
    parsing.spec.touch_file = file->text;
    if (file->known && !is_absolute(file->text)) {
      stop.wrong("touch_file",
                 fmt::format("must be an absolute path, not {}: it may not depend on where the daemon was "
                             "started; leave it out for `running` in the state directory",
                             in_ticks(stop.get("touch_file")->text)));
    } else if (file->text.starts_with("/tmp/") || file->text.starts_with("/var/tmp/")) {
      parsing.diagnostics.warning(file->position,
                                  "stop: `touch_file` lies where cleaners remove old files; the daemon "
                                  "stops when that happens");
    }
  }
  stop.finish();
}

void read_listen(Reader& http, Parsing& parsing) {
  const auto listen = http.scalar("listen");
  if (!listen) return;
  if (listen->text == "off") {
    parsing.spec.http_enabled = false;
    return;
  }
  if (!listen->known) return;
  HostPort address = parse_host_port(listen->text);
  if (address.port < 0) {
    http.wrong("listen", fmt::format("must be an address and a port as in `127.0.0.1:9464`, or `off`, not {}",
                                     in_ticks(http.get("listen")->text)));
    return;
  }
  parsing.spec.http_host = std::move(address.host);
  parsing.spec.http_port = address.port;
}

void read_http(Reader& top, Parsing& parsing) {
  PipelineSpec& spec = parsing.spec;
  spec.http_host = "127.0.0.1";
  spec.http_port = 9464;
  Reader http = section_of(top, "http");
  read_knobs(http, "http", parsing);
  read_listen(http, parsing);
  const auto token = http.scalar("token");
  if (token) {
    spec.http_token = token->text;
    if (!is_reference(http.get("token")->text)) {
      http.wrong("token",
                 "is a secret and must not stand in the file; write `${file:/path}`, `${env:NAME}` or "
                 "`${credential:name}`");
    } else if (token->known && token->text.size() < kTokenBytesMin) {
      http.wrong("token", fmt::format("is too short; at least {} characters", kTokenBytesMin));
    }
  }
  if (spec.http_enabled && !is_loopback(spec.http_host) && !http.has("token")) {
    http.wrong("listen", fmt::format("is {}, which other machines can reach: give a `token: ${{file:/path}}` too, or "
                                     "listen on 127.0.0.1",
                                     in_ticks(spec.http_host)));
  }
  http.finish();
}

void read_log(Reader& top, Parsing& parsing) {
  Reader log = section_of(top, "log");
  parsing.spec.log_level = log.choice("level", {"debug", "info", "warn", "error"}, "info");
  parsing.spec.log_format = log.choice("format", {"text", "json"}, "text");
  log.finish();
}

// A password in a connection string: `password=...`, or `user:password@` of an address.
bool holds_password(const std::string& connection) {
  if (connection.find("password") != std::string::npos) return true;
  const size_t scheme = connection.find("://");
  if (scheme == std::string::npos) return false;
  const size_t at = connection.find('@', scheme);
  return at != std::string::npos && connection.substr(scheme + 3, at - scheme - 3).find(':') != std::string::npos;
}

void read_history(Reader& top, Parsing& parsing) {
  HistorySpec& spec = parsing.spec.history;
  Reader history = section_of(top, "history");
  read_knobs(history, "history", parsing);
  const std::string store = history.choice("store", {"sqlite", "postgresql", "none"}, "sqlite");
  spec.store = store == "postgresql" ? HistoryStore::postgresql
               : store == "none"     ? HistoryStore::none
                                     : HistoryStore::sqlite;
  const auto connection = history.scalar("connection");
  if (connection) spec.connection = connection->text;
  if (spec.store != HistoryStore::postgresql) {
    if (connection) history.wrong("connection", "is of use with `store: postgresql` only");
  } else if (!connection) {
    history.wrong("store", "is `postgresql`, which needs `connection`, as in `host=db dbname=millrace user=millrace`");
  } else if (!is_reference(history.get("connection")->text) && holds_password(connection->text)) {
    history.wrong("connection",
                  "holds a password, which must not stand in the file; write `${file:/path}`, `${env:NAME}` or "
                  "`${credential:name}`, or keep the password in `~/.pgpass`");
  }
  history.finish();
}

// After stop: the touch file's default lies in the state directory.
void read_state(Reader& top, Parsing& parsing) {
  PipelineSpec& spec = parsing.spec;
  Reader state = section_of(top, "state");
  spec.state_directory = parsing.context.default_state_directory;
  if (const auto directory = state.scalar("directory")) {
    spec.state_directory = directory->text;
    if (directory->known && !is_absolute(directory->text)) {
      state.wrong("directory", fmt::format("must be an absolute path, not {}", in_ticks(state.get("directory")->text)));
    }
  }
  while (spec.state_directory.size() > 1 && spec.state_directory.ends_with('/')) spec.state_directory.pop_back();
  state.finish();
  if (spec.touch_file.empty() && !spec.state_directory.empty()) spec.touch_file = instance_directory(spec) + "/running";
}

}  // namespace

void read_knobs(Reader& reader, std::string_view section, Parsing& parsing) {
  for (const KnobInfo& knob : all_knobs()) {
    const size_t dot = knob.path.rfind('.');
    const std::string_view owner = dot == std::string_view::npos ? "" : knob.path.substr(0, dot);
    if (owner != section) continue;
    const std::string_view key = dot == std::string_view::npos ? knob.path : knob.path.substr(dot + 1);
    const auto value = reader.scalar(key);
    if (!value) continue;
    parsing.places.emplace(knob.path, value->position);
    if (!value->known) continue;
    const std::string problem = set_knob(knob, value->text, parsing.spec.knobs);
    if (problem.empty()) continue;
    const std::string& written = reader.get(key)->text;
    reader.wrong(key,
                 has_reference(written) ? fmt::format("has no usable value behind {}", in_ticks(written)) : problem);
  }
}

void read_settings(Reader& top, Parsing& parsing) {
  read_knobs(top, "", parsing);
  for (const char* name : {"batch", "memory", "records", "expressions", "producer", "recovery"}) {
    Reader section = section_of(top, name);
    read_knobs(section, name, parsing);
    section.finish();
  }
  Reader rate = section_of(top, "rate");
  read_knobs(rate, "rate", parsing);
  Reader backpressure = section_of(rate, "backpressure");
  read_knobs(backpressure, "rate.backpressure", parsing);
  backpressure.finish();
  rate.finish();
  check_rates(parsing);
  read_stop(top, parsing);
  read_http(top, parsing);
  read_log(top, parsing);
  read_state(top, parsing);
  read_history(top, parsing);
}

}  // namespace millrace::config
