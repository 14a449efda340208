#include "status/pages.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "metrics/probes.h"
#include "sample_view.h"
#include "support/catch.h"
#include "support/source_folder.h"

using namespace millrace;

namespace {

double value_of(const std::string& page, const std::string& series) {
  const size_t at = ("\n" + page).find("\n" + series + " ");
  if (at == std::string::npos) FAIL("no series " << series);
  return std::strtod(page.c_str() + at + series.size() + 1, nullptr);
}

HttpResponse page(const std::string& path, const View& view) {
  return answer_page(path, [&] { return view; });
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("numbers come from the place where they are counted", "[status]") {
  const ProgramFacts facts = sample_facts();
  const std::string text = metrics_page(sample_view(facts));
  CHECK(value_of(text, R"(millrace_source_records_total{pipeline="shop",source="orders"})") == 100);
  CHECK(value_of(text, R"(millrace_stage_filtered_records_total{pipeline="shop",stage="large"})") == 40);
  CHECK(value_of(text, R"(millrace_stage_out_records_total{pipeline="shop",stage="size",port="small"})") == 30);
  CHECK(value_of(text, R"(millrace_dead_records_total{pipeline="shop",role="stage",node="large",)"
                       R"(reason="expression_error"})") == 10);
  CHECK(value_of(text, R"(millrace_expression_errors_total{pipeline="shop",stage="large",kind="no_such_field"})") ==
        10);
  CHECK(value_of(text, R"(millrace_destination_bytes_total{pipeline="shop",destination="out",topic="orders.small"})") ==
        3'000);
  CHECK(value_of(text, R"(millrace_dead_letter_bytes_total{pipeline="shop",topic="orders.dead"})") == 1'500);
  CHECK(value_of(text, R"(millrace_offset_audits_total{pipeline="shop",result="equal"})") == 4);
  CHECK(value_of(text, R"(millrace_offset_audits_total{pipeline="shop",result="different"})") == 1);
  CHECK(value_of(text, R"(millrace_batch_duration_seconds_sum{pipeline="shop"})") == 0.3);
  CHECK(value_of(text, R"(millrace_batch_scheduling_delay_seconds_sum{pipeline="shop"})") == 0.04);
  CHECK(value_of(text, R"(millrace_batch_delay_seconds_sum{pipeline="shop"})") == 0.07);
  CHECK(value_of(text, R"(millrace_worker_state{pipeline="shop",worker="0",state="reading"})") == 1);
  CHECK(value_of(text, R"(millrace_worker_progress_age_seconds{pipeline="shop",worker="0"})") == 1);
  CHECK(value_of(text, R"(millrace_partition_lag_records{pipeline="shop",topic="orders",partition="0"})") == 15);
  CHECK(value_of(text, R"(millrace_partition_lag_seconds{pipeline="shop",topic="orders",partition="0"})") == 2.5);
  CHECK(value_of(text, R"(millrace_partition_lag_seconds{pipeline="shop",topic="orders",partition="1"})") == 0);
  CHECK(value_of(text, R"(millrace_partition_retention_headroom_records{pipeline="shop",topic="orders",)"
                       R"(partition="0"})") == 50);
  CHECK(value_of(text, R"(millrace_balance_difference_records{pipeline="shop"})") == 0);
  CHECK(value_of(text, R"(millrace_log_lines_suppressed_total{pipeline="shop"})") == 7);
  CHECK(value_of(text, R"(millrace_log_lines_lost_total{pipeline="shop"})") == 1'234);
  CHECK(value_of(text, R"(millrace_pipeline_ready{pipeline="shop"})") == 1);
}

TEST_CASE("figures of single partitions are left out beyond the knob's number, sums and extremes are not", "[status]") {
  ProgramFacts facts = sample_facts();
  const View view = sample_view(facts);
  const std::string all = metrics_page(view);
  const std::string group = R"(pipeline="shop",destination="out",topic="orders.huge",group="audit")";
  const std::string headroom = "millrace_source_retention_headroom_seconds{";
  CHECK(value_of(all, headroom + R"(pipeline="shop",topic="orders",partition="0"})") == 3597.5);
  CHECK(value_of(all, "millrace_reader_lag_records{" + group + R"(,partition="1"})") == 6);
  facts.partition_series_max = 1;
  const std::string few = metrics_page(view);
  CHECK_FALSE(holds(few, "\n" + headroom));
  CHECK_FALSE(holds(few, "\nmillrace_reader_lag_records{"));
  CHECK(value_of(few, R"(millrace_source_retention_headroom_min_seconds{pipeline="shop",topic="orders"})") == 3597.5);
  CHECK(value_of(few, "millrace_reader_lag_sum_records{" + group + "}") == 10);
  CHECK(value_of(few, "millrace_reader_lag_max_records{" + group + "}") == 6);
  CHECK(value_of(few, R"(millrace_producer_throttle_seconds{pipeline="shop",worker="0"})") == 1.5);
  CHECK(value_of(few, R"(millrace_producer_ack_seconds{pipeline="shop",worker="0",percentile="99"})") == 0.04);
}

TEST_CASE("900 partitions have a series each for their lag, and for nothing else", "[status]") {
  ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  const auto series = [&view] {
    const std::string text = metrics_page(view);
    size_t count = 0;
    for (size_t at = text.find("\nmillrace_"); at != std::string::npos; at = text.find("\nmillrace_", at + 1)) ++count;
    return count;
  };
  const size_t few = series();
  for (int32_t i = 2; i < 900; ++i) {
    PartitionSnapshot more = view.edge.partitions[0];
    more.partition.partition = i;
    view.edge.partitions.push_back(more);
    PartitionStatus status = view.engine.partitions[0];
    status.partition.partition = i;
    view.engine.partitions.push_back(status);
    view.edge.readers[0].lag[i] = 5;
  }
  REQUIRE(facts.partition_series_max == 200);
  CHECK(series() <= few + 900);
  const std::string of_topic = R"({pipeline="shop",topic="orders"})";
  CHECK(value_of(metrics_page(view), "millrace_source_lag_max_seconds" + of_topic) == 2.5);
  CHECK(value_of(metrics_page(view), "millrace_source_stopped_partitions" + of_topic) == 0);
  CHECK(value_of(metrics_page(view),
                 R"(millrace_partition_lag_records{pipeline="shop",topic="orders",partition="899"})") == 15);

  // One that needs a human is named whatever their number; should all of them stand still, not all are.
  view.edge.partitions[700].stopped = "data lost";
  CHECK(value_of(metrics_page(view), R"(millrace_partition_stopped{pipeline="shop",topic="orders",partition="700"})") ==
        1);
  for (PartitionSnapshot& each : view.edge.partitions) each.stopped = "data lost";
  CHECK(series() <= few + 900 + 200);
  CHECK(value_of(metrics_page(view), "millrace_source_stopped_partitions" + of_topic) == 900);

  facts.partition_series_max = 1'000;
  CHECK(series() > few + 4 * 900);
}

TEST_CASE("how far catching up has come, and the storage that destinations need", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  const std::string metrics = metrics_page(view);
  CHECK(value_of(metrics, R"(millrace_catch_up_ratio{pipeline="shop"})") == 0.25);
  CHECK(value_of(metrics, R"(millrace_catch_up_records_per_second{pipeline="shop"})") == 5);
  CHECK(value_of(metrics, R"(millrace_catch_up_left_seconds{pipeline="shop"})") == 60);
  // 1,000 bytes a second for an hour, three times; of the other topic retention cannot be seen.
  CHECK(value_of(metrics,
                 R"(millrace_destination_storage_bytes{pipeline="shop",destination="out",topic="orders.huge"})") ==
        1'000 * 3'600 * 3);
  CHECK_FALSE(
      holds(metrics, R"(millrace_destination_storage_bytes{pipeline="shop",destination="out",topic="orders.small"})"));
  const std::string status = page("/api/status", view).body;
  CHECK(holds(status, R"("catch_up":{"behind":true,"percent":25,"rate":5,"seconds_left":60,"highest_lag":400})"));
  CHECK(holds(status, R"("storage_bytes":10800000,)"));
  CHECK(holds(status, R"("storage_bytes":-1,)"));
  view.catch_up.seconds_left = -1;
  CHECK_FALSE(holds(metrics_page(view), "\nmillrace_catch_up_left_seconds"));
}

TEST_CASE("a sheet that does not close shows by how much", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  view.engine.totals.counts.destinations[0].sent.records += 3;
  CHECK(value_of(metrics_page(view), R"(millrace_balance_difference_records{pipeline="shop"})") == -3);
  CHECK(holds(plain_page(view), "does not close"));
}

TEST_CASE("lines that the log lost are shown where somebody looks who has no log", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  CHECK(holds(json_page(view), R"("log":{"lines_suppressed":7,"lines_lost":1234})"));
  CHECK(holds(plain_page(view), "<b>1,234</b>log lines lost"));
  view.process.log_lines_lost = 0;
  CHECK_FALSE(holds(plain_page(view), "log lines lost"));
}

TEST_CASE("a running pipeline shows every metric of the manual", "[status]") {
  const ProgramFacts facts = sample_facts();
  const std::string text = metrics_page(sample_view(facts));
  for (const Probe& probe : all_probes()) {
    INFO(probe.name);
    CHECK(holds(text, "# TYPE " + std::string(probe.name) + " "));
  }
}

TEST_CASE("every series has its pipeline, and none is given twice", "[status]") {
  const ProgramFacts facts = sample_facts();
  std::istringstream lines(metrics_page(sample_view(facts)));
  std::set<std::string> seen;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    INFO(line);
    CHECK(holds(line, R"({pipeline="shop")"));
    CHECK_FALSE(holds(line, "instance=\""));
    CHECK_FALSE(holds(line, "job=\""));
    CHECK(seen.insert(line.substr(0, line.rfind(' '))).second);
  }
}

TEST_CASE("promtool finds nothing to say", "[status]") {
  const ProgramFacts facts = sample_facts();
  char file[] = "/tmp/millrace-metrics-XXXXXX";
  const int fd = mkstemp(file);
  REQUIRE(fd >= 0);
  close(fd);
  std::ofstream(file) << metrics_page(sample_view(facts));
  FILE* tool = popen(
      ("PATH=" + source_folder() + "/build/deps/bin:$PATH promtool check metrics 2>&1 <" + std::string(file)).c_str(),
      "r");
  REQUIRE(tool != nullptr);
  std::string said;
  char piece[256];
  while (const size_t got = fread(piece, 1, sizeof piece, tool)) said.append(piece, got);
  const int status = pclose(tool);
  unlink(file);
  CHECK(said == "");
  CHECK(status == 0);
}

TEST_CASE("readiness names each reason", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  CHECK(page("/readyz", view).status == 200);
  CHECK(page("/readyz", view).body == "ready\n");

  SECTION("no broker") {
    view.edge.state = GroupState::joining;
    view.edge.trouble = "no broker answers";
    CHECK(page("/readyz", view).body == "not ready\nno broker answers\nconsumer group: joining\n");
  }
  SECTION("a worker is blocked") {
    view.engine.ready = false;
    view.engine.not_ready = "orders.huge: no right to write";
    CHECK(page("/readyz", view).body == "not ready\norders.huge: no right to write\n");
  }
  SECTION("a partition is stopped, the others go on") {
    view.edge.partitions[1].stopped = "data lost";
    CHECK(page("/readyz", view).body == "not ready\npartition orders-1 stopped: data lost\n");
    CHECK(value_of(metrics_page(view), R"(millrace_partition_stopped{pipeline="shop",topic="orders",partition="1"})") ==
          1);
  }
  SECTION("it is about to end") {
    view.ending = "SIGTERM";
    CHECK(page("/readyz", view).body == "not ready\nending: SIGTERM\n");
  }
  SECTION("a rebalance is no reason, a first join is") {
    view.edge.state = GroupState::rebalancing;
    CHECK(page("/readyz", view).status == 200);
    view.edge.ever_assigned = false;
    CHECK(page("/readyz", view).status == 503);
    return;
  }
  if (page("/readyz", view).status != 200) CHECK(page("/readyz", view).status == 503);
}

TEST_CASE("an outage is no reason to call the process ill, a loop that stands still is", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  view.edge.trouble = "no broker answers";
  view.engine.ready = false;
  CHECK(page("/healthz", view).status == 200);
  view.standstill = "worker 0, for 31s";
  CHECK(page("/healthz", view).status == 503);
  CHECK(page("/healthz", view).body == "no progress: worker 0, for 31s\n");
}

TEST_CASE("the page for people escapes what comes from outside", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  view.engine.workers[0].last_error = "<script>alert(1)</script>";
  const HttpResponse response = page("/plain", view);
  CHECK(response.status == 200);
  CHECK(response.content_type == "text/html; charset=utf-8");
  CHECK_FALSE(holds(response.body, "<script"));
  CHECK(holds(response.body, "&lt;script&gt;"));
  CHECK(holds(response.body, "&lt;shop&gt;.yaml"));
  CHECK_FALSE(holds(response.body, "http://"));
  CHECK_FALSE(holds(response.body, "https://"));
  CHECK(holds(response.body, "orders -&gt; large -&gt; out"));
}

TEST_CASE("the page for programs is JSON, with what is not known left at -1 or empty", "[status]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  view.engine.workers[0].last_error = "a \"quoted\" line\nand \xff";
  const std::string text = page("/status.json", view).body;
  CHECK(holds(text, R"("pipeline":"shop")"));
  CHECK(holds(text, R"("balance":{"read":100,"copies":0,"sent":50,"filtered":40,"unmatched":0,"dead":10,"dropped":0,)"
                    R"("closes":true})"));
  CHECK(holds(text, R"("last_error":"a \"quoted\" line\nand \ufffd")"));
  CHECK(holds(text, R"({"name":"size","kind":"classify","busy_seconds":0,"in":50,"out":{"huge":20,"small":30})"));
}

TEST_CASE("the spread of each node is shown, and no key", "[status]") {
  const ProgramFacts facts = sample_facts();
  const View view = sample_view(facts);
  const std::string metrics = page("/metrics", view).body;
  const std::string of_out = R"({pipeline="shop",role="destination",node="out",topic="orders.huge"} )";
  CHECK(holds(metrics, "millrace_spread_largest_partition_ratio" + of_out + "0.9\n"));
  CHECK(holds(metrics, "millrace_spread_imbalance_ratio" + of_out + "2.7\n"));
  CHECK(holds(metrics, "millrace_spread_hottest_key_ratio" + of_out + "0.8\n"));
  CHECK(holds(metrics,
              R"(millrace_spread_hottest_key_ratio{pipeline="shop",role="source",node="orders",topic="orders"} 0)"));
  CHECK(holds(metrics, R"(millrace_destination_errors_total{pipeline="shop",destination="out",topic="orders.small",)"
                       R"(kind="record_refused"} 3)"));
  CHECK(holds(metrics, R"(topic="orders.dead",kind="destination"} 0)"));
  CHECK(holds(page("/status.json", view).body,
              R"("hot_keys":[{"share":0.8,"partition":2,"seen":{"topic":"orders","partition":0,"offset":57}}])"));
}

TEST_CASE("what was sent against what is there is shown, with the reason where nobody can say", "[status]") {
  const ProgramFacts facts = sample_facts();
  const View view = sample_view(facts);
  const std::string metrics = page("/metrics", view).body;
  CHECK(holds(metrics,
              R"(millrace_reconcile_difference_records{pipeline="shop",destination="out",topic="orders.huge"} -2)"));
  CHECK(holds(metrics, R"(millrace_reconcile_decidable{pipeline="shop",destination="out",topic="orders.small"} 0)"));
  CHECK(holds(page("/status.json", view).body,
              R"("topic":"orders.small","decidable":false,"reason":"others write there","difference":0})"));
}

TEST_CASE("an unknown path does not ask for the state", "[status]") {
  bool asked = false;
  const auto view = [&] {
    asked = true;
    return View();
  };
  CHECK(answer_page("/etc/passwd", view).status == 404);
  CHECK(answer_page("/metrics/", view).status == 404);
  CHECK_FALSE(asked);
}

TEST_CASE("the page is whole, and asks for nothing elsewhere", "[status]") {
  const ProgramFacts facts = sample_facts();
  const View view = sample_view(facts);
  for (const std::string path : {"/", "/page.css", "/page.js", "/text.js", "/table.js", "/layout.js", "/graph.js",
                                 "/charts.js", "/overview.js", "/views.js", "/chart.js"}) {
    INFO(path);
    const HttpResponse response = page(path, view);
    CHECK(response.status == 200);
    CHECK(response.body.size() > 1'000);
    CHECK_FALSE(response.style_inside);
    if (path == "/chart.js") continue;  // its licence names its home
    CHECK_FALSE(holds(response.body, "https://"));
    CHECK_FALSE(holds(response.body, "<style"));
    CHECK_FALSE(holds(response.body, "innerHTML"));
  }
  CHECK(holds(page("/chart.js", view).body, "MIT License"));
}

TEST_CASE("the API answers, also before anything is recorded", "[status]") {
  ProgramFacts facts = sample_facts();
  facts.graph_json = R"({"nodes":[]})";
  View view = sample_view(facts);
  view.advice = {AdviceKind::stage, "It is \"slow\".", "workers", "size"};
  CHECK(page("/api/advice", view).body == R"({"kind":"stage","text":"It is \"slow\".","knob":"workers","node":"size"})"
                                          "\n");
  CHECK(page("/api/status", view).body == page("/status.json", view).body);
  CHECK(page("/api/graph", view).body == "{\"nodes\":[]}\n");
  CHECK(page("/api/batches", view).body == "{\"batches\":[]}\n");
  CHECK(page("/api/events", view).body == "{\"events\":[]}\n");
  CHECK(holds(page("/api/timeline", view).body, R"("at_ms":[],"read_per_second":[])"));
  CHECK(holds(page("/api/partitions", view).body,
              R"("lag_records":15,"lag_seconds":2.5,"headroom_records":50,"headroom_seconds":3597.5,)"));
  CHECK(holds(page("/api/partitions", view).body,
              R"({"topic":"orders","partitions":2,"replication":3,"settings_known":true,"retention_ms":3600000,)"
              R"("retention_bytes":-1})"));
  CHECK(holds(page("/api/partitions", view).body,
              R"("group":"audit","partitions":2,"lag_records":10,"largest_lag_records":6})"));
  CHECK(holds(page("/api/status", view).body, R"("dead":10,"dropped":0,"rejected":{"expression_error":10}})"));
  CHECK(holds(page("/api/status", view).body, R"("producer":{"queue_ratio":0.25,"queued_records":9,)"));
  CHECK(holds(page("/api/knobs", view).body, R"({"name":"batch.interval","value":"1s","default":"1s","range":)"));
  CHECK(holds(page("/api/knobs", view).body, R"("applies":"next batch")"));
  CHECK(value_of(metrics_page(view), R"(millrace_advice{pipeline="shop",kind="stage"})") == 1);
  CHECK(value_of(metrics_page(view), R"(millrace_advice{pipeline="shop",kind="healthy"})") == 0);

  Recorder recorder(
      {}, [&] { return view; }, nullptr);
  BatchRow row;
  row.number = 7;
  row.records = 10;
  row.config_hash = "abc";
  row.rejected[static_cast<size_t>(RejectReason::too_large)] = 2;
  recorder.settled(row);
  recorder.note({5, "start", "a", "b"});
  const auto answer = [&](const std::string& path) {
    return answer_page(
               path, [&] { return view; }, &recorder)
        .body;
  };
  CHECK(holds(answer("/api/batches"), R"("number":7,"config":"abc")"));
  CHECK(holds(answer("/api/batches"), R"("errors":{"too_large":2})"));
  CHECK(holds(answer("/api/events"), R"({"at_ms":5,"kind":"start","subject":"a","text":"b"})"));
}
