// The reloader on a worker that the test holds up, with a clock that only the test moves. No broker is asked anything.
#include "app/reloader.h"

#include <unistd.h>

#include "pipeline/worker.h"
#include "process.h"
#include "support/catch.h"
#include "support/fake_kafka.h"

using namespace millrace;

namespace {

std::string pipeline_text(const TestFolder& folder, const std::string& interval) {
  return "pipeline: p\ninstance: i\nworkers: 1\nkafka: {brokers: [\"127.0.0.1:1\"]}\nbatch: {interval: " + interval +
         "}\nsources: {in: {topics: [in], format: json}}\ntables: {rows: {file: " + (folder / "rows.csv") +
         ", key: k, refresh: 1s}}\nstages: {s: {from: in, filter: \"lookup('rows', value.k) != null\"}}\n"
         "destinations: {out: {from: s, topic: out}}\ndead_letters: {topic: dead}\n";
}

struct Scene {
  TestFolder folder;
  // Later than the files by so much that nobody writes them any more.
  ManualClock clock{SystemClock().wall_ms() + 60'000};
  std::string file = folder.write("p.yaml", pipeline_text(folder, "1s"));
  std::string table = folder.write("rows.csv", "k,v\na,1\n");
  test::FakeCluster cluster;
  std::unique_ptr<Edge> edge;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<LiveWatch> live_watch;
  std::unique_ptr<Reloader> reloader;

  Scene() {
    std::shared_ptr<const Pipeline> pipeline = load_pipeline(file, "", false);  // shared with the versions
    INFO(pipeline->diagnostics.text(file));
    REQUIRE(pipeline->graph != nullptr);
    EdgeSettings settings = edge_settings(pipeline->spec, *pipeline->graph);
    settings.state_directory = folder / "";
    auto made = Edge::create(std::move(settings), clock);
    REQUIRE(made);
    edge = std::move(*made);
    DestinationLimits limits;
    limits.partitions = 1;
    cluster.destinations = {limits, limits};
    EngineOptions options;
    options.workers = 1;
    engine = std::make_unique<Engine>(
        first_version(graph_with_tables(pipeline), options),
        [this](int) { return std::make_unique<test::FakeBroker>(cluster); }, clock);
    live_watch = std::make_unique<LiveWatch>(*pipeline, [] { return LiveReconcile::Seen{}; });
    reloader = std::make_unique<Reloader>(
        Reloader::Parts{*engine, *edge, clock, folder / "", "", *live_watch, [](const Event&) {}, folder / "usual"},
        pipeline, ProgramFacts{});
    reloader->start();
  }
  ~Scene() { CHECK(reloader->end()); }

  [[nodiscard]] uint64_t table_version() const { return reloader->view().tables.at(0).version; }
  [[nodiscard]] uint64_t adopted() const { return engine->version()->number; }
  [[nodiscard]] std::string ask(const std::string& what) const {
    constexpr int64_t kLongMs = 20'000;
    return ask_control(folder / "", what, kLongMs).value_or("no answer");
  }
  // Lets a minute pass in small steps, each with a turn of the reloader, or less where the condition holds before.
  template <typename Condition>
  bool comes(const Condition& condition) {
    for (int i = 0; i < 300 && !condition(); ++i) {
      clock.advance_ms(200);
      CHECK(ask("file") == file);
    }
    return condition();
  }
  // The worker comes to the version that it was given.
  void turn() { engine->worker(0).step(true); }
};

}  // namespace

TEST_CASE("a table is read when it has changed, and not while a worker has yet to come to the last one", "[reloader]") {
  Scene scene;
  CHECK_FALSE(scene.comes([&] { return scene.table_version() > 1; }));
  CHECK(scene.adopted() == 1);
  scene.folder.write("rows.csv", "k,v\na,1\nb,2\n");
  REQUIRE(scene.comes([&] { return scene.table_version() == 2; }));
  for (const char* text : {"k,v\na,1\nb,2\nc,3\n", "k,v\na,1\nb,2\nc,3\nd,4\n"}) {
    scene.folder.write("rows.csv", text);
    CHECK_FALSE(scene.comes([&] { return scene.table_version() > 2; }));
  }
  CHECK(scene.adopted() == 2);
  scene.turn();
  REQUIRE(scene.comes([&] { return scene.table_version() == 3; }));
  CHECK(scene.reloader->view().tables[0].rows == 4);
}

TEST_CASE("while it waits for workers, it says what it runs, and takes another reload in hand", "[reloader]") {
  Scene scene;
  scene.folder.write("p.yaml", pipeline_text(scene.folder, "2s"));
  std::string first;
  std::string second;
  Thread one("one", [&] { first = scene.ask("reload"); });
  while (scene.adopted() == 1) {
    scene.clock.advance_ms(100);
    usleep(1000);
  }
  Thread two("two", [&] { second = scene.ask("reload"); });
  for (int i = 0; i < 5; ++i) CHECK(scene.ask("file") == scene.file);
  CHECK(scene.comes([&] { return scene.reloader->view().unchanged == 1; }));
  one.join();
  two.join();
  CHECK(first.starts_with("1\n"));
  CHECK(first.find("batch.interval: 1s -> 2s") != std::string::npos);
  CHECK(first.find("not in effect yet: worker 0") != std::string::npos);
  // What the file says runs, as far as that goes; and the worker is still late.
  CHECK(second.starts_with("1\n"));
  CHECK(second.find("not in effect yet: worker 0") != std::string::npos);
  CHECK(second.find("unchanged: version 2") != std::string::npos);
}
