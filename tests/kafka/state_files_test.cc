#include "kafka/state_files.h"

#include <filesystem>
#include <fstream>

#include "support/catch.h"

namespace millrace {

namespace {

struct TemporaryDirectory {
  std::string path;
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-state-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("Slots, the number of workers and topics are remembered") {
  const TemporaryDirectory directory;
  const StateFiles files(directory.path);
  CHECK_FALSE(files.slot(0, 4));
  CHECK_FALSE(files.workers());
  CHECK(files.topics().empty());
  REQUIRE(files.write_slot(0, 3));
  REQUIRE(files.write_slot(1, 2));
  REQUIRE(files.write_workers(2));
  REQUIRE(files.write_topics({{"a", "id-a"}, {"b", ""}}));
  const StateFiles again(directory.path);
  CHECK(again.slot(0, 4) == 3);
  CHECK(again.slot(1, 4) == 2);
  CHECK(again.workers() == 2);
  CHECK(again.topics() == std::map<std::string, std::string>{{"a", "id-a"}, {"b", ""}});
}

TEST_CASE("What makes no sense is not believed") {
  const TemporaryDirectory directory;
  const StateFiles files(directory.path);
  for (const char* text : {"", "x", "4", "-1", "1 2"}) {
    std::ofstream(directory.path + "/worker-0.slot") << text;
    CHECK_FALSE(files.slot(0, 4));
  }
}

TEST_CASE("Without a directory nothing is remembered and nothing fails") {
  const StateFiles files("");
  CHECK(files.write_slot(0, 1));
  CHECK_FALSE(files.slot(0, 4));
}

TEST_CASE("A directory that cannot be written to is said") {
  const StateFiles files("/proc/none");
  const Result<void> written = files.write_slot(0, 1);
  REQUIRE_FALSE(written);
  CHECK(written.error().what.find("/proc/none/worker-0.slot") != std::string::npos);
}

}  // namespace millrace
