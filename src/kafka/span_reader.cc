#include "kafka/span_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "kafka/partition_list.h"
#include "kafka/partition_queue.h"

namespace millrace {

namespace {

constexpr size_t kMessages = 1024;
constexpr int kPollMs = 200;

struct MessageDestroyer {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using MessageHandle = std::unique_ptr<rd_kafka_message_t, MessageDestroyer>;

template <typename T>
Result<T> result_of(KafkaResult<T>&& answer, std::string_view doing) {
  if (!answer) return fail(Remedy::stop, fmt::format("{}: {}", doing, answer.error().text));
  return std::move(*answer);
}

}  // namespace

// One stretch while it is read.
struct SpanReader::Part {
  Origin origin;
  OffsetSpan span;
  int64_t position = 0;
  [[nodiscard]] bool done() const { return position >= span.to; }
};

// One call of read().
class SpanReader::Reading {
 public:
  Reading(rd_kafka_t* consumer, const Clock& clock, const Take& take, const Told& told)
      : consumer_(consumer), clock_(clock), take_(take), told_(told) {}
  ~Reading() {
    // A pause outlives the assignment: the next reading of the partition would wait for ever.
    std::vector<TopicPartition> all;
    for (const auto& part : parts_) all.push_back(part.first);
    const PartitionListHandle list = list_of(all);
    static_cast<void>(rd_kafka_resume_partitions(consumer_, list.get()));
    rd_kafka_assign(consumer_, nullptr);
  }

  Result<void> run(const std::vector<OffsetSpan>& spans);

 private:
  Result<void> accept(MessageHandle message);
  void flush();
  void leave(const Part& part);

  rd_kafka_t* consumer_;
  const Clock& clock_;
  const Take& take_;
  const Told& told_;
  std::map<TopicPartition, Part> parts_;
  size_t open_ = 0;
  uint64_t all_ = 0;
  uint64_t done_ = 0;
  int64_t moved_ms_ = 0;
  // Of one partition, not given away yet.
  const Part* current_ = nullptr;
  Arena arena_;
  std::vector<Record> records_;
  std::vector<MessageHandle> messages_;
};

Result<void> SpanReader::Reading::run(const std::vector<OffsetSpan>& spans) {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(spans.size())));
  for (const OffsetSpan& span : spans) {
    if (span.from >= span.to) continue;
    parts_[span.partition] = {{span.partition.topic, span.partition.partition, 0}, span, span.from};
    rd_kafka_topic_partition_list_add(list.get(), span.partition.topic.c_str(), span.partition.partition)->offset =
        span.from;
    all_ += static_cast<uint64_t>(span.to - span.from);
  }
  open_ = parts_.size();
  if (open_ == 0) return {};
  if (const auto code = rd_kafka_assign(consumer_, list.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(Remedy::stop, fmt::format("reading: {}", rd_kafka_err2str(code)));
  }
  const QueueHandle queue(rd_kafka_queue_get_consumer(consumer_));
  moved_ms_ = clock_.mono_ms();
  std::array<rd_kafka_message_t*, kMessages> messages{};
  while (open_ > 0) {
    const ssize_t got = rd_kafka_consume_batch_queue(queue.get(), kPollMs, messages.data(), messages.size());
    Result<void> well;
    for (ssize_t i = 0; i < got; ++i) {
      MessageHandle message(messages[static_cast<size_t>(i)]);
      if (well) well = accept(std::move(message));
    }
    TRY(std::move(well));
    flush();
    told_(done_, all_);
    if (clock_.mono_ms() - moved_ms_ < kIdleMs) continue;
    const auto stuck = std::find_if(parts_.begin(), parts_.end(), [](const auto& part) { return !part.second.done(); });
    return fail(Remedy::stop, fmt::format("nothing came for {} from {} at offset {} of {}: brokers are away, or a "
                                          "transaction is open there",
                                          format_duration_ms(kIdleMs), stuck->first.text(), stuck->second.position,
                                          stuck->second.span.to));
  }
  return {};
}

Result<void> SpanReader::Reading::accept(MessageHandle message) {
  if (message->rkt == nullptr) return {};  // an error of the client as a whole; it goes on by itself
  const auto found = parts_.find({rd_kafka_topic_name(message->rkt), message->partition});
  if (found == parts_.end()) return {};
  Part& part = found->second;
  if (part.done()) return {};
  const int64_t before = part.position;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    part.position = std::max(part.position, message->offset);
  } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
             message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
    return fail(Remedy::stop, fmt::format("{}: the records at offset {} are gone while they were to be read",
                                          found->first.text(), part.position));
  } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {};
  } else {
    part.position = std::max(part.position, message->offset + 1);
    if (message->offset >= part.span.from && message->offset < part.span.to) {
      if (current_ != &part) flush();
      current_ = &part;
      static_cast<void>(fill_record(message.get(), part.origin, arena_, records_.emplace_back()));
      messages_.push_back(std::move(message));
    }
  }
  const int64_t moved = std::min(part.position, part.span.to) - before;
  if (moved > 0) {
    done_ += static_cast<uint64_t>(moved);
    moved_ms_ = clock_.mono_ms();
  }
  if (part.done()) leave(part);
  return {};
}

void SpanReader::Reading::flush() {
  if (!records_.empty()) take_(current_->span.partition, records_);
  current_ = nullptr;
  records_.clear();
  messages_.clear();
  arena_.reset();
}

// Read to its end: nothing more is fetched of it.
void SpanReader::Reading::leave(const Part& part) {
  --open_;
  const PartitionListHandle list = list_of(std::vector<TopicPartition>{part.span.partition});
  static_cast<void>(rd_kafka_pause_partitions(consumer_, list.get()));
}

Result<std::unique_ptr<SpanReader>> SpanReader::create(const EdgeSettings& settings, const Clock& clock) {
  std::unique_ptr<SpanReader> reader(new SpanReader(settings, clock));
  TRY_ASSIGN(reader->admin_, Admin::create(reader->settings_));
  return reader;
}

Result<std::map<std::string, TopicFacts>> SpanReader::topics(const std::vector<std::string>& names) {
  return result_of(admin_->topics(names, timeout()), "asking for topics");
}

Result<std::map<std::string, TopicSettings>> SpanReader::settings(const std::vector<std::string>& names) {
  return result_of(admin_->topic_settings(names, timeout()), "asking for topics' settings");
}

Result<std::map<TopicPartition, TimeSpanOffsets>> SpanReader::offsets(const std::vector<TopicPartition>& partitions,
                                                                      int64_t begin_ms) {
  std::map<TopicPartition, TimeSpanOffsets> offsets;
  const std::array<std::pair<int64_t, int64_t TimeSpanOffsets::*>, 3> questions = {{
      {OffsetQuestion::kLatest, &TimeSpanOffsets::high},
      {OffsetQuestion::kEarliest, &TimeSpanOffsets::low},
      {std::max<int64_t>(begin_ms, 0), &TimeSpanOffsets::first},
  }};
  for (const auto& [at, member] : questions) {
    std::map<TopicPartition, OffsetQuestion> asked;
    for (const TopicPartition& partition : partitions) asked[partition] = {at};
    TRY_ASSIGN(const auto answers, result_of(admin_->offsets(asked, timeout(), false), "asking for offsets"));
    for (const TopicPartition& partition : partitions) {
      const auto answer = answers.find(partition);
      if (answer == answers.end() || !answer->second.error.ok()) {
        return fail(Remedy::stop, fmt::format("asking for offsets of {}: {}", partition.text(),
                                              answer == answers.end() ? "no answer" : answer->second.error.text));
      }
      TimeSpanOffsets& to = offsets[partition];
      to.*member = answer->second.offset < 0 ? to.high : answer->second.offset;
    }
  }
  return offsets;
}

Result<void> SpanReader::make_consumer(size_t partitions) {
  if (consumer_ && consumer_partitions_ >= partitions) return {};
  consumer_.reset();
  FetchLimits limits;
  limits.partition_bytes = std::clamp<int64_t>(
      kPrefetchBytes / (2 * static_cast<int64_t>(std::max<size_t>(partitions, 1))), 64 << 10, 1 << 20);
  limits.queue_bytes = limits.partition_bytes;
  limits.response_bytes = kPrefetchBytes / 8;
  limits.partition_messages = std::max<int64_t>(limits.partition_bytes / 512, 1);
  settings_.static_membership = false;
  TRY_ASSIGN(ConfHandle conf, consumer_conf(settings_, limits));
  std::array<char, 512> text{};
  consumer_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), text.data(), text.size()));
  if (!consumer_) return fail(Remedy::stop, std::string("making a consumer: ") + text.data());
  static_cast<void>(conf.release());  // the client has it now
  rd_kafka_poll_set_consumer(consumer_.get());
  consumer_partitions_ = partitions;
  return {};
}

Result<Progress> SpanReader::committed(const std::vector<TopicPartition>& partitions) {
  TRY(make_consumer(partitions.size()));
  const PartitionListHandle list = list_of(partitions);
  if (const auto code = rd_kafka_committed(consumer_.get(), list.get(), timeout());
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(Remedy::stop,
                fmt::format("reading the offsets of group {}: {}", settings_.group, rd_kafka_err2str(code)));
  }
  Progress progress;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = list->elems[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return fail(Remedy::stop,
                  fmt::format("reading the offset of {}: {}", partition_of(each).text(), rd_kafka_err2str(each.err)));
    }
    progress[partition_of(each)] = std::max<int64_t>(each.offset, 0);
  }
  return progress;
}

Result<void> SpanReader::read(const std::vector<OffsetSpan>& spans, const Take& take, const Told& told) {
  TRY(make_consumer(spans.size()));
  return Reading(consumer_.get(), clock_, take, told).run(spans);
}

}  // namespace millrace
