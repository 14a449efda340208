#!/usr/bin/env python3
"""Sets up, builds with warnings as errors, and runs the tests.

usage: scripts/test                  everything that needs no sanitizer
       scripts/test --asan           the unit and mock levels, built with the address and undefined-behaviour sanitizers
       scripts/test --all            both, as continuous integration does
       scripts/test --level LEVEL... only these levels (--level again for one more):
                                     checks, unit, mock, sim, kafka, faults, demo, bench

The last line is `N passed, N failed`; logs of everything lie in build/test-logs.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build", "test-logs")
LEVELS = ["checks", "unit", "mock", "sim", "kafka", "faults", "demo", "bench"]
DAEMON = os.path.join(ROOT, "build", "release", "millrace")


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, passed, failed):
        self.passed += passed
        self.failed += failed


# What failed, as it is said again at the end: there it is found, whatever came between.
FAILURES = []


def failures_of(output):
    """What a step says of what failed. Ours: the FAILED lines, each with the lines below it that stand further in, and
    the end. CTest: the end of each program that failed. Of any other step its end."""
    lines, kept, within = output.splitlines(), [], False
    for line in lines:
        within = line.startswith("FAILED") or (within and line.startswith("  "))
        kept += [line] if within else []
    if kept:
        return kept + lines[-2:]
    programs = re.findall(r"^\s+(\d+) - \S+ \(", output.partition("The following tests FAILED")[2], re.M)
    for number in programs:
        kept += [line for line in lines if line.startswith(f"{number}: ")][-60:]
    return kept or lines[-60:]


def run(name, command, seconds, quiet=True, env=None):
    """Runs one step with its output in a log; returns (exit code, output). Its processes end with it."""
    path = os.path.join(LOGS, re.sub(r"[^a-z0-9.-]+", "-", name.lower()) + ".log")
    begun = time.monotonic()
    print(f"---- {name}", flush=True)
    with open(path, "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            env=env,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            code = -1
            log.write(f"\nended after its limit of {seconds} s\n".encode())
    with open(path, errors="replace") as log:
        output = log.read()
    if code != 0 and quiet:
        said = [f"     {line}" for line in failures_of(output)]
        print("\n".join(said))
        FAILURES.extend([name, *said[:30]])
    word = "ok" if code == 0 else "FAILED"
    print(f"{word:6} {name} ({time.monotonic() - begun:.0f} s)", flush=True)
    return code, output


def counts(code, output):
    """What a step's output says of its tests; a step that says nothing is one test."""
    passed = failed = 0
    # Catch2, one summary for each program.
    for cases in re.findall(r"All tests passed \([\d,]+ assertions? in (\d+) test cases?\)", output):
        passed += int(cases)
    for line in re.findall(r"^.*test cases: (.*)$", output, re.M):
        numbers = dict((word, int(number)) for number, word in re.findall(r"(\d+) (passed|failed)", line))
        passed += numbers.get("passed", 0)
        failed += numbers.get("failed", 0)
    # Our own scripts.
    for ok, bad in re.findall(r"^(?:\w+: )?(\d+) passed, (\d+) failed", output, re.M):
        passed += int(ok)
        failed += int(bad)
    if code != 0 and failed == 0:
        failed = 1
    if code == 0 and passed == 0:
        passed = 1
    return passed, failed


def step(tally, name, command, seconds, env=None):
    code, output = run(name, command, seconds, env=env)
    tally.add(*counts(code, output))
    return code == 0


def build(kind, *targets):
    code, _ = run(f"build {kind}", ["scripts/build", kind, *targets], 2400)
    return code == 0


def ctest(tally, kind, label, jobs):
    # One program each, all output kept: the numbers of test cases are read from it.
    command = [
        "ctest",
        "--test-dir",
        f"build/{kind}",
        "-L",
        f"^{label}$",
        "--verbose",
        "-j",
        str(jobs),
        "--no-tests=ignore",
    ]
    env = dict(
        os.environ,
        ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1",
        UBSAN_OPTIONS="print_stacktrace=1",
    )
    code, output = run(f"{label} tests, {kind}", command, 1200, env=env)
    tally.add(*counts(code, output))


def scripts_of(folders):
    """Test programs that are scripts: tests/FOLDER/*_test.sh and .py."""
    paths = glob.glob(os.path.join(ROOT, "tests", "*", "*_test.sh")) + glob.glob(
        os.path.join(ROOT, "tests", "*", "*_test.py")
    )
    return [
        path
        for path in sorted(paths)
        if os.path.basename(os.path.dirname(path)) in folders and os.access(path, os.X_OK)
    ]


# Folders whose tests need no daemon; all others but those of the real broker get its path as their argument.
WITHOUT_DAEMON = {"scripts", "systemd"}
ON_BROKERS = {"kafka", "page", "secure", "load", "faults", "bench"}


def checks(tally):
    step(tally, "tidy", ["scripts/tidy"], 300)
    for path in scripts_of(WITHOUT_DAEMON):
        step(tally, os.path.relpath(path, ROOT), [path], 300)


def checks_of_daemon(tally, daemon):
    folders = set(os.listdir(os.path.join(ROOT, "tests"))) - WITHOUT_DAEMON - ON_BROKERS
    for path in scripts_of(folders):
        step(tally, os.path.relpath(path, ROOT), [path, daemon], 300, env=dict(os.environ, MILLRACE_BIN=daemon))


def optional(tally, name, path, words, seconds):
    """A level whose program may be absent from the tree."""
    if os.access(os.path.join(ROOT, path), os.X_OK):
        step(tally, name, [path, *words], seconds, env=dict(os.environ, MILLRACE_BIN=DAEMON))


# Seeds of the simulation: with brokers of today, with the group coordinator of those before 4.0, and with workers that
# take chunks of each other.
SEEDS = 20_000
SEEDS_OF_OLD_BROKERS = 10_000
SEEDS_OF_SHARED_CHUNKS = 6_000


def simulation(tally):
    program = "build/release/sim_run"
    step(tally, f"simulation, {SEEDS} seeds", [program, "1", str(SEEDS)], 600)
    old = [program, "1", str(SEEDS_OF_OLD_BROKERS), "--old-coordinator"]
    step(tally, f"simulation, {SEEDS_OF_OLD_BROKERS} seeds, brokers before 4.0", old, 600)
    shared = [program, "1", str(SEEDS_OF_SHARED_CHUNKS), "--share"]
    step(tally, f"simulation, {SEEDS_OF_SHARED_CHUNKS} seeds, shared chunks", shared, 600)


OLD_KAFKA = "3.9.1"


def faults(tally):
    """The short forms of the fault runs; one of them is on older brokers, whose jars come first."""
    env = dict(os.environ, MILLRACE_KAFKA_VERSION=OLD_KAFKA)
    code, _ = run(f"setup of Kafka {OLD_KAFKA}", ["scripts/setup"], 600, env=env)
    if code != 0:
        tally.add(0, 1)
        return
    step(tally, "faults", ["tests/faults/run", "short"], 2400, env=dict(os.environ, MILLRACE_BIN=DAEMON))


# Every secret of a test begins so.
SECRET = re.compile(rb"canary[0-9a-f]{16}")


def secrets_unsaid(tally):
    """What tests and daemons said holds no secret: the logs of every step, and the daemons' that were kept."""
    looked, found = 0, []
    for top in (LOGS, os.path.join(ROOT, "build", "tests")):
        for directory, _, names in os.walk(top):
            for name in names if top == LOGS else set(names) & {"log"}:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    text = file.read()
                looked += len(text)
                found += [os.path.relpath(path, ROOT)] if SECRET.search(text) else []
    ok = looked > 0 and not found
    print(f"{'ok' if ok else 'FAILED':6} no secret in {looked >> 10} KiB of logs", *found, flush=True)
    tally.add(ok, not ok)


def plain(tally, levels):
    if "checks" in levels:
        checks(tally)
    if {"unit", "mock"} & levels:
        if build("debug"):
            for label in ("unit", "mock"):
                if label in levels:
                    ctest(tally, "debug", label, 2)
            if "unit" in levels:
                checks_of_daemon(tally, os.path.join(ROOT, "build", "debug", "millrace"))
        else:
            tally.add(0, 1)
    if {"sim", "kafka", "faults", "demo", "bench"} & levels:
        if not build("release", "all", "sim_run", "faults_copier"):
            tally.add(0, 1)
            return
        if "sim" in levels:
            simulation(tally)
        if "kafka" in levels:
            optional(tally, "tests on a real broker", "tests/kafka/run", [], 1500)
            optional(tally, "the status page in a browser", "tests/page/run", [], 300)
            optional(tally, "security on a real broker", "tests/secure/run", [], 300)
            optional(tally, "load and memory on a real broker", "tests/load/run", [], 600)
        if "faults" in levels:
            faults(tally)
        if "demo" in levels:
            # Twice: what the first one leaves behind must not disturb the second.
            for time_ in ("first", "second"):
                optional(tally, f"demo, the {time_} time", "scripts/demo", [], 300)
            optional(tally, "demo of tuning", "scripts/demo", ["--tune"], 600)
        if "bench" in levels:
            optional(tally, "benchmark gate", "tests/bench/gate", [], 600)


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--asan", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--level", action="append", choices=LEVELS)
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    if options.help:
        print(__doc__)
        return 0
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS)
    begun = time.monotonic()
    tally = Tally()
    levels = set(options.level or LEVELS)
    code, _ = run("setup", ["scripts/setup"], 2400, quiet=False)
    if code != 0:
        tally.add(0, 1)
    else:
        if not options.asan or options.all:
            plain(tally, levels)
        if options.asan or options.all:
            if build("asan"):
                for label in sorted({"unit", "mock"} & levels, reverse=True):
                    ctest(tally, "asan", label, 2)
            else:
                tally.add(0, 1)
        secrets_unsaid(tally)
    if FAILURES:
        print("---- what failed", *FAILURES, sep="\n")
    print(f"{time.monotonic() - begun:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
