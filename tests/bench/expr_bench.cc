// What expressions cost beside reading the record by hand: one thread, records in memory and not in cache.
//
// hand/...     simdjson On-Demand with the fields' names written into the code, in the order of the document
// read/...     our decoder alone: the whole record checked, the same fields in their slots
// predicate/.. decoder and compiled condition;  evaluate/... the condition alone, on records that are decoded
// decorate/... decoder, three values, and the bytes to send;  classify/... decoder and rules
// The last lines give the ratios of the medians, for machines.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/check.h"
#include "expr/decoder.h"
#include "expr/program.h"

namespace millrace::expr {

namespace {

namespace ondemand = simdjson::ondemand;

constexpr size_t kSetBytes = 48 * 1024 * 1024;  // past the last level of most caches
constexpr size_t kChunk = 256;                  // records between two resets of the arena

struct Records {
  std::string bytes;
  std::vector<std::pair<size_t, size_t>> places;

  void add(std::string_view record) {
    places.emplace_back(bytes.size(), record.size());
    bytes += record;
  }
  [[nodiscard]] std::string_view at(size_t i) const {
    return std::string_view(bytes).substr(places[i].first, places[i].second);
  }
};

// An HTTP request as a service logs it: 23 keys on two levels, 699 bytes. What filters ask for stands where such logs
// have it: service and method early, status in the middle.
std::string event(std::mt19937_64& random) {
  static const char* const kServices[] = {"checkout", "search", "basket", "login", "catalog"};
  static const char* const kMethods[] = {"GET", "POST", "PUT", "DELETE"};
  static const int kStates[] = {200, 200, 200, 404, 500, 503, 301};
  const auto below = [&](uint64_t n) { return static_cast<int>(random() % n); };
  std::string text = fmt::format(
      R"({{"ts":"2026-11-20T{:02}:{:02}:{:02}.{:03}Z","level":"info","service":"{}","host":"node-{:02}.eu-west-1.example.net",)"
      R"("method":"{}","path":"/api/v1/items/{:08}","status":{},"duration_ms":{}.{},"bytes":{},"retry":{},)"
      R"("client":{{"ip":"10.{}.{}.{}","port":{},"agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}},)"
      R"("user":{{"id":{},"tier":"{}","session":"{:016x}"}},"trace":{{"id":"{:016x}{:016x}","sampled":{}}},"message":")",
      below(24), below(60), below(60), below(1000), kServices[below(5)], below(100), kMethods[below(4)],
      below(100'000'000), kStates[below(7)], below(1000), below(10), below(100'000), below(2) != 0, below(255),
      below(255), below(255), below(65'536), below(1'000'000), below(2) != 0 ? "gold" : "free", random(), random(),
      random(), below(2) != 0);
  text.resize(697, 'x');
  return text + "\"}";
}

Records make_events() {
  std::mt19937_64 random(1);
  Records records;
  while (records.bytes.size() < kSetBytes) records.add(event(random));
  records.bytes.resize(records.bytes.size() + simdjson::SIMDJSON_PADDING);
  return records;
}

// Lines of a file, again and again until there are enough.
Records lines_of(const std::string& command) {
  Records records;
  std::string text;
  if (FILE* pipe = popen(command.c_str(), "r")) {
    char block[65536];
    for (size_t got = 0; (got = fread(block, 1, sizeof block, pipe)) > 0;) text.append(block, got);
    pclose(pipe);
  }
  CHECK_MSG(!text.empty(), "no records from: " + command);
  while (records.bytes.size() < kSetBytes) {
    for (size_t from = 0; from < text.size();) {
      const size_t end = std::min(text.find('\n', from), text.size());
      if (end > from) records.add(std::string_view(text).substr(from, end - from));
      from = end + 1;
    }
  }
  records.bytes.resize(records.bytes.size() + simdjson::SIMDJSON_PADDING);
  return records;
}

struct HandField {
  std::vector<std::string> path;  // one name or two
  enum class Type { text, integer, boolean } type = Type::text;
};

// The loop that a C++ programmer would write: get each field by name, in the document's order.
size_t by_hand(ondemand::parser& parser, std::string_view record, const std::vector<HandField>& fields) {
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(record.data(), record.size(), record.size() + simdjson::SIMDJSON_PADDING).get(document)) return 0;
  if (document.get_object().get(object)) return 0;
  size_t sum = 0;
  for (const HandField& field : fields) {
    std::string_view text;
    int64_t integer = 0;
    bool boolean = false;
    auto value = object.find_field_unordered(field.path[0]);
    if (field.path.size() == 2) value = value.find_field_unordered(field.path[1]);
    switch (field.type) {
      case HandField::Type::text:
        if (value.get_string().get(text)) return 0;
        sum += text.size();
        break;
      case HandField::Type::integer:
        if (value.get_int64().get(integer)) return 0;
        sum += integer > 500 ? 1 : 0;
        break;
      case HandField::Type::boolean:
        if (value.get_bool().get(boolean)) return 0;
        sum += boolean ? 1 : 0;
    }
  }
  return sum;
}

size_t event_by_hand(ondemand::parser& parser, std::string_view record) {
  ondemand::document document;
  ondemand::object object;
  std::string_view service;
  std::string_view method;
  int64_t status = 0;
  if (parser.iterate(record.data(), record.size(), record.size() + simdjson::SIMDJSON_PADDING).get(document)) return 0;
  if (document.get_object().get(object)) return 0;
  if (object.find_field_unordered("service").get_string().get(service)) return 0;
  if (object.find_field_unordered("method").get_string().get(method)) return 0;
  if (object.find_field_unordered("status").get_int64().get(status)) return 0;
  return status >= 500 && service == "checkout" && (method == "POST" || method == "PUT") ? 1 : 0;
}

void each(benchmark::State& state, const Records& records, Arena* arena, const auto& work) {
  size_t i = 0;
  size_t hits = 0;
  for (auto _ : state) {
    for (size_t k = 0; k < kChunk; ++k) {
      hits += work(i);
      if (++i == records.places.size()) i = 0;
    }
    if (arena != nullptr) arena->reset();
  }
  benchmark::DoNotOptimize(hits);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kChunk));
  state.counters["ns"] = benchmark::Counter(static_cast<double>(state.iterations()) * kChunk / 1e9,
                                            benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Decoder and programs on one plan.
struct Machine {
  Machine() : compiler({}, plan, nullptr) {}

  std::unique_ptr<const Program> compile(const std::string& text, Want want) {
    std::vector<CompileError> errors;
    auto program = compiler.compile(text, want, errors);
    CHECK_MSG(errors.empty(), errors.front().message);
    return program;
  }
  void ready() {
    decoder = make_decoder(Format::json, plan, {});
    encoder = make_encoder(Format::json, plan);
  }
  DecodedRecord decode(std::string_view text) {
    DecodedRecord decoded;
    const DecodeResult result = decoder->decode(text, arena, decoded);
    CHECK(result.reason == RejectReason::none);
    return decoded;
  }
  Scope scope(const DecodedRecord& decoded) { return {&record, decoded.fields, 0}; }

  FieldPlan plan;
  Compiler compiler;
  Arena arena;
  Evaluator evaluator{arena};
  Record record;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Encoder> encoder;
};

void bench_condition(const std::string& name, const Records& records, const std::string& condition) {
  benchmark::RegisterBenchmark(("predicate/" + name).c_str(), [&records, condition](benchmark::State& state) {
    Machine machine;
    const auto program = machine.compile(condition, Want::condition);
    machine.ready();
    each(state, records, &machine.arena, [&](size_t i) -> size_t {
      const DecodedRecord decoded = machine.decode(records.at(i));
      return program->test(machine.scope(decoded), machine.evaluator) == Truth::yes ? 1 : 0;
    });
  });
  benchmark::RegisterBenchmark(("read/" + name).c_str(), [&records, condition](benchmark::State& state) {
    Machine machine;
    (void)machine.compile(condition, Want::condition);
    machine.ready();
    each(state, records, &machine.arena,
         [&](size_t i) -> size_t { return machine.decode(records.at(i)).fields.size(); });
  });
  benchmark::RegisterBenchmark(("evaluate/" + name).c_str(), [&records, condition](benchmark::State& state) {
    Machine machine;
    const auto program = machine.compile(condition, Want::condition);
    machine.ready();
    Arena kept;
    std::vector<DecodedRecord> decoded(4096);
    for (size_t i = 0; i < decoded.size(); ++i) {
      CHECK(machine.decoder->decode(records.at(i % records.places.size()), kept, decoded[i]).reason ==
            RejectReason::none);
    }
    each(state, records, nullptr, [&](size_t i) -> size_t {
      return program->test(machine.scope(decoded[i % decoded.size()]), machine.evaluator) == Truth::yes ? 1 : 0;
    });
  });
}

void bench_decorate(const Records& records) {
  benchmark::RegisterBenchmark("decorate/event", [&records](benchmark::State& state) {
    Machine machine;
    std::vector<std::unique_ptr<const Program>> programs;
    std::vector<Edit> edits;
    programs.push_back(machine.compile("value.service", Want::value));
    programs.push_back(machine.compile("value.status >= 500", Want::value));
    programs.push_back(machine.compile("value.status / 100", Want::value));
    for (const char* name : {"origin", "failed", "class"}) {
      edits.push_back({machine.plan.slot_with_span({name}), false, {}});
    }
    machine.ready();
    each(state, records, &machine.arena, [&](size_t i) -> size_t {
      const DecodedRecord decoded = machine.decode(records.at(i));
      for (size_t k = 0; k < programs.size(); ++k) {
        edits[k].json = to_json(programs[k]->evaluate(machine.scope(decoded), machine.evaluator), machine.arena).text;
      }
      return machine.encoder->encode(decoded, edits, machine.arena).bytes.size();
    });
  });
}

void bench_classify(const std::string& name, const Records& records, const std::vector<std::string>& rules) {
  benchmark::RegisterBenchmark(("classify/" + name).c_str(), [&records, rules](benchmark::State& state) {
    Machine machine;
    std::vector<Compiler::RuleError> errors;
    const auto set = machine.compiler.compile_rules(rules, errors);
    CHECK(errors.empty());
    machine.ready();
    each(state, records, &machine.arena, [&](size_t i) -> size_t {
      const DecodedRecord decoded = machine.decode(records.at(i));
      int failed = 0;
      return set->first_match(machine.scope(decoded), machine.evaluator, failed) >= 0 ? 1 : 0;
    });
  });
}

void bench_hand(const std::string& name, const Records& records, const std::vector<HandField>& fields) {
  benchmark::RegisterBenchmark(("hand/" + name).c_str(), [&records, fields](benchmark::State& state) {
    ondemand::parser parser;
    each(state, records, nullptr, [&](size_t i) -> size_t { return by_hand(parser, records.at(i), fields); });
  });
}

std::vector<std::string> equality_rules(size_t count) {
  std::vector<std::string> rules;
  for (size_t i = 0; i + 1 < count; ++i) rules.push_back(fmt::format("value.service == 'service-{}'", i));
  rules.push_back("value.service == 'checkout'");
  return rules;
}

std::vector<std::string> regex_rules(size_t count) {
  std::vector<std::string> rules;
  for (size_t i = 0; i + 1 < count; ++i)
    rules.push_back(fmt::format("value.path.matches('^/api/v{}/[a-z]+/9{}')", i + 2, i));
  rules.push_back("value.path.matches('^/api/v1/[a-z]+/9[0-4]')");
  return rules;
}

// Collects the medians and prints the ratios that have a target.
class Ratios : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const std::string name = run.run_name.function_name;
      const auto found = run.counters.find("ns");
      if (found == run.counters.end() || (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median"))
        continue;
      if (run.run_type == Run::RT_Aggregate || medians_.count(name) == 0) medians_[name] = found->second.value * 1e9;
    }
  }

  void print_ratios() const {
    fmt::print("\n");
    ratio("predicate_event", "predicate/event", "hand/event", 1.5);
    ratio("evaluate_event", "evaluate/event", "hand/event", 0.1);
    difference("decorate_event", "decorate/event", "read/event", "hand/event", 0.5);
    ratio("classify_equality_64", "classify/equality_64", "classify/equality_1", 2);
    ratio("classify_regex_50", "classify/regex_50", "classify/regex_1", 2);
    ratio("predicate_edits", "predicate/edits", "hand/edits", 1.5);
    ratio("predicate_bids", "predicate/bids", "hand/bids", 1.5);
    ratio("predicate_nginx", "predicate/nginx", "hand/nginx", 1.5);
  }

 private:
  void print(const char* name, double value, double target) const {
    fmt::print("bench expr_{} ratio {:.2f} target {:.2f}{}\n", name, value, target, value <= target ? "" : " missed");
  }
  void ratio(const char* name, const char* of, const char* to, double target) const {
    if (medians_.count(of) == 0 || medians_.count(to) == 0) return;
    print(name, medians_.at(of) / medians_.at(to), target);
  }
  void difference(const char* name, const char* of, const char* without, const char* to, double target) const {
    if (medians_.count(of) == 0 || medians_.count(without) == 0 || medians_.count(to) == 0) return;
    print(name, (medians_.at(of) - medians_.at(without)) / medians_.at(to), target);
  }
  std::map<std::string, double> medians_;
};

int run(int argc, char** argv) {
  const std::string data = std::string(MILLRACE_SOURCE_DIR) + "/tests/data/";
  const Records events = make_events();
  const Records edits = lines_of("zstd -dcq " + data + "wikipedia-edits.jsonl.zst");
  const Records nginx = lines_of("zstd -dcq " + data + "nginx-status.jsonl.zst");
  const Records bids = lines_of("zstd -dcq " + data + "nexmark-bids.jsonl.zst");
  using Type = HandField::Type;
  benchmark::RegisterBenchmark("hand/event", [&](benchmark::State& state) {
    ondemand::parser parser;
    each(state, events, nullptr, [&](size_t i) -> size_t { return event_by_hand(parser, events.at(i)); });
  });
  bench_condition("event", events,
                  "value.status >= 500 && value.service == 'checkout' && value.method in ['POST', 'PUT']");
  bench_decorate(events);
  bench_classify("equality_1", events, equality_rules(1));
  bench_classify("equality_64", events, equality_rules(64));
  bench_classify("regex_1", events, regex_rules(1));
  bench_classify("regex_50", events, regex_rules(50));
  bench_hand("edits", edits, {{{"isRobot"}, Type::boolean}, {{"namespace"}}, {{"delta"}, Type::integer}});
  bench_condition("edits", edits, "!value.isRobot && value.namespace == 'Main' && value.delta > 100");
  bench_hand("bids", bids, {{{"event_type"}, Type::integer}, {{"bid", "price"}, Type::integer}});
  bench_condition("bids", bids, "value.event_type == 2 && value.bid.price > 10000");
  bench_hand("nginx", nginx, {{{"version"}, Type::integer}, {{"address"}}, {{"generation"}, Type::integer}});
  bench_condition("nginx", nginx, "value.version >= 6 && value.address != '' && value.generation > 10");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Ratios ratios;
  benchmark::RunSpecifiedBenchmarks(&ratios);
  ratios.print_ratios();
  benchmark::Shutdown();
  return 0;
}

}  // namespace

}  // namespace millrace::expr

int main(int argc, char** argv) {
  return millrace::expr::run(argc, argv);
}
