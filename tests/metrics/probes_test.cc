// The names of the metrics are a contract: this list changes only on purpose. The manual is made from the probes.
#include <fmt/core.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "base/text.h"
#include "metrics/probes.h"
#include "support/catch.h"
#include "support/golden.h"
#include "support/source_folder.h"

using namespace millrace;

namespace {

std::string_view type_name(ProbeType type) {
  switch (type) {
    case ProbeType::counter:
      return "counter";
    case ProbeType::gauge:
      return "gauge";
    case ProbeType::histogram:
      return "histogram";
  }
  return "";
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string manual() {
  std::string text = R"(# Metrics

`/metrics` speaks Prometheus' text format. Every series has the label `pipeline`. No series has the labels `instance`
and `job`, which Prometheus sets itself; `millrace_build_info` names the instance as `member`. Names and labels are a
contract: they change with a major version only.

Counts of records are of settled batches, so a batch that was sent again after a trouble counts once, and the balance
sheet closes at every scrape:

    read + copies = sent + filtered + unmatched + dead + dropped

    sum(millrace_source_records_total) + millrace_copied_records_total
      = sum(millrace_destination_records_total) + sum(millrace_stage_filtered_records_total)
      + sum(millrace_stage_unmatched_records_total)
      + sum(millrace_dead_records_total) + sum(millrace_dropped_records_total)

This page is made from `src/metrics/probes.h`.

| metric | type | labels | what it says |
| --- | --- | --- | --- |
)";
  for (const Probe& probe : all_probes()) {
    std::string labels;
    if (!probe.labels.empty()) {
      for (const std::string_view label : split(probe.labels, ' ')) {
        labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", label);
      }
    }
    text += fmt::format("| `{}` | {} | {} | {} |\n", probe.name, type_name(probe.type), labels, probe.help);
  }
  return text;
}

}  // namespace

TEST_CASE("the list of metrics is as it was agreed", "[metrics]") {
  std::string names;
  for (const Probe& probe : all_probes()) {
    names +=
        fmt::format("{} {}{}{}\n", type_name(probe.type), probe.name, probe.labels.empty() ? "" : " ", probe.labels);
  }
  check_golden("tests/metrics/names.txt", names);
}

TEST_CASE("names follow the rule", "[metrics]") {
  std::set<std::string_view> seen;
  for (const Probe& probe : all_probes()) {
    INFO(probe.name);
    CHECK(seen.insert(probe.name).second);
    CHECK(probe.name.substr(0, 9) == "millrace_");
    CHECK(probe.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    CHECK(ends_with(probe.name, "_total") == (probe.type == ProbeType::counter));
    if (probe.type == ProbeType::histogram) CHECK(ends_with(probe.name, "_seconds"));
    CHECK(ends_with(probe.help, "."));
    for (const std::string_view label : split(probe.labels, ' ')) {
      CHECK(label != "pipeline");
      CHECK(label != "instance");
      CHECK(label != "job");
    }
  }
}

TEST_CASE("alerts ask for metrics that exist", "[metrics]") {
  std::ifstream file(source_folder() + "/config/prometheus/millrace.rules.yml");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::set<std::string> known;
  for (const Probe& probe : all_probes()) {
    known.emplace(probe.name);
    if (probe.type == ProbeType::histogram) known.insert(std::string(probe.name) + "_bucket");
  }
  size_t found = 0;
  const std::regex name("millrace_[a-z_]+");
  for (std::sregex_iterator at(text.begin(), text.end(), name); at != std::sregex_iterator(); ++at, ++found) {
    INFO(at->str());
    CHECK(known.count(at->str()) == 1);
  }
  CHECK(found > 10);
}

TEST_CASE("the manual is made from the probes", "[metrics]") {
  check_golden("runbooks/reference/metrics.md", manual());
}
