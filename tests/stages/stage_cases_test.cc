// Runs the tables in tests/stages/cases: stages as their YAML, records in, and what has to become of each.
//
//   cases:
//     - name: what is shown
//       stages: [...]            a chain; all ports of one stage feed the next
//       duplicate_keys: first    optional
//       records:
//         - in: '{"a":1}'        the value; nothing: a tombstone
//           key: k               optional, and headers: {name: text}
//           out: '{"a":1}'       the exact bytes; with `port:` and `headers:` when they matter
//         - in: '{"a":2}'
//           ends: filtered       filtered | unmatched | a reject reason; with `error:`, its text
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "config/load.h"
#include "expr/decoder.h"
#include "stages/registry.h"
#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace {

namespace {

constexpr int64_t kNow = 1'700'000'000'000;

std::string text_of(const config::Node* node, const std::string& fallback) {
  return node == nullptr ? fallback : node->text;
}

struct Fate {
  std::string ends = "out";
  std::string error;
  std::string port;
  Record record;
};

class Chain {
 public:
  Chain(const config::Node& test, const expr::TableSet& tables) : compiler_({}, plan_, &tables) {
    for (const config::Node& body : test.find("stages")->items) {
      const std::string name = body.members.front().key.text;
      for (const StageKind* kind : stage_kinds()) {
        if (kind->name != name) continue;
        StageSetup setup{diagnostics_, body.members.front().value, compiler_, plan_, "stage `s`"};
        plans_.push_back(kind->read(setup));
      }
    }
    INFO(diagnostics_.text("cases"));
    REQUIRE(!diagnostics_.has_errors());
    REQUIRE(plans_.size() == test.find("stages")->items.size());
    for (const StagePlan& plan : plans_) stages_.push_back(plan.make());
    expr::DecodeLimits limits;
    const std::string duplicates = text_of(test.find("duplicate_keys"), "last");
    if (duplicates == "first") limits.duplicate_keys = expr::DuplicateKeys::first;
    if (duplicates == "reject") limits.duplicate_keys = expr::DuplicateKeys::reject;
    const auto format = text_of(test.find("format"), "json") == "json" ? expr::Format::json : expr::Format::bytes;
    decoder_ = expr::make_decoder(format, plan_, limits);
    encoder_ = expr::make_encoder(format, plan_);
  }

  Fate run(const Record& record) {
    Fate fate;
    auto* decoded = arena_.make(expr::DecodedRecord());
    const expr::DecodeResult read = decoder_->decode(record.value.view(), arena_, *decoded);
    if (read.reason != RejectReason::none) {
      fate.ends = to_string(read.reason);
      fate.error = read.detail;
      return fate;
    }
    Item start;
    start.record = record;
    start.decoded = decoded;
    start.fields = decoded->fields;
    const Item* item = arena_.make(start);
    StageContext context{arena_, evaluator_, decoder_.get(), encoder_.get(), kNow};
    for (size_t i = 0; i < stages_.size(); ++i) {
      item = step(i, item, context, fate);
      if (item == nullptr) return fate;
    }
    fate.record = item->record;
    if (!item->edits.empty()) {
      const expr::EncodeResult written = encoder_->encode(*item->decoded, item->edits, arena_);
      REQUIRE(written.reason == RejectReason::none);
      fate.record.value = Bytes(written.bytes);
    }
    return fate;
  }

 private:
  const Item* step(size_t index, const Item* item, StageContext& context, Fate& fate) {
    StageOutput out(plans_[index].ports.size());
    stages_[index]->process(std::span<const Item* const>(&item, 1), context, out);
    CHECK(out.counts().in == 1);
    if (out.counts().filtered > 0) fate.ends = "filtered";
    if (out.counts().unmatched > 0) fate.ends = "unmatched";
    for (const Rejected& rejected : out.rejected()) {
      fate.ends = to_string(rejected.reason);
      fate.error = rejected.error;
    }
    for (size_t port = 0; port < out.ports().size(); ++port) {
      if (out.ports()[port].empty()) continue;
      fate.port = plans_[index].ports[port];
      return out.ports()[port].front();
    }
    return nullptr;
  }

  config::Diagnostics diagnostics_;
  expr::FieldPlan plan_;
  expr::Compiler compiler_;
  std::vector<StagePlan> plans_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::unique_ptr<expr::Decoder> decoder_;
  std::unique_ptr<expr::Encoder> encoder_;
  Arena arena_;
  expr::Evaluator evaluator_{arena_};
};

std::vector<Header> headers_of(const config::Node* node) {
  std::vector<Header> headers;
  if (node == nullptr) return headers;
  for (const auto& [name, value] : node->members) {
    headers.push_back({name.text, value.is_null() ? Bytes() : Bytes(value.text)});
  }
  return headers;
}

std::string shown(std::span<const Header> headers) {
  std::string text;
  for (const Header& header : headers) {
    text +=
        std::string(header.name) + "=" + (header.value.is_null() ? "(null)" : std::string(header.value.view())) + ";";
  }
  return text;
}

void check_record(Chain& chain, const config::Node& row) {
  static const Origin kOrigin{"topic", 3, 0};
  const auto headers = headers_of(row.find("headers"));
  Record record;
  const config::Node* in = row.find("in");
  const bool tombstone = in == nullptr || in->is_null();
  if (!tombstone) record.value = Bytes(in->text);
  if (const config::Node* key = row.find("key")) record.key = Bytes(key->text);
  record.headers = headers;
  record.origin = &kOrigin;
  record.offset = 42;
  record.timestamp_ms = kNow - 1000;
  INFO("line " << row.position.line << ": " << (tombstone ? "a tombstone" : in->text));
  const Fate fate = chain.run(record);
  INFO("error: " << fate.error);
  CHECK(fate.ends == text_of(row.find("ends"), "out"));
  if (const config::Node* error = row.find("error")) CHECK(fate.error == error->text);
  if (fate.ends != "out") return;
  if (const config::Node* port = row.find("port")) CHECK(fate.port == port->text);
  const config::Node* out = row.find("out");
  REQUIRE(out != nullptr);
  if (out->text == "same") {
    CHECK(fate.record.value.data == record.value.data);
    CHECK(fate.record.value.size == record.value.size);
  } else {
    CHECK(std::string(fate.record.value.view()) == out->text);
  }
  const config::Node* expected = row.find("headers_out");
  CHECK(shown(fate.record.headers) == shown(expected == nullptr ? headers : headers_of(expected)));
  CHECK(fate.record.key.view() == record.key.view());
  CHECK(fate.record.timestamp_ms == record.timestamp_ms);
}

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("Stages by their tables") {
  const std::filesystem::path root = source_folder();
  expr::TableSet tables;
  auto languages = expr::load_table((root / "tests/data/ref/wiki-languages.csv").string(), "channel", {});
  REQUIRE(languages);
  tables.add("languages", std::move(*languages));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(root / "tests/stages/cases")) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  size_t kinds_without_cases = 0;
  for (const StageKind* kind : stage_kinds()) {
    const auto name = std::string(kind->name) + ".yaml";
    const auto has = [&](const std::filesystem::path& file) { return file.filename() == name; };
    kinds_without_cases += std::none_of(files.begin(), files.end(), has) ? 1 : 0;
  }
  CHECK(kinds_without_cases == 0);
  size_t records = 0;
  for (const auto& file : files) {
    config::Diagnostics diagnostics;
    const auto document = config::load_document(read_file(file), diagnostics);
    INFO(file.string() << "\n" << diagnostics.text(file.string()));
    REQUIRE(document != nullptr);
    REQUIRE(!diagnostics.has_errors());
    for (const config::Node& test : document->find("cases")->items) {
      INFO(text_of(test.find("name"), "(no name)"));
      Chain chain(test, tables);
      for (const config::Node& row : test.find("records")->items) {
        check_record(chain, row);
        ++records;
      }
    }
  }
  CHECK(records > 100);
}

}  // namespace millrace
