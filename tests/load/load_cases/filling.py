"""Queues that fill and are not drained: many partitions, large records, brokers that do not answer."""

import time

from cases.weather import said
from harness.case import case

from scale import MIB, Scale, backlog, resident, settled


def many_partitions(place, seconds):
    partitions, each = 900, max(120, 3 * seconds)
    topic, *_ = place.create(**{"in": partitions, "copy": 4, "dead": 1})
    backlog(place, topic, partitions * each, 900, partitions=partitions)
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], form="bytes", start="earliest")
    graph.destination("copy", "all", place.topic("copy"), 4)
    # One record a second of each, so that nearly all that is fetched waits.
    daemon = place.daemon(graph, rate={"max_per_partition": "1/s"})
    scale = Scale(place, daemon)
    daemon.wait_ready(60)
    time.sleep(seconds)
    daemon.must_run()
    scale.finish()
    read = daemon.count("source_records_total")
    assert 0 < read < partitions * each / 2, f"{read} records were read: the queues were drained"
    daemon.metrics().balance()
    daemon.stop(20)
    place.note(f"{read:.0f} of {partitions * each} records read")
    # All partitions are fetched anew in the same moment, once in 35 to 70 s, the first time within the first half.
    scale.judge(flat=seconds > 200, waves=True)


@case(alone=True, seconds=240)
def many_partitions_short(place):
    """900 partitions of 1 KiB records, not compressed, that are hardly drained: memory under its limit"""
    many_partitions(place, 20)


@case(alone=True, seconds=900, long=True)
def many_partitions_long(place):
    """The same for five minutes: memory is flat too"""
    many_partitions(place, 240)


def big_records(place, count):
    big = {"max.message.bytes": str(16 * MIB)}
    topic, *_ = place.create(**{"in": (4, big), "copy": (4, big), "dead": (1, big)})
    backlog(place, topic, count, 10 * MIB, partitions=4)
    graph = place.graph(place.topic("dead"), records={"max_bytes": "16MiB"})
    graph.source("all", [topic], start="earliest")
    graph.decorate("marked", "all", value={"mark": ("value.delta + 1", None)})
    graph.destination("copy", "marked", place.topic("copy"), 4)
    daemon = place.daemon(graph)
    scale = Scale(place, daemon)
    begun = time.monotonic()
    place.drained(graph, 400, daemon)
    took = time.monotonic() - begun
    settled(daemon, count)
    scale.finish()
    dead = daemon.count("dead_records_total")
    daemon.stop()
    place.note(f"{count} records of 10 MiB in {took:.0f} s")
    assert dead == 0, f"{dead} of {count} were refused"
    scale.judge(flat=False)


@case(alone=True, seconds=120)
def big_records_short(place):
    """Records of 10 MiB on four partitions, decorated: memory under its limit"""
    big_records(place, 32)


@case(alone=True, seconds=900, long=True)
def big_records_long(place):
    """The same with 400 of them"""
    big_records(place, 400)


def outage(place, seconds):
    records = 400_000
    broker = place.own_broker()
    topic, *_ = place.create(**{"in": 4, "copy": 4, "dead": 1})
    backlog(place, topic, records, 900)
    # The batch is full, or nearly so, whenever the broker stops.
    graph = place.graph(place.topic("dead"), interval="10s")
    graph.source("all", [topic], form="bytes", start="earliest")
    graph.destination("copy", "all", place.topic("copy"), 4)
    daemon = place.daemon(graph)
    daemon.wait(lambda: sum(place.committed(graph.top["pipeline"]).values()) > 0, 40, "commits")
    broker.freeze()
    scale = Scale(place, daemon)
    daemon.wait(lambda: said(daemon), 30, "/readyz with the reason")
    time.sleep(seconds)
    daemon.must_run()
    scale.finish()
    broker.thaw()
    healed = time.monotonic()
    before = daemon.count("source_records_total")
    daemon.wait(lambda: daemon.count("source_records_total") > before, 60, "records after the outage")
    place.note(f"records again {time.monotonic() - healed:.1f} s after it")
    place.drained(graph, 120, daemon)
    settled(daemon, records)
    assert resident(daemon.process.pid) <= 256 * MIB
    daemon.stop()
    scale.judge()


@case(alone=True, seconds=240, broker=False, daemon=True)
def outage_short(place):
    """A broker that stands still for 45 s under a backlog: memory under its limit and flat, and it goes on"""
    outage(place, 45)


@case(alone=True, seconds=1200, broker=False, daemon=True, long=True)
def outage_long(place):
    """The same for ten minutes"""
    outage(place, 600)
