"""Load, instances, and kills at chosen points of a batch's life.

A point is a place where a SIGKILL is aimed at: a frame that the proxy sees, a moment after the start, or chance. A kill
that misses its point is tried again, and a run in which one never happened has failed.
"""

import os
import signal
import threading
import time

from frames import (
    ADD_OFFSETS,
    ADD_PARTITIONS,
    END_TXN,
    FETCH,
    INIT_PRODUCER_ID,
    JOIN_GROUP,
    PRODUCE,
    SYNC_GROUP,
    TXN_OFFSET_COMMIT,
)
from kproxy import FORWARD, SWALLOWED
from rig import NoEffect

REACH_SECONDS = 45
# A new configuration is read, checked and taken within some tens of milliseconds.
RELOAD_SECONDS = 0.15


class Storm:
    """Some instances of one pipeline, and what is done to them. All calls are of the test's thread."""

    def __init__(self, field, graph, members):
        self.field, self.graph, self.members, self.dice = field, graph, list(members), field.dice
        self.group = graph.top["pipeline"]
        self.proxy = field.proxy

    def client(self, victim):
        return f"{self.group}.{victim.name}"

    # --- progress ---

    def total(self):
        return sum(self.field.committed(self.group).values())

    def progress(self, seconds=90, what="progress"):
        """Waits for a commit that is not there yet; returns the seconds that it took."""
        before = self.total()
        return self.field.until(lambda: self.total() > before, seconds, what)

    # --- kills ---

    def kill_at(self, point, victim):
        for _ in range(3):
            # The kill before this one may have been a moment ago.
            self.field.until(lambda: victim.pid, 30, f"start of {victim.name}")
            if POINTS[point](self, victim):
                self.field.count(point)
                return
        raise NoEffect(f"{point} was never reached by {victim.name}, whose processes ended with {victim.codes[-5:]}")

    def at_frame(self, victim, on, api, forward, after=0.0, skip=0, match=None):
        """SIGKILL when the victim's frame passes: before it goes on, `after` it, or it does not go on at all."""
        done, pid = threading.Event(), []

        async def act(frame):
            number = victim.pid
            if after:
                frame.link.proxy.loop.call_later(after, shoot, number)
            else:
                shoot(number)
            return FORWARD if forward else SWALLOWED

        def shoot(number):
            if number is not None:
                try:
                    os.kill(number, signal.SIGKILL)
                    pid.append(number)
                except ProcessLookupError:
                    pass
            done.set()

        rule = self.proxy.rule(act, on=on, api=api, client=self.client(victim), skip=skip, match=match)
        done.wait(REACH_SECONDS)
        self.proxy.unrule(rule)
        return bool(pid)

    def at_restart(self, victim, kill_again):
        """Kills it, and then again while it starts."""
        before = victim.starts
        if not victim.kill():
            return False
        end = time.monotonic() + REACH_SECONDS
        while victim.starts == before and time.monotonic() < end:
            time.sleep(0.001)
        return kill_again()

    def just_started(self, victim):
        return self.at_restart(victim, lambda: (time.sleep(self.dice.random() * 0.012), victim.kill())[1])

    def locked(self, victim):
        """When it holds its lock file open."""

        def again():
            end = time.monotonic() + REACH_SECONDS
            while time.monotonic() < end:
                if has_lock(victim.pid):
                    return victim.kill()
            return False

        return self.at_restart(victim, again)

    def starting(self, victim, on, api, skip=0):
        return self.at_restart(victim, lambda: self.at_frame(victim, on, api, True, skip=skip))

    def by_chance(self, victim):
        time.sleep(self.dice.random())
        return victim.kill()

    def stopping(self, victim):
        """In the middle of a graceful stop."""
        if victim.pid is None:
            return False
        victim.ask_to_stop()
        time.sleep(self.dice.random() * 0.1)
        return victim.kill()

    def reloading(self, victim):
        """While it takes its file anew; the file then says the same in other words."""
        pid = victim.pid
        if pid is None:
            return False
        victim.reload()
        time.sleep(self.dice.random() * RELOAD_SECONDS)
        return victim.kill()

    def rebalanced(self, victim):
        """A member comes or goes; the victim is killed while the group is made anew."""
        other = self.dice.choice([member for member in self.members if member is not victim])
        other.leave()
        try:
            return self.at_frame(victim, "answer", [JOIN_GROUP, SYNC_GROUP], self.dice.random() < 0.5)
        finally:
            other.start_again()

    def dead_letter(self, victim):
        def is_dead(frame):
            return self.graph.dead_topic in (frame.request.partitions() or {})

        return self.at_frame(victim, "request", PRODUCE, self.dice.random() < 0.5, match=is_dead)


def has_lock(pid):
    try:
        folder = f"/proc/{pid}/fd"
        return any(os.readlink(os.path.join(folder, name)).endswith("lock") for name in os.listdir(folder))
    except OSError:
        return False


def has_records(frame):
    return len(frame.data) > 2000


def some(storm, most):
    return storm.dice.randrange(most)


POINTS = {
    "P1 before the config is read": lambda storm, one: storm.just_started(one),
    "P2 after the lock": lambda storm, one: storm.locked(one),
    "P3 after init_transactions": lambda storm, one: storm.starting(one, "answer", INIT_PRODUCER_ID),
    "P4 first assignment": lambda storm, one: storm.starting(one, "answer", SYNC_GROUP),
    "P5 while reading": lambda storm, one: storm.at_frame(one, "answer", FETCH, False, skip=some(storm, 10)),
    "P6 after begin": lambda storm, one: storm.at_frame(one, "request", ADD_PARTITIONS, storm.dice.random() < 0.5),
    "P7 while processing": lambda storm, one: storm.at_frame(
        one, "answer", FETCH, True, after=0.0002 + 0.003 * some(storm, 1000) / 1000, match=has_records
    ),
    "P8 while producing": lambda storm, one: storm.at_frame(
        one, "request", PRODUCE, storm.dice.random() < 0.5, skip=some(storm, 6)
    ),
    "P9 before the offsets": lambda storm, one: storm.at_frame(one, "request", ADD_OFFSETS, False),
    "P10 after AddOffsetsToTxn": lambda storm, one: storm.at_frame(one, "answer", ADD_OFFSETS, False),
    "P11 after TxnOffsetCommit": lambda storm, one: storm.at_frame(one, "answer", TXN_OFFSET_COMMIT, False),
    "P12 EndTxn sent, not answered": lambda storm, one: storm.at_frame(one, "request", END_TXN, True),
    "P13 EndTxn answered, not seen": lambda storm, one: storm.at_frame(one, "answer", END_TXN, False),
    "P14 between batches": lambda storm, one: storm.at_frame(
        one, "answer", END_TXN, True, after=0.0005 + 0.02 * storm.dice.random()
    ),
    "P15 during a reload": lambda storm, one: storm.reloading(one),
    "P16 during a stop": lambda storm, one: storm.stopping(one),
    "P17 during a rebalance": lambda storm, one: storm.rebalanced(one),
    "P18 while producing dead letters": lambda storm, one: storm.dead_letter(one),
    "random": lambda storm, one: storm.by_chance(one),
}
