// sim_run SEED: one run of the simulation with a trace. sim_run FROM COUNT: many, quietly; names the first that fails.
// Planted bugs, to see them found: --no-rule --no-stable --no-generation --no-audit --no-second-audit --no-agreement
// --old-coordinator --ring N; --no-moves leaves the coordinator where it is, --no-reloads
// the configuration as it is. --share: idle workers take chunks of busy ones
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/log.h"
#include "sim/sim_world.h"

using namespace millrace;

int main(int argc, char* argv[]) {
  sim::SimOptions options;
  std::vector<uint64_t> numbers;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--no-rule") {
      options.outcome_rule = false;
    } else if (word == "--no-stable") {
      options.require_stable = false;
    } else if (word == "--no-generation") {
      options.send_generation = false;
    } else if (word == "--no-audit") {
      options.audit = false;
    } else if (word == "--no-second-audit") {
      options.second_audit = false;
    } else if (word == "--no-agreement") {
      options.agreement = false;
    } else if (word == "--no-moves") {
      options.coordinator_moves = false;
    } else if (word == "--no-reloads") {
      options.reloads = false;
    } else if (word == "--share") {
      options.share = true;
    } else if (word == "--old-coordinator") {
      options.old_group_coordinator = true;
    } else if (word == "--ring" && i + 1 < argc) {
      options.ring = std::stoi(argv[++i]);
    } else if (word.find_first_not_of("0123456789") == std::string::npos) {
      numbers.push_back(std::stoull(word));
    } else {
      std::fprintf(stderr, "sim_run: what is `%s`?\n", word.c_str());
      return 2;
    }
  }
  if (numbers.empty() || numbers.size() > 2 || options.ring < 1) {
    std::fprintf(stderr, "usage: sim_run SEED | sim_run FROM COUNT\n");
    return 2;
  }
  log_setup({LogLevel::error, LogFormat::text, false});
  options.trace = numbers.size() == 1;
  const uint64_t count = numbers.size() == 1 ? 1 : numbers[1];
  sim::SimReport sum;
  const auto from = std::chrono::steady_clock::now();
  for (uint64_t seed = numbers[0]; seed < numbers[0] + count; ++seed) {
    const sim::SimReport report = sim::simulate(seed, options);
    sum.records += report.records;
    sum.recoveries += report.recoveries;
    sum.kills += report.kills;
    sum.rebalances += report.rebalances;
    sum.reloads += report.reloads;
    sum.reloads_in_recovery += report.reloads_in_recovery;
    sum.helped += report.helped;
    sum.ends += report.ends;
    sum.simulated_ms += report.simulated_ms;
    if (report.failure.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), report.failure.c_str());
    return 1;
  }
  std::printf(
      "%llu seeds exactly once: %llu records, %llu recoveries, %llu kills, %llu rebalances, %llu reloads, %llu of "
      "them in a recovery, %llu ends, %llu chunks helped with, %lld s\n",
      static_cast<unsigned long long>(count), static_cast<unsigned long long>(sum.records),
      static_cast<unsigned long long>(sum.recoveries), static_cast<unsigned long long>(sum.kills),
      static_cast<unsigned long long>(sum.rebalances), static_cast<unsigned long long>(sum.reloads),
      static_cast<unsigned long long>(sum.reloads_in_recovery), static_cast<unsigned long long>(sum.ends),
      static_cast<unsigned long long>(sum.helped), static_cast<long long>(sum.simulated_ms / 1000));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
  std::printf("%.0f seeds a second\n", static_cast<double>(count) / took.count());
  // A simulation in which nothing happens finds nothing.
  const bool eventful = sum.records > 0 && sum.recoveries > 0 && sum.kills > 0 && sum.rebalances > 0;
  if (count >= 100 && !eventful) {
    std::printf("but something of this never happened: records, recoveries, kills, rebalances\n");
    return 1;
  }
  return 0;
}
