#include "expr/table.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "expr/csv.h"
#include "expr/decoder.h"
#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace::expr {

namespace {

class TableFile {
 public:
  TableFile(const std::string& ending, const std::string& text)
      : path((std::filesystem::temp_directory_path() / ("millrace-table-" + std::to_string(getpid()) + ending))
                 .string()) {
    std::ofstream(path, std::ios::binary) << text;
  }
  ~TableFile() { std::filesystem::remove(path); }
  const std::string path;
};

std::string problem(const std::string& ending, const std::string& text, const TableLimits& limits = {}) {
  const TableFile file(ending, text);
  const auto table = load_table(file.path, "id", limits);
  if (table) return "(loaded)";
  CHECK(table.error().exit_code == ExitCode::config);
  const std::string& what = table.error().what;
  const size_t at = what.find(ending);
  return at == std::string::npos ? what : what.substr(at + ending.size());
}

std::string cell(const Value& row, std::string_view column) {
  if (!row.is(Kind::map)) return "(no row)";
  for (uint32_t i = 0; i < row.count(); ++i) {
    if (row.entries()[i].key.text() == column) return std::string(row.entries()[i].value.text());
  }
  return "(no column)";
}

}  // namespace

TEST_CASE("CSV: quotes, line ends, a byte order mark") {
  const TableFile file(
      ".csv", "\xEF\xBB\xBFid,name,note\r\n1,one,\r\n\"2\",\"two, \"\"zwei\"\"\",\"a\nb\"\r\n\r\n3,,\"\"\n4, x ,y");
  const auto table = load_table(file.path, "id", {});
  REQUIRE(table);
  CHECK((*table)->rows() == 4);
  CHECK((*table)->memory_bytes() > 0);
  CHECK(cell((*table)->find(Value::string("1")), "name") == "one");
  CHECK(cell((*table)->find(Value::integer(2)), "name") == "two, \"zwei\"");
  CHECK(cell((*table)->find(Value::uinteger(2)), "note") == "a\nb");
  CHECK(cell((*table)->find(Value::floating(3.0)), "note").empty());
  CHECK(cell((*table)->find(Value::string("4")), "name") == " x ");
  CHECK((*table)->find(Value::string("5")).is_absent());
  CHECK((*table)->find(Value::null()).is_absent());
}

TEST_CASE("CSV that is broken names line and cause") {
  CHECK(problem(".csv", "") == ": is empty; the first row has to name the columns");
  CHECK(problem(".csv", "id,name\n1,a\n2\n") == ":3: the row has 1 fields, the first row 2");
  CHECK(problem(".csv", "id,name\n1,a,b\n") == ":2: the row has 3 fields, the first row 2");
  CHECK(problem(".csv", "id,name\n1,a\n1,b\n") == ":3: the key \"1\" is there already");
  CHECK(problem(".csv", "ids,name\n") ==
        ":1: no column \"id\"; did you mean \"ids\"? (the columns are `ids` and `name`)");
  CHECK(problem(".csv", "id,a,a\n") == ":1: two columns are called \"a\"");
  CHECK(problem(".csv", "id,,a\n") == ":1: column 2 has no name");
  CHECK(problem(".csv", "id,a\n1,\"x\n\n") == ":2: a quoted field that is not closed");
  CHECK(problem(".csv", "id,a\n1,\"x\ny\"z\n").find(":3: text behind the closing quote") == 0);
  CHECK(problem(".csv", "id,a\n1,x\"y\n").find(":2: a quote inside a field") == 0);
  CHECK(problem(".csv", "id,a\n1,b\n2,\xFF\n") == ":3: not UTF-8");
  TableLimits limits;
  limits.max_rows = 1;
  CHECK(problem(".csv", "id\n1\n2\n", limits) == ":3: more than 1 rows (`memory.table_rows`)");
  limits.max_file_bytes = 4;
  CHECK(problem(".csv", "id\n1\n2\n", limits) == ": has 7B; a table may have 4B (`memory.table_bytes`)");
}

TEST_CASE("JSON Lines") {
  const TableFile file(".jsonl",
                       "{\"id\":5,\"name\":\"five\",\"more\":{\"a\":[1]}}\n\n {\"name\":\"x\",\"id\":\"s\"}\r\n");
  const auto table = load_table(file.path, "id", {});
  REQUIRE(table);
  CHECK((*table)->rows() == 2);
  CHECK(cell((*table)->find(Value::integer(5)), "name") == "five");
  CHECK(cell((*table)->find(Value::string("5")), "name") == "five");
  CHECK(cell((*table)->find(Value::string("s")), "name") == "x");
  Arena arena;
  CHECK(to_json((*table)->find(Value::integer(5)), arena).text == R"({"id":5,"name":"five","more":{"a":[1]}})");
}

TEST_CASE("JSON Lines that are broken name line and cause") {
  CHECK(problem(".jsonl", "{\"id\":1}\n{\"id\":}\n") == ":2: not JSON");
  CHECK(problem(".jsonl", "[1]\n") == ":1: a row has to be a JSON object");
  CHECK(problem(".jsonl", "{\"ID\":1}\n") == ":1: no member \"id\"");
  CHECK(problem(".jsonl", "{\"id\":null}\n") == ":1: the key \"id\" is no string, number or bool");
  CHECK(problem(".jsonl", "{\"id\":1}\n{\"id\":\"1\"}\n") == ":2: the key \"1\" is there already");
}

TEST_CASE("Files that are no tables") {
  CHECK(problem(".txt", "id\n") == ": a table's file ends in .csv or .jsonl, which says how it is read");
  const auto missing = load_table("/nonexistent/x.csv", "id", {});
  REQUIRE(!missing);
  CHECK(missing.error().what == "/nonexistent/x.csv: cannot be opened: No such file or directory");
  const std::string directory = (std::filesystem::temp_directory_path() / "millrace-folder.csv").string();
  std::filesystem::create_directory(directory);
  const auto folder = load_table(directory, "id", {});
  std::filesystem::remove(directory);
  REQUIRE(!folder);
  CHECK(folder.error().what == directory + ": is no regular file");
}

TEST_CASE("The tables of the sample data") {
  const std::string root = source_folder();
  auto languages = load_table(root + "/tests/data/ref/wiki-languages.csv", "channel", {});
  REQUIRE(languages);
  CHECK((*languages)->rows() > 10);
  TableSet set;
  set.add("languages", std::move(*languages));
  CHECK(set.find("languages") != nullptr);
  CHECK(set.find("none") == nullptr);
}

}  // namespace millrace::expr
