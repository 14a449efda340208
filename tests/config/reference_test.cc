// The reference page says what the code does: its tables are made from the code's own. UPDATE_GOLDEN=1 rewrites them.
#include <fmt/core.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "config/knobs.h"
#include "config/parse.h"
#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace::config {

namespace {

const std::string kPage = source_folder() + "/runbooks/reference/configuration.md";

std::string read_page() {
  std::ifstream file(kPage);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What stands between `<!-- name -->` and the next `<!-- end -->`.
struct Part {
  size_t begin = 0;
  size_t size = 0;
};

Part part_of(const std::string& page, const std::string& name) {
  const std::string mark = "<!-- " + name + " -->\n";
  const size_t begin = page.find(mark);
  REQUIRE(begin != std::string::npos);
  const size_t end = page.find("<!-- end -->", begin);
  REQUIRE(end != std::string::npos);
  return {begin + mark.size(), end - begin - mark.size()};
}

std::string knob_table() {
  std::string text = "| knob | default | range | applies | meaning |\n| --- | --- | --- | --- | --- |\n";
  for (const KnobInfo& knob : all_knobs()) {
    text += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", knob.path, knob_default_text(knob), knob_range_text(knob),
                        knob.live ? "live" : "restart", knob.help);
  }
  return text;
}

std::string property_list() {
  std::string text;
  for (const std::string_view name : allowed_kafka_properties()) text += fmt::format("- `{}`\n", name);
  return text;
}

}  // namespace

TEST_CASE("the reference page has the code's tables") {
  const bool update = std::getenv("UPDATE_GOLDEN") != nullptr;
  std::string page = read_page();
  for (const auto& [name, wanted] : {std::pair{"knobs", knob_table()}, std::pair{"properties", property_list()}}) {
    INFO(name);
    Part part = part_of(page, name);
    if (update) {
      page.replace(part.begin, part.size, wanted);
      std::ofstream(kPage) << page;
      part = part_of(page, name);
    }
    CHECK(page.substr(part.begin, part.size) == wanted);
  }
}

TEST_CASE("the examples of the reference page are good") {
  const std::string page = read_page();
  const size_t begin = page.find("```yaml\npipeline:") + 8;
  const std::string example = page.substr(begin, page.find("```", begin) - begin);
  ParseContext context;
  context.stage_kinds = {"filter", "classify", "decorate"};
  context.host_name = "host";
  Diagnostics diagnostics;
  CHECK(parse_pipeline("page.yaml", example, context, diagnostics).has_value());
  CHECK(diagnostics.text("page.yaml").empty());
}

// The page names each key that some part of the file understands: what an error about an unknown key would list.
TEST_CASE("the reference page names every key") {
  const std::string page = read_page();
  const std::string unknown = R"(pipeline: p
zz: 1
kafka: {brokers: [a:1], zz: 1}
stop: {zz: 1}
http: {zz: 1}
log: {zz: 1}
state: {zz: 1}
sources: {a: {topics: [a], zz: 1}}
tables: {t: {file: t.csv, key: k, zz: 1}}
stages: {s: {from: a, filter: "true", zz: 1}}
destinations: {d: {from: s, topic: d, zz: 1}}
dead_letters: {topic: dead, zz: 1}
)";
  ParseContext context;
  context.stage_kinds = {"filter", "classify", "decorate"};
  Diagnostics diagnostics;
  static_cast<void>(parse_pipeline("f", unknown, context, diagnostics));
  size_t keys = 0;
  for (const Diagnostic& diagnostic : diagnostics.sorted()) {
    const size_t list = diagnostic.text.find("there are ");
    if (list == std::string::npos) continue;
    for (size_t begin = diagnostic.text.find('`', list); begin != std::string::npos;) {
      const size_t end = diagnostic.text.find('`', begin + 1);
      const std::string key = diagnostic.text.substr(begin + 1, end - begin - 1);
      INFO(key);
      const bool named = page.find("`" + key + "`") != std::string::npos ||
                         page.find("`" + key + ".") != std::string::npos ||
                         page.find("." + key + "`") != std::string::npos || page.find("## " + key) != std::string::npos;
      CHECK((named || key == "registry"));  // the empty map is taken, and means nothing in this version
      ++keys;
      begin = diagnostic.text.find('`', end + 1);
    }
  }
  CHECK(keys > 60);
}

}  // namespace millrace::config
