#include "app/history_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <ostream>
#include <vector>

#include "app/assemble.h"
#include "base/text.h"
#include "status/history_sql.h"

namespace millrace {
namespace {

constexpr SqlLimits kLimits;

std::string history_file(const config::PipelineSpec& spec) {
  return config::instance_directory(spec) + "/history.sqlite";
}

int64_t number_of(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "2026-01-31 12:00:00.250", UTC.
std::string time_text(int64_t ms) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03}", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

// One object a row, with the columns' names.
void print_json(const SqlRows& rows, std::ostream& out) {
  for (const auto& row : rows.rows) {
    std::string text = "{";
    for (size_t i = 0; i < row.size(); ++i) {
      text += fmt::format("{}\"{}\": ", i == 0 ? "" : ", ", rows.columns[i]);
      if (!row[i]) {
        text += "null";
      } else if (rows.numeric[i] || rows.columns[i] == "errors") {  // errors is JSON already
        text += *row[i];
      } else {
        text += '"' + escape_for_json(*row[i]) + '"';
      }
    }
    out << text << "}\n";
  }
}

// A column of the table for people: heading, the database's column, and how it is shown.
struct Shown {
  const char* heading;
  const char* column;
  enum class As : uint8_t { text, number, time, rounded } as;
};

constexpr Shown kBatchColumns[] = {{"completed (UTC)", "completed_ms", Shown::As::time},
                                   {"worker", "worker", Shown::As::number},
                                   {"batch", "number", Shown::As::number},
                                   {"result", "result", Shown::As::text},
                                   {"received", "received", Shown::As::number},
                                   {"sent", "sent", Shown::As::number},
                                   {"filtered", "filtered", Shown::As::number},
                                   {"dead", "dead", Shown::As::number},
                                   {"scheduling ms", "scheduling_delay_ms", Shown::As::rounded},
                                   {"processing ms", "processing_ms", Shown::As::rounded},
                                   {"total delay ms", "total_delay_ms", Shown::As::rounded},
                                   {"config", "config", Shown::As::text}};
constexpr Shown kEventColumns[] = {{"at (UTC)", "at_ms", Shown::As::time},
                                   {"event", "kind", Shown::As::text},
                                   {"subject", "subject", Shown::As::text},
                                   {"", "text", Shown::As::text}};

std::string cell(const Shown& shown, const std::string& value) {
  switch (shown.as) {
    case Shown::As::time:
      return time_text(number_of(value));
    case Shown::As::rounded:
      return std::to_string(number_of(value));
    case Shown::As::text:
    case Shown::As::number:
      break;
  }
  return value;
}

void print_table(const SqlRows& rows, std::span<const Shown> shown, std::ostream& out) {
  std::vector<std::vector<std::string>> cells(1);
  for (const Shown& column : shown) cells[0].emplace_back(column.heading);
  for (const auto& row : rows.rows) {
    auto& line = cells.emplace_back();
    for (const Shown& column : shown) {
      const auto found = std::find(rows.columns.begin(), rows.columns.end(), column.column);
      const auto& value = row[static_cast<size_t>(found - rows.columns.begin())];
      line.push_back(cell(column, value.value_or("")));
    }
  }
  std::vector<size_t> widths(shown.size());
  for (const auto& line : cells) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : cells) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      const bool right = shown[i].as == Shown::As::number || shown[i].as == Shown::As::rounded;
      text += right ? fmt::format("{:>{}}  ", line[i], widths[i]) : fmt::format("{:<{}}  ", line[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << "\n";
  }
}

}  // namespace

std::unique_ptr<SqlConnection> open_history(const config::PipelineSpec& spec, const Clock& clock) {
  switch (spec.history.store) {
    case config::HistoryStore::sqlite:
      return make_sqlite(history_file(spec), kLimits, clock);
    case config::HistoryStore::postgresql:
      return make_postgres(spec.history.connection, kLimits, clock);
    case config::HistoryStore::none:
      break;
  }
  return nullptr;
}

History::Settings history_settings(const config::PipelineSpec& spec, int64_t run_ms) {
  History::Settings settings;
  settings.owner = {spec.name, spec.instance, run_ms};
  settings.keep_ms = spec.knobs.history_keep_ms;
  settings.rows_max = spec.knobs.history_max_rows;
  return settings;
}

ExitCode history_command(const CommandLine& line, std::ostream& out) {
  auto pipeline = load_pipeline(line.file, line.instance, false);
  const bool postgres = pipeline->spec.history.store == config::HistoryStore::postgresql;
  // Its address may be a secret; a file in the state directory needs none.
  if (postgres && pipeline->graph != nullptr) pipeline = load_pipeline(line.file, line.instance, true);
  if (pipeline->graph == nullptr) {
    out << pipeline->diagnostics.text(line.file);
    return ExitCode::config;
  }
  const config::PipelineSpec& spec = pipeline->spec;
  if (spec.history.store == config::HistoryStore::none) {
    out << fmt::format("{}: there is no history: `history: {{store: none}}`\n", line.file);
    return ExitCode::usage;
  }
  struct stat found {};
  if (!postgres && stat(history_file(spec).c_str(), &found) != 0) {
    out << fmt::format("no history yet: {} is not there. `millrace run` makes it; --instance names another instance\n",
                       escape_for_log(history_file(spec)));
    return ExitCode::internal;
  }
  const SystemClock clock;
  const auto database = postgres ? make_postgres(spec.history.connection, kLimits, clock)
                                 : make_sqlite_reader(history_file(spec), kLimits, clock);
  const bool events = line.history.events;
  const auto rows = database->query(events ? history_events(spec.name, spec.instance, line.history.last)
                                           : history_batches(spec.name, spec.instance, line.history.last));
  if (!rows) {
    out << "error: " << escape_for_log(rows.error().what, 1024) << "\n";
    return ExitCode::internal;
  }
  if (line.history.json) {
    print_json(*rows, out);
  } else if (events) {
    print_table(*rows, kEventColumns, out);
  } else {
    print_table(*rows, kBatchColumns, out);
  }
  return ExitCode::done;
}

}  // namespace millrace
