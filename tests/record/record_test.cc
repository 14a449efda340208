#include "record/record.h"

#include <set>
#include <string>

#include "record/progress.h"
#include "record/reject.h"
#include "support/catch.h"

namespace millrace {

TEST_CASE("Progress as text is in the order of topic and partition") {
  CHECK(to_string(Progress{}).empty());
  CHECK(to_string(Progress{{{"edits", 0}, 812}}) == "edits-0: 812");
  CHECK(to_string(Progress{{{"edits", 10}, 5}, {{"edits", 2}, 0}, {{"a-b", 1}, 9'000'000'000}}) ==
        "a-b-1: 9000000000, edits-2: 0, edits-10: 5");
  CHECK(TopicPartition{"a-b", 7}.text() == "a-b-7");
}

TEST_CASE("Each reason of a reject has a name that a metric may carry") {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kRejectReasonCount; ++i) {
    const std::string_view name = to_string(static_cast<RejectReason>(i));
    INFO(i << ": " << name);
    CHECK(!name.empty());
    CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    names.insert(name);
  }
  CHECK(names.size() == kRejectReasonCount);
}

// Alerts and dead-letter readers know these names: changing one breaks them.
TEST_CASE("Names of reasons stay") {
  CHECK(to_string(RejectReason::not_decodable) == "not_decodable");
  CHECK(to_string(RejectReason::expression_error) == "expression_error");
  CHECK(to_string(RejectReason::too_large_for_destination) == "too_large_for_destination");
  CHECK(to_string(RejectReason::refused_by_broker) == "refused_by_broker");
}

TEST_CASE("Null bytes are not empty bytes") {
  CHECK(Bytes().is_null());
  CHECK(Bytes().view().empty());
  CHECK(!Bytes(std::string_view("")).is_null());
  CHECK(!Bytes(std::string_view()).is_null());
  CHECK(Bytes("x", 1).view() == "x");
}

TEST_CASE("Changed headers are no longer those of the message") {
  const int native = 0;
  const Header header{"name", Bytes(std::string_view("value"))};
  Record record;
  record.native_headers = &native;
  record.set_headers(std::span<const Header>(&header, 1));
  CHECK(record.native_headers == nullptr);
  CHECK(record.headers.size() == 1);
}

}  // namespace millrace
