// Bad configs and the text that people get for them. UPDATE_GOLDEN=1 rewrites the expected texts: read the difference.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/parse.h"
#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace::config {

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<fs::path> yaml_files(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(source_folder()) / folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// As `millrace check` reads it: nobody resolves references.
Diagnostics problems_of(const fs::path& path) {
  ParseContext context;
  context.stage_kinds = {"filter", "classify", "decorate"};
  context.host_name = "host";
  context.default_state_directory = "/var/lib/millrace";
  Diagnostics diagnostics;
  static_cast<void>(parse_pipeline(path.filename().string(), read_file(path), context, diagnostics));
  return diagnostics;
}

}  // namespace

TEST_CASE("every bad config gets its text") {
  const bool update = std::getenv("UPDATE_GOLDEN") != nullptr;
  const auto files = yaml_files("tests/config/bad");
  CHECK(files.size() >= 40);
  for (const fs::path& file : files) {
    INFO(file.filename().string());
    const Diagnostics problems = problems_of(file);
    CHECK(problems.has_errors());
    const std::string text = problems.text(file.filename().string());
    fs::path expected = file;
    expected.replace_extension(".expected");
    if (update) std::ofstream(expected, std::ios::binary) << text;
    CHECK(text == read_file(expected));
  }
}

TEST_CASE("every good config has no problem") {
  for (const char* folder : {"tests/config/good", "config"}) {
    for (const fs::path& file : yaml_files(folder)) {
      INFO(file.string());
      CHECK(problems_of(file).text("").empty());
    }
  }
}

TEST_CASE("no expected text without its config") {
  for (const auto& entry : fs::directory_iterator(fs::path(source_folder()) / "tests/config/bad")) {
    fs::path yaml = entry.path();
    INFO(yaml.string());
    CHECK(fs::exists(yaml.replace_extension(".yaml")));
  }
}

}  // namespace millrace::config
