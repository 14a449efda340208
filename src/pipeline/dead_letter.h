// Dead letters: a rejected record with its original key, value bytes and headers, and headers that say why it is here.
// One that does not fit its topic becomes a stub. Pure functions; used by the worker that owns the batch.
#pragma once

#include <string_view>

#include "base/arena.h"
#include "io/broker.h"
#include "record/record.h"
#include "record/reject.h"

namespace millrace {

struct DeadLetterReason {
  std::string_view pipeline;
  std::string_view node;
  RejectReason reason = RejectReason::none;
  std::string_view error;
  std::string_view config_hash;
};

struct DeadLetter {
  OutputRecord record;  // destination, partition and tag are the caller's to set
  bool stub = false;
};

// Everything new lies in `arena`; key, value and headers point to the original where they are whole.
DeadLetter make_dead_letter(const Record& original, const DeadLetterReason& why, const DestinationLimits& limits,
                            int64_t now_ms, Arena& arena);

// At most this much of a value goes into a stub.
inline constexpr size_t kStubBytes = 64 * 1024;

// What a record of this size takes at most in a batch of its own.
int64_t batch_bytes(size_t key_bytes, size_t value_bytes, std::span<const Header> headers);

}  // namespace millrace
