// Reloader: reference tables that are read again while the pipeline runs.
#include <fmt/format.h>

#include <algorithm>

#include "app/reloader.h"
#include "base/log.h"
#include "base/text.h"

namespace millrace {

namespace {
constexpr int64_t kLookMs = 2000;  // between two looks at the files
constexpr int64_t kGapMs = 1000;   // after another change
}  // namespace

void Reloader::look_at_tables() {
  const int64_t now_ms = parts_.clock.mono_ms();
  // Tables of which each worker may yet come to another would all lie in memory: with workers that an outage holds up,
  // ever more of them.
  if (changing_ || now_ms < changed_at_ms_ + kGapMs) return;
  tables_due_ms_ = now_ms + kLookMs;
  Pipeline parts;
  parts.secrets = running_->secrets;
  parts.tables = running_->tables;
  parts.stamps = running_->stamps;
  bool fresh = false;
  for (const config::TableSpec& table : running_->spec.tables) {
    TableState& state = tables_[table.name];
    if (is_due(table, state)) fresh = refresh(table, state, parts) || fresh;
  }
  if (fresh) {
    // Shared with the engine.
    std::shared_ptr<Pipeline> next = assemble(running_->spec, parts);
    std::vector<std::string> late;
    const std::string refusal = next->graph == nullptr ? next->diagnostics.text(file_) : adopt(std::move(next), late);
    if (!refusal.empty()) log_error("table", "{}", escape_for_log(refusal, 1024));
  }
  publish_tables();
}

// A file that is being written is left alone until two looks see the same of it. One that is as it was read has
// nothing new, whatever the time.
bool Reloader::is_due(const config::TableSpec& table, TableState& state) {
  if (table.refresh_ms == config::TableSpec::kNever) return false;
  const int64_t now_ms = parts_.clock.mono_ms();
  const bool by_time = table.refresh_ms != config::TableSpec::kWhenChanged;
  const expr::FileStamp stamp = expr::stamp_of(table.file);
  const bool quiet = stamp == state.seen;
  state.seen = stamp;
  if (by_time && now_ms < state.due_ms) return false;
  const bool same = stamp == running_->stamps.at(table.name);
  if (by_time && (same || quiet)) state.due_ms = now_ms + table.refresh_ms;
  if (same) {
    state.view.error.clear();
    return false;
  }
  return quiet && (by_time || state.view.error.empty() || stamp != state.refused);
}

bool Reloader::refresh(const config::TableSpec& table, TableState& state, Pipeline& parts) {
  auto loaded = read_table(running_->spec, table);
  if (!loaded) {
    const bool said = state.view.error == loaded.error().what;
    state.refused = state.seen;
    state.view.error = loaded.error().what;
    ++state.view.refusals;
    if (!said) {
      log_error("table", "table {}: refused, the one of before is in use: {}", table.name,
                escape_for_log(state.view.error, 1024));
      note("table_refused", table.name, state.view.error);
    }
    return false;
  }
  log_info("table", "table {}: {} rows read from {}", table.name, (*loaded)->rows(), escape_for_log(table.file));
  parts.tables.add(table.name, std::move(*loaded));
  parts.stamps[table.name] = state.seen;
  return true;
}

void Reloader::note_tables(const Pipeline& next) {
  std::map<std::string, TableState> tables;
  for (const config::TableSpec& table : next.spec.tables) {
    const auto before = tables_.find(table.name);
    TableState& state = tables[table.name];
    if (before != tables_.end()) state = before->second;
    const expr::TableShare& now = next.tables.all().at(table.name);  // shared, see TableState
    if (state.table == now) continue;
    state.view.version = state.table == nullptr ? 1 : state.view.version + 1;
    state.table = now;
    state.view.name = table.name;
    state.view.file = table.file;
    state.view.rows = now->rows();
    state.view.bytes = now->memory_bytes();
    state.view.read_wall_ms = parts_.clock.wall_ms();
    state.view.error.clear();
    if (table.refresh_ms > 0) state.due_ms = parts_.clock.mono_ms() + table.refresh_ms;
    if (state.view.version > 1) {
      note("table", table.name, fmt::format("version {}: {} rows of {}", state.view.version, now->rows(), table.file));
    }
  }
  tables_ = std::move(tables);
  publish_tables();
}

void Reloader::publish_tables() {
  const MutexLock lock(mutex_);
  view_.tables.clear();
  for (const auto& [name, state] : tables_) view_.tables.push_back(state.view);
}

}  // namespace millrace
