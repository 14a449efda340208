"""What the load cases share: a broker that takes large records, a backlog, and the scale on which a process stands."""

import os
import statistics
import threading
import time

from harness.broker import Broker

MIB = 1 << 20
LIMIT_MIB = 256
EVERY_SECONDS = 0.1
WINDOW_SECONDS = 0.5
WINDOWS_LEAST = 5
# From the second quarter of a run to the last, as a part or in all: what the allocator keeps settles within the first.
GROWTH_MOST = 0.05
GROWTH_MOST_MIB = 10
# In a run of ten seconds it has settled nearly. A queue without a bound grows by hundreds.
GROWTH_IN_SECONDS_MIB = 25


def big_broker(directory):
    return Broker(directory, ["message.max.bytes=20000000", "log.segment.bytes=104857600"])


class Scale(threading.Thread):
    """VmRSS of a process, each 100 ms."""

    def __init__(self, place, daemon, name="resident"):
        super().__init__(daemon=True)
        self.place, self.pid, self.name_ = place, daemon.process.pid, name
        self.samples, self.ending = [], threading.Event()
        self.start()

    def run(self):
        begun = time.monotonic()
        with open(os.path.join(self.place.directory, self.name_), "w") as log:
            while not self.ending.wait(EVERY_SECONDS):
                try:
                    self.samples.append(resident(self.pid))
                except (OSError, ValueError):
                    return  # it has ended
                log.write(f"{time.monotonic() - begun:.1f} {self.samples[-1] / MIB:.1f}\n")

    def finish(self):
        deadline = time.monotonic() + 5
        while len(self.samples) < 20 and self.is_alive() and time.monotonic() < deadline:
            time.sleep(EVERY_SECONDS)
        self.ending.set()
        self.join(5)
        assert len(self.samples) >= 20, f"only {len(self.samples)} samples"
        return self

    def most(self):
        return max(self.samples) / MIB

    def judge(self, flat=True, limit_mib=LIMIT_MIB, waves=False, growth_mib=GROWTH_MOST_MIB):
        """waves: memory rises and falls by its nature, in periods as long as a quarter; then its peaks are compared."""
        quarter = len(self.samples) // 4
        if waves:
            before, after = max(self.samples[: 2 * quarter]), max(self.samples[2 * quarter :])
            words = ("half 1", "half 2")
        else:
            before, after = (
                statistics.median(self.samples[quarter : 2 * quarter]),
                statistics.median(self.samples[-quarter:]),
            )
            words = ("quarter 2", "quarter 4")
        before, after = before / MIB, after / MIB
        self.place.note(
            f"{self.most():.0f} MiB resident at most, {before:.0f} in {words[0]}, {after:.0f} in {words[1]}"
        )
        assert self.most() <= limit_mib, f"{self.most():.0f} MiB resident, more than the limit of {limit_mib}"
        steady = after - before <= max(GROWTH_MOST * before, growth_mib)
        assert steady or not flat, f"resident memory grows, from {before:.0f} to {after:.0f} MiB"


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    raise ValueError(f"process {pid} has no memory")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def backlog(place, topic, records, pad, seconds=120, **more):
    """Fills a topic; returns when all of it is there."""
    name = place.load(topic, 100_000_000, most=records, pad=pad, **more)
    deadline = time.monotonic() + seconds
    while sum(place.ends([topic]).values()) < records:
        assert time.monotonic() < deadline, f"the backlog of {records} records is not there after {seconds} s"
        time.sleep(0.2)
    place.unload(name)


def records_of(daemon):
    return max(0, daemon.count("source_records_total"))


def settled(daemon, records, seconds=10):
    """All were read, and the sheet closes."""
    daemon.wait(lambda: records_of(daemon) == records, seconds, f"{records} records in its books")
    daemon.metrics().balance()


def race(one, other, records):
    """Two daemons side by side, so that both have the same machine, until one is through. Returns samples: when, and
    the records of both."""
    samples = [(time.monotonic(), 0, 0)]
    while max(samples[-1][1:]) < records:
        for daemon in (one, other):
            daemon.must_run()
        time.sleep(0.05)
        samples.append((time.monotonic(), records_of(one), records_of(other)))
    return samples


def share_in_all(samples):
    """The records of the first in parts of those of the second."""
    return samples[-1][1] / max(1, samples[-1][2])


def usual_share(samples):
    """The same of their usual pace: the median over windows from when both have begun, which a moment in which one of
    them waited for its broker does not move. 0: they were side by side for too short a time."""
    marks = [next((sample for sample in samples if min(sample[1:]) > 0), samples[-1])]
    for sample in samples:
        if sample[0] >= marks[-1][0] + WINDOW_SECONDS:
            marks.append(sample)
    paces = [[(b[i] - a[i]) / (b[0] - a[0]) for a, b in zip(marks, marks[1:])] for i in (1, 2)]
    usual = [statistics.median(each) if len(each) >= WINDOWS_LEAST else 0 for each in paces]
    return usual[0] / usual[1] if usual[1] > 0 else 0
