#include "stage/observed.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>

#include "support/catch.h"

namespace millrace {

namespace {

using Work = std::function<void(std::span<const Item* const>, StageOutput&)>;

class Made final : public Stage {
 public:
  explicit Made(Work work) : work_(std::move(work)) {}
  void process(std::span<const Item* const> in, StageContext&, StageOutput& out) override { work_(in, out); }

 private:
  const Work work_;
};

void run_two(const Work& work, StageOutput& out) {
  Arena arena;
  expr::Evaluator evaluator(arena);
  StageContext context{arena, evaluator, nullptr, nullptr, 0};
  const Item items[2];
  const Item* const in[2] = {&items[0], &items[1]};
  ObservedStage stage(std::make_unique<Made>(work));
  stage.process(in, context, out);
}

struct Death {
  bool aborted = false;
  std::string said;
};

// In a child, because a broken promise ends the process.
Death death_of(const Work& work) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Catch would report a test that failed
    dup2(ends[1], 2);
    close(ends[0]);
    StageOutput out(2);
    run_two(work, out);
    _exit(0);
  }
  close(ends[1]);
  Death death;
  char block[1024];
  for (ssize_t got = 0; (got = read(ends[0], block, sizeof block)) > 0;)
    death.said.append(block, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  death.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  return death;
}

}  // namespace

TEST_CASE("A stage that settles each record is counted") {
  StageOutput out(2);
  run_two(
      [](auto in, StageOutput& to) {
        to.emit(1, in[0]);
        to.reject(in[1], RejectReason::expression_error, "x");
      },
      out);
  run_two(
      [](auto in, StageOutput& to) {
        to.filtered(in[0]);
        to.unmatched(in[1]);
      },
      out);
  CHECK(out.counts().in == 4);
  CHECK(out.counts().filtered == 1);
  CHECK(out.counts().unmatched == 1);
  CHECK(out.counts().rejected[static_cast<size_t>(RejectReason::expression_error)] == 1);
  CHECK(out.ports()[1].size() == 1);
}

TEST_CASE("A stage that loses a record ends the process") {
  const Death death = death_of([](auto in, StageOutput& to) { to.emit(0, in[0]); });
  INFO(death.said);
  CHECK(death.aborted);
  CHECK(death.said.find("of 2 records 1 were settled") != std::string::npos);
}

TEST_CASE("A stage that settles a record twice ends the process") {
  const Death death = death_of([](auto in, StageOutput& to) {
    for (const Item* item : in) to.emit(0, item);
    to.filtered(in[0]);
  });
  INFO(death.said);
  CHECK(death.aborted);
  CHECK(death.said.find("of 2 records 3 were settled") != std::string::npos);
}

}  // namespace millrace
