"""How fast a pipeline reads: after an outage, with a slow broker, beside a hot partition; and one partition's work done
by two workers."""

import json
import os
import sys
import time

from harness.case import ROOT, case
from harness.daemon import free_port
from harness.records import to_send

from .reloading import reload, write
from .starting import UNHURRIED, copy_graph, numbered

sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))

from frames import PRODUCE  # noqa: E402  (the path is set just above)
from kproxy import Proxy, delay  # noqa: E402


class Proxied:
    """A broker of the case's own, and a proxy that pipelines meet it through; with `with`, so that the proxy ends."""

    def __init__(self, place):
        direct, behind, controller = free_port(), free_port(), free_port()
        self.proxy = Proxy()
        self.port = self.proxy.serve(1, ("127.0.0.1", behind))
        settings = {
            "listeners": f"PLAINTEXT://127.0.0.1:{direct},PROXIED://127.0.0.1:{behind},"
            f"CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{direct},PROXIED://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        place.own_broker([f"{key}={value}" for key, value in settings.items()], direct)

    def kafka(self):
        """The section `kafka` of a pipeline's file."""
        return {"brokers": [f"127.0.0.1:{self.port}"]}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.proxy.close()


def batches(daemon):
    """The last batches with records, the newest first."""
    status, text = daemon.get("/api/batches")
    assert status == 200, text
    return [row for row in json.loads(text)["batches"] if row["received"] > 0]


def states(daemon):
    status, text = daemon.get("/api/status")
    return [worker["rate"]["state"] for worker in json.loads(text)["workers"]] if status == 200 else []


@case(seconds=120, broker=False, daemon=True)
def rate_after_an_outage(place):
    """After an outage the first batches are bounded by rate.initial, then the backlog is worked off faster; exact"""
    with Proxied(place) as brokers:
        topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
        top = {"kafka": brokers.kafka(), "workers": 1, "rate": {"initial": "300/s"}, "interval": "500ms"}
        graph = copy_graph(place, [topic], top=top)
        place.produce(numbered(topic, 0, 500))
        daemon = place.daemon(graph)
        place.drained(graph, 40, daemon)
        brokers.proxy.refuse()
        place.produce(numbered(topic, 500, 520))
        daemon.wait(lambda: not daemon.ready(), 40, "/readyz with the outage")
        place.produce(numbered(topic, 520, 6000))
        # Of half a second; of more where a commit was seen to take so long that batches must be longer.
        bound = 300 * max(0.5, 2 * daemon.count("commit_fixed_seconds"))
        brokers.proxy.heal()
        healed = time.time() * 1000
        place.drained(graph, 60, daemon)
        after = [row["received"] for row in reversed(batches(daemon)) if row["started_ms"] >= healed]
        place.note(f"batches after the outage: {after[:8]}")
        # And every batch that shows more is possible may lead to four times as much.
        assert after and after[0] <= bound < 1000, (after, bound)
        assert max(after) > 300, after
        daemon.metrics().balance()
        daemon.stop()
        assert place.judge(graph).counts["outputs"] == 6000


@case(seconds=240, broker=False, daemon=True)
def rate_with_a_slow_broker(place):
    """Produce requests that wait make the workers saturated, not late: less is read, nothing fails; then all is free"""
    with Proxied(place) as brokers:
        topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
        kafka = {**brokers.kafka(), **UNHURRIED}
        top = {"kafka": kafka, "workers": 1, "interval": "500ms", "rate": {"initial": "200/s"}}
        graph = copy_graph(place, [topic], top={**top, "producer": {"batch_size": "16KiB"}})
        slow = brokers.proxy.rule(delay(0.1), api=PRODUCE, times=None)
        load = place.load(topic, 700, pad=400)
        daemon = place.daemon(graph)
        daemon.wait(lambda: "saturated" in states(daemon), 60, "saturated worker")
        before = len(batches(daemon))
        daemon.wait(lambda: len(batches(daemon)) >= before + 12, 40, "batches under backpressure")
        taken = sorted(row["processing_ms"] for row in batches(daemon)[:10])
        place.note(f"batches of 500 ms take {taken[0]:.0f} to {taken[-1]:.0f} ms")
        assert taken[len(taken) // 2] <= 1000, taken
        assert daemon.count("recoveries_total") == 0
        place.unload(load)
        brokers.proxy.unrule(slow)
        place.drained(graph, 100, daemon)
        daemon.wait(lambda: set(states(daemon)) == {"free"}, 20, "free worker")
        daemon.stop()
        place.judge(graph, least=1000)


@case(seconds=90)
def rate_beside_a_hot_partition(place):
    """Of rate.max a hot partition gets most, and the others come through at once; lifted by a reload, exact"""
    topic, *_ = place.create(**{"in": 4, "copy": 4, "dead": 1})
    place.produce(numbered(topic, 0, 4000, partition=1))
    for number, partition in enumerate((0, 2, 3)):
        place.produce(numbered(topic, 4000 + 50 * number, 4050 + 50 * number, partition=partition))
    graph = copy_graph(place, [topic], 4, top={"workers": 1, "rate": {"max": "400/s", "min_per_partition": "20/s"}})
    daemon = place.daemon(graph)

    def others_are_through():
        have = place.committed(graph.top["pipeline"])
        return all(have.get((topic, partition), 0) == 50 for partition in (0, 2, 3))

    took = daemon.wait(others_are_through, 30, "commits of the other partitions")
    hot = place.committed(graph.top["pipeline"]).get((topic, 1), 0)
    place.note(f"the others are through after {took:.1f} s, with {hot} records of the hot one")
    assert 0 < hot < 4000, hot
    document = {key: value for key, value in daemon.document.items() if key != "rate"}
    write(daemon, document)
    text = reload(daemon)
    assert "rate.max" in text, text
    place.drained(graph, 30, daemon)
    daemon.metrics().balance()
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 4150


# Comparisons in the square of the list's length: processors are the limit.
BUSY = "value.list.filter(x, value.list.exists(y, y == x + 1000)).size() == 0"


@case(seconds=150)
def one_partition_by_two_workers(place):
    """Both workers take chunks of one partition through a busy stage; every record once, in order"""
    topic, *_ = place.create(**{"in": 1, "copy": 1, "alone": 1, "dead": 1})
    numbers = b",".join(b"%d" % number for number in range(40))
    place.produce(
        [
            to_send(topic, b'{"n":%d,"list":[%s]}' % (n, numbers), b"k%d" % (n % 17), headers=[("id", b"%d" % n)])
            for n in range(60000)
        ]
    )
    rates = {}
    for share, target in ((True, "copy"), (False, "alone")):
        graph = place.graph(place.topic("dead"), workers=2, batch={"share_chunks": share})
        graph.source("all", [topic], start="earliest")
        graph.filter("busy", "all", BUSY, lambda item: True)
        graph.destination("copy", "busy", place.topic(target), 1)
        daemon = place.daemon(graph)
        place.drained(graph, 60, daemon)
        rows = batches(daemon)
        spent = (max(row["completed_ms"] for row in rows) - min(row["started_ms"] for row in rows)) / 1000
        rates[share] = 60000 / spent
        daemon.wait(lambda: daemon.count("source_records_total") == 60000, 5, "published counts")
        daemon.metrics().balance()
        helped = daemon.metrics().sum("worker_helped_chunks_total")
        assert (helped > 0) == share, f"{helped} chunks were helped with, share_chunks is {share}"
        daemon.stop()
        assert place.judge(graph).counts["outputs"] == 60000
    place.note(f"{rates[True]:.0f} records/s shared, {rates[False]:.0f} alone: {rates[True] / rates[False]:.2f} times")
