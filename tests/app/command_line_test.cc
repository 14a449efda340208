#include "app/command_line.h"

#include <fmt/core.h>

#include "support/catch.h"
#include "support/golden.h"

using namespace millrace;

TEST_CASE("what can be asked", "[command_line]") {
  CommandLine line = parse_command_line({"run", "a.yaml"});
  CHECK(line.command == Command::run);
  CHECK(line.file == "a.yaml");
  CHECK(line.instance.empty());
  CHECK_FALSE(line.accept_start);
  CHECK(line.accept_offsets == AcceptOffsets::no);

  line = parse_command_line({"run", "--instance", "i-1", "--accept-start", "--accept-offsets=expected", "a.yaml"});
  CHECK(line.command == Command::run);
  CHECK(line.file == "a.yaml");
  CHECK(line.instance == "i-1");
  CHECK(line.accept_start);
  CHECK(line.accept_offsets == AcceptOffsets::expected);
  CHECK(parse_command_line({"run", "a", "--accept-offsets", "committed"}).accept_offsets == AcceptOffsets::committed);

  line = parse_command_line({"check", "a.yaml", "--connect"});
  CHECK(line.command == Command::check);
  CHECK(line.connect);

  line = parse_command_line({"graph", "a.yaml"});
  CHECK(line.command == Command::graph);
  CHECK_FALSE(line.mermaid);
  CHECK(parse_command_line({"graph", "a.yaml", "--format", "mermaid"}).mermaid);

  line = parse_command_line({"history", "a.yaml"});
  CHECK(line.command == Command::history);
  CHECK(line.history.last == 20);
  CHECK_FALSE(line.history.events);
  line = parse_command_line({"history", "a.yaml", "--events", "--last", "5", "--json", "--instance", "i"});
  CHECK(line.history.events);
  CHECK(line.history.json);
  CHECK(line.history.last == 5);
  CHECK(line.instance == "i");
  CHECK(parse_command_line({"history", "a", "--events", "--batches"}).command == Command::wrong_usage);
  CHECK(parse_command_line({"history", "a", "--last", "0"}).command == Command::wrong_usage);

  CHECK(parse_command_line({"advise", "a.yaml"}).command == Command::advise);
  CHECK(parse_command_line({"advise"}).command == Command::wrong_usage);

  CHECK(parse_command_line({"knobs"}).command == Command::knobs);
  CHECK(parse_command_line({"version"}).command == Command::version);
  CHECK(parse_command_line({"--version"}).command == Command::version);
}

TEST_CASE("a record for eval", "[command_line]") {
  const CommandLine line =
      parse_command_line({"eval", "value.a", "--value", R"({"a": 1})", "--key", "k", "--header", "h=1=2", "--header",
                          "g=", "--topic", "t", "--partition", "3", "--offset", "7", "--explain"});
  REQUIRE(line.command == Command::eval);
  CHECK(line.eval.expression == "value.a");
  CHECK(line.eval.value == std::optional<std::string>(R"({"a": 1})"));
  CHECK(line.eval.key == std::optional<std::string>("k"));
  const std::vector<std::pair<std::string, std::string>> headers = {{"h", "1=2"}, {"g", ""}};
  CHECK(line.eval.headers == headers);
  CHECK(line.eval.topic == "t");
  CHECK(line.eval.partition == 3);
  CHECK(line.eval.offset == 7);
  CHECK(line.eval.explain);
  CHECK_FALSE(parse_command_line({"eval", "1"}).eval.value.has_value());
}

TEST_CASE("wrong usage says what is wrong", "[command_line]") {
  const auto wrong = [](const std::vector<std::string>& words) {
    const CommandLine line = parse_command_line(words);
    CHECK(line.command == Command::wrong_usage);
    return line.text;
  };
  CHECK(wrong({}) == "millrace: no command given\nSee `millrace help`.\n");
  CHECK(wrong({"rnu"}) == "millrace: there is no command `rnu`; did you mean `run`?\nSee `millrace help`.\n");
  CHECK(wrong({"a.yaml"}) ==
        "millrace: there is no command `a.yaml`; did you mean `millrace run a.yaml`?\nSee `millrace help`.\n");
  CHECK(wrong({"run"}) == "millrace: FILE is required\nSee `millrace help run`.\n");
  CHECK(wrong({"help", "rum"}) == "millrace: there is no command `rum`; did you mean `run`?\nSee `millrace help`.\n");
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"run", "a", "b"},
                                             {"run", "a", "--accept-offsets"},
                                             {"run", "a", "--accept-offsets", "some"},
                                             {"run", "a", "--instance"},
                                             {"check", "a", "--conect"},
                                             {"graph", "a", "--format", "dot"},
                                             {"eval"},
                                             {"eval", "1", "--header", "h"},
                                             {"eval", "1", "--header", "=v"},
                                             {"eval", "1", "--partition", "-1"},
                                             {"knobs", "a"},
                                             {"version", "a"}}) {
    INFO(fmt::format("{} ...", words[0]));
    CHECK_FALSE(wrong(words).empty());
  }
}

TEST_CASE("help is there for every command, within the width of a page", "[command_line]") {
  CHECK(parse_command_line({"--help"}).text == help_text(""));
  CHECK(parse_command_line({"help"}).text == help_text(""));
  for (const std::string& name : command_names()) {
    INFO(name);
    CHECK(help_text("").find("\n  " + name + " ") != std::string_view::npos);
    if (name == "help") continue;
    CHECK(parse_command_line({"help", name}).text == help_text(name));
    const CommandLine line = parse_command_line({name, "--help"});
    CHECK(line.command == Command::help);
    CHECK(line.text == help_text(name));
    size_t width = 0;
    for (const char c : help_text(name)) {
      width = c == '\n' ? 0 : width + 1;
      CHECK(width <= 120);
    }
  }
}

TEST_CASE("the reference of the commands is what the program says", "[command_line]") {
  std::string text =
      "# Commands\n\nThis page is made from the program's own help (`millrace help`, `millrace help COMMAND`).\n\n"
      "```text\n" +
      std::string(help_text("")) + "```\n";
  for (const std::string& name : command_names()) {
    if (name == "help") continue;
    text += fmt::format("\n## millrace {}\n\n```text\n{}```\n", name, help_text(name));
  }
  check_golden("runbooks/reference/commands.md", text);
}
