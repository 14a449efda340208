#include "base/text.h"

#include "support/catch.h"

namespace millrace {

namespace {

std::string near_to(std::string_view name, std::vector<std::string> candidates) {
  return nearest(name, candidates);
}

}  // namespace

TEST_CASE("edit distance counts insertions, deletions, changes and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("filter", "filter") == 0);
  CHECK(edit_distance("fliter", "filter") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("ca", "abc") == 3);  // optimal string alignment, not the unrestricted distance
}

TEST_CASE("nearest suggests what was meant and nothing else") {
  CHECK(near_to("fliter", {"classify", "filter", "decorate"}) == "filter");
  CHECK(near_to("Interval", {"interval", "max_records"}) == "interval");
  CHECK(near_to("interval_ms", {"interval", "max_records"}) == "interval");
  CHECK(near_to("wher", {"where", "invert"}) == "where");
  CHECK(near_to("xyzzy", {"where", "invert"}).empty());
  CHECK(near_to("a", {"b", "c"}).empty());
  CHECK(near_to("", {"b"}).empty());
  CHECK(near_to("ab", {"abc", "ac"}) == "abc");  // equally near: the first
  CHECK(near_to(std::string(1'000'000, 'x'), {"where"}).empty());
}

TEST_CASE("lists of names") {
  std::vector<std::string> names;
  CHECK(quoted_list(names).empty());
  names = {"a"};
  CHECK(quoted_list(names) == "`a`");
  names = {"a", "b"};
  CHECK(quoted_list(names) == "`a` and `b`");
  names = {"a", "b", "c"};
  CHECK(quoted_list(names) == "`a`, `b` and `c`");
  names.assign(32, "n");
  CHECK(quoted_list(names).ends_with("`n` and 7 more"));
}

TEST_CASE("bytes are read and written exactly") {
  CHECK(parse_bytes("64MiB") == 64 << 20);
  CHECK(parse_bytes("1.5KiB") == 1536);
  CHECK(parse_bytes("10MB") == 10'000'000);
  CHECK(parse_bytes("1kB") == 1000);
  CHECK(parse_bytes("0B") == 0);
  CHECK(parse_bytes("1TiB") == int64_t{1} << 40);
  for (const char* wrong : {"", "64", "MiB", "64 MiB", "64mib", "64KB", "-1B", "1.B", ".5B", "1.5B", "1e3B", "64MiBx",
                            "9223372036854775808B", "9223372036854775807KiB", "99999999999999999999B", "1..5KiB"}) {
    INFO(wrong);
    CHECK_FALSE(parse_bytes(wrong).has_value());
  }
  CHECK(format_bytes(1536) == "1.5KiB");
  CHECK(format_bytes(1500) == "1500B");
  CHECK(format_bytes(0) == "0B");
  CHECK(format_bytes(64 << 20) == "64MiB");
  CHECK(format_bytes(-5) == "-5B");
  for (int64_t bytes : {int64_t{1}, int64_t{1023}, int64_t{1024}, int64_t{1588}, int64_t{104857600}, INT64_MAX}) {
    CHECK(parse_bytes(format_bytes(bytes)) == bytes);
  }
}

TEST_CASE("durations are read and written exactly") {
  CHECK(parse_duration_ms("500ms") == 500);
  CHECK(parse_duration_ms("1s") == 1000);
  CHECK(parse_duration_ms("1.5s") == 1500);
  CHECK(parse_duration_ms("1m30s") == 90'000);
  CHECK(parse_duration_ms("2h") == 7'200'000);
  CHECK(parse_duration_ms("7d") == 604'800'000);
  CHECK(parse_duration_ms("1d2h3m4s5ms") == 93'784'005);
  CHECK(parse_duration_ms("0s") == 0);
  for (const char* wrong : {"", "500", "s", "1 s", "1sec", "1s1m", "1s1s", "-1s", "1us", "0.5ms", "1m30",
                            "9223372036854775807s", "106751991168d", "s1"}) {
    INFO(wrong);
    CHECK_FALSE(parse_duration_ms(wrong).has_value());
  }
  CHECK(format_duration_ms(1500) == "1.5s");
  CHECK(format_duration_ms(90'000) == "1m30s");
  CHECK(format_duration_ms(5) == "5ms");
  CHECK(format_duration_ms(0) == "0ms");
  CHECK(format_duration_ms(-1500) == "-1.5s");
  for (int64_t ms : {int64_t{1}, int64_t{999}, int64_t{61'001}, int64_t{86'400'000}, int64_t{93'784'005}, INT64_MAX}) {
    CHECK(parse_duration_ms(format_duration_ms(ms)) == ms);
  }
}

TEST_CASE("rates are per second") {
  CHECK(parse_rate("5000/s") == 5000);
  CHECK(parse_rate("300/m") == 5);
  CHECK(parse_rate("1.5/s") == 1.5);
  CHECK(parse_rate("3600/h") == 1);
  for (const char* wrong : {"", "5000", "/s", "5000/d", "5000 /s", "-1/s"}) CHECK_FALSE(parse_rate(wrong).has_value());
}

TEST_CASE("outside text becomes one harmless line") {
  CHECK(escape_for_log("plain äöü 日本") == "plain äöü 日本");
  CHECK(escape_for_log("a\nb\r\tc") == "a\\nb\\r\\tc");
  CHECK(escape_for_log("\x1b[31mred") == "\\x1b[31mred");
  CHECK(escape_for_log(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(escape_for_log("\x7f") == "\\x7f");
  CHECK(escape_for_log("\u0085\u009b") == "\\u0085\\u009b");
  CHECK(escape_for_log("a\u2028b\u2029") == "a\\u2028b\\u2029");
  CHECK(escape_for_log("\u202etxt") == "\\u202etxt");
  CHECK(escape_for_log("\xff\xc3(") == "\\xff\\xc3(");
  CHECK(escape_for_log("abcdef", 4) == "abcd...");
  CHECK(escape_for_log("abcd", 4) == "abcd");
  CHECK(escape_for_log("aaä", 3) == "aa...");  // never half a character
  CHECK(escape_for_log("aaa\n", 4) == "aaa...");
  const std::string once = escape_for_log("x\n\x1b\xff");
  CHECK(escape_for_log(once) == once);
}

TEST_CASE("outside text inside a JSON string") {
  CHECK(escape_for_json("say \"hi\" \\ there") == "say \\\"hi\\\" \\\\ there");
  CHECK(escape_for_json("a\nb\x01") == "a\\nb\\u0001");
  CHECK(escape_for_json("\xff\xfe") == "\\ufffd\\ufffd");
  CHECK(escape_for_json("\u2028") == "\\u2028");
  CHECK(escape_for_json("日本") == "日本");
}

TEST_CASE("UTF-8 is checked strictly") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("aä日\U0001F600"));
  CHECK(is_valid_utf8("\U0010FFFF"));
  CHECK_FALSE(is_valid_utf8("\xc0\xaf"));          // longer than needed
  CHECK_FALSE(is_valid_utf8("\xe0\x80\xaf"));      // longer than needed
  CHECK_FALSE(is_valid_utf8("\xed\xa0\x80"));      // a surrogate
  CHECK_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  CHECK_FALSE(is_valid_utf8("\xf0\x9f\x98"));      // cut
  CHECK_FALSE(is_valid_utf8("\x80"));
}

TEST_CASE("split and trim") {
  CHECK(split("a,b,,c", ',') == std::vector<std::string_view>{"a", "b", "", "c"});
  CHECK(split("", ',') == std::vector<std::string_view>{""});
  CHECK(split("abc", ',') == std::vector<std::string_view>{"abc"});
  CHECK(trim(" \t a b\n") == "a b");
  CHECK(trim("   ").empty());
}

}  // namespace millrace
