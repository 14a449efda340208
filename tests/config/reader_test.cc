#include <cstdio>
#include <fstream>
#include <map>

#include "config/load.h"
#include "config/secrets.h"
#include "support/catch.h"

namespace millrace::config {

namespace {

class FakeSecrets final : public Secrets {
 public:
  std::map<std::string, std::string> known;
  [[nodiscard]] Result<std::string> resolve(std::string_view source, std::string_view name) const override {
    const auto found = known.find(std::string(source) + ":" + std::string(name));
    if (found != known.end()) return found->second;
    return fail(Remedy::fix_config, "no such secret");
  }
};

// A document and what is read from it.
struct Document {
  explicit Document(const std::string& text, const Secrets* secrets = nullptr)
      : root(load_document(text, diagnostics, secrets)), reader(*root, "thing", diagnostics) {}
  std::string errors() const { return diagnostics.text("f"); }
  Diagnostics diagnostics;
  std::shared_ptr<const Node> root;
  Reader reader;
};

std::string expression_error(const std::string& yaml) {
  Document document(yaml);
  document.reader.expression("where");
  document.reader.get("invert");
  document.reader.finish();
  return document.errors();
}

}  // namespace

TEST_CASE("a reader gives typed values") {
  Document d("t: text\nf: true\ni: -5\nn: 0.5\nd: 1m30s\nb: 64MiB\nr: 300/m\nc: two\nl: [x, y]\none: z\n");
  CHECK(d.reader.text("t", "") == "text");
  CHECK(d.reader.flag("f", false));
  CHECK(d.reader.integer("i", -10, 10) == -5);
  CHECK(d.reader.number("n", 0, 1) == 0.5);
  CHECK(d.reader.duration_ms("d", 0, 1'000'000) == 90'000);
  CHECK(d.reader.bytes("b", 0, 1 << 30) == 64 << 20);
  CHECK(d.reader.rate("r") == 5);
  CHECK(d.reader.choice("c", {"one", "two"}, "one") == "two");
  CHECK(d.reader.names("l").size() == 2);
  CHECK(d.reader.names("one")[0].first == "z");
  d.reader.finish();
  CHECK(d.errors().empty());
}

TEST_CASE("what is absent has its fallback, and what is required is missed") {
  Document d("a: 1\n");
  CHECK(d.reader.text("t", "fallback") == "fallback");
  CHECK_FALSE(d.reader.text("t").has_value());
  CHECK(d.reader.flag("f", true));
  CHECK_FALSE(d.reader.integer("i", 0, 1).has_value());
  CHECK(d.reader.choice("c", {"one"}, "one") == "one");
  CHECK(d.reader.has("a"));
  CHECK(d.errors().empty());
  CHECK(d.reader.required_text("x").empty());
  CHECK(d.errors() == "f:1:1: error: thing: key `x` is missing\n");
}

TEST_CASE("a value of the wrong sort says how it is spelt") {
  const auto error = [](const std::string& yaml, auto read) {
    Document d(yaml);
    read(d.reader);
    return d.errors();
  };
  CHECK(error("x: 500", [](Reader& r) { r.duration_ms("x", 0, 1000); }) ==
        "f:1:4: error: thing: `x` needs a unit: `500` could be `500ms` or `500s`\n");
  CHECK(error("x: 64", [](Reader& r) { r.bytes("x", 0, 1000); }) ==
        "f:1:4: error: thing: `x` needs a unit: `64` could be `64B`, `64KiB` or `64MiB`\n");
  CHECK(error("x: 5000", [](Reader& r) { r.rate("x"); }) ==
        "f:1:4: error: thing: `x` needs a unit: `5000` could be `5000/s` or `5000/m`\n");
  CHECK(error("x: 5s", [](Reader& r) { r.duration_ms("x", 0, 1000); }) ==
        "f:1:4: error: thing: `x` is 5s, and must be from 0ms to 1s\n");
  CHECK(error("x: yes", [](Reader& r) { r.flag("x", true); }) ==
        "f:1:4: error: thing: `x` must be `true` or `false`, not `yes`\n");
  CHECK(error("x: 08", [](Reader& r) { r.integer("x", 0, 10); }) ==
        "f:1:4: error: thing: `x` must be a whole number, not `08`\n");
  CHECK(error("x: 11", [](Reader& r) { r.integer("x", 0, 10); }) ==
        "f:1:4: error: thing: `x` is 11, and must be from 0 to 10\n");
  CHECK(error("x: tow", [](Reader& r) {
          r.choice("x", {"one", "two"}, "one");
        }) == "f:1:4: error: thing: `x` must be one of `one` and `two`, not `tow`; did you mean `two`?\n");
  CHECK(error("x: [1]", [](Reader& r) { r.text("x"); }) == "f:1:4: error: thing: `x` must be one value, not a list\n");
  CHECK(error("x:", [](Reader& r) { r.text("x"); }) == "f:1:1: error: thing: `x` must be one value, not nothing\n");
  CHECK(error("x: {}", [](Reader& r) { r.names("x"); }) ==
        "f:1:4: error: thing: `x` must be one value or a list of them, not a map\n");
  CHECK(error("x: []", [](Reader& r) { r.names("x"); }) ==
        "f:1:4: error: thing: `x` is an empty list; name at least one\n");
  CHECK(error("- 1", [](Reader& r) { r.required_text("x"); }) == "f:1:1: error: thing must be a map, not a list\n");
}

TEST_CASE("unknown keys are named, with what was meant") {
  Document d("interval: 1\nintreval: 2\nzzz: 3\nmax: 4\n");
  d.reader.get("interval");
  d.reader.get("records");
  d.reader.not_yet("max");
  d.reader.finish();
  CHECK(d.errors() ==
        "f:2:1: error: thing: unknown key `intreval`; there are `interval` and `records`\n"
        "f:3:1: error: thing: unknown key `zzz`; there are `interval` and `records`\n"
        "f:4:6: error: thing: `max` is not available in this version\n");
  Document e("recrods: 2\n");
  e.reader.get("records");
  e.reader.finish();
  CHECK(e.errors() == "f:1:1: error: thing: unknown key `recrods`; did you mean `records`?\n");
}

TEST_CASE("an expression comes through whole or not at all") {
  for (const char* good :
       {"where: true", "where: value.a == 5", "where: 'value.a == 5'", "where: \"a\\nb\"",
        "where: |-\n  value.a.contains(' #1') &&\n  [1, 2].exists(x, x == 1)", "where: size(value.a) > 0",
        "{where: value.a == 5, invert: true}", "where: 5", "where: r'\\' == value.a", "where: '\"''\"'"}) {
    INFO(good);
    CHECK(expression_error(good).empty());
  }
  CHECK(expression_error("where: !has(value.x)") ==
        "f:1:8: error: YAML takes `!has(value.x)` for a tag, and tags are not supported; if it begins an expression, "
        "write the expression after `|-`\n");
  CHECK(expression_error("where:") ==
        "f:1:1: error: thing: `where` is an empty expression; write the expression after `|-`, on a line of its own\n");
  CHECK(expression_error("where: |-\n  \n").find("empty expression") != std::string::npos);
  CHECK(expression_error("where: ''").find("empty expression") != std::string::npos);
  CHECK(expression_error("where: value.msg.contains(' #1')") ==
        "f:1:8: error: thing: `where` is cut to `value.msg.contains('`: in YAML ` #` begins a comment; write the "
        "expression after `|-`, on a line of its own\n");
  CHECK(expression_error("{where: value.tags.exists(t, t == 'x'), invert: true}") ==
        "f:1:9: error: thing: `where` is cut to `value.tags.exists(t`: inside `{...}` and `[...]` YAML ends it at a "
        "comma or bracket; write the expression after `|-`, on a line of its own, outside of brackets\n");
  CHECK(expression_error("where: {a: b}").find("must be an expression; YAML reads a map here") != std::string::npos);
  CHECK(expression_error("where: [1, 2]").find("YAML reads a list here") != std::string::npos);
  CHECK_FALSE(expression_error("{where: value.a == 1, invrt: true}").empty());  // not cut: the key is judged
}

TEST_CASE("references are resolved in values, never in names and expressions") {
  FakeSecrets secrets;
  secrets.known = {{"env:A", "alpha"}, {"file:/x", "5s"}, {"credential:c", "secret"}};
  Document d("a: <${env:A}>\nb: ${file:/x}\nc: ${credential:c}\nd: $${env:A}\ne: '${env:A}'\nn: ['${env:A}']\n",
             &secrets);
  CHECK(d.reader.text("a", "") == "<alpha>");
  CHECK(d.reader.duration_ms("b", 0, 10'000) == 5000);
  CHECK(d.reader.text("c", "") == "secret");
  CHECK(d.reader.text("d", "") == "${env:A}");
  CHECK(d.reader.expression("e")->text == "${env:A}");
  CHECK(d.reader.names("n")[0].first == "${env:A}");
  CHECK(d.errors().empty());
}

TEST_CASE("without a resolver references are checked for form, and their values are not judged") {
  Document d("a: ${env:A}\nb: ${nothing}\nc: ${vault:x}\nd: ${file:x}\ne: ${env:A\nf: ${env:a b}\n");
  CHECK_FALSE(d.reader.duration_ms("a", 0, 1).has_value());
  CHECK(d.reader.scalar("a")->known == false);
  CHECK(d.errors().empty());
  for (const char* key : {"b", "c", "d", "e", "f"}) d.reader.text(key);
  CHECK(d.errors() ==
        "f:2:4: error: thing: `b`: `${nothing}` names no source: write `${env:nothing}`, `${file:/path}` or "
        "`${credential:name}`\n"
        "f:3:4: error: thing: `c`: `${...}` knows `env`, `file` and `credential`, not `vault`\n"
        "f:4:4: error: thing: `d`: the path in `${file:...}` must be absolute, not `x`\n"
        "f:5:4: error: thing: `e`: `${` is not closed; a literal `${` is written `$${`\n"
        "f:6:4: error: thing: `f`: `a b` is no name for `${env:...}`\n");
}

TEST_CASE("a value behind a reference is never shown") {
  FakeSecrets secrets;
  secrets.known = {{"env:A", "hunter2"}};
  Document d("a: ${env:A}\nb: ${env:A}\nc: ${env:B}\n", &secrets);
  d.reader.duration_ms("a", 0, 1);
  d.reader.choice("b", {"one"}, "one");
  d.reader.text("c");
  CHECK(d.errors().find("hunter2") == std::string::npos);
  CHECK(d.errors() ==
        "f:1:4: error: thing: `a` has no usable value behind `${env:A}`\n"
        "f:2:4: error: thing: `b` must be `one`, not `${env:A}`\n"
        "f:3:4: error: thing: `c`: no such secret\n");
}

TEST_CASE("the machine's secrets: environment, files, credentials") {
  const std::string path = std::string(std::tmpnam(nullptr)) + ".millrace";
  std::ofstream(path) << "from a file\n";
  std::map<std::string, std::string> environment{{"NAME", "value"},
                                                 {"CREDENTIALS_DIRECTORY", path.substr(0, path.rfind('/'))}};
  const SystemSecrets secrets([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
  CHECK(secrets.resolve("env", "NAME").value() == "value");
  CHECK(secrets.resolve("env", "OTHER").error().what == "the environment variable `OTHER` is not set");
  CHECK(secrets.resolve("file", path).value() == "from a file");
  CHECK(secrets.resolve("credential", path.substr(path.rfind('/') + 1)).value() == "from a file");
  CHECK(secrets.resolve("file", "/nonexistent/x").error().what.find("No such file") != std::string::npos);
  CHECK(secrets.resolve("file", "/tmp").error().what.find("no regular file") != std::string::npos);
  std::ofstream(path) << std::string(70'000, 'x');
  CHECK(secrets.resolve("file", path).error().what.find("larger than 64KiB") != std::string::npos);
  std::remove(path.c_str());
  environment.erase("CREDENTIALS_DIRECTORY");
  CHECK_FALSE(secrets.resolve("credential", "x").has_value());
}

TEST_CASE("references by themselves") {
  CHECK(has_reference("a${env:B}"));
  CHECK_FALSE(has_reference("a$b{c}"));
  CHECK(is_reference("${env:B}"));
  CHECK_FALSE(is_reference("x${env:B}"));
  CHECK_FALSE(is_reference("${env:B}${env:C}"));
  CHECK_FALSE(is_reference("plain"));
}

}  // namespace millrace::config
