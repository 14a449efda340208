#include "copy_cluster.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

namespace millrace::bench {

namespace {

constexpr std::string_view kHost = "127.0.0.1";
constexpr std::string_view kMember = "member-1";

enum Api : int16_t {
  kProduce = 0,
  kFetch = 1,
  kListOffsets = 2,
  kMetadata = 3,
  kOffsetCommit = 8,
  kOffsetFetch = 9,
  kFindCoordinator = 10,
  kJoinGroup = 11,
  kHeartbeat = 12,
  kLeaveGroup = 13,
  kSyncGroup = 14,
  kApiVersions = 18,
  kInitProducerId = 22,
  kAddPartitionsToTxn = 24,
  kAddOffsetsToTxn = 25,
  kEndTxn = 26,
  kTxnOffsetCommit = 28,
  kDescribeConfigs = 32,
};

// The one version of each that is spoken; all from 0 are offered, because clients take the highest.
struct Spoken {
  Api api;
  int16_t version;
  bool flexible;
};
constexpr std::array kSpoken = {
    Spoken{kProduce, 7, false},         Spoken{kFetch, 11, false},
    Spoken{kListOffsets, 5, false},     Spoken{kMetadata, 12, true},
    Spoken{kOffsetCommit, 7, false},    Spoken{kOffsetFetch, 7, true},
    Spoken{kFindCoordinator, 2, false}, Spoken{kJoinGroup, 5, false},
    Spoken{kHeartbeat, 3, false},       Spoken{kLeaveGroup, 1, false},
    Spoken{kSyncGroup, 3, false},       Spoken{kApiVersions, 3, true},
    Spoken{kInitProducerId, 1, false},  Spoken{kAddPartitionsToTxn, 0, false},
    Spoken{kAddOffsetsToTxn, 0, false}, Spoken{kEndTxn, 1, false},
    Spoken{kTxnOffsetCommit, 2, false}, Spoken{kDescribeConfigs, 1, false},
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kTopicConfigs = {{
    {"max.message.bytes", "1048588"},
    {"cleanup.policy", "delete"},
    {"min.insync.replicas", "1"},
    {"message.timestamp.before.max.ms", "9223372036854775807"},
    {"message.timestamp.after.max.ms", "9223372036854775807"},
}};

}  // namespace

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

StandIn::StandIn(const StandInSettings& settings, const RecordPool& pool)
    : settings_(settings), pool_(pool), end_(pool.boundary(settings.records / settings.partitions)) {}

std::optional<Answer> StandIn::answer(std::string_view request) {
  WireReader in(request);
  const int16_t api = in.i16();
  const int16_t version = in.i16();
  const int32_t correlation = in.i32();
  in.text();
  const auto* spoken = std::find_if(kSpoken.begin(), kSpoken.end(), [api](const Spoken& s) { return s.api == api; });
  if (spoken == kSpoken.end() || (version != spoken->version && api != kApiVersions)) return std::nullopt;
  if (spoken->flexible && version == spoken->version) in.tags();
  WireWriter out;
  out.i32(correlation);
  if (spoken->flexible && api != kApiVersions) out.tags();
  int64_t wait_ms = 0;
  switch (api) {
    case kProduce:
      produce(in, out);
      break;
    case kFetch:
      wait_ms = fetch(in, out);
      break;
    case kListOffsets:
      list_offsets(in, out);
      break;
    case kMetadata:
      metadata(in, out);
      break;
    case kOffsetCommit:
      offset_commit(in, out);
      break;
    case kOffsetFetch:
      offset_fetch(in, out);
      break;
    case kFindCoordinator:
      find_coordinator(in, out);
      break;
    case kJoinGroup:
      join_group(in, out);
      break;
    case kSyncGroup:
      sync_group(in, out);
      break;
    case kApiVersions:
      api_versions(in, version, out);
      break;
    case kInitProducerId:
      init_producer(in, out);
      break;
    case kAddPartitionsToTxn:
      add_partitions(in, out);
      break;
    case kAddOffsetsToTxn:
      add_offsets(in, out);
      break;
    case kEndTxn:
      end_transaction(in, out);
      break;
    case kTxnOffsetCommit:
      txn_offset_commit(in, out);
      break;
    case kDescribeConfigs:
      describe_configs(in, out);
      break;
    default:
      out.i32(0).i16(0);
      break;  // heartbeat, leave
  }
  return Answer{std::move(out.out), wait_ms};
}

void StandIn::api_versions(WireReader& /*in*/, int version, WireWriter& out) {
  const bool flexible = version >= 3;
  out.i16(0);
  if (flexible) {
    out.varint(kSpoken.size() + 1);
  } else {
    out.i32(kSpoken.size());
  }
  for (const Spoken& spoken : kSpoken) {
    out.i16(spoken.api).i16(0).i16(spoken.version);
    if (flexible) out.tags();
  }
  if (version >= 1) out.i32(0);
  if (flexible) out.tags();
}

int64_t StandIn::end_of(std::string_view topic) const {
  return topic == settings_.source ? end_ : 0;
}

void StandIn::write_topic(std::string_view name, WireWriter& out) const {
  out.i16(0).compact_text(name);
  // Any id will do, as long as it stays the same.
  out.i64(0x6d696c6c72616365).i64(static_cast<int64_t>(name.size() + 1));
  out.i8(0).varint(static_cast<uint32_t>(settings_.partitions) + 1);
  for (int partition = 0; partition < settings_.partitions; ++partition) {
    out.i16(0).i32(partition).i32(1).i32(0);
    out.varint(2).i32(1).varint(2).i32(1).varint(1).tags();
  }
  out.i32(INT32_MIN).tags();
}

// Every topic that is asked for exists.
void StandIn::metadata(WireReader& in, WireWriter& out) {
  std::vector<std::string> names;
  if (const auto count = in.compact_count()) {
    for (uint32_t i = 0; i < *count; ++i) {
      in.take(16);
      names.emplace_back(in.compact_text());
      in.tags();
    }
  } else {
    names.push_back(settings_.source);
  }
  out.i32(0).varint(2).i32(1).compact_text(kHost).i32(settings_.port).varint(0).tags();
  out.compact_text("stand-in").i32(1);
  out.varint(static_cast<uint32_t>(names.size()) + 1);
  for (const std::string& name : names) write_topic(name, out);
  out.tags();
}

void StandIn::find_coordinator(WireReader& /*in*/, WireWriter& out) {
  out.i32(0).i16(0).null_text().i32(1).text(kHost).i32(settings_.port);
}

// The one member is the leader, and assigns everything to itself.
void StandIn::join_group(WireReader& in, WireWriter& out) {
  in.text();
  in.i32();
  in.i32();
  in.text();
  in.text();
  in.text();
  in.i32();
  const std::string_view protocol = in.text();
  const std::string_view subscription = in.bytes();
  out.i32(0).i16(0).i32(++generation_).text(protocol).text(kMember).text(kMember);
  out.i32(1).text(kMember).null_text().bytes(subscription);
}

void StandIn::sync_group(WireReader& in, WireWriter& out) {
  in.text();
  in.i32();
  in.text();
  in.text();
  if (in.i32() > 0) {
    in.text();
    assignment_ = in.bytes();
  }
  out.i32(0).i16(0).bytes(assignment_);
}

void StandIn::list_offsets(WireReader& in, WireWriter& out) {
  in.i32();
  in.i8();
  const int32_t topics = in.i32();
  out.i32(0).i32(topics);
  for (int32_t t = 0; t < topics; ++t) {
    const std::string_view topic = in.text();
    const int32_t partitions = in.i32();
    out.text(topic).i32(partitions);
    for (int32_t p = 0; p < partitions; ++p) {
      const int32_t partition = in.i32();
      in.i32();
      const int64_t at = in.i64();
      out.i32(partition).i16(0).i64(-1).i64(at == -1 ? end_of(topic) : 0).i32(0);
    }
  }
}

void StandIn::offset_fetch(WireReader& in, WireWriter& out) {
  in.compact_text();
  std::map<std::string, std::vector<int32_t>> asked;
  if (const auto topics = in.compact_count()) {
    for (uint32_t t = 0; t < *topics; ++t) {
      std::vector<int32_t>& partitions = asked[std::string(in.compact_text())];
      const uint32_t count = in.compact_count().value_or(0);
      for (uint32_t p = 0; p < count; ++p) partitions.push_back(in.i32());
      in.tags();
    }
  } else {
    for (const auto& [place, offset] : committed_) asked[place.first].push_back(place.second);
  }
  out.i32(0).varint(static_cast<uint32_t>(asked.size()) + 1);
  for (const auto& [topic, partitions] : asked) {
    out.compact_text(topic).varint(static_cast<uint32_t>(partitions.size()) + 1);
    for (const int32_t partition : partitions) {
      const auto found = committed_.find({topic, partition});
      const Offset offset = found == committed_.end() ? Offset{} : found->second;
      out.i32(partition).i64(offset.offset).i32(-1).compact_text(offset.metadata).i16(0).tags();
    }
    out.tags();
  }
  out.i16(0).tags();
}

void StandIn::offset_commit(WireReader& in, WireWriter& out) {
  in.text();
  in.i32();
  in.text();
  in.text();
  const int64_t begun = now_ns();
  std::map<Place, Offset> offsets;
  const int32_t topics = in.i32();
  out.i32(0).i32(topics);
  for (int32_t t = 0; t < topics; ++t) {
    const std::string_view topic = in.text();
    const int32_t partitions = in.i32();
    out.text(topic).i32(partitions);
    for (int32_t p = 0; p < partitions; ++p) {
      const int32_t partition = in.i32();
      const int64_t offset = in.i64();
      in.i32();
      offsets[{std::string(topic), partition}] = {offset, std::string(in.text())};
      out.i32(partition).i16(0);
    }
  }
  accept(offsets, begun);
}

int64_t StandIn::fetch(WireReader& in, WireWriter& out) {
  in.i32();
  const int32_t max_wait = in.i32();
  in.i32();
  auto room = static_cast<size_t>(in.i32());
  in.take(9);
  const int32_t topics = in.i32();
  out.i32(0).i16(0).i32(0).i32(topics);
  size_t served = 0;
  for (int32_t t = 0; t < topics; ++t) {
    const std::string_view topic = in.text();
    const int32_t partitions = in.i32();
    out.text(topic).i32(partitions);
    for (int32_t p = 0; p < partitions; ++p) {
      const int32_t partition = in.i32();
      in.i32();
      const int64_t offset = in.i64();
      in.i64();
      const auto most = static_cast<size_t>(in.i32());
      const int64_t end = end_of(topic);
      out.i32(partition).i16(0).i64(end).i64(end).i64(0).i32(0).i32(-1);
      const size_t place = out.out.size();
      out.i32(0);
      if (offset >= end || room == 0) continue;
      const size_t bytes = pool_.serve(offset, end, std::min(most, room), out.out);
      WireWriter size;
      size.i32(static_cast<int64_t>(bytes));
      out.out.replace(place, 4, size.out);
      room -= std::min(room, bytes);
      served += bytes;
    }
  }
  return served == 0 ? max_wait : 0;
}

void StandIn::produce(WireReader& in, WireWriter& out) {
  in.text();
  in.i16();
  in.i32();
  const int32_t topics = in.i32();
  out.i32(topics);
  for (int32_t t = 0; t < topics; ++t) {
    const std::string_view topic = in.text();
    const int32_t partitions = in.i32();
    out.text(topic).i32(partitions);
    auto count = produced_.find(topic);
    if (count == produced_.end()) count = produced_.emplace(std::string(topic), 0).first;
    for (int32_t p = 0; p < partitions; ++p) {
      const int32_t partition = in.i32();
      const std::string_view records = in.bytes();
      produced_bytes_ += static_cast<int64_t>(records.size());
      WireReader batch(records);
      batch.take(57);
      const int64_t base = count->second;
      count->second += batch.i32();
      out.i32(partition).i16(0).i64(base).i64(-1).i64(0);
    }
  }
  out.i32(0);
}

void StandIn::init_producer(WireReader& /*in*/, WireWriter& out) {
  out.i32(0).i16(0).i64(next_producer_++).i16(0);
}

void StandIn::add_partitions(WireReader& in, WireWriter& out) {
  in.text();
  in.take(10);
  const int32_t topics = in.i32();
  out.i32(0).i32(topics);
  for (int32_t t = 0; t < topics; ++t) {
    out.text(in.text());
    const int32_t partitions = in.i32();
    out.i32(partitions);
    for (int32_t p = 0; p < partitions; ++p) out.i32(in.i32()).i16(0);
  }
}

void StandIn::add_offsets(WireReader& in, WireWriter& out) {
  transactions_[std::string(in.text())].begun_ns = now_ns();
  out.i32(0).i16(0);
}

void StandIn::txn_offset_commit(WireReader& in, WireWriter& out) {
  Transaction& transaction = transactions_[std::string(in.text())];
  in.text();
  in.take(10);
  const int32_t topics = in.i32();
  out.i32(0).i32(topics);
  for (int32_t t = 0; t < topics; ++t) {
    const std::string_view topic = in.text();
    const int32_t partitions = in.i32();
    out.text(topic).i32(partitions);
    for (int32_t p = 0; p < partitions; ++p) {
      const int32_t partition = in.i32();
      const int64_t offset = in.i64();
      in.i32();
      transaction.offsets[{std::string(topic), partition}] = {offset, std::string(in.text())};
      out.i32(partition).i16(0);
    }
  }
}

void StandIn::end_transaction(WireReader& in, WireWriter& out) {
  Transaction& transaction = transactions_[std::string(in.text())];
  in.take(10);
  if (in.i8() != 0) accept(transaction.offsets, transaction.begun_ns);
  transaction = {};
  out.i32(0).i16(0);
}

void StandIn::describe_configs(WireReader& in, WireWriter& out) {
  const int32_t resources = in.i32();
  out.i32(0).i32(resources);
  for (int32_t r = 0; r < resources; ++r) {
    const int8_t type = in.i8();
    const std::string_view name = in.text();
    for (int32_t left = in.i32(); left > 0; --left) in.text();
    out.i16(0).null_text().i8(type).text(name).i32(kTopicConfigs.size());
    for (const auto& [key, value] : kTopicConfigs) out.text(key).text(value).i8(0).i8(5).i8(0).i32(0);
  }
}

StandIn::Sample StandIn::sample(int64_t records) const {
  Sample taken{0, now_ns(), records};
  clockid_t clock{};
  timespec used{};
  if (pid_ > 0 && clock_getcpuclockid(pid_, &clock) == 0 && clock_gettime(clock, &used) == 0) {
    taken.cpu = static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
  }
  return taken;
}

// Offsets that are committed now: the clock of the measurement.
void StandIn::accept(const std::map<Place, Offset>& offsets, int64_t begun_ns) {
  for (const auto& [place, offset] : offsets) committed_[place] = offset;
  int64_t records = 0;
  for (const auto& [place, offset] : committed_) {
    if (place.first == settings_.source) records += std::max<int64_t>(offset.offset, 0);
  }
  if (records == 0 || records == last_.records) return;
  if (begun_ns > 0) commit_ms_.push_back(static_cast<double>(now_ns() - begun_ns) / 1e6);
  before_last_ = last_;
  last_ = sample(records);
  if (!first_) first_ = last_;
  finished_ = records == end_ * settings_.partitions;
}

std::string StandIn::report() const {
  std::vector<double> sorted = commit_ms_;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&sorted](double part) {
    return sorted.empty() ? 0 : sorted[static_cast<size_t>(part * static_cast<double>(sorted.size() - 1))];
  };
  int64_t produced = 0;
  for (const auto& [topic, count] : produced_) produced += count;
  const Sample first = first_.value_or(Sample{});
  const double seconds = static_cast<double>(before_last_.wall_ns - first.wall_ns) / 1e9;
  const double rate = seconds > 0 ? static_cast<double>(before_last_.records - first.records) / seconds : 0;
  return fmt::format(R"({{"total":{},"records":{},"cpu":{:.6f},"rate":{:.0f},"commits":{},"commit_p50_ms":{:.3f},)"
                     R"("commit_p99_ms":{:.3f},"produced":{},"produced_bytes":{},"whole_cpu":{:.6f}}})",
                     end_ * settings_.partitions, last_.records - first.records, last_.cpu - first.cpu, rate,
                     sorted.size(), at(0.5), at(0.99), produced, produced_bytes_, last_.cpu);
}

}  // namespace millrace::bench
