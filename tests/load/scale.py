"""What the load cases share: a broker that takes large records, a backlog, and the scale on which a process stands."""

import os
import statistics
import threading
import time

from harness.broker import Broker

MIB = 1 << 20
LIMIT_MIB = 256
EVERY_SECONDS = 0.1
# From the second quarter of a run to the last, as a part or in all: what the allocator keeps settles within the first.
GROWTH_MOST = 0.05
GROWTH_MOST_MIB = 10


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
        self.ending.set()
        self.join(5)
        assert len(self.samples) >= 20, f"only {len(self.samples)} samples"
        return self

    def most(self):
        return max(self.samples) / MIB

    def judge(self, flat=True, limit_mib=LIMIT_MIB, waves=False):
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
        steady = after - before <= max(GROWTH_MOST * before, GROWTH_MOST_MIB)
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
