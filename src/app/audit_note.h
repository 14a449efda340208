// The note that an offset audit leaves in the state directory: what was expected and what was found. A later start goes
// on only when it is told from which of the two (--accept-offsets). Main thread.
#pragma once

#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/state_directory.h"
#include "base/error.h"
#include "pipeline/engine_end.h"

namespace millrace {

Result<void> write_audit_note(const StateDirectory& state, const std::vector<AuditDifference>& differences);

// What the note says; empty when there is none.
Result<std::vector<AuditDifference>> read_audit_note(const StateDirectory& state);

// The start that the note allows: an error (exit code 8) without --accept-offsets, and the differences to settle
// otherwise. Forgetting the note is the caller's, once they are settled.
Result<std::vector<AuditDifference>> settle_audit_note(const StateDirectory& state, AcceptOffsets accept);

void forget_audit_note(const StateDirectory& state);

}  // namespace millrace
