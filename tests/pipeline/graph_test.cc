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

TEST_CASE("an input that does not exist names what does") {
  SpecBuilder builder;
  builder.source("edits", {"in"}).stage("size", "edit", "split", "a").destination("out", "size.aa, size", "out");
  builder.destination("all", "edits, nothing, out", "all").dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "stage `size`: there is no source or stage `edit`, did you mean `edits`?"));
  CHECK(holds(text, "destination `out`: stage `size` has no port `aa`, did you mean `a`?"));
  CHECK(holds(text, "destination `all`: there is no source or stage `nothing`"));
  CHECK(holds(text, "destination `all`: `out` is a destination; nothing comes out of it"));
}

TEST_CASE("a port of what has none is an error") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("one", "in.x", "keep_if", "a").destination("out", "one.y, in", "out");
  builder.dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "stage `one`: source `in` has no ports; write `from: in`"));
  CHECK(holds(text, "destination `out`: stage `one` has one port only; write `from: one`"));
}

TEST_CASE("a circle is named") {
  SpecBuilder builder;
  builder.source("in", {"in"})
      .stage("a", "in, c", "keep_if", "x")
      .stage("b", "a", "keep_if", "x")
      .stage("c", "b", "keep_if", "x")
      .destination("out", "in", "out")
      .dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "in a circle: `a` -> `b` -> `c` -> `a`"));
}

TEST_CASE("what nobody reads") {
  SpecBuilder builder;
  builder.source("in", {"in"})
      .source("lonely", {"lonely"})
      .stage("unread", "in", "keep_if", "x")
      .stage("size", "in", "split", "a b")
      .destination("out", "size.a", "out")
      .dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "error: source `lonely` is read by nobody"));
  CHECK(holds(text, "error: stage `unread` is read by nobody"));
  CHECK(holds(text, "warning: port `size.b` is read by nobody"));
  CHECK(holds(text, "warning: port `size.rest` is read by nobody"));
}

TEST_CASE("records must not go round for ever") {
  SpecBuilder builder;
  builder.source("in", {"a", "b"}).destination("out", "in", "b").dead_letters("a");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "topic `b` of `out` is also read by source `in`"));
  CHECK(holds(text, "topic `a` of `dead_letters` is also read by source `in`"));
}

TEST_CASE("a topic is read once") {
  SpecBuilder builder;
  builder.source("one", {"t"}).source("two", {"t"}).destination("out", "one, two", "out").dead_letters("dead");
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "source `two`: topic `t` is read by source `one` already"));
  CHECK(holds(text, "warning: destination `out` is fed by several sources"));
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
      .stage("in", "in", "keep_if", "a")
      .destination("out", "in, in", "bad topic")
      .dead_letters("");
  builder.spec().sources[0].on_error = config::OnError::drop;
  const std::string text = problems(builder);
  INFO(text);
  CHECK(holds(text, "stage `what`: there is no stage kind `kepe_if`"));
  CHECK(holds(text, "the name `in` is taken by another node"));
  CHECK(holds(text, "destination `out`: `in` is listed twice"));
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
