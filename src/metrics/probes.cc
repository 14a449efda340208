#include "metrics/probes.h"

#include <array>
#include <bit>

namespace millrace {

std::span<const Probe> all_probes() {
  // Probes holds nothing but Probe members, so that it is an array of them.
  static_assert(sizeof(Probes) % sizeof(Probe) == 0 && alignof(Probes) == alignof(Probe));
  static const auto all = std::bit_cast<std::array<Probe, sizeof(Probes) / sizeof(Probe)>>(kProbes);
  return all;
}

}  // namespace millrace
