// Exposition: the values of one scrape, collected probe by probe, and their text in Prometheus' format.
// Made, filled and dropped by the thread that answers the scrape.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/histogram.h"
#include "metrics/probes.h"

namespace prometheus {
struct ClientMetric;
struct MetricFamily;
}  // namespace prometheus

namespace millrace {

class Exposition {
 public:
  explicit Exposition(std::string pipeline);
  ~Exposition();
  Exposition(const Exposition&) = delete;
  Exposition& operator=(const Exposition&) = delete;

  // `labels` are the values of the probe's labels, in its order. The caller gives each series once.
  void add(const Probe& probe, std::initializer_list<std::string_view> labels, double value);
  void add(const Probe& probe, std::initializer_list<std::string_view> labels, const TimeHistogram& histogram);

  // Families in the order of the manual; those without a series are left out.
  [[nodiscard]] std::string text() const;

 private:
  prometheus::ClientMetric& new_series(const Probe& probe, std::initializer_list<std::string_view> labels);

  const std::string pipeline_;
  std::vector<prometheus::MetricFamily> families_;  // one for each probe
};

}  // namespace millrace
