// The examples of runbooks/reference/expressions.md: every line `EXPR // => RESULT` of its `cel` blocks is evaluated on
// the record of its `json` block, and every function of the library stands on the page.
#include <fstream>
#include <string>
#include <vector>

#include "expr/functions.h"
#include "support/expr_rig.h"
#include "support/source_folder.h"

#include "support/catch.h"  // after base/check.h: both have a CHECK

using namespace millrace;
using namespace millrace::expr;
using millrace::test::ExprRig;

namespace {

class Users final : public Table {
 public:
  [[nodiscard]] Value find(const Value& key) const override {
    static const MapEntry kRow[] = {{Value::string("id"), Value::string("7")},
                                    {Value::string("tier"), Value::string("gold")}};
    const bool known = (key.is(Kind::integer) && key.as_int() == 7) || (key.is(Kind::string) && key.text() == "7");
    return known ? Value::map(kRow, 2) : Value();
  }
  [[nodiscard]] size_t rows() const override { return 1; }
  [[nodiscard]] size_t memory_bytes() const override { return 0; }
};

struct Page {
  std::string text;
  std::string record;
  std::vector<std::pair<std::string, std::string>> examples;
};

Page read_page() {
  Page page;
  std::ifstream in(source_folder() + "/runbooks/reference/expressions.md");
  std::string line;
  std::string block;
  while (std::getline(in, line)) {
    page.text += line + "\n";
    if (line.starts_with("```")) {
      block = line.substr(3);
      continue;
    }
    if (block == "json") page.record += line;
    const size_t arrow = line.find(" // => ");
    if (block == "cel" && arrow != std::string::npos) {
      page.examples.emplace_back(line.substr(0, arrow), line.substr(arrow + 7));
    }
  }
  return page;
}

}  // namespace

TEST_CASE("the examples of the page of expressions hold") {
  const Page page = read_page();
  REQUIRE(page.examples.size() > 150);
  REQUIRE(!page.record.empty());
  TableSet tables;
  tables.add("users", std::make_unique<Users>());
  ExprRig rig;
  rig.tables = &tables;
  rig.value = page.record;
  rig.record.key = Bytes("user-7");
  const Header headers[] = {{"source", Bytes("web")}, {"hop", Bytes("a")}, {"hop", Bytes("b")}};
  rig.record.headers = headers;
  for (const auto& [expression, wanted] : page.examples) {
    INFO(expression);
    std::string got = rig.text(expression);
    if (wanted.starts_with("error ")) got = "error " + got.substr(0, got.find(':'));
    CHECK(got == wanted);
  }
}

TEST_CASE("every function stands on the page of expressions") {
  const Page page = read_page();
  for (const bool method : {false, true}) {
    for (const std::string& name : function_names(method)) {
      INFO(name);
      CHECK(page.text.find((method ? "." : "") + name + "(") != std::string::npos);
    }
  }
}
