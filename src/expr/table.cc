#include "expr/table.h"

#include <absl/container/flat_hash_map.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "expr/csv.h"
#include "expr/decoder.h"
#include "expr/number_text.h"

namespace millrace::expr {

namespace {

// The text under which a key is looked up; empty with `none` set when values of this kind are no keys.
std::string_view key_text(const Value& key, std::string& scratch, bool& none) {
  none = false;
  switch (key.kind()) {
    case Kind::string:
      return key.text();
    case Kind::integer:
      scratch = std::to_string(key.as_int());
      return scratch;
    case Kind::uinteger:
      scratch = std::to_string(key.as_uint());
      return scratch;
    case Kind::floating:
      scratch = double_text(key.as_double());
      return scratch;
    case Kind::boolean:
      return key.as_bool() ? "true" : "false";
    default:
      none = true;
      return {};
  }
}

class LoadedTable final : public Table {
 public:
  [[nodiscard]] Value find(const Value& key) const override {
    std::string scratch;
    bool none = false;
    const std::string_view text = key_text(key, scratch, none);
    const auto found = none ? rows_.end() : rows_.find(text);
    return found == rows_.end() ? Value() : found->second;
  }
  [[nodiscard]] size_t rows() const override { return rows_.size(); }
  [[nodiscard]] size_t memory_bytes() const override {
    return arena_.bytes() + rows_.capacity() * (sizeof(std::string_view) + sizeof(Value) + 1);
  }

  [[nodiscard]] Arena& arena() { return arena_; }
  // False: the key is there already. Key and row lie in the arena.
  bool add(std::string_view key, const Value& row) { return rows_.try_emplace(key, row).second; }

 private:
  Arena arena_;
  absl::flat_hash_map<std::string_view, Value> rows_;
};

tl::unexpected<Error> bad_table(const std::string& file, int line, const std::string& problem) {
  const std::string place = line > 0 ? fmt::format("{}:{}", file, line) : file;
  return fail(Remedy::fix_config, place + ": " + problem, ExitCode::config);
}

Result<std::string> read_file(const std::string& file, uint64_t max_bytes) {
  const auto reason = [](int error) { return std::generic_category().message(error); };
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return bad_table(file, 0, "cannot be opened: " + reason(errno));
  struct stat info {};
  std::string text;
  std::string problem;
  if (fstat(descriptor, &info) != 0) {
    problem = "cannot be read: " + reason(errno);
  } else if (!S_ISREG(info.st_mode)) {
    problem = "is no regular file";
  } else if (static_cast<uint64_t>(info.st_size) > max_bytes) {
    problem = fmt::format("has {}; a table may have {} (`memory.table_bytes`)", format_bytes(info.st_size),
                          format_bytes(static_cast<int64_t>(max_bytes)));
  }
  constexpr size_t kStep = 1024 * 1024;
  while (problem.empty()) {
    const size_t before = text.size();
    text.resize(before + kStep);
    const ssize_t got = read(descriptor, text.data() + before, kStep);
    text.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) problem = "cannot be read: " + reason(errno);
    if (text.size() > max_bytes) problem = "grew beyond what a table may have (`memory.table_bytes`) while it was read";
  }
  close(descriptor);
  if (!problem.empty()) return bad_table(file, 0, problem);
  return text;
}

std::string no_column(const std::string& key_column, const std::vector<std::string>& columns) {
  std::string problem = fmt::format("no column \"{}\"", key_column);
  const std::string near = nearest(key_column, columns);
  if (!near.empty()) problem += fmt::format("; did you mean \"{}\"?", near);
  return problem + fmt::format(" (the columns are {})", quoted_list(columns));
}

// The first row names the columns. Gives the position of the key's column.
Result<size_t> read_columns(CsvReader& reader, const std::string& file, const std::string& key_column,
                            std::vector<std::string>& columns) {
  const CsvReader::Step step = reader.next(columns);
  if (step == CsvReader::Step::broken) return bad_table(file, reader.line(), reader.problem());
  if (step == CsvReader::Step::end) return bad_table(file, 0, "is empty; the first row has to name the columns");
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty()) return bad_table(file, reader.line(), fmt::format("column {} has no name", i + 1));
    if (std::find(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(i), columns[i]) !=
        columns.begin() + static_cast<std::ptrdiff_t>(i)) {
      return bad_table(file, reader.line(), fmt::format("two columns are called \"{}\"", columns[i]));
    }
  }
  const auto key = std::find(columns.begin(), columns.end(), key_column);
  if (key == columns.end()) return bad_table(file, reader.line(), no_column(key_column, columns));
  return static_cast<size_t>(key - columns.begin());
}

Result<std::unique_ptr<Table>> load_csv(std::string_view text, const std::string& file, const std::string& key_column,
                                        const TableLimits& limits) {
  auto table = std::make_unique<LoadedTable>();
  Arena& arena = table->arena();
  CsvReader reader(text);
  std::vector<std::string> columns;
  TRY_ASSIGN(const size_t key, read_columns(reader, file, key_column, columns));
  std::vector<Value> names;
  for (const std::string& column : columns) names.push_back(Value::string(arena.copy(column)));
  std::vector<std::string> fields;
  for (;;) {
    const CsvReader::Step step = reader.next(fields);
    if (step == CsvReader::Step::broken) return bad_table(file, reader.line(), reader.problem());
    if (step == CsvReader::Step::end) break;
    if (fields.size() != columns.size()) {
      return bad_table(file, reader.line(),
                       fmt::format("the row has {} fields, the first row {}", fields.size(), columns.size()));
    }
    if (table->rows() >= limits.max_rows) {
      return bad_table(file, reader.line(), fmt::format("more than {} rows (`memory.table_rows`)", limits.max_rows));
    }
    const std::span<MapEntry> row = arena.make_array<MapEntry>(fields.size());
    for (size_t i = 0; i < fields.size(); ++i) row[i] = {names[i], Value::string(arena.copy(fields[i]))};
    if (!table->add(row[key].value.text(), Value::map(row.data(), static_cast<uint32_t>(row.size())))) {
      return bad_table(file, reader.line(),
                       fmt::format("the key \"{}\" is there already", escape_for_log(fields[key], 80)));
    }
  }
  return table;
}

const Value* member(const Value& map, std::string_view name) {
  for (uint32_t i = 0; i < map.count(); ++i) {
    if (map.entries()[i].key.text() == name) return &map.entries()[i].value;
  }
  return nullptr;
}

Result<void> add_json_row(LoadedTable& table, std::string_view text, const std::string& file, int line,
                          const std::string& key_column) {
  Arena& arena = table.arena();
  // Values of strings without escapes are views: they must not die with the file's text.
  const Value row = from_json(arena.copy(text), arena);
  if (row.is_error()) return bad_table(file, line, "not JSON");
  if (!row.is(Kind::map)) return bad_table(file, line, "a row has to be a JSON object");
  const Value* key = member(row, key_column);
  if (key == nullptr) return bad_table(file, line, fmt::format("no member \"{}\"", key_column));
  std::string scratch;
  bool none = false;
  const std::string_view name = key_text(*key, scratch, none);
  if (none) return bad_table(file, line, fmt::format("the key \"{}\" is no string, number or bool", key_column));
  if (!table.add(arena.copy(name), row)) {
    return bad_table(file, line, fmt::format("the key \"{}\" is there already", escape_for_log(name, 80)));
  }
  return {};
}

Result<std::unique_ptr<Table>> load_json_lines(std::string_view text, const std::string& file,
                                               const std::string& key_column, const TableLimits& limits) {
  auto table = std::make_unique<LoadedTable>();
  int line = 0;
  for (const std::string_view row : split(text, '\n')) {
    ++line;
    if (trim(row).empty()) continue;
    if (table->rows() >= limits.max_rows)
      return bad_table(file, line, fmt::format("more than {} rows (`memory.table_rows`)", limits.max_rows));
    TRY(add_json_row(*table, row, file, line, key_column));
  }
  return table;
}

// The line of the first byte that is not UTF-8.
int line_of_bad_utf8(std::string_view text) {
  int line = 1;
  for (const std::string_view row : split(text, '\n')) {
    if (!is_valid_utf8(row)) return line;
    ++line;
  }
  return line;
}

}  // namespace

FileStamp stamp_of(const std::string& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Result<std::unique_ptr<Table>> load_table(const std::string& file, const std::string& key_column,
                                          const TableLimits& limits) {
  const bool csv = file.ends_with(".csv");
  if (!csv && !file.ends_with(".jsonl")) {
    return bad_table(file, 0, "a table's file ends in .csv or .jsonl, which says how it is read");
  }
  const FileStamp before = stamp_of(file);
  TRY_ASSIGN(const std::string whole, read_file(file, limits.max_file_bytes));
  if (stamp_of(file) != before) return bad_table(file, 0, "was changed while it was read");
  std::string_view text = whole;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // spreadsheets write one
  if (!is_valid_utf8(text)) return bad_table(file, line_of_bad_utf8(text), "not UTF-8");
  return csv ? load_csv(text, file, key_column, limits) : load_json_lines(text, file, key_column, limits);
}

}  // namespace millrace::expr
