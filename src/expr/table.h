// Table: reference data that lookup('table', key) reads; loaded from CSV or JSON Lines before the first batch.
// A TableSet is built by the main thread, immutable afterwards, and read by every worker.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/error.h"
#include "expr/value.h"

namespace millrace::expr {

// Rows by key. A row is a map from column name to value (CSV: strings; JSON Lines: as in the document).
class Table {
 public:
  virtual ~Table() = default;
  // The row, or Kind::absent. A key of another kind than string is looked up by its text (int 5 finds "5").
  [[nodiscard]] virtual Value find(const Value& key) const = 0;
  [[nodiscard]] virtual size_t rows() const = 0;
  [[nodiscard]] virtual size_t memory_bytes() const = 0;
};

struct TableLimits {
  uint64_t max_file_bytes = 256ULL * 1024 * 1024;
  uint64_t max_rows = 10'000'000;
};

// The format is the file's ending: .csv (RFC 4180, first row names the columns) or .jsonl. Errors name file, line and
// cause: a missing file or key column, a file that is written to while it is read, a duplicate key, a ragged row, text
// that is not UTF-8 or not JSON.
Result<std::unique_ptr<Table>> load_table(const std::string& file, const std::string& key_column,
                                          const TableLimits& limits);

// What tells one version of a file from another without reading it.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = -1;  // -1: there is no such file
  int64_t changed_ns = 0;
  auto operator<=>(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::string& file);

// Shared by the versions of a pipeline whose file of this table is the same.
using TableShare = std::shared_ptr<const Table>;

class TableSet {
 public:
  void add(const std::string& name, TableShare table) { tables_[name] = std::move(table); }
  // Null when there is none of this name.
  [[nodiscard]] const Table* find(std::string_view name) const {
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : found->second.get();
  }
  [[nodiscard]] const std::map<std::string, TableShare, std::less<>>& all() const { return tables_; }

 private:
  std::map<std::string, TableShare, std::less<>> tables_;
};

}  // namespace millrace::expr
