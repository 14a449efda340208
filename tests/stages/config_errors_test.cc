// Wrong configs of stages and the text that people get for them: tests/stages/bad/*.yaml, a map of stages each, with
// the text in *.expected. UPDATE_GOLDEN=1 rewrites the texts: read the difference.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load.h"
#include "stages/registry.h"
#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string problems_of(const fs::path& path, const expr::TableSet& tables) {
  config::Diagnostics diagnostics;
  const auto document = config::load_document(read_file(path), diagnostics);
  REQUIRE(document != nullptr);
  expr::FieldPlan plan;
  expr::Compiler compiler({}, plan, &tables);
  for (const auto& [name, body] : document->members) {
    REQUIRE(body.members.size() == 1);
    const auto& kinds = stage_kinds();
    const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                   [&](const StageKind* k) { return k->name == body.members.front().key.text; });
    REQUIRE(kind != kinds.end());
    StageSetup setup{diagnostics, body.members.front().value, compiler, plan, "stage `" + name.text + "`"};
    INFO(name.text);
    CHECK((*kind)->read(setup).make == nullptr);
  }
  return diagnostics.text(path.filename().string());
}

}  // namespace

TEST_CASE("Every wrong stage gets its text") {
  const bool update = std::getenv("UPDATE_GOLDEN") != nullptr;
  const fs::path root = source_folder();
  expr::TableSet tables;
  auto languages = expr::load_table((root / "tests/data/ref/wiki-languages.csv").string(), "channel", {});
  REQUIRE(languages);
  tables.add("languages", std::move(*languages));
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(root / "tests/stages/bad")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    INFO(entry.path().string());
    const std::string text = problems_of(entry.path(), tables);
    fs::path expected = entry.path();
    expected.replace_extension(".expected");
    if (update) std::ofstream(expected, std::ios::binary) << text;
    CHECK(text == read_file(expected));
  }
  CHECK(files == stage_kinds().size());
}

}  // namespace millrace
