#include "metrics/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace millrace {
namespace {

prometheus::MetricType type_of(ProbeType type) {
  switch (type) {
    case ProbeType::counter:
      return prometheus::MetricType::Counter;
    case ProbeType::gauge:
      return prometheus::MetricType::Gauge;
    case ProbeType::histogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// A label's value must be UTF-8, or the scraper refuses the whole page.
std::string label_value(std::string_view text) {
  return is_valid_utf8(text) ? std::string(text) : escape_for_log(text);
}

}  // namespace

Exposition::Exposition(std::string pipeline) : pipeline_(std::move(pipeline)) {
  const auto probes = all_probes();
  families_.reserve(probes.size());
  for (const Probe& probe : probes) {
    families_.push_back({std::string(probe.name), std::string(probe.help), type_of(probe.type), {}});
  }
}

Exposition::~Exposition() = default;

prometheus::ClientMetric& Exposition::new_series(const Probe& probe, std::initializer_list<std::string_view> labels) {
  const auto family = std::find_if(families_.begin(), families_.end(),
                                   [&](const prometheus::MetricFamily& each) { return each.name == probe.name; });
  CHECK_MSG(family != families_.end(), probe.name);
  prometheus::ClientMetric series;
  series.label.push_back({"pipeline", label_value(pipeline_)});
  const auto names = probe.labels.empty() ? std::vector<std::string_view>() : split(probe.labels, ' ');
  CHECK_MSG(names.size() == labels.size(), probe.name);
  size_t index = 0;
  for (const std::string_view value : labels) {
    series.label.push_back({std::string(names[index++]), label_value(value)});
  }
  family->metric.push_back(std::move(series));
  return family->metric.back();
}

void Exposition::add(const Probe& probe, std::initializer_list<std::string_view> labels, double value) {
  CHECK_MSG(probe.type != ProbeType::histogram, probe.name);
  prometheus::ClientMetric& series = new_series(probe, labels);
  series.counter.value = value;
  series.gauge.value = value;
}

void Exposition::add(const Probe& probe, std::initializer_list<std::string_view> labels,
                     const TimeHistogram& histogram) {
  CHECK_MSG(probe.type == ProbeType::histogram, probe.name);
  auto& made = new_series(probe, labels).histogram;
  made.sample_count = histogram.count();
  made.sample_sum = static_cast<double>(histogram.sum_us()) / 1e6;
  uint64_t below = 0;
  for (size_t i = 0; i < TimeHistogram::kBoundsUs.size(); ++i) {
    below += histogram.counts()[i];
    made.bucket.push_back({below, static_cast<double>(TimeHistogram::kBoundsUs[i]) / 1e6});
  }
}

std::string Exposition::text() const {
  std::vector<prometheus::MetricFamily> filled;
  std::copy_if(families_.begin(), families_.end(), std::back_inserter(filled),
               [](const prometheus::MetricFamily& family) { return !family.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, filled);
  return std::move(out).str();
}

}  // namespace millrace
