// SqlConnection: a database behind the history. Text in, rows out, and no call longer than its limit, so that the
// thread that calls it can always be stopped.
//
// Owned and used by one thread; give_up() may be called by any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace millrace {

struct SqlRows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;  // none: NULL
  std::vector<bool> numeric;                                  // by column, as far as a value told
};

class SqlConnection {
 public:
  enum class Dialect : uint8_t { sqlite, postgresql };

  virtual ~SqlConnection() = default;

  // Connects where that is still to be done. One statement or several with `;` between them; SQLite and PostgreSQL
  // both take a BEGIN and a COMMIT among them. An error leaves no transaction open; where the connection is at fault,
  // the next call connects anew.
  virtual Result<void> execute(const std::string& sql) = 0;

  // One statement.
  virtual Result<SqlRows> query(const std::string& sql) = 0;

  // Whatever runs now or later ends soon, with an error.
  virtual void give_up() = 0;

  [[nodiscard]] virtual Dialect dialect() const = 0;
  // For the log and the page: a path, or "postgresql". No secret.
  [[nodiscard]] virtual std::string name() const = 0;
};

// `clock` outlives the connection; `limit_ms` is that of each call.
struct SqlLimits {
  int64_t limit_ms = 5'000;
};
std::unique_ptr<SqlConnection> make_sqlite(std::string path, const SqlLimits& limits, const Clock& clock);
// Writes nothing, and works while another process writes.
std::unique_ptr<SqlConnection> make_sqlite_reader(std::string path, const SqlLimits& limits, const Clock& clock);
std::unique_ptr<SqlConnection> make_postgres(std::string connection, const SqlLimits& limits, const Clock& clock);

}  // namespace millrace
