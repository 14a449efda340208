// The history as SQL: the tables, what writes a row, what forgets old ones. Pure functions; any thread.
//
// One text for SQLite and PostgreSQL wherever they agree, so that a query of runbooks/tuning/history.md serves both.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/snapshot.h"
#include "status/event.h"
#include "status/sql_connection.h"

namespace millrace {

// Whose rows they are. A row is known by this and its number, so that one that is written twice stands there once.
struct HistoryOwner {
  std::string pipeline;
  std::string instance;
  int64_t run_ms = 0;  // when the process was started
};

struct NumberedEvent {
  uint64_t number = 0;
  Event event;
};

// Text as a literal: what is no plain text is escaped, quotes are doubled.
std::string sql_text(std::string_view text);

// Makes what is not there yet: tables `batches` and `events`, their indexes, and the view `clock`.
std::string history_schema(SqlConnection::Dialect dialect);

// One transaction. Rows that stand there already are left as they are.
std::string history_insert(const HistoryOwner& owner, std::span<const BatchRow> batches,
                           std::span<const NumberedEvent> events);

// Deletes this instance's rows from before `before_ms`, and its batches beyond the newest `rows_max`; at most
// kForgetRows of each in one call.
inline constexpr int64_t kForgetRows = 20'000;
std::string history_forget(const HistoryOwner& owner, SqlConnection::Dialect dialect, int64_t before_ms,
                           int64_t rows_max);

// One row with one number: when the newest batch or event of this instance's earlier runs was; NULL without one.
std::string history_newest(const HistoryOwner& owner);

// The newest `last` rows, the oldest of them first. An empty instance: all instances of the pipeline.
std::string history_batches(std::string_view pipeline, std::string_view instance, int64_t last);
std::string history_events(std::string_view pipeline, std::string_view instance, int64_t last);

}  // namespace millrace
