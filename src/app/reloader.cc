#include "app/reloader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "status/api.h"

namespace millrace {

namespace {

constexpr int64_t kGapMs = 1000;        // between two tries: who asks more often gets one for all
constexpr int64_t kIdleMs = 500;        // between two looks at what is due
constexpr int64_t kTopicsMs = 10'000;   // for the brokers to answer about new topics
constexpr int64_t kWorkersMs = 20'000;  // for the workers to change over
constexpr int64_t kWritingMs = 2000;    // for whoever is writing the file
constexpr int64_t kQuietMs = 200;       // a file that did not change for so long is whole
constexpr int64_t kPollMs = 20;
constexpr size_t kWaitingMax = 64;  // requests that wait for the next reload

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// Whoever asks may stand in another folder.
std::string whole_path(const std::string& file) {
  std::error_code error;
  const auto path = std::filesystem::absolute(file, error);
  return error ? file : path.lexically_normal().string();
}

}  // namespace

void describe(const Pipeline& pipeline, ProgramFacts& facts) {
  facts.config_hash = pipeline.spec.config_hash;
  facts.graph = render_text(*pipeline.graph);
  facts.graph_json = graph_json(*pipeline.graph);
  facts.knobs = knob_values(pipeline.spec.knobs);
  facts.rate_max_per_partition = pipeline.spec.knobs.rate_max_per_partition;
  facts.producer_batch_bytes = pipeline.spec.knobs.producer_batch_bytes;
  facts.interval_ms = pipeline.spec.knobs.batch_interval_ms;
  facts.partition_series_max = static_cast<size_t>(pipeline.spec.knobs.http_max_partition_series);
}

// All versions of it are shared with the engine, for as long as a worker runs them.
Reloader::Reloader(Parts parts, std::shared_ptr<const Pipeline> started_with, ProgramFacts facts)
    : parts_(std::move(parts)),
      started_with_(started_with->spec.document),
      file_(started_with->spec.file),
      whole_path_(whole_path(file_)),
      control_(parts_.clock),
      stop_timeout_ms_(started_with->spec.knobs.stop_timeout_ms),
      running_(std::move(started_with)),
      places_(running_->graph->topics().size()) {
  std::iota(places_.begin(), places_.end(), uint16_t{0});
  describe(*running_, facts);
  view_.applied_wall_ms = facts.started_wall_ms;
  facts_ = std::make_shared<const ProgramFacts>(std::move(facts));
  note_tables(*running_);
}

Reloader::~Reloader() {
  static_cast<void>(end());
}

void Reloader::start() {
  if (const auto opened = control_.open(parts_.state_directory); !opened) {
    log_warn("reload", "{}; `millrace reload` will not find this daemon, SIGHUP does", opened.error().what);
  } else if (auto left = DaemonPointer::leave(parts_.usual_root, whole_path_, parts_.state_directory); !left) {
    log_info("reload", "{}; `millrace reload` finds this daemon only while its file names this `state.directory`",
             left.error().what);
  } else {
    pointer_ = std::move(*left);
  }
  ended_.store(false);
  thread_ = Thread("reload", [this] {
    run();
    ended_.store(true);
  });
}

void Reloader::request() {
  requested_.store(true);
  wake_.notify();
}

bool Reloader::end() {
  pointer_.reset();
  if (!thread_.joinable()) return true;
  ending_.store(true);
  wake_.notify();
  constexpr int kLooks = 50;
  WakeUp nobody;
  for (int i = 0; i < kLooks && !ended_.load(); ++i) static_cast<void>(nobody.wait(kPollMs));
  if (!ended_.load()) {
    thread_.abandon();
    return false;
  }
  thread_.join();
  return true;
}

std::shared_ptr<const ProgramFacts> Reloader::facts() const {  // shared, see the header
  const MutexLock lock(mutex_);
  return facts_;
}

ReloadView Reloader::view() const {
  const MutexLock lock(mutex_);
  return view_;
}

void Reloader::run() {
  while (!ending_.load()) {
    listen(waiting_.empty() ? kIdleMs : 0);
    if (ending_.load()) break;
    serve();
    finish_change();
    if (!ending_.load() && parts_.clock.mono_ms() >= tables_due_ms_) look_at_tables();
  }
  for (ControlSocket::Request& request : std::exchange(waiting_, {})) {
    control_.answer(std::move(request), fmt::format("{}\nthe daemon is ending; nothing was reloaded\n",
                                                    static_cast<int>(ExitCode::internal)));
  }
}

void Reloader::listen(int64_t timeout_ms) {
  for (ControlSocket::Request& request : control_.wait(wake_, timeout_ms)) {
    if (request.text == "file") {
      control_.answer(std::move(request), whole_path_);
    } else if (request.text != "reload") {
      control_.answer(std::move(request), "there are `file` and `reload`\n");
    } else if (waiting_.size() < kWaitingMax) {
      waiting_.push_back(std::move(request));
    } else {
      control_.answer(std::move(request), fmt::format("{}\n{} others wait for a reload; ask again later\n",
                                                      static_cast<int>(ExitCode::internal), kWaitingMax));
    }
  }
}

// All that is asked by now, and within the gap after the last try, is one reload. What comes while it goes on is for
// the next: this one may have read the file already.
void Reloader::serve() {
  if (waiting_.empty() && !requested_.load()) return;
  for (int64_t left = 1; left > 0 && !ending_.load();) {
    left = std::max(changed_at_ms_, tried_at_ms_) + kGapMs - parts_.clock.mono_ms();
    listen(std::max<int64_t>(left, 0));
  }
  if (ending_.load()) return;
  requested_.store(false);
  auto wanted = std::exchange(waiting_, {});
  const Outcome outcome = reload();
  tried_at_ms_ = parts_.clock.mono_ms();
  const std::string answer = fmt::format("{}\n{}", static_cast<int>(outcome.code), outcome.text);
  for (ControlSocket::Request& request : wanted) control_.answer(std::move(request), answer);
}

bool Reloader::pause(int64_t ms) {
  listen(ms);
  return !ending_.load();
}

Reloader::Outcome Reloader::refuse(const std::string& why) {
  {
    const MutexLock lock(mutex_);
    ++view_.refused;
    view_.tried_wall_ms = parts_.clock.wall_ms();
    view_.error = why;
  }
  log_error("reload", "refused, the configuration of before runs on: {}", escape_for_log(first_line(why), 1024));
  note("reload_refused", running_->spec.config_hash, first_line(why));
  return {ExitCode::config, why + (why.ends_with('\n') ? "" : "\n") +
                                "refused: nothing has changed, the configuration of before runs on\n"};
}

// Half a file may be a good file. Empty: it is quiet, and `stamp` is what it is now.
std::string Reloader::wait_until_written(expr::FileStamp& stamp) {
  const int64_t until_ms = parts_.clock.mono_ms() + kWritingMs;
  for (;;) {
    stamp = expr::stamp_of(file_);
    const int64_t age_ms = parts_.clock.wall_ms() - stamp.changed_ns / 1'000'000;
    // A time in the future says nothing; whoever set it is not writing.
    if (stamp.size < 0 || age_ms >= kQuietMs || age_ms < -kQuietMs) return "";
    if (parts_.clock.mono_ms() >= until_ms) return file_ + ": error: is being written all the time";
    if (!pause(kPollMs)) return "the daemon is ending";
  }
}

Reloader::Outcome Reloader::reload() {
  expr::FileStamp stamp;
  if (const std::string writing = wait_until_written(stamp); !writing.empty()) return refuse(writing);
  // Shared with the engine, once it runs.
  std::shared_ptr<Pipeline> fresh = load_pipeline(file_, parts_.instance, true, running_.get());
  if (fresh->graph == nullptr) return refuse(fresh->diagnostics.text(file_));
  if (expr::stamp_of(file_) != stamp) return refuse(file_ + ": error: was changed while it was read; reload again");
  const auto changes = config::changes_between(running_->spec, *started_with_, fresh->spec);
  const auto waits = [](const config::Change& change) { return change.applies == config::Applies::needs_restart; };
  const bool all_wait = std::all_of(changes.begin(), changes.end(), waits);
  const bool same_text = fresh->spec.config_hash == running_->spec.config_hash;
  std::vector<std::string> late;
  if ((changes.empty() && same_text && fresh->stamps == running_->stamps) || (!changes.empty() && all_wait)) {
    if (changing_) late = parts_.engine.behind();
    return tell(changes, false, late);
  }
  config::PipelineSpec spec = config::applicable(running_->spec, fresh->spec, changes);
  const bool of_before = spec.document == running_->spec.document;
  std::shared_ptr<Pipeline> next = assemble(std::move(spec), of_before ? *running_ : *fresh);  // shared, as above
  if (next->graph == nullptr) return refuse(next->diagnostics.text(file_));
  if (const std::string refusal = adopt(std::move(next), late); !refusal.empty()) return refuse(refusal);
  if (const auto level = parse_log_level(running_->spec.log_level)) log_set_level(*level);
  stop_timeout_ms_.store(running_->spec.knobs.stop_timeout_ms);
  return tell(changes, true, late);
}

// `next` is shared with the engine from here on.
std::string Reloader::adopt(std::shared_ptr<const Pipeline> next, std::vector<std::string>& late) {
  const std::vector<uint16_t> places = parts_.edge.add_destinations(destination_settings(next->spec, *next->graph));
  if (const std::string hindrance = ask_for_topics(places); !hindrance.empty()) {
    static_cast<void>(parts_.edge.add_destinations(destination_settings(running_->spec, *running_->graph)));
    // While some worker is on its way to the running version, it still writes to the topics of the one before.
    if (!changing_) parts_.edge.keep_destinations(places_);
    return hindrance;
  }
  parts_.edge.tune(tuning_of(edge_settings(next->spec, *next->graph)));
  auto version = std::make_shared<Version>();
  version->number = parts_.engine.version()->number + 1;
  version->graph = graph_with_tables(next);
  version->options = engine_options(next->spec);
  version->destinations = places;
  parts_.engine.adopt(std::move(version));
  take(std::move(next));
  places_ = places;
  changing_ = true;
  const int64_t until_ms = parts_.clock.mono_ms() + kWorkersMs;
  for (late = parts_.engine.behind(); !late.empty() && parts_.clock.mono_ms() < until_ms;) {
    if (!pause(kPollMs)) break;
    late = parts_.engine.behind();
  }
  finish_change();
  return "";
}

// Topics that only the new version writes to have to be there before it runs; those of before may have their troubles.
std::string Reloader::ask_for_topics(const std::vector<uint16_t>& places) {
  std::vector<uint16_t> fresh;
  std::copy_if(places.begin(), places.end(), std::back_inserter(fresh),
               [this](uint16_t place) { return std::find(places_.begin(), places_.end(), place) == places_.end(); });
  const int64_t until_ms = parts_.clock.mono_ms() + kTopicsMs;
  bool asked = false;
  for (;;) {
    const std::string hindrance = parts_.edge.hindrance(fresh, asked);
    if (asked) return hindrance.empty() ? "" : file_ + ": error: a new destination cannot be written to: " + hindrance;
    if (parts_.clock.mono_ms() >= until_ms) {
      return file_ + ": error: the brokers do not answer about a new destination topic; reload again when they do";
    }
    if (!pause(kPollMs)) return "the daemon is ending";
  }
}

void Reloader::note(const char* kind, std::string subject, std::string text) const {
  constexpr size_t kTextMax = 2000;
  if (text.size() > kTextMax) text = text.substr(0, kTextMax) + "...";
  parts_.note({parts_.clock.wall_ms(), kind, std::move(subject), std::move(text)});
}

void Reloader::finish_change() {
  if (!changing_ || !parts_.engine.behind().empty()) return;
  changing_ = false;
  parts_.edge.keep_destinations(places_);
}

// Shared, as above.
void Reloader::take(std::shared_ptr<const Pipeline> next) {
  running_ = std::move(next);
  changed_at_ms_ = parts_.clock.mono_ms();
  note_tables(*running_);
  parts_.live_watch.follow(*running_);
  const MutexLock lock(mutex_);
  ProgramFacts facts = *facts_;
  describe(*running_, facts);
  facts_ = std::make_shared<const ProgramFacts>(std::move(facts));
  view_.applied_wall_ms = parts_.clock.wall_ms();
}

Reloader::Outcome Reloader::tell(const std::vector<config::Change>& changes, bool adopted,
                                 const std::vector<std::string>& late) {
  std::vector<std::string> waiting;
  std::string what;
  Outcome outcome;
  for (const config::Change& change : changes) {
    const std::string text = config::text_of(change, file_);
    if (change.applies == config::Applies::needs_restart) waiting.push_back(text);
    outcome.text += text + "\n";
    what += (what.empty() ? "" : "; ") + config::words_of(change);
    log_info("reload", "{}", escape_for_log(text, 512));
  }
  for (const std::string& who : late) outcome.text += "not in effect yet: " + who + "\n";
  if (!waiting.empty() || !late.empty()) outcome.code = ExitCode::internal;
  std::string sum = fmt::format("{}: version {} of the configuration ({})", adopted ? "reloaded" : "unchanged",
                                parts_.engine.version()->number, running_->spec.config_hash);
  if (!waiting.empty()) sum += fmt::format("; {} of {} changes need a restart", waiting.size(), changes.size());
  log_info("reload", "{}", sum);
  if (adopted || !changes.empty()) note("reload", running_->spec.config_hash, what.empty() ? sum : what);
  outcome.text += sum + "\n";
  const MutexLock lock(mutex_);
  ++(!waiting.empty() ? view_.partly : adopted ? view_.applied : view_.unchanged);
  view_.tried_wall_ms = parts_.clock.wall_ms();
  view_.error.clear();
  view_.waiting = std::move(waiting);
  return outcome;
}

}  // namespace millrace
