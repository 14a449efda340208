// Item: a record on its way through the graph, with its decoded fields and the edits that stages made to its value.
// Lives in the batch's arena; used by the worker that owns the batch. Trivially copyable.
#pragma once

#include <cstdint>
#include <span>

#include "expr/decoder.h"
#include "record/record.h"

namespace millrace {

struct Item {
  Record record;                                 // key, headers, timestamp as they are at this point; value as it came
  const expr::DecodedRecord* decoded = nullptr;  // of record.value; its spans count in record.value
  std::span<const expr::Value> fields;           // what expressions see: decoded->fields, or a copy with the overlay
  std::span<const expr::Edit> edits;             // not yet written into the value; empty: the value goes out as it came
  uint32_t ordinal = 0;                          // position in the chunk: restores the order of the input at a union
};

}  // namespace millrace
