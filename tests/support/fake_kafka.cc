#include "support/fake_kafka.h"

#include <algorithm>

namespace millrace::test {

int FakeQueue::messages_alive = 0;

std::vector<std::string> FakeCluster::values(uint16_t destination) const {
  std::vector<std::string> all;
  for (const auto& record : written) {
    if (record.destination == destination) all.push_back(record.value);
  }
  return all;
}

void FakeBroker::plan(Call call, Fault fault, bool applied, int times, int destination) {
  for (int i = 0; i < times; ++i) {
    plans_[call].push_back({{fault, "planned " + std::string(to_string(fault)), destination}, applied});
  }
}

BrokerResult<void> FakeBroker::failing(Call call, bool& applied) {
  ++calls[call];
  applied = true;
  auto& plans = plans_[call];
  if (plans.empty()) return {};
  const Plan plan = plans.front();
  plans.pop_front();
  applied = plan.applied;
  if (plan.error.fault == Fault::none) return {};
  return tl::make_unexpected(plan.error);
}

BrokerResult<void> FakeBroker::start(int64_t) {
  bool applied = false;
  return failing(Call::start, applied);
}

BrokerResult<void> FakeBroker::begin() {
  bool applied = false;
  auto result = failing(Call::begin, applied);
  if (applied) {
    open = true;
    sent_.clear();
    views_.clear();
    offsets_.clear();
  }
  return result;
}

BrokerResult<void> FakeBroker::send(const OutputRecord& record) {
  bool applied = false;
  auto result = failing(Call::send, applied);
  if (!applied) return result;
  Written written;
  written.destination = record.destination;
  written.partition = record.partition;
  written.null_key = record.key.is_null();
  written.null_value = record.value.is_null();
  written.key = std::string(record.key.view());
  written.value = std::string(record.value.view());
  written.timestamp_ms = record.timestamp_ms;
  for (const Header& header : record.headers) {
    written.headers[std::string(header.name)] = std::string(header.value.view());
  }
  if (std::find(refused_values_.begin(), refused_values_.end(), written.value) != refused_values_.end() &&
      written.headers.count("millrace.reason") == 0 && !must_refuse_) {
    must_refuse_ = true;
    if (isolating) refused_ = RefusedRecord{record.tag, "too large"};
  }
  sent_.push_back(std::move(written));
  views_.push_back(record);
  return result;
}

BrokerResult<void> FakeBroker::poll(int64_t) {
  bool applied = false;
  auto result = failing(Call::poll, applied);
  if (result && must_refuse_) {
    must_refuse_ = false;
    return broker_fail(Fault::record_refused, "message too large");
  }
  return result;
}

BrokerResult<Progress> FakeBroker::committed(const std::vector<TopicPartition>& partitions, int64_t) {
  bool applied = false;
  if (auto result = failing(Call::committed, applied); !result) return tl::make_unexpected(result.error());
  if (!stale_answers.empty()) {
    Progress stale = std::move(stale_answers.front());
    stale_answers.pop_front();
    return stale;
  }
  return committed_before_open(partitions, 0);
}

// A coordinator that has just taken offsets is never stale.
BrokerResult<Progress> FakeBroker::committed_before_open(const std::vector<TopicPartition>& partitions, int64_t) {
  Progress found;
  for (const auto& partition : partitions) {
    const auto at = cluster_.committed.find(partition);
    if (at != cluster_.committed.end()) found.insert(*at);
  }
  return found;
}

BrokerResult<void> FakeBroker::send_offsets(const Progress& progress, const GroupStamp&, int64_t) {
  bool applied = false;
  auto result = failing(Call::send_offsets, applied);
  if (applied) offsets_ = progress;
  return result;
}

BrokerResult<void> FakeBroker::commit(int64_t) {
  bool applied = false;
  auto result = failing(Call::commit, applied);
  if (applied) {
    // A producer reads the bytes when it sends them, not when it is given them.
    for (size_t i = 0; i < views_.size(); ++i) {
      sent_[i].value = std::string(views_[i].value.view());
      cluster_.written.push_back(sent_[i]);
    }
    for (const auto& [partition, offset] : offsets_) cluster_.committed[partition] = offset;
  }
  if (result) open = false;
  return result;
}

BrokerResult<void> FakeBroker::abort(int64_t) {
  bool applied = false;
  auto result = failing(Call::abort, applied);
  if (result) open = false;
  return result;
}

BrokerResult<void> FakeBroker::rebuild(bool isolate, int64_t) {
  bool applied = false;
  auto result = failing(Call::rebuild, applied);
  if (result) {
    open = false;
    isolating = isolate;
    wants_rebuild = false;
    must_refuse_ = false;
    views_.clear();
  }
  return result;
}

std::optional<RefusedRecord> FakeBroker::refused() {
  auto refused = refused_;
  refused_.reset();
  return refused;
}

void FakeBroker::free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena>) {
  freed_later += held.size();
  for (const HeldMessage& message : held) message.release(message.message);
}

FakeQueue::FakeQueue(std::string topic, int32_t partition, uint16_t source)
    : origin_{std::move(topic), partition, source} {}

Result<Drained> FakeQueue::drain(size_t max_records, Arena& arena, std::vector<Record>& records,
                                 std::vector<HeldMessage>& held) {
  if (error_) {
    const Error error = *error_;
    error_.reset();
    return fail(error);
  }
  Drained drained;
  while (drained.records < max_records && !waiting_.empty()) {
    auto* message = new Message(std::move(waiting_.front()));
    waiting_.pop_front();
    ++messages_alive;
    held.push_back({message, [](void* of) {
                      delete static_cast<Message*>(of);
                      --messages_alive;
                    }});
    const Input& input = message->input;
    Record record;
    if (!input.null_key) record.key = Bytes(input.key);
    if (!input.null_value) record.value = Bytes(input.value);
    auto headers = arena.make_array<Header>(input.headers.size());
    for (size_t i = 0; i < headers.size(); ++i) {
      headers[i] = {input.headers[i].first, Bytes(input.headers[i].second)};
    }
    record.headers = headers;
    record.origin = &origin_;
    record.offset = message->offset;
    record.timestamp_ms = input.timestamp_ms;
    records.push_back(record);
    ++drained.records;
    drained.bytes += record.key.size + record.value.size;
  }
  if (waiting_.empty()) drained.end_offset = end_offset_;
  return drained;
}

}  // namespace millrace::test
