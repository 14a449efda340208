"""Compares what stands in the destinations with what must stand there, and names the promise that was broken.

I1 complete   every output of a record below the committed offset is there
I2 no phantom nothing else is: no output of a record at or above it, none of unknown origin
I3 once       no output is there twice
I4 order      from one source partition to one destination partition, source offsets rise
I5 routes     each output is in its own topic
I6 bytes      value and key are exact
I7 headers    headers and timestamp are exact
I8 partition  the destination's partition is the documented one
I9 dead       each rejected record is in the dead letters once, with its bytes, its reason and its position
I10 open      no transaction is left open: last stable offset = high watermark
I11 progress  committed offsets never went back whenever they were looked at, which they were
I12 lag       at the end nothing is left to read
I13 observed  a reader that looked on saw what stands there now, and saw something
"""

from collections import defaultdict, deque
from typing import NamedTuple

from .model import Dead

TEXTS_EACH = 3


class Problem(NamedTuple):
    invariant: str
    text: str


class Verdict:
    def __init__(self):
        self.problems = []
        self.counts = defaultdict(int)

    def add(self, invariant, text):
        self.problems.append(Problem(invariant, text))

    def names(self):
        return sorted({problem.invariant for problem in self.problems})

    def text(self):
        by_name = defaultdict(list)
        for problem in self.problems:
            by_name[problem.invariant].append(problem.text)
        lines = []
        for name, texts in sorted(by_name.items()):
            lines.append(f"{name}, {len(texts)} times:")
            lines += [f"  {text}" for text in texts[:TEXTS_EACH]]
        return "\n".join(lines)

    def demand(self, least=1):
        """Nothing broken, and something looked at: a check of no records proves nothing."""
        if self.problems:
            raise AssertionError("the outputs are wrong\n" + self.text())
        if self.counts["outputs"] + self.counts["dead"] < least:
            raise AssertionError(f"only {dict(self.counts)} checked, at least {least} wanted")
        return self


def short(data):
    if data is None:
        return "null"
    return repr(data[:60])[2:-1] + ("..." if len(data) > 60 else "")


def unlike(data, wanted):
    """Both, from a little before the first byte that differs."""
    if data is None or wanted is None:
        return f"{short(data)} for {short(wanted)}"
    at = next((n for n, (a, b) in enumerate(zip(data, wanted, strict=False)) if a != b), min(len(data), len(wanted)))
    at = max(0, at - 10)
    return f"{short(data[at:])} for {short(wanted[at:])} at byte {at}"


class Expected:
    """One output that must be there, with the record that it comes of."""

    __slots__ = ("out", "source", "beyond", "found")

    def __init__(self, out, source, beyond):
        self.out, self.source, self.beyond, self.found = out, source, beyond, False


class Checker:
    """upto: {(topic, partition): offset} committed by the group; a partition that is missing there has no commit.
    None: everything that the sources hold must have come out."""

    def __init__(self, graph, sources, upto=None, duplicates_allowed=False):
        self.graph, self.upto = graph, upto
        self.duplicates_allowed = duplicates_allowed
        self.verdict = Verdict()
        self.expected, self.dead = [], {}
        self.indexes = [defaultdict(deque) for _ in range(4)]
        for record in sources:
            self.expect(record)
        self.last = {}

    def expect(self, record):
        beyond = self.upto is not None and record.offset >= self.upto.get((record.topic, record.partition), -1)
        self.verdict.counts["uncommitted" if beyond else "sources"] += 1
        for out in self.graph.outputs(record):
            if isinstance(out, Dead):
                self.dead[(record.topic, record.partition, record.offset)] = [out, record, beyond, 0]
                continue
            one = Expected(out, record, beyond)
            self.expected.append(one)
            for index, key in zip(self.indexes, self.keys(out), strict=True):
                index[key].append(one)

    @staticmethod
    def keys(out):
        """From everything to less and less of it: what still fits tells what is wrong."""
        topic, partition, key, value, headers, timestamp = out
        identity = dict(headers).get("id")
        return (
            out,
            (topic, key, value, headers, timestamp),
            (topic, key, value) if identity is None else (topic, identity),
            identity if identity is not None else (key, value),
        )

    def outputs(self, records):
        for record in records:
            self.verdict.counts["outputs"] += 1
            self.output(record)
        for one in self.expected:
            if not one.found and not one.beyond:
                self.verdict.add("I1", f"nothing of {one.source.where()} in {one.out.topic} ({short(one.out.value)})")
        return self

    def output(self, record):
        actual = (record.topic, record.partition, record.key, record.value, record.headers, record.timestamp)
        keys = self.keys(actual)
        match = self.take(self.indexes[0].get(keys[0]), record)
        if match:
            self.accept(match, record)
            return
        if self.indexes[0].get(keys[0]):
            if not self.duplicates_allowed:
                self.verdict.add("I3", f"{record.where()} is there once more ({short(record.value)})")
            return
        for level in (1, 2, 3):
            match = self.take(self.indexes[level].get(keys[level]), record)
            if match:
                self.verdict.add(*self.difference(match.out, record))
                self.accept(match, record)
                return
        known = self.indexes[3].get(keys[3])
        if known and not self.duplicates_allowed:
            self.verdict.add("I3", f"{record.where()} is one more of {known[0].source.where()}")
        elif not known:
            self.verdict.add("I2", f"{record.where()} comes of no source record ({short(record.value)})")

    def take(self, candidates, record):
        """Of equal outputs the first that keeps the order, else the first that is left."""
        open_ones = [one for one in candidates or () if not one.found]
        for one in open_ones:
            if one.source.offset >= self.last.get(self.lane(one, record), -1):
                return one
        return open_ones[0] if open_ones else None

    @staticmethod
    def lane(one, record):
        return (one.source.topic, one.source.partition, record.topic, record.partition)

    def accept(self, one, record):
        one.found = True
        if one.beyond:
            self.verdict.add("I2", f"{record.where()} comes of {one.source.where()}, which is not committed")
        lane = self.lane(one, record)
        if one.source.offset < self.last.get(lane, -1):
            self.verdict.add("I4", f"{record.where()} ({one.source.where()}) comes after offset {self.last[lane]}")
        self.last[lane] = max(one.source.offset, self.last.get(lane, -1))

    @staticmethod
    def difference(out, record):
        where = record.where()
        if out.topic != record.topic:
            return "I5", f"{where} belongs to {out.topic}"
        if out.value != record.value:
            return "I6", f"{where} has {unlike(record.value, out.value)}"
        if out.key != record.key:
            return "I6", f"{where} has key {unlike(record.key, out.key)}"
        if out.headers != record.headers:
            return "I7", f"{where} has headers {record.headers} for {out.headers}"
        if out.timestamp != record.timestamp:
            return "I7", f"{where} has timestamp {record.timestamp} for {out.timestamp}"
        return "I8", f"{where} belongs to partition {out.partition}"

    def dead_letters(self, records):
        for record in records:
            self.verdict.counts["dead"] += 1
            self.dead_letter(record)
        for place, (dead, source, beyond, count) in self.dead.items():
            if count == 0 and not beyond:
                self.verdict.add("I9", f"{source.where()} ({dead.reasons}) is not in the dead letters")
            if count > 1 and not self.duplicates_allowed:
                self.verdict.add("I9", f"{place} is in the dead letters {count} times")
        return self

    def dead_letter(self, record):
        said = {name: (value or b"").decode() for name, value in record.headers if name.startswith("millrace.")}
        try:
            place = (said["millrace.topic"], int(said["millrace.partition"]), int(said["millrace.offset"]))
        except (KeyError, ValueError):
            self.verdict.add("I9", f"{record.where()} does not say where it comes from: {record.headers}")
            return
        entry = self.dead.get(place)
        if entry is None:
            reason = said.get("millrace.reason"), said.get("millrace.error")
            self.verdict.add("I9", f"{record.where()} of {place} is no bad record ({reason})")
            return
        entry[3] += 1
        dead, source, beyond, _ = entry
        wrong = []
        if beyond:
            wrong.append("its record is not committed")
        if record.value != source.value:
            wrong.append(f"value {short(record.value)} for {short(source.value)}")
        if record.key != source.key:
            wrong.append(f"key {short(record.key)} for {short(source.key)}")
        if [pair for pair in record.headers if not pair[0].startswith("millrace.")] != list(source.headers):
            wrong.append(f"headers {record.headers} for {source.headers}")
        if said.get("millrace.reason") not in dead.reasons:
            wrong.append(f"reason {said.get('millrace.reason')} ({said.get('millrace.error')}) for {dead.reasons}")
        if said.get("millrace.stage") != dead.stage:
            wrong.append(f"stage {said.get('millrace.stage')} for {dead.stage}")
        if said.get("millrace.pipeline") != self.graph.top["pipeline"]:
            wrong.append(f"pipeline {said.get('millrace.pipeline')}")
        if said.get("millrace.timestamp") != str(source.timestamp):
            wrong.append(f"timestamp {said.get('millrace.timestamp')} for {source.timestamp}")
        for name in ("error", "config"):
            if not said.get(f"millrace.{name}"):
                wrong.append(f"no {name}")
        for text in wrong:
            self.verdict.add("I9", f"{record.where()} of {source.where()}: {text}")

    def stable(self, described):
        """described: KafkaTool's answer for the destinations."""
        for topic, node in described.items():
            for partition, at in node["partitions"].items():
                if at["stable"] != at["end"]:
                    self.verdict.add("I10", f"{topic}-{partition}: stable {at['stable']}, end {at['end']}")
        return self

    def progress(self, samples):
        """samples: [{(topic, partition): offset}] of the group, in the order of time."""
        if not any(samples):
            self.verdict.add("I11", "nobody has looked at the committed offsets")
        highest = {}
        for sample in samples:
            for partition, offset in sample.items():
                if offset < highest.get(partition, -1):
                    self.verdict.add("I11", f"{partition} went from {highest[partition]} to {offset}")
                highest[partition] = max(offset, highest.get(partition, -1))
        return self

    def lag(self, ends):
        """ends: {(topic, partition): end}; all of it must have been committed."""
        for partition, end in ends.items():
            committed = (self.upto or {}).get(partition, 0)
            if committed != end:
                self.verdict.add("I12", f"{partition} is committed up to {committed} of {end}")
        return self

    def observed(self, seen, final, whole=False):
        """What the onlooker saw must be the beginning of what stands in each partition; whole: all of it."""
        if final and not seen:
            self.verdict.add("I13", "nothing was seen")
        by_partition = defaultdict(list)
        for record in final:
            by_partition[record[:2]].append(record)
        at = defaultdict(int)
        for record in seen:
            place = record[:2]
            stands = by_partition[place]
            if at[place] >= len(stands) or stands[at[place]] != record:
                self.verdict.add("I13", f"{record.where()} was seen and does not stand there so")
                return self
            at[place] += 1
            self.verdict.counts["observed"] += 1
        if whole and len(seen) < len(final):
            self.verdict.add("I13", f"{len(final) - len(seen)} of {len(final)} records were never seen")
        return self
