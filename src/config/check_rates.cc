// Rates must leave room for each other: a floor above a ceiling would be one of the two, and nobody could tell which.
#include <fmt/core.h>

#include "config/parsing.h"

namespace millrace::config {

namespace {

void at_most(Parsing& parsing, const char* small, double small_rate, const char* large, double large_rate,
             const char* cure) {
  // A default gives way to what the file sets.
  if (large_rate == 0 || small_rate <= large_rate || !parsing.places.contains(small)) return;
  // At the one that the file sets; the other may be a default.
  auto place = parsing.places.find(large);
  if (place == parsing.places.end()) place = parsing.places.find(small);
  parsing.diagnostics.error(
      place == parsing.places.end() ? Position{} : place->second,
      fmt::format("`{}` ({}/s) must not be above `{}` ({}/s): {}", small, small_rate, large, large_rate, cure));
}

}  // namespace

void check_rates(Parsing& parsing) {
  const Knobs& knobs = parsing.spec.knobs;
  at_most(parsing, "rate.min_per_partition", knobs.rate_min_per_partition, "rate.max_per_partition",
          knobs.rate_max_per_partition, "lower the first or raise the second");
  at_most(parsing, "rate.initial", knobs.rate_initial, "rate.max", knobs.rate_max,
          "the first batches are to read less than later ones, not more");
  at_most(parsing, "rate.backpressure.min_rate", knobs.backpressure_min_rate, "rate.max", knobs.rate_max,
          "backpressure could never go below the maximum; lower `min_rate`");
  if (knobs.backpressure_enabled && knobs.backpressure_proportional == 0 && knobs.backpressure_integral == 0) {
    const auto place = parsing.places.find("rate.backpressure.proportional");
    parsing.diagnostics.error(place == parsing.places.end() ? Position{} : place->second,
                              "`rate.backpressure.proportional` and `integral` are both 0, so nothing would ever be "
                              "held back; write `enabled: false` if that is meant");
  }
}

}  // namespace millrace::config
