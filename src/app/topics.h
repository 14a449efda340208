// `millrace topics`: the commands that make a pipeline's topics, and what a measurement says about their size. Main
// thread. The arithmetic is pure.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>

#include "app/command_line.h"
#include "base/error.h"
#include "config/spec.h"
#include "kafka/topic_shape.h"

namespace millrace {

ExitCode topics_command(const CommandLine& line, std::ostream& out);

// Sums of the series of a page of metrics that have this name, by the value of one label.
std::map<std::string, double> sums_by(std::string_view metrics, std::string_view name, std::string_view label);

struct TopicRate {
  double records_per_second = 0;
  double bytes_per_second = 0;
};

// Partitions that carry `rate`: twice of it (peaks, and catching up after an outage), at most `records_per_partition`
// records and 5 MiB a second each, and one for each worker at least; from 1, 2, 3, 4, 6, 8, 12, 16, 24, ... (so that
// many numbers of readers divide them evenly).
int64_t partitions_for(const TopicRate& rate, double records_per_partition, int64_t workers);

// What all brokers together keep of a topic that is written to at this rate, before compression: by the topic's own
// settings where `shape` has them, else by what the file expects.
std::string storage_text(const TopicRate& rate, const config::ExpectSpec& expect, const TopicShape& shape);

}  // namespace millrace
