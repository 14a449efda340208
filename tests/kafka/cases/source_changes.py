"""Sources that change while they are read: made anew, grown, cut by retention, compacted. Nothing is silent."""

import time

from harness.case import case
from harness.records import to_send

from .starting import copy_graph, numbered
from .weather import said, topics_of

# So that retention and compaction act within a test.
QUICK_CLEANER = [
    "log.retention.check.interval.ms=500",
    "log.initial.task.delay.ms=500",
    "log.cleaner.backoff.ms=300",
]


def ids_of(place, *topics):
    return sorted(int(dict(record.headers)["id"]) for record in place.read(list(topics) or [place.topic("copy")]))


@case(seconds=120)
def source_made_anew_while_it_is_read(place):
    """A source deleted and made anew under a running daemon: that source stops and says so, the other one goes on"""
    topic, other, *_ = place.create(**{"in": 1, "other": 1, "copy": 2, "copy-other": 2, "dead": 1})
    graph = place.graph(place.topic("dead"))
    for name, source, target in (("all", topic, "copy"), ("others", other, "copy-other")):
        graph.source(name, [source], start="earliest")
        graph.destination(f"to-{name}", name, place.topic(target), 2)
    place.produce(numbered(topic, 0, 100) + numbered(other, 0, 100))
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    place.kafka("deleteTopics", names=[topic])
    place.until(lambda: topic not in topics_of(place), 20, "end of the topic")
    place.create(**{"in": 1})
    # More than the old one had, so that the old position exists in the new topic.
    place.produce(numbered(topic, 1000, 1500))
    place.produce(numbered(other, 100, 300))
    group = graph.top["pipeline"]
    daemon.wait(lambda: place.committed(group)[(other, 0)] == 300, 60, "progress of the other source")
    daemon.wait(lambda: said(daemon, topic), 60, "/readyz with the topic")
    time.sleep(1)
    daemon.must_run()
    assert ids_of(place) == list(range(100)), "records of another topic were taken for the rest of this one"
    daemon.stop()
    assert ids_of(place, place.topic("copy-other")) == list(range(300))


@case(seconds=120)
def partitions_added_under_load(place):
    """start: latest, and partitions added under load: the new ones are read from their beginning, exact"""
    topic, *_ = place.create(**{"in": 2, "copy": 3, "dead": 1})
    place.produce(numbered(topic, 0, 100))
    graph = copy_graph(place, [topic], 3, start="latest")
    daemon = place.daemon(graph)
    group = graph.top["pipeline"]
    daemon.wait(lambda: len(place.committed(group)) == 2, 20, "committed start")
    for first in range(1000, 3000, 250):
        place.produce(numbered(topic, first, first + 250))
        if first == 1500:
            place.kafka("addPartitions", topic=topic, count=6)
    assert all(end > 0 for end in place.ends([topic]).values()), "no record fell into a new partition"
    place.drained(graph, 60, daemon)
    daemon.wait(lambda: daemon.count("partition_lag_records") == 0, 10, "lag of 0")
    daemon.stop()
    assert ids_of(place) == list(range(1000, 3000))


@case(seconds=120)
def retention_passes_the_reader(place):
    """Segments deleted by retention.bytes in front of a slow reader: skip counts the gap exactly; the lag reaches 0"""
    place.own_broker(QUICK_CLEANER)
    kept = {"retention.bytes": "1048576", "segment.bytes": "1048576"}
    topic, *_ = place.create(**{"in": (1, kept), "copy": 2, "dead": 1})
    # Each beyond what is fetched ahead (1 MiB), so that most of it is gone before it is asked for.
    records = 600
    pad = b"x" * 20_000
    everything = [
        to_send(topic, b'{"n":%d,"pad":"%s"}' % (n, pad), b"k", 0, [("id", b"%d" % n)]) for n in range(records)
    ]
    place.produce(everything[:200])
    graph = copy_graph(place, [topic], on_data_loss="skip")
    daemon = place.daemon(graph, rate={"max_per_partition": "50/s"})
    daemon.wait(lambda: daemon.count("source_records_total") > 0, 30, "records")
    place.produce(everything[200:])
    place.drained(graph, 60, daemon)
    found = ids_of(place)
    daemon.wait(lambda: daemon.count("source_lost_records_total") > 0, 10, "loss")
    lost = daemon.count("source_lost_records_total")
    # What retention had deleted before the first start is no loss.
    gone = set(range(found[0], records)) - set(found)
    assert found == sorted(set(found)), "something came twice"
    assert lost == len(gone), f"{lost:.0f} counted as lost, {len(gone)} did not come"
    daemon.wait(lambda: daemon.count("partition_lag_records") == 0, 10, "lag of 0")
    place.note(f"{lost:.0f} of {records} records lost, and counted")
    daemon.wait_ready(20)
    daemon.stop()


@case(seconds=90)
def records_deleted_in_front_of_the_reader(place):
    """on_data_loss: stop, records deleted while it reads: that partition stops with the range, the other goes on"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    pad = b"x" * 20_000
    cut = [to_send(topic, b'{"n":%d,"pad":"%s"}' % (n, pad), b"k", 0, [("id", b"%d" % n)]) for n in range(600)]
    place.produce(cut + numbered(topic, 1000, 1100, 1))
    graph = copy_graph(place, [topic], on_data_loss="stop")
    daemon = place.daemon(graph, rate={"max_per_partition": "50/s"})
    daemon.wait(lambda: daemon.count("source_records_total") > 0, 30, "records")
    place.kafka("deleteRecords", topic=topic, partition=0, before=500)
    daemon.wait(lambda: daemon.count("partition_stopped", partition="0") == 1, 60, "stopped partition")
    group = graph.top["pipeline"]
    at = place.committed(group)[(topic, 0)]
    status, text = daemon.get("/readyz")
    assert status == 503 and topic in text and "500 to 600" in text, text
    daemon.wait(lambda: place.committed(group)[(topic, 1)] == 100, 20, "progress of the other partition")
    place.until(lambda: place.committed(group)[(topic, 0)] >= len(ids_of(place)) - 100, 10, "commit of what was sent")
    at = place.committed(group)[(topic, 0)]
    assert at < 500, f"the offsets went on to {at}, over what is not there"
    assert ids_of(place) == [*range(at), *range(1000, 1100)]
    daemon.stop()


@case(seconds=120)
def compacted_and_aborted_sources(place):
    """Gaps of compaction, and a topic of which all was aborted: no loss is reported, counts are exact, the lag is 0"""
    place.own_broker(QUICK_CLEANER)
    compact = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.ms": "1000",
        "min.compaction.lag.ms": "0",
        "delete.retention.ms": "100",
    }
    topic, aborted, *_ = place.create(**{"in": (1, compact), "aborted": 2, "copy": 2, "dead": 1})
    place.produce([record._replace(partition=0) for record in numbered(topic, 0, 3000)])
    time.sleep(1.2)  # segment.ms; the next record closes the segment
    place.produce([record._replace(partition=0) for record in numbered(topic, 3000, 3010)])

    def left():
        return len(place.read([topic]))

    place.until(lambda: left() < 200, 40, "compaction")
    for turn in range(3):
        gone = [to_send(aborted, b'{"turn":%d}' % turn, headers=[("id", b"-1")]) for _ in range(50)]
        place.produce(gone, transactional="writer", abort=True)
    graph = copy_graph(place, [topic, aborted], on_data_loss="stop")
    daemon = place.daemon(graph)
    place.drained(graph, 40, daemon)
    expected = sorted(int(dict(record.headers)["id"]) for record in place.read([topic]))
    assert ids_of(place) == expected and len(expected) < 200, (len(ids_of(place)), len(expected))
    daemon.wait(lambda: daemon.count("partition_lag_records") == 0, 10, "lag of 0")
    assert daemon.count("source_lost_records_total") == 0 and daemon.ready()
    place.note(f"{len(expected)} of 3010 records left by compaction, 150 aborted")
    daemon.stop()
