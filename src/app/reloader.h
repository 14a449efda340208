// Reloader: keeps what runs in step with its files. Reads the YAML again when it is asked to (SIGHUP, `millrace
// reload`), and tables when their files change; what is good goes to edge and engine as a new version, what is not
// leaves the old one running. Has a thread of its own, so that a slow file or a slow broker holds nobody up.
//
// Made, started and ended by the main thread; request and what is const: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/assemble.h"
#include "app/control_socket.h"
#include "app/daemon_pointer.h"
#include "app/live_watch.h"
#include "base/clock.h"
#include "base/thread.h"
#include "config/changes.h"
#include "kafka/edge.h"
#include "pipeline/engine.h"
#include "status/event.h"
#include "status/view.h"

namespace millrace {

// Name, hash, graph and knobs of what runs; the rest is the caller's.
void describe(const Pipeline& pipeline, ProgramFacts& facts);

class Reloader {
 public:
  struct Parts {
    Engine& engine;
    Edge& edge;
    const Clock& clock;
    std::string state_directory;
    std::string instance;  // of the command line; empty: the file's
    LiveWatch& live_watch;
    std::function<void(Event)> note;  // what happened, for the history
    std::string usual_root;           // where state lies that nobody gave another place; empty: nowhere
  };
  // `started_with` runs in the engine as version 1, its topics in its own order. Shared with the engine's versions.
  Reloader(Parts parts, std::shared_ptr<const Pipeline> started_with, ProgramFacts facts);
  ~Reloader();

  void start();
  // Reload soon; several requests within a moment are one.
  void request();
  // False: the thread hangs in a file system; leave with _exit.
  [[nodiscard]] bool end();

  [[nodiscard]] std::shared_ptr<const ProgramFacts> facts() const;  // shared with whoever shows a page meanwhile
  [[nodiscard]] ReloadView view() const;
  [[nodiscard]] int64_t stop_timeout_ms() const { return stop_timeout_ms_.load(); }

 private:
  // What a reload came to, as the command prints it; the exit code is the command's.
  struct Outcome {
    ExitCode code = ExitCode::done;
    std::string text;
  };
  struct TableState {
    TableView view;
    expr::TableShare table;   // the one in use; shared with the versions that look into it
    expr::FileStamp seen;     // at the last look: a file is read when two looks see the same
    expr::FileStamp refused;  // not tried again until it changes
    int64_t due_ms = 0;       // with an interval
  };

  void run();
  void serve();
  // Answers what can be answered at once; a request to reload waits in `waiting_`.
  void listen(int64_t timeout_ms);
  [[nodiscard]] bool pause(int64_t ms);  // who asks is heard meanwhile; false: the end came

  Outcome reload();
  Outcome refuse(const std::string& why);
  [[nodiscard]] std::string wait_until_written(expr::FileStamp& stamp);
  // Hands it to edge and engine, and waits for the workers. Empty: done, `late` names who is still to come.
  std::string adopt(std::shared_ptr<const Pipeline> next, std::vector<std::string>& late);
  std::string ask_for_topics(const std::vector<uint16_t>& places);
  void finish_change();
  void note(const char* kind, std::string subject, std::string text) const;
  void take(std::shared_ptr<const Pipeline> next);  // shared, as above
  Outcome tell(const std::vector<config::Change>& changes, bool adopted, const std::vector<std::string>& late);

  // reloader_tables.cc
  void look_at_tables();
  [[nodiscard]] bool is_due(const config::TableSpec& table, TableState& state);
  // Puts the table as it is now into `parts`; false: it is refused.
  bool refresh(const config::TableSpec& table, TableState& state, Pipeline& parts);
  void note_tables(const Pipeline& next);
  void publish_tables();

  Parts parts_;
  const std::shared_ptr<const config::Node> started_with_;  // the document; shared with its spec
  const std::string file_;
  const std::string whole_path_;  // of the file, from the root
  std::optional<DaemonPointer> pointer_;
  WakeUp wake_;
  ControlSocket control_;
  Thread thread_;
  std::atomic<bool> requested_{false};
  std::atomic<bool> ending_{false};
  std::atomic<bool> ended_{true};
  std::atomic<int64_t> stop_timeout_ms_;

  // The thread's own.
  std::shared_ptr<const Pipeline> running_;  // shared with the engine's versions
  std::vector<uint16_t> places_;             // of its destination topics
  bool changing_ = false;                    // some worker has not come to the last version yet
  int64_t changed_at_ms_ = INT64_MIN / 2;
  int64_t tried_at_ms_ = INT64_MIN / 2;
  int64_t tables_due_ms_ = 0;
  std::vector<ControlSocket::Request> waiting_;  // for the next reload
  std::map<std::string, TableState> tables_;

  mutable Mutex mutex_;
  std::shared_ptr<const ProgramFacts> facts_ GUARDED_BY(mutex_);  // shared with those that show it
  ReloadView view_ GUARDED_BY(mutex_);
};

}  // namespace millrace
