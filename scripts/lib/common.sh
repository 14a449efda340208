# What every script of this folder shares: where things lie, and how a line is said.
# Sourced, never run. Nothing here has an effect beyond its variables and functions.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
BUILD="$ROOT/build"
DEPS="$BUILD/deps"
KAFKA_VERSION="${MILLRACE_KAFKA_VERSION:-4.1.0}"

# One line for each step: a word that says how it stands, and what it is about.
say() { printf '%-8s %s\n' "$1" "${*:2}"; }
warn() { printf '%-8s %s\n' "warning" "$*" >&2; }
die() {
  printf '%-8s %s\n' "error" "$*" >&2
  exit 1
}

# The last lines of a log file, for an error that lies in it.
tail_of() { [ -f "$1" ] && tail -n "${2:-20}" "$1" | sed 's/^/    /' >&2 || true; }
