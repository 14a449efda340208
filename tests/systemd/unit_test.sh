#!/usr/bin/env bash
# The unit file: systemd finds nothing wrong with it, and it stays as closed as it is now.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
unit="$root/systemd/millrace@.service"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed=0

check() { # name, output file
  if [ "$rc" = 0 ] && [ ! -s "$2" ]; then
    echo "ok   $1"
  else
    echo "FAIL $1 (exit code $rc)"
    sed 's/^/     /' "$2"
    failed=1
  fi
}

# The daemon is not installed where the tests run: a copy of the unit names a program that is.
sed "s#^\(Exec[A-Za-z]*\)=[^ ]*#\1=/bin/true#" "$unit" >"$work/millrace@.service"
rc=0
SYSTEMD_LOG_LEVEL=warning systemd-analyze --man=no verify "$work/millrace@.service" >"$work/verify" 2>&1 || rc=$?
# Complaints about the machine's own units are not about ours.
grep -F millrace "$work/verify" >"$work/verify.ours" || true
check "systemd-analyze verify" "$work/verify.ours"

rc=0
systemd-analyze security --offline=true --threshold=15 "$unit" >"$work/security" 2>&1 || rc=$?
grep -F 'Overall exposure level' "$work/security" || true
[ "$rc" = 0 ] || mv "$work/security" "$work/security.shown"
touch "$work/security.shown"
check "systemd-analyze security, at most 1.5" "$work/security.shown"

# The promises that the documentation repeats.
value() { sed -n "s/^$1=//p" "$unit"; }
rc=0
{
  [ "$(value Type)" = notify ] || echo "Type is not notify"
  [ "$(value RestartPreventExitStatus)" = "2 3 4 6 8 78" ] ||
    echo "RestartPreventExitStatus differs from the exit codes that a restart does not mend"
  [ "$(value TimeoutStopSec)" -gt 15 ] || echo "TimeoutStopSec is not above stop.timeout"
  [ "$(value WatchdogSec)" -gt 0 ] || echo "WatchdogSec is not set"
} >"$work/promises"
check "what the unit promises" "$work/promises"
exit "$failed"
