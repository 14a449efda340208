#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <atomic>

#include "base/text.h"
#include "status/sql_connection.h"

namespace millrace {
namespace {

class PostgresConnection final : public SqlConnection {
 public:
  PostgresConnection(std::string connection, const SqlLimits& limits, const Clock& clock)
      : connection_(std::move(connection)), limits_(limits), clock_(clock) {}
  ~PostgresConnection() override { close(); }
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  Result<void> execute(const std::string& sql) override {
    TRY_ASSIGN(const SqlRows rows, query(sql));
    static_cast<void>(rows);
    return {};
  }

  Result<SqlRows> query(const std::string& sql) override {
    deadline_ms_ = clock_.mono_ms() + limits_.limit_ms;
    if (database_ != nullptr && PQstatus(database_) != CONNECTION_OK) close();
    if (database_ == nullptr) {
      TRY(connect());
      TRY(ask("SET standard_conforming_strings = on; SET client_min_messages = warning"));
    }
    return ask(sql);
  }

  void give_up() override { giving_up_.store(true); }
  [[nodiscard]] Dialect dialect() const override { return Dialect::postgresql; }
  [[nodiscard]] std::string name() const override { return "postgresql"; }

 private:
  // Every step waits for the socket, never inside the library, so that a server that stands still costs the limit.
  Result<void> connect() {
    database_ = PQconnectStart(connection_.c_str());
    if (database_ == nullptr) return fail(Remedy::retry, "postgresql: no memory for a connection");
    if (PQstatus(database_) == CONNECTION_BAD) return lost("connecting");
    for (auto step = PGRES_POLLING_WRITING; step != PGRES_POLLING_OK; step = PQconnectPoll(database_)) {
      if (step == PGRES_POLLING_FAILED) return lost("connecting");
      if (!wait(step == PGRES_POLLING_READING ? POLLIN : POLLOUT)) return late("connecting");
    }
    PQsetnonblocking(database_, 1);
    PQsetNoticeProcessor(
        database_, [](void*, const char*) {}, nullptr);
    return {};
  }

  Result<SqlRows> ask(const std::string& sql) {
    if (PQsendQuery(database_, sql.c_str()) == 0) return lost("sending");
    for (int left = PQflush(database_); left != 0; left = PQflush(database_)) {
      if (left < 0) return lost("sending");
      if (!wait(POLLOUT | POLLIN)) return late("sending");
      if (PQconsumeInput(database_) == 0) return lost("sending");
    }
    SqlRows rows;
    std::string problem;
    while (true) {
      while (PQisBusy(database_) != 0) {
        if (!wait(POLLIN)) return late("waiting for an answer");
        if (PQconsumeInput(database_) == 0) return lost("waiting for an answer");
      }
      PGresult* result = PQgetResult(database_);
      if (result == nullptr) break;
      const ExecStatusType status = PQresultStatus(result);
      if (status == PGRES_TUPLES_OK) {
        take(result, rows);
      } else if (status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
        problem = PQresultErrorMessage(result);
      }
      PQclear(result);
    }
    if (problem.empty()) return rows;
    if (PQtransactionStatus(database_) != PQTRANS_IDLE) close();  // the next call begins anew
    return fail(Remedy::retry, "postgresql: " + one_line(problem));
  }

  static void take(const PGresult* result, SqlRows& rows) {
    rows = {};
    const int columns = PQnfields(result);
    for (int i = 0; i < columns; ++i) {
      rows.columns.emplace_back(PQfname(result, i));
      const Oid type = PQftype(result, i);
      // int8, int2, int4, float4, float8, numeric
      rows.numeric.push_back(type == 20 || type == 21 || type == 23 || type == 700 || type == 701 || type == 1700);
    }
    for (int row = 0; row < PQntuples(result); ++row) {
      auto& to = rows.rows.emplace_back();
      for (int i = 0; i < columns; ++i) {
        to.push_back(PQgetisnull(result, row, i) != 0 ? std::nullopt
                                                      : std::optional<std::string>(PQgetvalue(result, row, i)));
      }
    }
  }

  bool wait(short events) {
    constexpr int64_t kLookMs = 50;
    while (!giving_up_.load()) {
      const int64_t left_ms = deadline_ms_ - clock_.mono_ms();
      if (left_ms <= 0) return false;
      pollfd poll_fd{PQsocket(database_), events, 0};
      if (poll(&poll_fd, 1, static_cast<int>(std::min(left_ms, kLookMs))) > 0) return true;
    }
    return false;
  }

  tl::unexpected<Error> lost(const char* doing) {
    std::string text = fmt::format("postgresql: {}: {}", doing, one_line(PQerrorMessage(database_)));
    close();
    return fail(Remedy::retry, std::move(text));
  }
  tl::unexpected<Error> late(const char* doing) {
    close();
    return fail(Remedy::retry, fmt::format("postgresql: {}: {} are over", doing, format_duration_ms(limits_.limit_ms)));
  }

  static std::string one_line(std::string_view text) {
    std::string line(trim(text));
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
  }

  void close() {
    PQfinish(database_);
    database_ = nullptr;
  }

  const std::string connection_;
  const SqlLimits limits_;
  const Clock& clock_;
  PGconn* database_ = nullptr;
  int64_t deadline_ms_ = 0;
  std::atomic<bool> giving_up_{false};
};

}  // namespace

std::unique_ptr<SqlConnection> make_postgres(std::string connection, const SqlLimits& limits, const Clock& clock) {
  return std::make_unique<PostgresConnection>(std::move(connection), limits, clock);
}

}  // namespace millrace
