#include "app/run.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "app/assemble.h"
#include "app/audit_note.h"
#include "app/history_command.h"
#include "app/live_watch.h"
#include "app/reloader.h"
#include "app/signals.h"
#include "app/state_directory.h"
#include "app/systemd.h"
#include "app/touch_file.h"
#include "app/touch_file_watch.h"
#include "app/watchdog.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "kafka/admin.h"
#include "kafka/edge.h"
#include "kafka/version.h"
#include "pipeline/engine.h"
#include "status/api.h"
#include "status/http_server.h"
#include "status/pages.h"
#include "status/recorder.h"

namespace millrace {
namespace {

constexpr const char* kThresholdNote = "dead-letters";
constexpr int64_t kThresholdEveryMs = 10'000;
constexpr int kMoveOffsetsMs = 30'000;

// How the process ends.
struct Ending {
  ExitCode code = ExitCode::done;
  std::string why;
  std::vector<AuditDifference> differences = {};
  bool leave_at_once = false;  // threads are left that hold memory
  std::string event = {};      // of the history, beside `stop`; empty: none
};

Ending ending_of(EngineEnd end) {
  Ending ending{end.code, std::move(end.what), std::move(end.differences)};
  if (ending.code != ExitCode::stopped_by_policy) return ending;
  ending.event = end.by_threshold ? "threshold" : ending.differences.empty() ? "policy_stop" : "offset_audit";
  return ending;
}

Ending ending_of(const Error& error) {
  return ending_of(EngineEnd{error.remedy == Remedy::fix_config ? ExitCode::config : error.exit_code, error.what});
}

// One run: the parts, in the order in which they are made; they go in the opposite order.
class Run {
 public:
  // `pipeline` is shared with the versions that are made from it.
  Run(const CommandLine& line, const ProgramVersion& version, std::shared_ptr<const Pipeline> pipeline,
      Signals& signals)
      : line_(line), spec_(pipeline->spec), starts_with_(std::move(pipeline)), signals_(signals) {
    const config::PipelineSpec& spec = spec_;
    facts_.pipeline = spec.name;
    facts_.instance = spec.instance;
    facts_.version = version.version + " (" + version.commit + ")";
    facts_.librdkafka = rdkafka_version_text();
    facts_.config_file = spec.file;
    facts_.started_wall_ms = clock_.wall_ms();
    facts_.memory_limit_bytes = static_cast<uint64_t>(spec.knobs.memory_limit_bytes);
  }

  // State, touch file, engine, edge, HTTP: everything but the threads that do the work.
  Result<void> prepare();
  // Runs until there is a reason to end.
  Ending live();
  // Ends in order. Nothing of this object is asked to move afterwards.
  void stop(Ending& ending);
  // What is left to write for the history.
  void close_history(Ending& ending);
  // The last line of the log.
  void say_farewell(const Ending& ending) const;
  // Before this object goes: a library that does not let go of a thread must not keep the process.
  void let_go(ExitCode code) { watchdog_->let_go(code); }
  // A touch file that only we look at goes with us.
  void remove_touch_file() const {
    if (touch_file_is_ours_) touch_file_->remove();
  }

 private:
  Result<void> claim_state();
  Result<void> make_parts();
  Result<void> settle_audit(const EdgeSettings& settings);
  [[nodiscard]] std::optional<Ending> reason_to_end();
  [[nodiscard]] std::string standstill() const;
  [[nodiscard]] View view() const;
  [[nodiscard]] LiveReconcile::Seen seen() const;
  void keep_threshold();
  [[nodiscard]] bool nothing_was_open();

  const CommandLine& line_;
  const config::PipelineSpec spec_;              // what it was started with
  std::shared_ptr<const Pipeline> starts_with_;  // shared with the engine's first version; given away in make_parts
  Signals& signals_;
  const SystemClock clock_;
  ProgramFacts facts_;
  std::optional<StateDirectory> state_;
  std::optional<TouchFile> touch_file_;
  bool touch_file_is_ours_ = false;     // it lies in our state directory, where nobody else looks
  std::unique_ptr<Watchdog> watchdog_;  // goes last of what has threads: it holds the others to their time
  std::unique_ptr<History> history_;    // null: none is wanted
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Edge> edge_;
  std::unique_ptr<Engine> engine_;
  mutable Mutex ending_mutex_;
  std::string ending_ GUARDED_BY(ending_mutex_);  // for /readyz
  std::unique_ptr<TouchFileWatch> touch_file_watch_;
  std::unique_ptr<LiveWatch> live_watch_;
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<HttpServer> http_;
  std::string threshold_written_;
  int64_t threshold_at_ms_ = 0;
  int64_t stop_deadline_ms_ = 0;
};

Result<void> Run::claim_state() {
  const config::PipelineSpec& spec = spec_;
  const std::string directory = config::instance_directory(spec);
  if (directory.empty()) {
    return fail(Remedy::fix_config, "no place for state: set state.directory, STATE_DIRECTORY, XDG_STATE_HOME or HOME",
                ExitCode::config);
  }
  TRY_ASSIGN(auto opened, StateDirectory::open(directory));
  state_.emplace(std::move(opened));
  touch_file_.emplace(spec.touch_file);
  TRY(touch_file_->make(
      fmt::format("millrace {} ({}), process {}: remove this file to stop it\n", spec.name, spec.instance, getpid())));
  touch_file_is_ours_ = spec.touch_file.substr(0, directory.size() + 1) == directory + "/";
  return {};
}

Result<void> Run::make_parts() {
  EdgeSettings settings = edge_settings(spec_, *starts_with_->graph);
  settings.state_directory = state_->path();
  settings.accept_start = line_.accept_start;
  TRY(settle_audit(settings));
  TRY_ASSIGN(edge_, Edge::create(std::move(settings), clock_));
  if (auto database = open_history(spec_, clock_)) {
    history_ = std::make_unique<History>(history_settings(spec_, facts_.started_wall_ms), std::move(database), clock_);
  }
  recorder_ = std::make_unique<Recorder>(
      Recorder::Settings{}, [this] { return view(); }, history_.get());
  EngineOptions options = engine_options(spec_);
  options.observer = recorder_.get();
  engine_ = std::make_unique<Engine>(
      first_version(graph_with_tables(starts_with_), options),
      [this](int worker) { return edge_->make_broker(worker); }, clock_);
  threshold_written_ = state_->read_note(kThresholdNote).value_or("");
  engine_->restore_threshold(threshold_written_);
  live_watch_ = std::make_unique<LiveWatch>(*starts_with_, [this] { return seen(); });
  reloader_ = std::make_unique<Reloader>(
      Reloader::Parts{*engine_, *edge_, clock_, state_->path(), line_.instance, *live_watch_,
                      [this](Event event) { recorder_->note(std::move(event)); }, usual_state_root()},
      std::move(starts_with_), facts_);
  return {};
}

// After an offset audit has stopped an earlier run: goes on from what is committed, or from what was expected.
Result<void> Run::settle_audit(const EdgeSettings& settings) {
  TRY_ASSIGN(const auto differences, settle_audit_note(*state_, line_.accept_offsets));
  if (differences.empty()) return {};
  if (line_.accept_offsets == AcceptOffsets::expected) {
    Progress expected;
    for (const AuditDifference& each : differences) {
      if (each.expected < 0) {
        return fail(Remedy::stop, "nothing was expected of " + each.partition.text() + ": take what is committed",
                    ExitCode::stopped_by_policy);
      }
      expected[each.partition] = each.expected;
    }
    TRY_ASSIGN(const std::unique_ptr<Admin> admin, Admin::create(settings));
    if (const auto moved = admin->move_group_offsets(settings.group, expected, kMoveOffsetsMs); !moved) {
      return fail(Remedy::stop, "moving the group's offsets: " + moved.error().text);
    }
    log_warn("start", "the group's offsets are moved to what was expected: {}", to_string(expected));
  } else {
    log_warn("start", "going on from what is committed, as told");
  }
  forget_audit_note(*state_);
  return {};
}

Result<void> Run::prepare() {
  TRY(claim_state());
  TRY(make_parts());
  const config::PipelineSpec& spec = spec_;
  if (spec.http_enabled) {
    HttpServer::Settings settings;
    settings.host = spec.http_host;
    settings.port = spec.http_port;
    settings.token = spec.http_token;
    settings.connections_max = spec.knobs.http_max_connections;
    settings.request_bytes_max = spec.knobs.http_max_request_bytes;
    settings.request_ms = spec.knobs.http_timeout_ms;
    http_ = std::make_unique<HttpServer>(settings, [this](std::string_view path) {
      return answer_page(
          path, [this] { return view(); }, recorder_.get());
    });
    http_->start();
  }
  return {};
}

View Run::view() const {
  View made;
  made.facts = reloader_->facts();
  made.program = made.facts.get();
  made.reload = reloader_->view();
  made.process = read_process_facts();
  if (http_ != nullptr) made.process.http_answers = http_->answers();
  if (history_ != nullptr) made.history = history_->status();
  made.advice = recorder_->advice();
  made.catch_up = recorder_->catch_up();
  made.written = recorder_->written();
  made.engine = engine_->snapshot();
  made.edge = edge_->snapshot();
  made.reconcile = live_watch_->status();
  const MutexLock lock(ending_mutex_);
  made.ending = ending_;
  if (ending_.empty()) made.standstill = standstill();
  return made;
}

LiveReconcile::Seen Run::seen() const {
  const EdgeSnapshot edge = edge_->snapshot();
  std::string alone;
  if (edge.state != GroupState::steady) {
    alone = "the consumer group is not steady";
  } else if (static_cast<int64_t>(edge.partitions.size()) != edge.partitions_of_sources) {
    alone = "other instances write to it too: this one has not all partitions of the sources";
  }
  return LiveReconcile::seen(engine_->snapshot(), edge.counters.rebalances, std::move(alone));
}

std::string Run::standstill() const {
  std::string who = engine_->standstill();
  if (!who.empty()) return who;
  const int64_t turn_ms = edge_->snapshot().last_turn_ms;
  const int64_t age_ms = clock_.mono_ms() - turn_ms;
  if (turn_ms > 0 && age_ms > spec_.knobs.no_progress_limit_ms) {
    return "the group's loop, for " + format_duration_ms(age_ms);
  }
  return "";
}

Ending Run::live() {
  const config::PipelineSpec& spec = spec_;
  log_info("start", "millrace {}, librdkafka {}: pipeline {}, instance {}, config {} ({})", facts_.version,
           facts_.librdkafka, spec.name, spec.instance, escape_for_log(spec.file), spec.config_hash);
  log_info("start", "state in {}; to stop: remove {}", escape_for_log(state_->path()),
           escape_for_log(touch_file_->path()));
  watchdog_ = std::make_unique<Watchdog>(
      Watchdog::Settings{spec.knobs.no_progress_limit_ms, 1000}, clock_, signals_, [this] { return standstill(); },
      [this] { engine_->hasten(); });
  notify_ready(fmt::format("pipeline {}, instance {}", spec.name, spec.instance));
  if (history_ != nullptr) history_->start();
  recorder_->note(
      {clock_.wall_ms(), "start", spec.config_hash, fmt::format("millrace {}, config {}", facts_.version, spec.file)});
  recorder_->start();
  engine_->start();
  edge_->run(*engine_);
  live_watch_->start();
  reloader_->start();
  constexpr int64_t kTurnMs = 100;
  constexpr int64_t kLookMs = 500;
  touch_file_watch_ = std::make_unique<TouchFileWatch>(TouchFile(spec.touch_file), clock_);
  int64_t look_at_ms = clock_.mono_ms() + kLookMs;
  while (true) {
    watchdog_->beat();
    const int signal = signals_.wait(kTurnMs);
    if (signal == SIGTERM || signal == SIGINT) {
      return {ExitCode::done, signal == SIGTERM ? "SIGTERM" : "SIGINT", {}, false};
    }
    if (signal == SIGHUP) reloader_->request();
    if (touch_file_watch_->gone()) return {ExitCode::done, "the touch file was removed", {}, false};
    if (clock_.mono_ms() >= look_at_ms) {
      look_at_ms = clock_.mono_ms() + kLookMs;
      if (auto ending = reason_to_end()) return std::move(*ending);
      keep_threshold();
    }
  }
}

std::optional<Ending> Run::reason_to_end() {
  if (auto end = engine_->end()) return ending_of(std::move(*end));
  if (const auto failure = edge_->failure()) return ending_of(*failure);
  return std::nullopt;
}

// The counts behind dead_letters.threshold survive a restart, give or take the last ten seconds of a process that was
// killed.
void Run::keep_threshold() {
  if (clock_.mono_ms() - threshold_at_ms_ < kThresholdEveryMs) return;
  threshold_at_ms_ = clock_.mono_ms();
  std::string text = engine_->threshold_state();
  if (text == threshold_written_) return;
  if (const auto written = state_->write_note(kThresholdNote, text); !written) {
    log_warn("state", "{}", written.error().what);
    return;
  }
  threshold_written_ = std::move(text);
}

void Run::stop(Ending& ending) {
  const int64_t limit_ms = reloader_->stop_timeout_ms();
  const int64_t deadline_ms = clock_.mono_ms() + limit_ms;
  stop_deadline_ms_ = deadline_ms;
  if (ending.code == ExitCode::done) {
    log_info("stop", "{}: stopping, within {}", ending.why, format_duration_ms(limit_ms));
  } else {
    log_error("stop", "{}", ending.why);
  }
  {
    const MutexLock lock(ending_mutex_);
    ending_ = ending.why;
  }
  notify_stopping(ending.why);
  // A process that ends by itself keeps the code of its cause, however long that takes: by it systemd decides about a
  // restart, and it restarts nothing that was cut short while it was asked to stop.
  const ExitCode code_if_cut = ending.code == ExitCode::done ? ExitCode::stop_cut_short : ending.code;
  watchdog_->begin_stop(deadline_ms, code_if_cut, ending.why);
  if (!touch_file_watch_->end()) ending.leave_at_once = true;
  if (!reloader_->end()) ending.leave_at_once = true;
  if (!ending.differences.empty()) {
    if (const auto noted = write_audit_note(*state_, ending.differences); !noted) {
      log_error("state", "{}; a later start will not know of the offset audit", noted.error().what);
    }
  }
  // A little less than what the watchdog allows, so that an end in order is told apart from one that was cut short.
  const auto left_ms = [&](int64_t less_ms) { return std::max<int64_t>(deadline_ms - less_ms - clock_.mono_ms(), 0); };
  engine_->stop();
  live_watch_->hurry();
  if (nothing_was_open()) {
    ending.why += "; nothing was open: no batch had begun";
    ending.leave_at_once = true;
    return;
  }
  if (!engine_->join(left_ms(500))) {
    ending.code = code_if_cut;
    ending.why += "; a worker did not end in time";
    ending.leave_at_once = true;
    return;
  }
  log_debug("stop", "the workers have ended");
  live_watch_->stop();
  threshold_at_ms_ = INT64_MIN / 2;
  keep_threshold();
  if (const EdgeStop edge = edge_->stop(left_ms(200)); !edge.complete) {
    log_warn("stop", "leaving without the rest: {}", escape_for_log(edge.what));
    ending.leave_at_once = true;
  } else {
    log_debug("stop", "the group is left");
  }
}

// After the engine was asked to stop: whether some worker was still making its first connection, so that this instance
// was in no group yet and never had a partition. There is nothing to wait for then, and a client whose brokers do not
// answer may take all of the stop's time. A partition that comes from here on comes to workers that begin no batch.
bool Run::nothing_was_open() {
  constexpr int64_t kStartedMs = 100;  // who is not in the middle of a call ends at once
  static_cast<void>(engine_->join(kStartedMs));
  return !engine_->producers_ready() && !edge_->snapshot().ever_assigned;
}

// Last, so that how it ended stands in the history too. It may take what is left of the stop's time, and a little where
// nothing is left.
void Run::close_history(Ending& ending) {
  recorder_->stop();
  if (!ending.event.empty()) recorder_->note({clock_.wall_ms(), ending.event, "", ending.why});
  recorder_->note({clock_.wall_ms(), "stop", fmt::format("exit code {}", static_cast<int>(ending.code)), ending.why});
  constexpr int64_t kAtMostMs = 2'000;
  constexpr int64_t kAtLeastMs = 100;
  const int64_t left_ms = stop_deadline_ms_ - kAtLeastMs - clock_.mono_ms();
  if (history_ != nullptr && !history_->stop(std::clamp(left_ms, kAtLeastMs, kAtMostMs))) ending.leave_at_once = true;
}

void Run::say_farewell(const Ending& ending) const {
  const BalanceSheet sheet = engine_->snapshot().totals.counts.sheet();
  const std::string text = fmt::format("{}; exit code {}; {}{}", ending.why, static_cast<int>(ending.code),
                                       sheet.text(), sheet.closes() ? "" : " DOES NOT CLOSE");
  if (ending.code == ExitCode::done && sheet.closes()) {
    log_info("ended", "{}", text);
  } else {
    log_error("ended", "{}", text);
  }
}

ExitCode refuse(const Error& error) {
  const Ending ending = ending_of(error);
  log_error("start", "{}", ending.why);
  return ending.code;
}

}  // namespace

ExitCode run_command(const CommandLine& line, const ProgramVersion& version) {
  Signals signals;
  // Shared with the engine's versions.
  std::shared_ptr<const Pipeline> pipeline = load_pipeline(line.file, line.instance, true);
  std::cerr << pipeline->diagnostics.text(line.file) << std::flush;
  if (pipeline->graph == nullptr) return ExitCode::config;
  const config::PipelineSpec& spec = pipeline->spec;
  log_setup({parse_log_level(spec.log_level).value_or(LogLevel::info),
             spec.log_format == "json" ? LogFormat::json : LogFormat::text, stderr_is_journal()});
  Ending ending;
  {
    Run run(line, version, std::move(pipeline), signals);
    if (const auto prepared = run.prepare(); !prepared) {
      run.remove_touch_file();
      return refuse(prepared.error());
    }
    ending = run.live();
    run.stop(ending);
    run.close_history(ending);
    run.say_farewell(ending);
    run.remove_touch_file();
    if (ending.leave_at_once) Watchdog::end_now(ending.code);
    run.let_go(ending.code);
  }
  return ending.code;
}

}  // namespace millrace
