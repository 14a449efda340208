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


def quantile(seconds, percent):
    """The smallest value that at least so many of a hundred do not exceed."""
    return sorted(seconds)[max(0, -(-percent * len(seconds) // 100) - 1)]


class Tally:
    """What one part did, all its repetitions together."""

    def __init__(self, name, kafka, seed, program, given=""):
        """given: the words beside part, count, seed and brokers that the same runs need again."""
        self.name, self.kafka, self.seed, self.program, self.given = name, kafka, seed, program, given
        self.runs = self.wrong = 0
        self.effects = defaultdict(int)
        self.figures = defaultdict(list)
        self.begun, self.seconds = time.time(), 0
        self.lines = []

    def add(self, field, ok):
        self.runs += 1
        self.wrong += not ok
        for what, number in field.effects.items():
            self.effects[what] += number
        for what, seconds in field.figures.items():
            self.figures[what] += seconds
        seed = self.seed + self.runs - 1
        self.lines.append(f"{self.name} {seed} {sorted(field.effects.items())} {field.kept} {ok}")

    def distributions(self):
        """One text for each kind of time that was measured."""
        found = []
        for what, seconds in sorted(self.figures.items()):
            p50, p95 = (quantile(seconds, percent) for percent in (50, 95))
            found.append(f"{what}: {len(seconds)} times, p50 {p50:.1f} s, p95 {p95:.1f} s, most {max(seconds):.1f} s")
        return found

    def end(self):
        self.seconds = time.time() - self.begun

    def row(self):
        counts = [f"{number} {what}" for what, number in sorted(self.effects.items())]
        effects = ", ".join(counts + self.distributions())
        digest = hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:12]
        verdict = "as it must be" if not self.wrong else f"{self.wrong} WRONG"
        program = version(self.program) + self.given
        return (
            f"| {time.strftime('%Y-%m-%d', time.gmtime(self.begun))} | {self.name} | {program} "
            f"| {self.kafka} | {self.seed} | {self.runs} | {effects} | {self.seconds:.0f} s | {digest} "
            f"| {verdict} |"
        )


def next_seed(name, kafka):
    """The seed behind the last one that the ledger has for this part and version of Kafka; 1 when it has none."""
    seeds = [0]
    with open(FILE) as file:
        for line in file:
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) > 7 and cells[2] == name and cells[4] == kafka:
                seeds.append(int(cells[5]) + int(cells[6]) - 1)
    return max(seeds) + 1


def add(tally):
    with open(FILE, "a") as file:
        file.write(tally.row() + "\n")
