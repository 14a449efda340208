"""LEDGER.md: one row for each part that was run at length and added with --ledger. Only what was run stands there."""

import hashlib
import os
import subprocess
import time
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "LEDGER.md")


def version(program):
    """What the program says of itself, and its hash: the tree may have moved on since it was built."""
    said = subprocess.run([program, "version"], capture_output=True, text=True, timeout=20).stdout.split("\n")[0]
    with open(program, "rb") as file:
        return f"{said or os.path.basename(program)} {hashlib.sha256(file.read()).hexdigest()[:12]}"


class Tally:
    """What one part did, all its repetitions together."""

    def __init__(self, name, options, kafka, seed, program):
        self.name, self.options, self.kafka, self.seed, self.program = name, options, kafka, seed, program
        self.runs = self.wrong = 0
        self.effects = defaultdict(int)
        self.begun, self.seconds = time.time(), 0
        self.lines = []

    def add(self, effects, ok):
        self.runs += 1
        self.wrong += not ok
        for what, number in effects.items():
            self.effects[what] += number
        self.lines.append(f"{self.name} {self.seed + self.runs - 1} {sorted(effects.items())} {ok}")

    def end(self):
        self.seconds = time.time() - self.begun

    def row(self):
        options = self.options
        level = "" if options.transaction_version is None else f", transaction.version {options.transaction_version}"
        effects = ", ".join(f"{number} {what}" for what, number in sorted(self.effects.items()))
        digest = hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:12]
        verdict = "as it must be" if not self.wrong else f"{self.wrong} WRONG"
        return (
            f"| {time.strftime('%Y-%m-%d', time.gmtime(self.begun))} | {self.name} | {version(self.program)} "
            f"| {self.kafka}{level} | {self.seed} | {self.runs} | {effects} | {self.seconds:.0f} s | {digest} "
            f"| {verdict} |"
        )


def add(tally):
    with open(FILE, "a") as file:
        file.write(tally.row() + "\n")
