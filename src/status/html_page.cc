// The state of the pipeline for people without scripts: one page of text, for lynx and curl.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "status/view.h"

namespace millrace {
namespace {

constexpr size_t kRowsMax = 200;  // of each table: a page for people

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #1d7a3e; --bad: #b8322a; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.soft { opacity: .7; }
.state { display: inline-block; border-radius: 1rem; padding: .1rem .8rem; color: #fff; font-weight: 600; }
.good { background: var(--good); } .bad { background: var(--bad); }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; min-width: 7rem; }
.card b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; }
pre { background: var(--soft); border-radius: .5rem; padding: .75rem 1rem; overflow-x: auto; }
a { color: inherit; }
)";

std::string html(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// "1,234,567"
std::string grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string known(int64_t number) {
  return number < 0 ? "?" : grouped(static_cast<uint64_t>(number));
}

class Table {
 public:
  // A column whose name begins with '#' holds numbers.
  Table(std::string& page, std::initializer_list<std::string_view> columns) : page_(page) {
    page_ += "<table><tr>";
    for (const std::string_view column : columns) {
      const bool number = column.substr(0, 1) == "#";
      numeric_.push_back(number);
      page_ += fmt::format("<th{}>{}</th>", number ? " class=n" : "", html(column.substr(number ? 1 : 0)));
    }
    page_ += "</tr>\n";
  }
  ~Table() {
    page_ += "</table>\n";
    if (rows_ > kRowsMax) page_ += fmt::format("<p class=soft>and {} more in /status.json</p>\n", rows_ - kRowsMax);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  void row(const std::vector<std::string>& cells) {
    if (++rows_ > kRowsMax) return;
    page_ += "<tr>";
    for (size_t i = 0; i < cells.size(); ++i) {
      page_ += fmt::format("<td{}>{}</td>", numeric_[i] ? " class=n" : "", html(cells[i]));
    }
    page_ += "</tr>\n";
  }

 private:
  std::string& page_;
  std::vector<bool> numeric_;
  size_t rows_ = 0;
};

void add_head(std::string& page, const View& view) {
  const ProgramFacts& program = *view.program;
  page += fmt::format(
      "<!doctype html><html lang=en><head><meta charset=utf-8><meta http-equiv=refresh content=5>"
      "<meta name=viewport content=\"width=device-width\"><title>{0} - "
      "millrace</title><style>{1}</style></head><body>\n"
      "<h1>{0}</h1><p class=soft>instance {2} · millrace {3} · librdkafka {4} · {5} ({6})</p>\n",
      html(program.pipeline), kStyle, html(program.instance), html(program.version), html(program.librdkafka),
      html(program.config_file), html(program.config_hash));
  const auto reasons = reasons_not_ready(view);
  if (reasons.empty()) {
    page += "<p><span class=\"state good\">ready</span></p>\n";
    return;
  }
  page += "<p><span class=\"state bad\">not ready</span></p><ul>\n";
  for (const std::string& reason : reasons) page += "<li>" + html(reason) + "</li>\n";
  page += "</ul>\n";
}

void add_cards(std::string& page, const View& view) {
  const BalanceSheet sheet = view.engine.totals.counts.sheet();
  uint64_t lag = 0;
  for (const PartitionView& each : partition_views(view)) {
    lag += static_cast<uint64_t>(std::max<int64_t>(each.lag_records, 0));
  }
  const auto card = [&page](std::string_view name, const std::string& value) {
    page += fmt::format("<div class=card><b>{}</b>{}</div>", html(value), html(name));
  };
  page += "<div class=cards>";
  card("read", grouped(sheet.read));
  if (sheet.copies != 0) card("copies", grouped(sheet.copies));
  card("sent", grouped(sheet.sent));
  card("filtered", grouped(sheet.filtered));
  if (sheet.unmatched != 0) card("unmatched", grouped(sheet.unmatched));
  card("dead", grouped(sheet.dead));
  if (sheet.dropped != 0) card("dropped", grouped(sheet.dropped));
  card("lag", grouped(lag));
  card("memory held", format_bytes(static_cast<int64_t>(view.engine.memory_held_bytes)));
  card("resident", format_bytes(static_cast<int64_t>(view.process.resident_bytes)));
  if (view.process.log_lines_lost != 0) card("log lines lost", grouped(view.process.log_lines_lost));
  page += "</div>\n";
  page += sheet.closes() ? "<p class=soft>The balance sheet closes.</p>\n"
                         : "<p><span class=\"state bad\">the balance sheet does not close</span></p>\n";
}

void add_nodes(std::string& page, const Snapshot& engine) {
  const Counts& counts = engine.totals.counts;
  page += "<h2>Stages</h2>\n";
  Table table(page, {"stage", "kind", "#in", "out", "#filtered", "#unmatched", "#dead", "#dropped"});
  for (size_t i = 0; i < counts.stages.size() && i < engine.stages.size(); ++i) {
    const StageTotals& stage = counts.stages[i];
    const StageName& name = engine.stages[i];
    std::string out;
    for (size_t port = 0; port < stage.ports.size() && port < name.ports.size(); ++port) {
      if (port > 0) out += ", ";
      if (!name.ports[port].empty()) out += name.ports[port] + " ";
      out += grouped(stage.ports[port].records);
    }
    table.row({name.name, name.kind, grouped(stage.in.records), out, grouped(stage.filtered), grouped(stage.unmatched),
               grouped(stage.policy.dead_total()), grouped(stage.policy.dropped_total())});
  }
}

void add_destinations(std::string& page, const Snapshot& engine) {
  const Counts& counts = engine.totals.counts;
  page += "<h2>Destinations</h2>\n";
  Table table(page, {"destination", "topic", "state", "#partitions", "#records", "#bytes"});
  for (size_t i = 0; i < engine.destinations.size(); ++i) {
    const DestinationStatus& status = engine.destinations[i];
    const Tally& sent = i < counts.destinations.size() ? counts.destinations[i].sent : counts.dead_letters.sent;
    table.row({status.destination, status.topic, status.usable ? "usable" : status.state,
               std::to_string(status.partitions), grouped(sent.records),
               format_bytes(static_cast<int64_t>(sent.bytes))});
  }
}

void add_partitions(std::string& page, const View& view) {
  page += "<h2>Partitions of this instance</h2>\n";
  Table table(page, {"partition", "#worker", "#committed", "#end", "#lag", "#lag in time", "state"});
  for (const PartitionView& each : partition_views(view)) {
    table.row({each.partition.text(), known(each.worker), known(each.committed), known(each.end),
               known(each.lag_records),
               each.lag_seconds < 0 ? "?" : format_duration_ms(static_cast<int64_t>(each.lag_seconds * 1e3)),
               each.stopped.empty() ? "read" : "stopped: " + each.stopped});
  }
}

void add_workers(std::string& page, const Snapshot& engine) {
  page += "<h2>Workers</h2>\n";
  {
    Table table(page, {"#worker", "state", "#batches", "#held records", "#held bytes", "last error"});
    for (const WorkerStatus& worker : engine.workers) {
      std::string state(to_string(worker.state));
      if (!worker.reason.empty()) state += ": " + worker.reason;
      table.row({std::to_string(worker.worker), state, grouped(worker.batches), grouped(worker.held_records),
                 format_bytes(static_cast<int64_t>(worker.held_bytes)), worker.last_error});
    }
  }
  page += "<h2>Last batches</h2>\n";
  Table table(page, {"#worker", "#batch", "result", "#records", "#sent", "#dead", "#seconds", "#commit", "#delay"});
  constexpr size_t kBatchesShown = 20;
  for (size_t i = 0; i < engine.history.size() && i < kBatchesShown; ++i) {
    const BatchRow& row = engine.history[i];
    const auto seconds = [&row](BatchPhase phase) {
      return fmt::format("{:.3f}", row.seconds[static_cast<size_t>(phase)]);
    };
    table.row({std::to_string(row.worker), grouped(row.number), std::string(to_string(row.result)),
               grouped(row.records), grouped(row.sent), grouped(row.dead), seconds(BatchPhase::total),
               seconds(BatchPhase::commit), fmt::format("{:.3f}", row.delay_seconds)});
  }
}

}  // namespace

std::string plain_page(const View& view) {
  std::string page;
  add_head(page, view);
  add_cards(page, view);
  page += "<h2>Graph</h2>\n<pre>" + html(view.program->graph) + "</pre>\n";
  add_nodes(page, view.engine);
  add_destinations(page, view.engine);
  add_partitions(page, view);
  add_workers(page, view.engine);
  page += "<h2>Knobs</h2>\n";
  {
    Table table(page, {"name", "value"});
    for (const auto& [name, value] : view.program->knobs) table.row({name, value});
  }
  page +=
      "<p class=soft><a href=/metrics>/metrics</a> · <a href=/status.json>/status.json</a> · "
      "<a href=/readyz>/readyz</a> · <a href=/healthz>/healthz</a></p></body></html>\n";
  return page;
}

}  // namespace millrace
