#include "pipeline/graph.h"

#include "support/catch.h"
#include "support/test_graph.h"

using namespace millrace;
using millrace::test::SpecBuilder;

namespace {

// What building says.
std::string problems(SpecBuilder& builder) {
  (void)builder.build();
  return builder.errors;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a graph is put into topological order") {
  SpecBuilder builder;
  builder.source("in", {"in"})
      .stage("late", "early.a", "keep_if", "x")
      .stage("early", "in", "split", "a b")
      .destination("out", "late, early.b", "out")
      .destination("rest", "early.rest", "rest")
      .dead_letters("dead");
  const auto graph = builder.build();
  INFO(builder.errors);
  REQUIRE(graph != nullptr);
  REQUIRE(graph->stages().size() == 2);
  CHECK(graph->stages()[0].name == "early");
  CHECK(graph->stages()[1].name == "late");
  CHECK(graph->stages()[1].inputs == std::vector<PortRef>{{1, 0}});
  CHECK(graph->stages()[0].readers == std::vector<size_t>{1, 1, 1});
  CHECK(graph->topics().size() == 3);
  CHECK(graph->dead_letter_topic() == 2);
  CHECK(graph->destination_topics() == 2);
}

TEST_CASE("a topic with {port} becomes one topic for each port") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("size", "in", "split", "huge small").destination("by", "size", "t.{port}");
  builder.dead_letters("dead");
  const auto graph = builder.build();
  INFO(builder.errors);
  REQUIRE(graph != nullptr);
  REQUIRE(graph->topics().size() == 4);
  CHECK(graph->topics()[0].topic == "t.huge");
  CHECK(graph->topics()[1].topic == "t.small");
  CHECK(graph->topics()[2].topic == "t.rest");
  CHECK(graph->topics()[0].destination == "by");
}

TEST_CASE("a port that does not exist names those that do") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("size", "in", "split", "huge small").stage("one", "in", "keep_if", "x");
  builder.destination("out", "size.hug, size.small", "out").destination("two", "one.y, size.rest", "two");
  builder.dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "destination `out`: stage `size` has no port `hug`, did you mean `huge`?; its ports are"));
  CHECK(holds(text, "destination `two`: stage `one` has one port only; write `from: one`"));
}

TEST_CASE("a spec that had errors when it was read gives no graph and no second word") {
  const auto says_nothing = [](SpecBuilder& builder) {
    builder.dead_letters("dead");
    const bool none = builder.build() == nullptr;
    return none && builder.errors.empty();
  };
  SpecBuilder circle;
  circle.source("in", {"in"}).stage("a", "in, b", "keep_if", "x").stage("b", "a", "keep_if", "x");
  CHECK(says_nothing(circle.destination("out", "b", "out")));
  SpecBuilder unknown;
  CHECK(says_nothing(unknown.source("in", {"in"}).destination("out", "in, what", "out")));
  SpecBuilder unread;
  CHECK(says_nothing(unread.source("in", {"in"}).source("lonely", {"x"}).destination("out", "in", "out")));
}

TEST_CASE("a port that nobody reads is a warning") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("size", "in", "split", "a b").destination("out", "size.a", "out");
  builder.dead_letters("dead");
  CHECK(builder.build() != nullptr);
  INFO(builder.errors);
  CHECK(holds(builder.errors, "warning: port `size.b` is read by nobody"));
  CHECK(holds(builder.errors, "warning: port `size.rest` is read by nobody"));
}

TEST_CASE("records must not go round for ever through a topic that {port} makes") {
  SpecBuilder builder;
  builder.source("in", {"t.a"}).stage("size", "in", "split", "a").destination("out", "size", "t.{port}");
  builder.dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "destination `out`: topic `t.a` is also read by source `in`"));
}

TEST_CASE("order that cannot hold is a warning") {
  SpecBuilder builder;
  builder.source("one", {"a"}).source("two", {"b"}).destination("out", "one, two", "out").dead_letters("dead");
  CHECK(builder.build() != nullptr);
  CHECK(holds(builder.errors, "warning: destination `out` is fed by several sources"));
}

TEST_CASE("policies that cannot be") {
  SpecBuilder builder;
  builder.source("in", {"in"}, config::OnError::dead_letter)
      .stage("size", "in", "split", "a b", config::OnError::keep)
      .destination("out", "size", "out", config::OnError::keep);
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "source `in`: rejected records would go to the dead letters, but there is no"));
  CHECK(holds(text, "stage `size`: `on_error: keep` does not say by which of the ports"));
  CHECK(holds(text, "destination `out`: `on_error: keep` has no sense here"));
}

TEST_CASE("other things that are wrong") {
  SpecBuilder builder;
  builder.source("in", {"in"})
      .stage("what", "in", "kepe_if", "a")
      .destination("out", "in", "bad topic")
      .dead_letters("");
  builder.spec().sources[0].on_error = config::OnError::drop;
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "stage `what`: there is no stage kind `kepe_if`"));
  CHECK(holds(text, "`bad topic` is no topic name"));
}

TEST_CASE("an expression's error has its place in the file") {
  SpecBuilder builder;
  builder.source("in", {"in"}, config::OnError::dead_letter, "json").destination("out", "in", "out").key("value.");
  builder.dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "destination `out`: key: "));
  CHECK(holds(text, "test.yaml:3:"));
}

TEST_CASE("the graph as text and as mermaid") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("size", "in", "split", "a").destination("out", "size", "t.{port}");
  builder.dead_letters("dead");
  const auto graph = builder.build();
  REQUIRE(graph != nullptr);
  CHECK(render_text(*graph) ==
        "pipeline test\n"
        "  source       in  topics in\n"
        "  split        size  from in  ports a, rest\n"
        "  destination  out  from size.a  topic t.a\n"
        "  destination  out  from size.rest  topic t.rest\n"
        "  dead letters topic dead\n");
  CHECK(render_mermaid(*graph) ==
        "flowchart LR\n"
        "  s0[(\"in\")]\n"
        "  n0[\"split size\"]\n"
        "  t0[(\"t.a\")]\n"
        "  t1[(\"t.rest\")]\n"
        "  t2[(\"dead\")]\n"
        "  s0 --> n0\n"
        "  n0 -- \"a\" --> t0\n"
        "  n0 -- \"rest\" --> t1\n");
}
