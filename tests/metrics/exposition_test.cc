#include "metrics/exposition.h"

#include "support/catch.h"

using namespace millrace;

namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("a series has its pipeline first, then the probe's labels in their order", "[metrics]") {
  Exposition out("shop");
  out.add(kProbes.stage_out, {"size", "huge"}, 7);
  const std::string text = out.text();
  CHECK(has_line(text, "# TYPE millrace_stage_out_records_total counter"));
  CHECK(has_line(text, R"(millrace_stage_out_records_total{pipeline="shop",stage="size",port="huge"} 7)"));
  CHECK(text.find("millrace_stage_in_records_total") == std::string::npos);
}

TEST_CASE("large counts keep every digit", "[metrics]") {
  Exposition out("shop");
  out.add(kProbes.source_records, {"orders"}, 123456789012.0);
  CHECK(has_line(out.text(), R"(millrace_source_records_total{pipeline="shop",source="orders"} 123456789012)"));
}

TEST_CASE("what stands in a label is escaped, and is always UTF-8", "[metrics]") {
  Exposition out("shop");
  out.add(kProbes.source_records, {"a\"b\\c\nd"}, 1);
  out.add(kProbes.source_records, {"\xff"}, 2);
  const std::string text = out.text();
  CHECK(text.find(R"(source="a\"b\\c\nd")") != std::string::npos);
  CHECK(text.find('\xff') == std::string::npos);
}

TEST_CASE("a histogram is cumulative, in seconds, and ends with +Inf", "[metrics]") {
  TimeHistogram histogram;
  histogram.record_us(500);         // up to 1 ms
  histogram.record_us(1'000);       // a bound belongs to its own bucket
  histogram.record_us(70'000'000);  // beyond the last bound
  TimeHistogram other;
  other.record_us(2'000);
  histogram.add(other);
  Exposition out("shop");
  out.add(kProbes.batch_time, {}, histogram);
  const std::string text = out.text();
  CHECK(has_line(text, R"(millrace_batch_duration_seconds_count{pipeline="shop"} 4)"));
  CHECK(has_line(text, R"(millrace_batch_duration_seconds_sum{pipeline="shop"} 70.0035)"));
  CHECK(has_line(text, R"(millrace_batch_duration_seconds_bucket{pipeline="shop",le="0.001"} 2)"));
  CHECK(has_line(text, R"(millrace_batch_duration_seconds_bucket{pipeline="shop",le="0.0025"} 3)"));
  CHECK(has_line(text, R"(millrace_batch_duration_seconds_bucket{pipeline="shop",le="60"} 3)"));
  CHECK(has_line(text, R"(millrace_batch_duration_seconds_bucket{pipeline="shop",le="+Inf"} 4)"));
}
