"""Load, instances, and kills at chosen points of a batch's life.

A point is a place where a SIGKILL is aimed at: a frame that the proxy sees, a moment after the start, or chance. A kill
that misses its point is tried again, and a run in which one never happened has failed.
"""

import os
import threading
import time
from contextlib import contextmanager

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
# A point that waits for a frame is tried six times in this time, one that is over in a moment some dozens of times.
TRYING_SECONDS = 6 * REACH_SECONDS
# A transaction whose end is on its way when its process is killed has ended by then.
UNDER_WAY_SECONDS = 0.5
WENT_ON, RELOADED = " goes on with version ", " reload: reloaded: "  # what a process says of a worker, and at the end
# A file is read when it has been left alone for so long; then it is checked, and taken by each worker after its batch.
RELOAD_QUIET_SECONDS = 0.2
RELOAD_SECONDS = 0.2


class Storm:
    """Some instances of one pipeline, and what is done to them. All calls are of the test's thread."""

    def __init__(self, field, graph, members):
        self.field, self.graph, self.members, self.dice = field, graph, list(members), field.dice
        self.group = graph.top["pipeline"]
        self.proxy = field.proxy
        # The moment of a kill by chance comes sooner with each try, so that what is over quickly is met in the end.
        self.hurry = 1

    def client(self, victim):
        return f"{self.group}.{victim.name}"

    # --- progress ---

    def total(self):
        return sum(self.field.committed(self.group).values())

    def progress(self, seconds=90, what="progress"):
        """Waits for a commit that is not there yet; returns the seconds that it took."""
        before = self.total()
        return self.field.until(lambda: self.total() > before, seconds, what)

    def progress_everywhere(self, seconds, times=1, settle=0):
        """Waits for a commit on every partition that has one; returns the seconds that it took. The first commit on a
        partition may have been under way before; the second one's batch began after it. `settle`: what was under way
        in a process that is gone is waited for so long, which counts."""
        took = settle
        time.sleep(settle)
        for _ in range(times):
            before = self.field.committed(self.group)
            if not before:
                raise NoEffect("nothing was ever committed")

            def moved(before=before):
                now = self.field.committed(self.group)
                return all(now.get(place, -1) > offset for place, offset in before.items())

            took += self.field.until(moved, seconds, "commit on every partition")
        return took

    @contextmanager
    def commits(self, victim):
        """A list that grows, within it, by the connection of each commit of the victim that was answered well. Their
        numbers rise, so they tell a process from the one before it."""
        found = []

        def seen(frame):
            if frame.codes == [] and frame.request.committed():
                found.append(frame.link.number)

        look = self.proxy.look(seen, on="answer", api=END_TXN, client=self.client(victim))
        try:
            yield found
        finally:
            self.proxy.unlook(look)

    # --- kills ---

    def kill_at(self, point, victim):
        end = time.monotonic() + TRYING_SECONDS
        self.hurry = 1
        while time.monotonic() < end:
            # The kill before this one may have been a moment ago.
            self.field.until(lambda: victim.pid, 30, f"start of {victim.name}")
            if POINTS[point](self, victim):
                self.field.count(point)
                return
            self.hurry *= 0.8
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
            if number is not None and victim.kill(number):
                pid.append(number)
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
        """Before it has said a word, which it does as soon as the configuration is read."""

        def again():
            pid, begin = victim.pid, victim.log_begin
            time.sleep(self.dice.random() * 0.012 * self.hurry)
            if not victim.kill(pid):
                return False
            self.field.until(lambda: victim.pid, 30, f"start of {victim.name}")
            return victim.log_begin == begin

        return self.at_restart(victim, again)

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
        pid = victim.pid
        if pid is None:
            return False
        victim.ask_to_stop()
        time.sleep(self.dice.random() * 0.1 * self.hurry)
        return victim.kill(pid)

    def reloading(self, victim):
        """While it takes its file anew, which then says the same in other words: at some moment after the file was left
        alone, or as soon as a first worker has gone on with the new version."""
        pid = victim.pid
        if pid is None:
            return False
        victim.wait_up()
        place = victim.log_end()
        victim.reload()
        if self.dice.random() < 0.5:
            time.sleep(RELOAD_QUIET_SECONDS + self.dice.random() * RELOAD_SECONDS * self.hurry)
        else:
            self.until_said(victim, place, WENT_ON)
        if not victim.kill(pid):
            return False
        self.field.until(lambda: victim.pid, 30, f"start of {victim.name}")
        # What the killed process said last: if it told that the reload was over, it was.
        said = victim.said_from(place, victim.log_begin)
        if RELOADED in said:
            return False
        self.field.count(f"reload that {said.count(WENT_ON)} workers had taken")
        return True

    def until_said(self, victim, place, words, seconds=3):
        end = time.monotonic() + seconds
        while words not in victim.said_from(place) and time.monotonic() < end:
            time.sleep(0.001)

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
