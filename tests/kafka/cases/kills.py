"""SIGKILL under load: what is committed is there once, and the rest comes after the restart."""

import os
import random
import time

from harness.case import Sampler, case
from harness.records import read_file

from .instances import loaded_graph

KILLS = 20


def first_commit(place, group, seconds, daemon):
    """Seconds until the group's committed offsets move."""
    before = place.committed(group)
    return place.until(lambda: place.committed(group) != before, seconds, "commit", daemon)


def restart_with_fewer_workers(place, static, limit):
    source, graph = loaded_graph(place, kafka={"static": static})
    load = place.load(source, 3000)
    daemon = place.daemon(graph, workers=4)
    group = graph.top["pipeline"]
    daemon.wait(lambda: sum(place.committed(group).values()) > 3000, 30, "commits")
    time.sleep(0.3)
    assert daemon.kill(), "the daemon had ended before it was killed"
    daemon = place.daemon(graph, workers=2)
    took = first_commit(place, group, limit, daemon)
    place.note(f"first commit after {took:.1f} s")
    place.unload(load, source, 5_500)
    place.drained(graph, 40, daemon)
    daemon.metrics().balance()
    daemon.stop()
    place.judge(graph, least=5000)


@case(alone=True, seconds=90)
def killed_with_4_restarted_with_2_static(place):
    """Killed with workers: 4, restarted with 2, static: true: the first commit within 5 s, contents exact"""
    restart_with_fewer_workers(place, True, 5)


@case(alone=True, seconds=90)
def killed_with_4_restarted_with_2(place):
    """The same without static membership: within 15 s"""
    restart_with_fewer_workers(place, False, 15)


@case(alone=True, seconds=120)
def static_restarts(place):
    """static: true, stopped and started three times: no rebalance takes its partitions, the first commit within 5 s"""
    source, graph = loaded_graph(place, kafka={"static": True})
    load = place.load(source, 2000)
    group = graph.top["pipeline"]
    daemon = place.daemon(graph)
    first_commit(place, group, 30, daemon)
    took = []
    for _ in range(3):
        daemon.stop()
        daemon = place.daemon(graph)
        took.append(first_commit(place, group, 5, daemon))
        assert daemon.count("partitions_assigned") == 6
    place.note("first commits after " + ", ".join(f"{seconds:.1f}" for seconds in took) + " s")
    place.unload(load, source, 3_000)
    place.drained(graph, 40, daemon)
    daemon.stop()
    place.judge(graph, least=3000)


@case(seconds=90)
def transactions_of_gone_workers(place):
    """Killed with workers: 4 in open transactions, restarted with 2: those of the workers that are gone end at once"""
    source, graph = loaded_graph(place, kafka={"transaction_timeout": "120s"}, interval="60s")
    daemon = place.daemon(graph, workers=4)
    load = place.load(source, 2000)
    targets = [*place.targets(graph)]

    def open_ends():
        found = place.kafka("describe", topics=targets)
        return sum(at["stable"] < at["end"] for topic in found.values() for at in topic["partitions"].values())

    daemon.wait(lambda: daemon.count("partitions_assigned") == 6, 30, "partitions")
    daemon.wait(lambda: open_ends() > 0, 20, "open transactions")
    time.sleep(1)
    place.unload(load, source, 3_000)
    assert daemon.kill()
    daemon = place.daemon(graph, workers=2, batch={"interval": "100ms"})
    took = place.until(lambda: open_ends() == 0, 40, "end of the open transactions", daemon)
    place.note(f"ended after {took:.1f} s")
    for worker in (2, 3):
        said = f"ended what worker {worker}"
        daemon.wait(lambda said=said: said in daemon.log_text(), 20, "end of a worker's own")
    place.drained(graph, 40, daemon)
    daemon.stop()
    place.judge(graph, least=3000)


@case(alone=True, seconds=240)
def twenty_kills_under_load(place):
    """20 SIGKILLs under load, with poison: 0 lost, 0 doubled, order kept, seen so by an onlooker all the time"""
    seed = int(os.environ.get("MILLRACE_SEED", "0")) or random.randrange(1, 1 << 30)
    place.note(f"seed {seed}")
    dice = random.Random(seed)
    source, graph = loaded_graph(place, kafka={"static": True}, interval="150ms")
    group = graph.top["pipeline"]
    targets = place.targets(graph)
    seen = os.path.join(place.directory, "seen.bin")
    place.kafka("observe", name=place.name, topics=targets, file=seen)
    load = place.load(source, 4000, poison=200, seed=seed, pad=20)
    sampler = Sampler(place, group)
    took_effect = 0
    for _ in range(KILLS):
        daemon = place.daemon(graph, workers=dice.choice([1, 2, 3]))
        first_commit(place, group, 15, daemon)
        # Somewhere in the next batches: while reading, sending, committing.
        time.sleep(dice.random() * 0.6)
        took_effect += daemon.kill()
    assert took_effect == KILLS, f"{took_effect} of {KILLS} kills took effect"
    daemon = place.daemon(graph)
    place.unload(load, source, 22_000)
    place.drained(graph, 60, daemon)
    daemon.stop()
    place.kafka("observeStop", name=place.name)
    verdict = place.judge(
        graph, least=20_000, observed=read_file(seen, targets), samples=sampler.finish()
    )
    assert verdict.counts["dead"] > 50 and verdict.counts["observed"] > 20_000, dict(verdict.counts)


@case(alone=True, seconds=120)
def kills_at_least_once(place):
    """5 SIGKILLs with at_least_once: nothing lost, and the first of each keeps the order"""
    source, graph = loaded_graph(place, kafka={"static": True}, delivery="at_least_once")
    group = graph.top["pipeline"]
    load = place.load(source, 3000, poison=300)
    dice = random.Random(7)
    for _ in range(5):
        daemon = place.daemon(graph)
        first_commit(place, group, 15, daemon)
        time.sleep(dice.random() * 0.6)
        assert daemon.kill()
    daemon = place.daemon(graph)
    place.unload(load, source, 11_000)
    place.drained(graph, 60, daemon)
    daemon.stop()
    place.judge(graph, least=10_000, duplicates_allowed=True)
