#include "config/parse.h"

#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "config/load.h"
#include "config/names.h"
#include "config/timestamp.h"
#include "support/catch.h"
#include "support/source_folder.h"

namespace millrace::config {

namespace {

const std::string kLeast = R"(pipeline: orders
kafka: {brokers: [localhost:9092]}
sources: {orders: {topics: [orders]}}
destinations: {copy: {from: orders, topic: orders.copy}}
dead_letters: {topic: orders.dead}
)";

ParseContext context() {
  ParseContext result;
  result.stage_kinds = {"filter", "classify", "decorate"};
  result.host_name = "wiki.example";
  result.default_state_directory = "/state";
  return result;
}

PipelineSpec parse(const std::string& text, const ParseContext& with = context(), const std::string& file = "f.yaml") {
  Diagnostics diagnostics;
  auto spec = parse_pipeline(file, text, with, diagnostics);
  INFO(diagnostics.text(file));
  REQUIRE(spec.has_value());
  CHECK_FALSE(diagnostics.has_errors());
  return std::move(*spec);
}

std::string errors(const std::string& text, const ParseContext& with = context()) {
  Diagnostics diagnostics;
  static_cast<void>(parse_pipeline("f.yaml", text, with, diagnostics));
  return diagnostics.text("f.yaml");
}

std::string read_file(const std::string& path) {
  std::ifstream file(source_folder() + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class FakeSecrets final : public Secrets {
 public:
  std::map<std::string, std::string> known;
  [[nodiscard]] Result<std::string> resolve(std::string_view source, std::string_view name) const override {
    const auto found = known.find(std::string(source) + ":" + std::string(name));
    if (found != known.end()) return found->second;
    return fail(Remedy::fix_config, "no such secret");
  }
};

}  // namespace

TEST_CASE("the least config has the defaults of the house") {
  const PipelineSpec spec = parse(kLeast);
  CHECK(spec.name == "orders");
  CHECK(spec.instance == "wiki.example");
  CHECK(spec.config_hash == hash_text(kLeast));
  CHECK(spec.kafka.brokers == std::vector<std::string>{"localhost:9092"});
  CHECK(spec.kafka.group == "orders");
  CHECK(spec.kafka.transactional_id_prefix == "orders");
  CHECK_FALSE(spec.kafka.static_membership);
  CHECK(spec.delivery == Delivery::exactly_once);
  CHECK(spec.knobs.batch_interval_ms == 1000);
  CHECK(spec.knobs.workers == 2);
  CHECK(spec.state_directory == "/state");
  CHECK(instance_directory(spec) == "/state/orders/wiki.example");
  CHECK(spec.touch_file == "/state/orders/wiki.example/running");
  CHECK(spec.http_enabled);
  CHECK(spec.http_host == "127.0.0.1");
  CHECK(spec.http_port == 9464);
  CHECK(spec.log_level == "info");
  CHECK(spec.log_format == "text");
  REQUIRE(spec.sources.size() == 1);
  CHECK(spec.sources[0].format == "json");
  CHECK(spec.sources[0].duplicate_keys == "last");
  CHECK(spec.sources[0].start.kind == Start::Kind::earliest);
  CHECK(spec.sources[0].on_data_loss == OnDataLoss::stop);
  CHECK(spec.sources[0].on_error == OnError::dead_letter);
  REQUIRE(spec.destinations.size() == 1);
  CHECK(spec.destinations[0].partition == "key");
  CHECK(spec.destinations[0].compression == "none");
  CHECK_FALSE(spec.destinations[0].acks.has_value());
  CHECK(spec.dead_letters.topic == "orders.dead");
  CHECK_FALSE(spec.dead_letters.threshold.has_value());
}

TEST_CASE("every key arrives where it belongs") {
  const PipelineSpec spec =
      parse(read_file("tests/config/good/everything.yaml"), context(), "/etc/millrace/wikipedia.yaml");
  CHECK(spec.instance == "wiki-1");
  CHECK(spec.kafka.brokers == std::vector<std::string>{"localhost:9092", "[::1]:9093"});
  CHECK(spec.kafka.group == "wikipedia-readers");
  CHECK(spec.kafka.transactional_id_prefix == "wikipedia-writers");
  CHECK(spec.kafka.static_membership);
  CHECK(spec.kafka.properties.size() == 6);
  CHECK(spec.kafka.property_references.size() == 2);
  CHECK(spec.kafka.property_references[0] ==
        std::pair<std::string, std::string>("sasl.password", "${credential:kafka-password}"));
  CHECK(spec.kafka.property_places.at("ssl.ca.location").line == 24);
  CHECK(spec.knobs.socket_timeout_ms == 4000);
  CHECK(spec.knobs.transaction_timeout_ms == 20'000);
  CHECK(spec.knobs.batch_max_bytes == 32 << 20);
  CHECK(spec.knobs.rate_max_per_partition == 5000);
  CHECK(spec.knobs.rate_max == 20'000);
  CHECK(spec.knobs.rate_initial == 2000);
  CHECK(spec.knobs.rate_min_per_partition == 10);
  CHECK(spec.knobs.backpressure_proportional == 0.9);
  CHECK(spec.knobs.backpressure_min_rate == 50);
  CHECK(spec.knobs.expression_max_result_bytes == 64 << 10);
  CHECK(spec.knobs.expression_strict_arithmetic);
  CHECK(spec.knobs.producer_queue_bytes == 16 << 20);
  CHECK(spec.touch_file == "/run/millrace/wikipedia.running");
  CHECK(spec.state_directory == "/var/lib/millrace");
  CHECK(spec.http_host == "0.0.0.0");
  CHECK(spec.http_token == "${file:/etc/millrace/token}");
  CHECK(spec.log_format == "json");

  REQUIRE(spec.sources.size() == 2);
  CHECK(spec.sources[0].topics == std::vector<std::string>{"wikipedia.edits", "wikipedia.edits-2"});
  CHECK(spec.sources[0].start.kind == Start::Kind::timestamp);
  CHECK(spec.sources[0].start.timestamp_ms == 1769857200250);
  CHECK(spec.sources[0].on_data_loss == OnDataLoss::skip);
  CHECK(spec.sources[0].expect.partitions == 3);
  CHECK_FALSE(spec.sources[0].expect.replication.has_value());
  CHECK(spec.sources[1].format == "bytes");
  CHECK(spec.sources[1].start.kind == Start::Kind::latest);
  CHECK(spec.sources[1].on_error == OnError::stop);

  REQUIRE(spec.tables.size() == 2);
  CHECK(spec.tables[0].file == "/etc/millrace/ref/wiki-languages.csv");
  CHECK(spec.tables[0].key == "channel");
  CHECK(spec.tables[1].file == "/srv/ref/countries.jsonl");

  REQUIRE(spec.stages.size() == 2);
  CHECK(spec.stages[0].kind == "filter");
  CHECK(spec.stages[0].body->text == "!value.isRobot");
  CHECK(spec.stages[1].kind == "classify");
  CHECK(spec.stages[1].on_error == OnError::keep);

  REQUIRE(spec.destinations.size() == 3);
  CHECK(spec.destinations[0].from.size() == 2);
  CHECK(spec.destinations[0].from[1].node == "size");
  CHECK(spec.destinations[0].from[1].port == "middle");
  CHECK(topic_for_port(spec.destinations[0].topic, "huge") == "wikipedia.edits.huge");
  CHECK(spec.destinations[0].key->text == "value.page");
  CHECK(spec.destinations[0].reject_null_key);
  CHECK(spec.destinations[0].partition == "source");
  CHECK(spec.destinations[0].compression == "lz4");
  CHECK(spec.destinations[0].expect.partitions == 12);
  CHECK(spec.destinations[0].expect.replication == 3);
  CHECK(spec.destinations[0].expect.retention_ms == 7 * 86'400'000);
  CHECK(spec.destinations[0].exclusive);
  CHECK(spec.destinations[0].readers == std::vector<std::string>{"reports", "search-index"});
  CHECK_FALSE(spec.destinations[1].exclusive);
  CHECK(spec.destinations[1].partition == "expression");
  CHECK(spec.destinations[1].partition_expression->text == "offset % 4");
  CHECK(spec.destinations[2].partition == "key");
  REQUIRE(spec.dead_letters.threshold.has_value());
  CHECK(spec.dead_letters.threshold->percent == 0.5);
  CHECK(spec.dead_letters.threshold->over_ms == 600'000);
}

TEST_CASE("the instance: command line, file, host") {
  ParseContext with = context();
  CHECK(parse(kLeast + "instance: from-file\n", with).instance == "from-file");
  with.instance = "from-command-line";
  CHECK(parse(kLeast + "instance: from-file\n", with).instance == "from-command-line");
  with.instance = "not/good";
  CHECK(errors(kLeast, with).find("f.yaml: error: the instance cannot be called `not/good`") == 0);
  CHECK(instance_from_host("a_b.c") == "a_b.c");
  CHECK(instance_from_host("-häuser/1") == "h--user-1");
  CHECK(instance_from_host("") == "instance");
}

TEST_CASE("the state directory: systemd, XDG, home") {
  std::map<std::string, std::string> environment;
  const auto directory = [&] {
    return default_state_directory([&](const char* name) -> const char* {
      const auto found = environment.find(name);
      return found == environment.end() ? nullptr : found->second.c_str();
    });
  };
  CHECK(directory().empty());
  environment["HOME"] = "/home/me";
  CHECK(directory() == "/home/me/.local/state/millrace");
  environment["XDG_STATE_HOME"] = "relative";
  CHECK(directory() == "/home/me/.local/state/millrace");
  environment["XDG_STATE_HOME"] = "/xdg";
  CHECK(directory() == "/xdg/millrace");
  environment["STATE_DIRECTORY"] = "/var/lib/millrace/a:/var/lib/millrace/b";
  CHECK(directory() == "/var/lib/millrace/a");

  ParseContext with = context();
  with.default_state_directory.clear();
  const PipelineSpec none = parse(kLeast, with);
  CHECK(instance_directory(none).empty());
  CHECK(none.touch_file.empty());
}

TEST_CASE("references are resolved where values are read") {
  FakeSecrets secrets;
  secrets.known = {{"env:BROKERS", "a:1, b:2"},
                   {"env:INTERVAL", "3s"},
                   {"env:PREFIX", "prod"},
                   {"file:/token", "canary0123456789abcdef"}};
  ParseContext with = context();
  with.secrets = &secrets;
  std::string text = read_file("tests/config/good/at-least-once.yaml");
  const PipelineSpec spec = parse(text, with);
  CHECK(spec.kafka.brokers == std::vector<std::string>{"a:1", "b:2"});
  CHECK(spec.knobs.batch_interval_ms == 3000);
  CHECK(spec.sources[0].topics[0] == "prod.orders");
  CHECK(spec.destinations[0].topic == "prod.copy");
  CHECK(spec.destinations[0].acks == "all");
  CHECK_FALSE(spec.http_enabled);
  CHECK(spec.config_hash == hash_text(text));  // of the text before substitution

  secrets.known["env:BROKERS"] = "no port";
  secrets.known["env:INTERVAL"] = "3";
  secrets.known["env:PREFIX"] = "bad prefix";
  const std::string found = errors(text, with);
  CHECK(found.find("`batch`") == std::string::npos);
  CHECK(found.find("batch: `interval` has no usable value behind `${env:INTERVAL}`") != std::string::npos);
  CHECK(errors(kLeast + "http: {listen: '0.0.0.0:1', token: '${file:/token}'}\n", with).empty());
  secrets.known["file:/token"] = "short";
  CHECK(errors(kLeast + "http: {listen: '0.0.0.0:1', token: '${file:/token}'}\n", with).find("too short") !=
        std::string::npos);
}

TEST_CASE("a longer interval alone needs no other time-out") {
  CHECK(errors(kLeast + "batch: {interval: 60s}\n").empty());
  CHECK(errors(kLeast + "stop: {timeout: 5s}\n").empty());
}

TEST_CASE("two phases that find the same thing say it once") {
  Diagnostics first;
  first.error({3, 1}, "one");
  first.warning({5, 1}, "careful");
  Diagnostics second;
  second.error({3, 1}, "one in other words");
  second.error({5, 1}, "five");
  second.error({7, 1}, "seven");
  first.merge(second);
  CHECK(first.text("f") == "f:3:1: error: one\nf:5:1: warning: careful\nf:5:1: error: five\nf:7:1: error: seven\n");
}

TEST_CASE("very many problems are counted, not printed") {
  Diagnostics diagnostics;
  for (int i = 1; i <= 1000; ++i) diagnostics.error({i, 1}, "x");
  CHECK(diagnostics.text("f").ends_with("f:200:1: error: x\nf: 800 more\n"));
}

TEST_CASE("names of the house") {
  CHECK(is_pipeline_name("wiki-1"));
  for (const char* wrong : {"", "-a", "a-", "A", "a_b", "a.b"}) CHECK_FALSE(is_pipeline_name(wrong));
  CHECK(is_node_name("by_size-2"));
  for (const char* wrong : {"", "1a", "a.b", "_a", "a b"}) CHECK_FALSE(is_node_name(wrong));
  CHECK(is_topic_name("a.B_c-1"));
  for (const char* wrong : {"", ".", "..", "a/b", "^a"}) CHECK_FALSE(is_topic_name(wrong));
  CHECK_FALSE(is_topic_name(std::string(250, 'a')));
  CHECK(is_loopback("127.0.0.53"));
  CHECK(is_loopback("::1"));
  CHECK_FALSE(is_loopback("127.0.0.1.example.org"));
  CHECK_FALSE(is_loopback("0.0.0.0"));
  CHECK(parse_host_port("[::1]:80").host == "::1");
  for (const char* wrong : {"", ":80", "a", "a:", "a:x", "a:70000", "::1:80", "[::1:80", "a:-1", "http://a:80"}) {
    INFO(wrong);
    CHECK(parse_host_port(wrong).port == -1);
  }
}

TEST_CASE("times are RFC 3339") {
  CHECK(parse_timestamp_ms("1970-01-01") == 0);
  CHECK(parse_timestamp_ms("2026-01-31T12:00:00Z") == 1769860800000);
  CHECK(parse_timestamp_ms("2026-01-31t12:00:00.5-01:30") == 1769866200500);
  CHECK(parse_timestamp_ms("1969-12-31T23:59:59.999Z") == -1);
  CHECK(parse_timestamp_ms("2024-02-29T00:00:00.123456789Z") == 1709164800123);
  for (const char* wrong :
       {"", "2026", "2026-13-01", "2026-02-29", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Zx", "now"}) {
    INFO(wrong);
    CHECK_FALSE(parse_timestamp_ms(wrong).has_value());
  }
}

TEST_CASE("a config file is read whole, or said why not") {
  Diagnostics diagnostics;
  CHECK(read_config_file(source_folder() + "/config/minimal.yaml", diagnostics).has_value());
  CHECK_FALSE(diagnostics.has_errors());
  CHECK_FALSE(read_config_file("/nonexistent.yaml", diagnostics).has_value());
  CHECK_FALSE(read_config_file("/tmp", diagnostics).has_value());
  CHECK(diagnostics.text("f") ==
        "f: error: cannot be opened: No such file or directory\nf: error: is no regular file\n");
}

TEST_CASE("a graph beyond all measure is refused, and quickly") {
  std::string stages = "stages:\n";
  std::string list = "[";
  for (int i = 0; i < 10'000; ++i) {
    stages += "  s" + std::to_string(i) + ": {from: s" + std::to_string(i + 1) + ", filter: \"true\"}\n";
    list += "s" + std::to_string(i) + ",";
  }
  CHECK(errors(kLeast + stages).find("`stages` has more than 1000 entries") != std::string::npos);
  CHECK(errors(kLeast + "stages: {s: {filter: 'true', from: " + list + "]}}\n").find("`from` has more than 1000") !=
        std::string::npos);
  CHECK(errors("sources: {s: {topics: " + list + "]}}\n").find("`topics` has more than 1000") != std::string::npos);
}

// A file that people are in the middle of editing: whatever is in it, there is an answer, its places lie in the file,
// and the text of the answer is lines of clean text.
TEST_CASE("changed files never crash") {
  const std::string whole = read_file("tests/config/good/everything.yaml");
  const std::vector<std::string> words{
      ": ",    "\n", "- ", "{",  "}",    "[",    "]",      "'",    "\"",  "|-\n", "&a ", "*a",    "!x ", "#",
      "${env", "}",  "\t", "\\", "\xff", "\r\n", "%",      "?",    ">-",  "  ",   ",",   "---\n", "...", "from",
      "~",     "9",  "ms", "@",  "`",    "key",  "from: ", "null", "1e9", "\x01", "日",  "<<: ",  "true"};
  std::mt19937 random(20'260'131);  // always the same changes
  const auto below = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  size_t parsed = 0;
  for (int run = 0; run < 1500; ++run) {
    std::string text = whole;
    for (size_t change = below(4) + 1; change > 0; --change) {
      const size_t at = below(text.size() + 1);
      switch (below(4)) {
        case 0:
          text.insert(at, words[below(words.size())]);
          break;
        case 1:
          text.erase(at, below(20));
          break;
        case 2:
          text.resize(at);
          break;
        default:
          text.insert(at, text.substr(below(text.size() + 1), below(60)));
          break;
      }
      if (text.empty()) text = whole;
    }
    Diagnostics diagnostics;
    INFO(text);
    const auto spec = parse_pipeline("f.yaml", text, context(), diagnostics);
    if (spec) ++parsed;
    if (!spec) REQUIRE(diagnostics.has_errors());
    const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
    for (const Diagnostic& diagnostic : diagnostics.sorted()) {
      REQUIRE(diagnostic.position.line <= lines);
      REQUIRE(diagnostic.position.column >= 0);
      REQUIRE(diagnostic.text.find('\n') == std::string::npos);
    }
  }
  CHECK(parsed > 300);
}

}  // namespace millrace::config
