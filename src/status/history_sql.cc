#include "status/history_sql.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"

namespace millrace {
namespace {

constexpr size_t kTextBytesMax = 1'000;

// Milliseconds with three digits behind the point.
std::string ms(double seconds) {
  return std::isfinite(seconds) ? fmt::format("{:.3f}", seconds * 1e3) : "0";
}

std::string phase_ms(const BatchRow& row, BatchPhase phase) {
  return ms(row.seconds[static_cast<size_t>(phase)]);
}

// {"expression_error":3}: only what occurred.
std::string errors_json(const ReasonCounts& rejected) {
  std::string text = "{";
  for (size_t i = 1; i < rejected.size(); ++i) {
    if (rejected[i] == 0) continue;
    if (text.size() > 1) text += ',';
    text += fmt::format("\"{}\":{}", to_string(static_cast<RejectReason>(i)), rejected[i]);
  }
  return text + "}";
}

std::string owner_values(const HistoryOwner& owner) {
  return fmt::format("{},{},{}", sql_text(owner.pipeline), sql_text(owner.instance), owner.run_ms);
}

std::string owned_by(const HistoryOwner& owner) {
  return fmt::format("pipeline = {} AND instance = {}", sql_text(owner.pipeline), sql_text(owner.instance));
}

std::string whose(std::string_view pipeline, std::string_view instance) {
  std::string text = "pipeline = " + sql_text(pipeline);
  if (!instance.empty()) text += " AND instance = " + sql_text(instance);
  return text;
}

std::string batch_values(const std::string& owner, const BatchRow& row) {
  return fmt::format(
      "({},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{})", owner, row.worker,
      row.number, sql_text(row.config_hash), sql_text(to_string(row.result)), row.submitted_wall_ms, row.opened_wall_ms,
      row.completed_wall_ms, row.interval_ms, row.records, row.bytes, row.sent, row.filtered, row.unmatched, row.dead,
      row.dropped, sql_text(errors_json(row.rejected)), row.recoveries, ms(row.scheduling_seconds),
      ms(row.processing_seconds()), ms(row.delay_seconds), phase_ms(row, BatchPhase::read),
      phase_ms(row, BatchPhase::process), phase_ms(row, BatchPhase::send), phase_ms(row, BatchPhase::audit),
      phase_ms(row, BatchPhase::commit), phase_ms(row, BatchPhase::recovery), phase_ms(row, BatchPhase::total));
}

}  // namespace

std::string sql_text(std::string_view text) {
  std::string literal = "'";
  for (const char c : escape_for_log(text, kTextBytesMax)) {
    literal += c;
    if (c == '\'') literal += c;
  }
  return literal + "'";
}

std::string history_schema(SqlConnection::Dialect dialect) {
  const bool sqlite = dialect == SqlConnection::Dialect::sqlite;
  const std::string clock =
      sqlite ? "CREATE VIEW IF NOT EXISTS clock AS SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) "
               "AS now_ms;\n"
             : "CREATE OR REPLACE VIEW clock AS SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint) AS now_ms;\n";
  // Several instances may come at once to a database without tables.
  return std::string(sqlite ? "BEGIN;\n" : "BEGIN; SELECT pg_advisory_xact_lock(7234019384125);\n") +
         R"(CREATE TABLE IF NOT EXISTS batches (
  pipeline text NOT NULL, instance text NOT NULL, run_ms bigint NOT NULL,
  worker integer NOT NULL, number bigint NOT NULL, config text NOT NULL, result text NOT NULL,
  submitted_ms bigint NOT NULL, started_ms bigint NOT NULL, completed_ms bigint NOT NULL, interval_ms bigint NOT NULL,
  received bigint NOT NULL, received_bytes bigint NOT NULL, sent bigint NOT NULL, filtered bigint NOT NULL,
  unmatched bigint NOT NULL, dead bigint NOT NULL, dropped bigint NOT NULL, errors text NOT NULL,
  recoveries integer NOT NULL, scheduling_delay_ms double precision NOT NULL, processing_ms double precision NOT NULL,
  total_delay_ms double precision NOT NULL, read_ms double precision NOT NULL, process_ms double precision NOT NULL,
  send_ms double precision NOT NULL, audit_ms double precision NOT NULL, commit_ms double precision NOT NULL,
  recovery_ms double precision NOT NULL, open_ms double precision NOT NULL,
  PRIMARY KEY (pipeline, instance, run_ms, worker, number));
CREATE INDEX IF NOT EXISTS batches_completed ON batches (completed_ms);
CREATE TABLE IF NOT EXISTS events (
  pipeline text NOT NULL, instance text NOT NULL, run_ms bigint NOT NULL, number bigint NOT NULL,
  at_ms bigint NOT NULL, kind text NOT NULL, subject text NOT NULL, text text NOT NULL,
  PRIMARY KEY (pipeline, instance, run_ms, number));
CREATE INDEX IF NOT EXISTS events_at ON events (at_ms);
)" + clock +
         "COMMIT";
}

std::string history_insert(const HistoryOwner& owner, std::span<const BatchRow> batches,
                           std::span<const NumberedEvent> events) {
  const std::string values = owner_values(owner);
  std::string sql = "BEGIN;\n";
  if (!batches.empty()) {
    sql += "INSERT INTO batches VALUES\n";
    for (const BatchRow& row : batches) sql += batch_values(values, row) + (&row == &batches.back() ? "" : ",\n");
    sql += "\nON CONFLICT DO NOTHING;\n";
  }
  if (!events.empty()) {
    sql += "INSERT INTO events VALUES\n";
    for (const NumberedEvent& each : events) {
      sql += fmt::format("({},{},{},{},{},{}){}", values, each.number, each.event.at_ms, sql_text(each.event.kind),
                         sql_text(each.event.subject), sql_text(each.event.text), &each == &events.back() ? "" : ",\n");
    }
    sql += "\nON CONFLICT DO NOTHING;\n";
  }
  return sql + "COMMIT";
}

std::string history_forget(const HistoryOwner& owner, SqlConnection::Dialect dialect, int64_t before_ms,
                           int64_t rows_max) {
  const std::string row_id = dialect == SqlConnection::Dialect::sqlite ? "rowid" : "ctid";
  const std::string whose_rows = owned_by(owner);
  const auto forget = [&](std::string_view table, std::string_view condition) {
    return fmt::format("DELETE FROM {0} WHERE {1} IN (SELECT {1} FROM {0} WHERE {2} AND {3} LIMIT {4});\n", table,
                       row_id, whose_rows, condition, kForgetRows);
  };
  return forget("batches", fmt::format("completed_ms < {}", before_ms)) +
         forget("events", fmt::format("at_ms < {}", before_ms)) +
         forget("batches", fmt::format("completed_ms < (SELECT completed_ms FROM batches WHERE {} ORDER BY "
                                       "completed_ms DESC LIMIT 1 OFFSET {})",
                                       whose_rows, rows_max - 1));
}

std::string history_newest(const HistoryOwner& owner) {
  const auto newest = [&owner](std::string_view table, std::string_view time) {
    return fmt::format(
        "SELECT * FROM (SELECT {1} AS at FROM {0} WHERE {2} AND run_ms <> {3} ORDER BY {1} DESC LIMIT 1) AS {0}_at",
        table, time, owned_by(owner), owner.run_ms);
  };
  return fmt::format("SELECT max(at) FROM ({} UNION ALL {}) AS newest", newest("batches", "completed_ms"),
                     newest("events", "at_ms"));
}

std::string history_batches(std::string_view pipeline, std::string_view instance, int64_t last) {
  return fmt::format(
      "SELECT * FROM (SELECT * FROM batches WHERE {} ORDER BY completed_ms DESC, worker, number DESC LIMIT {}) AS "
      "newest "
      "ORDER BY completed_ms, worker, number",
      whose(pipeline, instance), last);
}

std::string history_events(std::string_view pipeline, std::string_view instance, int64_t last) {
  return fmt::format(
      "SELECT * FROM (SELECT * FROM events WHERE {} ORDER BY at_ms DESC, run_ms DESC, number DESC LIMIT {}) AS newest "
      "ORDER BY at_ms, run_ms, number",
      whose(pipeline, instance), last);
}

}  // namespace millrace
