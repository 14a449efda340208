#include "config/load.h"

#include <map>

#include "config/secrets.h"
#include "support/catch.h"

namespace millrace::config {

namespace {

struct Loaded {
  std::shared_ptr<const Node> root;
  Diagnostics diagnostics;
  std::string errors() const { return diagnostics.text("f"); }
};

Loaded load(const std::string& text, LoadLimits limits = {}) {
  Loaded loaded;
  loaded.root = load_document(text, loaded.diagnostics, nullptr, limits);
  return loaded;
}

// The file's line and column of the first `wanted` in the scalar under `key`.
Position place(const std::string& file, const std::string& key, const std::string& wanted) {
  const Loaded loaded = load(file);
  INFO(loaded.errors());
  REQUIRE(loaded.root != nullptr);
  const Node* node = loaded.root->find(key);
  REQUIRE(node != nullptr);
  const size_t offset = node->text.find(wanted);
  REQUIRE(offset != std::string::npos);
  return node->position_of(offset);
}

}  // namespace

TEST_CASE("a tree has kinds, texts and positions") {
  const Loaded loaded = load("a: 1\nb:\n  - x\n  - {c: d}\ne:\n");
  REQUIRE(loaded.root != nullptr);
  CHECK(loaded.errors().empty());
  REQUIRE(loaded.root->members.size() == 3);
  CHECK(loaded.root->find("a")->text == "1");
  const Node* list = loaded.root->find("b");
  REQUIRE(list->is_list());
  CHECK(list->items[1].position == Position{4, 5});
  CHECK(list->items[1].flow);
  CHECK(list->items[1].find("c")->in_flow);
  CHECK_FALSE(list->items[0].in_flow);
  CHECK(loaded.root->find("e")->is_null());
  CHECK(loaded.root->find("e")->position == Position{5, 1});  // at its key
  CHECK(loaded.root->find("zzz") == nullptr);
}

TEST_CASE("an offset in a scalar is a place in the file") {
  CHECK(place("x: plain text\n", "x", "text") == Position{1, 10});
  CHECK(place("x: 'it''s quoted text'\n", "x", "text") == Position{1, 18});
  CHECK(place("x: \"a\\u00e4\\n text\"\n", "x", "text") == Position{1, 15});
  CHECK(place("x: |-\n  one\n    two text\n  three\n", "x", "text") == Position{3, 9});
  CHECK(place("x: |-\n  one\n    two text\n  three\n", "x", "three") == Position{4, 3});
  CHECK(place("x: |2-\n    one\n   text\n", "x", "text") == Position{3, 4});
  CHECK(place("x: |- # why\n\n\n  one\n  text\n", "x", "text") == Position{5, 3});
  CHECK(place("x: >-\n  one\n  two\n\n  text three\n", "x", "text") == Position{5, 3});
  CHECK(place("x: >-\n  one\n  two\n\n  text three\n", "x", "two") == Position{3, 3});
  CHECK(place("x: one\n  two\n   text\n", "x", "text") == Position{3, 4});
  CHECK(place("x: 'one\n  two\n   text'\n", "x", "text") == Position{3, 4});
  CHECK(place("x: \"one\\\n   two text\"\n", "x", "text") == Position{2, 8});
  CHECK(place("\xef\xbb\xbfx: |-\r\n  one\r\n  text\r\n", "x", "text") == Position{3, 3});
  CHECK(place("ä: 1\nx: 'ää' \n", "x", "ä") == Position{2, 5});
  CHECK(place("x: |-\n  'äö' == text\n", "x", "text") == Position{2, 11});
  CHECK(place("x: !!str text\n", "x", "text") == Position{1, 10});
}

TEST_CASE("an offset beyond the text is the text's end") {
  const Loaded loaded = load("x: abc\n");
  CHECK(loaded.root->find("x")->position_of(1000) == Position{1, 7});
}

TEST_CASE("what YAML offers beyond need is refused with its place") {
  CHECK(load("a: &x 1\nb: *x\n").errors() ==
        "f:1:4: error: anchors (`&name`) are not supported; write the value out\n"
        "f:2:4: error: aliases (`*name`) are not supported; write the value out\n");
  CHECK(load("a: &x {b: *x}\n").errors().find("aliases") != std::string::npos);
  CHECK(load("a: !!int 5\n").errors().find("f:1:4: error: YAML takes `!!int` for a tag") == 0);
  CHECK(load("a: !has(value.x)\n").errors().find("f:1:4: error: YAML takes `!has(value.x)` for a tag") == 0);
  CHECK(load("a: !!map {b: 1}\n").errors().find("tag") != std::string::npos);
  CHECK(load("a: !!str 5\nb: ! 6\n").errors().empty());
  CHECK(load("a: 1\nb: 2\na: 3\n").errors() == "f:3:1: error: key `a` is given twice; the first is in line 1\n");
  CHECK(load("{[1]: 2}\n").errors().find("a key must be text") != std::string::npos);
  CHECK(load("a: 1\n---\nb: 2\n").errors().find("only one document") != std::string::npos);
  CHECK(load("a: *nobody\n").errors().find("aliases") != std::string::npos);
}

TEST_CASE("what is no config text is refused") {
  CHECK(load("").errors() == "f: error: the file is empty\n");
  CHECK(load("# a comment\n").errors() == "f: error: the file is empty\n");
  CHECK(load(std::string("a: 1\nb: \0\n", 10)).errors().find("f:2:4: error: the file must be UTF-8") == 0);
  CHECK(load("a: 1\nb: x\xff\n").errors().find("f:2:5: error: the file must be UTF-8") == 0);
  CHECK(load("a: \x04 b\n").errors().find("f:1:4:") == 0);
  CHECK(load("a: 1\rb: 2\n").errors().find("f:1:5:") == 0);
  CHECK(load(std::string("\xff\xfe"
                         "a\0:\0",
                         6))
            .root == nullptr);
}

TEST_CASE("limits hold") {
  LoadLimits limits;
  limits.bytes = 10;
  CHECK(load("a: 1234567890\n", limits).errors() == "f: error: the file has 14B; at most 10B are read\n");
  limits = {};
  limits.nodes = 10;
  CHECK(load("[1,2,3,4,5,6,7,8,9]\n", limits).root != nullptr);
  CHECK(load("[1,2,3,4,5,6,7,8,9,10]\n", limits).errors().find("more than 10 nodes") != std::string::npos);
  CHECK(load(std::string(32, '[') + std::string(32, ']') + "\n").root != nullptr);
  CHECK(load(std::string(33, '[') + std::string(33, ']') + "\n").errors().find("nested deeper than 32") !=
        std::string::npos);
  CHECK(load(std::string(500'000, '[')).root == nullptr);
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  CHECK(load(deep).errors().find("nested deeper than 32") != std::string::npos);
}

TEST_CASE("the hash is of the text") {
  CHECK(hash_text("") == "cbf29ce484222325");
  CHECK(hash_text("a") == "af63dc4c8601ec8c");
  CHECK(hash_text("foobar") == "85944171f73967e8");
}

}  // namespace millrace::config
