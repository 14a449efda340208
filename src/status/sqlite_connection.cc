#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>

#include "base/thread.h"
#include "status/sql_connection.h"

namespace millrace {
namespace {

class SqliteConnection final : public SqlConnection {
 public:
  SqliteConnection(std::string path, bool read_only, const SqlLimits& limits, const Clock& clock)
      : path_(std::move(path)), read_only_(read_only), limits_(limits), clock_(clock) {}
  ~SqliteConnection() override { close(); }
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Result<void> execute(const std::string& sql) override {
    TRY(open());
    begin_call();
    char* message = nullptr;
    const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, &message);
    const std::string text = message != nullptr ? message : sqlite3_errstr(code);
    sqlite3_free(message);
    if (code == SQLITE_OK) return {};
    if (sqlite3_get_autocommit(database_) == 0) {
      begin_call();
      sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
    // What the file itself does not allow may be another one next time: moved away, or made anew.
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_IOERR || code == SQLITE_READONLY) close();
    return fail(Remedy::retry, fmt::format("{}: {}", path_, text));
  }

  Result<SqlRows> query(const std::string& sql) override {
    TRY(open());
    begin_call();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) return broken();
    SqlRows rows;
    const int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; ++i) rows.columns.emplace_back(sqlite3_column_name(statement, i));
    rows.numeric.assign(rows.columns.size(), false);
    int code = SQLITE_OK;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      auto& row = rows.rows.emplace_back();
      for (int i = 0; i < columns; ++i) {
        const int type = sqlite3_column_type(statement, i);
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
        row.push_back(text == nullptr ? std::nullopt : std::optional<std::string>(text));
        if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) rows.numeric[static_cast<size_t>(i)] = true;
      }
    }
    const Error error = broken().value();
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE) return fail(error);
    return rows;
  }

  void give_up() override { giving_up_.store(true); }
  [[nodiscard]] Dialect dialect() const override { return Dialect::sqlite; }
  [[nodiscard]] std::string name() const override { return path_; }

 private:
  Result<void> open() {
    if (database_ != nullptr) return {};
    if (!read_only_) return open_as(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    // A reader in a folder that it may not write to cannot take part in the log; what the file itself holds it can
    // read.
    const std::string address = "file:" + escaped(path_);
    auto opened = open_as(address + "?mode=ro", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    const std::string folder = path_.substr(0, path_.rfind('/') + 1);
    if (opened || access(folder.empty() ? "." : folder.c_str(), W_OK) == 0) return opened;
    return open_as(address + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  }

  Result<void> open_as(const std::string& address, int flags) {
    begin_call();
    if (sqlite3_open_v2(address.c_str(), &database_, flags | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
      auto error = broken();
      close();
      return error;
    }
    sqlite3_busy_handler(database_, &SqliteConnection::on_busy, this);
    constexpr int kInstructionsBetweenLooks = 10'000;
    sqlite3_progress_handler(database_, kInstructionsBetweenLooks, &SqliteConnection::on_progress, this);
    // The log lets readers read while rows are written, and a commit costs no fsync: what a crash of the machine takes
    // from a history is not worth one.
    const char* pragmas = read_only_ ? "SELECT count(*) FROM sqlite_master"
                                     : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                                       "PRAGMA journal_size_limit=16777216; PRAGMA temp_store=MEMORY";
    if (sqlite3_exec(database_, pragmas, nullptr, nullptr, nullptr) != SQLITE_OK) {
      auto error = broken();
      close();
      return error;
    }
    return {};
  }

  void close() {
    sqlite3_close_v2(database_);
    database_ = nullptr;
  }

  [[nodiscard]] tl::unexpected<Error> broken() const {
    return fail(Remedy::retry, fmt::format("{}: {}", path_, sqlite3_errmsg(database_)));
  }

  // For an address of the form file:PATH?...
  static std::string escaped(const std::string& path) {
    std::string text;
    for (const char c : path) {
      if (c == '%' || c == '?' || c == '#') {
        text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
      } else {
        text += c;
      }
    }
    return text;
  }

  void begin_call() { deadline_ms_ = clock_.mono_ms() + limits_.limit_ms; }
  [[nodiscard]] bool over() const { return giving_up_.load() || clock_.mono_ms() > deadline_ms_; }

  static int on_busy(void* self, int) {
    auto* connection = static_cast<SqliteConnection*>(self);
    if (connection->over()) return 0;
    constexpr int64_t kPauseMs = 10;
    (void)connection->pause_.wait(kPauseMs);
    return 1;
  }
  static int on_progress(void* self) { return static_cast<SqliteConnection*>(self)->over() ? 1 : 0; }

  const std::string path_;
  const bool read_only_;
  const SqlLimits limits_;
  const Clock& clock_;
  sqlite3* database_ = nullptr;
  int64_t deadline_ms_ = 0;
  WakeUp pause_;
  std::atomic<bool> giving_up_{false};
};

}  // namespace

std::unique_ptr<SqlConnection> make_sqlite(std::string path, const SqlLimits& limits, const Clock& clock) {
  return std::make_unique<SqliteConnection>(std::move(path), false, limits, clock);
}

std::unique_ptr<SqlConnection> make_sqlite_reader(std::string path, const SqlLimits& limits, const Clock& clock) {
  return std::make_unique<SqliteConnection>(std::move(path), true, limits, clock);
}

}  // namespace millrace
