// StandIn: answers the requests of one consumer group and its transactional producers as a broker of one node would,
// without storing a record. It measures the client's processor time between its first and its last commit.
//
// No fencing, no isolation, no order: a yardstick for the cost of a client, never for its correctness. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copy_records.h"
#include "copy_wire.h"

namespace millrace::bench {

struct StandInSettings {
  int port = 0;
  std::string source = "bench.in";
  int partitions = 4;
  int64_t records = 1'000'000;  // of the source, all partitions together
};

// An answer, and how long to hold it back (a fetch that found nothing).
struct Answer {
  std::string body;
  int64_t wait_ms = 0;
};

class StandIn {
 public:
  StandIn(const StandInSettings& settings, const RecordPool& pool);

  // The body of one request frame; nullopt: an API or version that is not spoken here.
  std::optional<Answer> answer(std::string_view request);

  void watch(int pid) { pid_ = pid; }
  [[nodiscard]] bool finished() const { return finished_; }
  // One JSON object: what was measured.
  [[nodiscard]] std::string report() const;

 private:
  using Place = std::pair<std::string, int32_t>;
  struct Offset {
    int64_t offset = -1;
    std::string metadata;
  };
  struct Sample {
    double cpu = 0;
    int64_t wall_ns = 0;
    int64_t records = 0;
  };
  struct Transaction {
    std::map<Place, Offset> offsets;
    int64_t begun_ns = 0;
  };

  void api_versions(WireReader& in, int version, WireWriter& out);
  void metadata(WireReader& in, WireWriter& out);
  void find_coordinator(WireReader& in, WireWriter& out);
  void join_group(WireReader& in, WireWriter& out);
  void sync_group(WireReader& in, WireWriter& out);
  void list_offsets(WireReader& in, WireWriter& out);
  void offset_fetch(WireReader& in, WireWriter& out);
  void offset_commit(WireReader& in, WireWriter& out);
  int64_t fetch(WireReader& in, WireWriter& out);
  void produce(WireReader& in, WireWriter& out);
  void init_producer(WireReader& in, WireWriter& out);
  void add_partitions(WireReader& in, WireWriter& out);
  void add_offsets(WireReader& in, WireWriter& out);
  void txn_offset_commit(WireReader& in, WireWriter& out);
  void end_transaction(WireReader& in, WireWriter& out);
  void describe_configs(WireReader& in, WireWriter& out);

  void write_topic(std::string_view name, WireWriter& out) const;
  [[nodiscard]] int64_t end_of(std::string_view topic) const;
  void accept(const std::map<Place, Offset>& offsets, int64_t begun_ns);
  [[nodiscard]] Sample sample(int64_t records) const;

  StandInSettings settings_;
  const RecordPool& pool_;
  int64_t end_ = 0;  // of each source partition
  int pid_ = 0;
  std::map<Place, Offset> committed_;
  std::map<std::string, Transaction, std::less<>> transactions_;
  int32_t generation_ = 0;
  int64_t next_producer_ = 1000;
  std::string assignment_;
  std::map<std::string, int64_t, std::less<>> produced_;
  int64_t produced_bytes_ = 0;
  std::vector<double> commit_ms_;
  std::optional<Sample> first_;
  Sample before_last_;  // the last one waits for its tick, and says nothing of speed
  Sample last_;
  bool finished_ = false;
};

int64_t now_ns();

}  // namespace millrace::bench
