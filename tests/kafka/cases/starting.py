"""Where reading begins, and what happens when a position, a topic or an instance is not as it was."""

import os
import time

from harness.case import case
from harness.records import to_send

# For cases in which no commit may fail: not even where the machine stands still for as long as these usually are.
UNHURRIED = {
    "socket_timeout": "15s",
    "message_timeout": "20s",
    "commit_deadline": "20s",
    "transaction_timeout": "30s",
}


def numbered(topic, first, last, partition=-1, **more):
    return [
        to_send(topic, b'{"n":%d}' % n, b"k%d" % (n % 17), partition, [("id", b"%d" % n)], **more)
        for n in range(first, last)
    ]


def copy_graph(place, topics, partitions=2, start="earliest", top=None, **source):
    graph = place.graph(place.topic("dead"), **(top or {}))
    graph.source("all", topics, start=start, **source)
    graph.destination("copy", "all", place.topic("copy"), partitions)
    return graph


@case(seconds=60)
def start_latest_and_timestamp(place):
    """start: latest reads only what comes later; start: <timestamp> from the first record that is not older"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    base = 1_700_000_000_000
    place.produce([record._replace(timestamp=base + n * 1000) for n, record in enumerate(numbered(topic, 0, 100))])
    graph = copy_graph(place, [topic], start="latest")
    daemon = place.daemon(graph)
    # The start is resolved and committed before the first record, so it can be waited for.
    daemon.wait(lambda: len(place.committed(graph.top["pipeline"])) == 2, 20, "committed start")
    place.produce(numbered(topic, 100, 150))
    place.drained(graph, 20, daemon)
    daemon.stop()
    found = sorted(int(dict(record.headers)["id"]) for record in place.read([place.topic("copy")]))
    assert found == list(range(100, 150)), found[:10]

    second = place.create(other=2)[0]
    later = copy_graph(place, [topic], start="2023-11-14T22:13:50Z")
    later.destinations["copy"]["topic"] = second
    daemon = place.daemon(later)
    place.drained(later, 20, daemon)
    daemon.stop()
    found = sorted(int(dict(record.headers)["id"]) for record in place.read([second]))
    assert found == list(range(30, 150)), found[:10]


@case(seconds=60)
def restart_goes_on(place):
    """A restart goes on where the last commit stands, also with start: latest"""
    topic, *_ = place.create(**{"in": 3, "copy": 3, "dead": 1})
    graph = copy_graph(place, [topic], 3, start="earliest")
    for turn in range(3):
        place.produce(numbered(topic, turn * 500, turn * 500 + 500))
        start = "latest" if turn else "earliest"
        daemon = place.daemon(graph, sources={"all": {**graph.sources["all"], "start": start}})
        place.drained(graph, 30, daemon)
        daemon.stop()
    verdict = place.judge(graph)
    assert verdict.counts["outputs"] == 1500


@case(seconds=90)
def partitions_added(place):
    """Partitions added while running are read from their beginning, and nothing else is disturbed"""
    topic, *_ = place.create(**{"in": 2, "copy": 3, "dead": 1})
    graph = copy_graph(place, [topic], 3)
    place.produce(numbered(topic, 0, 1000))
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    place.kafka("addPartitions", topic=topic, count=6)
    place.produce(numbered(topic, 1000, 3000))
    assert all(end > 0 for end in place.ends([topic]).values())
    place.drained(graph, 60, daemon)
    daemon.stop()
    verdict = place.judge(graph)
    assert verdict.counts["outputs"] == 3000


@case(seconds=120)
def partitions_outgrow_memory(place):
    """Partitions added until their share of memory is too small: the consumer is made anew, and records stay exact"""
    topic, *_ = place.create(**{"in": 2, "copy": 3, "dead": 1})
    graph = copy_graph(place, [topic], 3)
    place.produce(numbered(topic, 0, 1000))
    daemon = place.daemon(graph, memory={"limit": "32MiB"})
    place.drained(graph, 30, daemon)
    assert "consumer for 2 partitions: 1MiB" in daemon.log_text(), daemon.tail()
    load = place.load(topic, 500)
    place.kafka("addPartitions", topic=topic, count=40)
    place.produce(numbered(topic, 1000, 3000))
    daemon.wait(lambda: "consumer for 40 partitions" in daemon.log_text(), 60, "another consumer")
    place.unload(load, topic, 5000)
    place.drained(graph, 60, daemon)
    daemon.wait_ready(10)
    assert daemon.count("partitions_assigned") == 40
    daemon.stop()
    place.judge(graph, least=5000)


def cut_graph(place, policy, **top):
    """A stopped pipeline whose partition 0 has lost the records that it would read next."""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic], on_data_loss=policy, **top)
    place.produce(numbered(topic, 0, 100, 0) + numbered(topic, 100, 200, 1))
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.stop()
    place.produce(numbered(topic, 200, 300, 0) + numbered(topic, 300, 400, 1))
    place.kafka("deleteRecords", topic=topic, partition=0, before=150)
    return topic, graph


def ids_of(place):
    return sorted(int(dict(record.headers)["id"]) for record in place.read([place.topic("copy")]))


@case(seconds=90)
def out_of_range_stop(place):
    """on_data_loss: stop holds the partition that lost records, keeps the others running, and is not ready"""
    topic, graph = cut_graph(place, "stop")
    daemon = place.daemon(graph)
    group = graph.top["pipeline"]
    daemon.wait(lambda: place.committed(group)[(topic, 1)] == 200, 20, "progress of the healthy partition")
    daemon.wait(lambda: daemon.count("partition_stopped", partition="0") == 1, 10, "stopped partition")
    assert not daemon.ready()
    status, text = daemon.get("/readyz")
    assert status == 503 and topic in text, text
    place.produce(numbered(topic, 400, 450, 1))
    daemon.wait(lambda: place.committed(group)[(topic, 1)] == 250, 10, "progress of the healthy partition")
    assert place.committed(group)[(topic, 0)] == 100
    daemon.stop()
    assert ids_of(place) == [*range(200), *range(300, 450)]


@case(seconds=90)
def out_of_range_skip(place):
    """on_data_loss: skip goes on at the first record that is left, and counts exactly what is missing"""
    topic, graph = cut_graph(place, "skip")
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.wait(lambda: daemon.count("source_lost_records_total") == 50, 5, "count of lost records")
    daemon.wait_ready(10)
    daemon.stop()
    assert ids_of(place) == [*range(200), *range(250, 400)]


@case(seconds=90)
def out_of_range_skip_eager(place):
    """With the range assignor too a partition that skips disturbs no other one, while these are being read"""
    topic, graph = cut_graph(place, "skip", top={"kafka": {"properties": {"partition.assignment.strategy": "range"}}})
    place.produce(numbered(topic, 1000, 11000, 1))
    daemon = place.daemon(graph, rate={"max_per_partition": "5000/s"})
    place.drained(graph, 30, daemon)
    daemon.wait(lambda: daemon.count("source_lost_records_total") == 50, 5, "count of lost records")
    assert daemon.count("abandoned_records_total") == 0
    assert daemon.count("rebalances_total") == 1
    daemon.wait_ready(10)
    daemon.stop()
    assert ids_of(place) == [*range(200), *range(250, 400), *range(1000, 11000)]


@case(seconds=90)
def topics_missing(place):
    """A source or a destination that is not there yet is said, and work begins when it appears"""
    place.create(dead=1)
    source, target = place.topic("in"), place.topic("copy")
    graph = copy_graph(place, [source])
    daemon = place.daemon(graph)
    daemon.wait(lambda: daemon.get("/readyz")[0] == 503, 15, "/readyz")
    time.sleep(2)
    daemon.must_run()
    assert target in daemon.get("/readyz")[1] or source in daemon.get("/readyz")[1], daemon.get("/readyz")
    place.create(**{"in": 2})
    place.produce(numbered(source, 0, 500))
    time.sleep(2)
    daemon.must_run()
    status, text = daemon.get("/readyz")
    assert status == 503 and target in text, (status, text)
    place.create(copy=2)
    place.drained(graph, 45, daemon)
    daemon.wait_ready(10)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 500


@case(seconds=60)
def second_start_refused(place):
    """A second start of the same instance ends with 3 and does not disturb the first"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    first = place.daemon(graph)
    first.wait_ready()
    second = place.daemon(graph, http={"listen": "127.0.0.1:0"})
    code, _ = second.wait_end(10)
    assert code == 3, f"the second start ended with {code}\n{second.tail()}"
    place.produce(numbered(topic, 0, 300))
    place.drained(graph, 20, first)
    assert os.path.exists(first.touch)
    first.stop()
    assert place.judge(graph).counts["outputs"] == 300


@case(seconds=60)
def unknown_group_after_a_run(place):
    """When the group has forgotten its offsets although this instance ran before, it asks instead of guessing"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 100))
    daemon = place.daemon(graph)
    place.drained(graph, 20, daemon)
    daemon.stop()
    with place.broker.wire() as wire:
        place.until(lambda: deleted(wire, graph.top["pipeline"]), 20, "deleted group")
    daemon = place.daemon(graph)
    code, _ = daemon.wait_end(30)
    assert code == 8 and "--accept-start" in daemon.log_text(), f"ended with {code}\n{daemon.tail()}"
    daemon = place.daemon(graph, start=False).start("--accept-start")
    place.drained(graph, 20, daemon)
    daemon.stop()
    assert ids_of(place) == sorted([*range(100), *range(100)])


def audited(place):
    """A pipeline that an audit has stopped: its offset of partition 0 went back from 100 to 60."""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 100, 0) + numbered(topic, 100, 200, 1))
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    place.kafka("moveOffset", group=graph.top["pipeline"], topic=topic, partition=0, offset=60)
    place.produce(numbered(topic, 200, 300, 0))
    code, _ = daemon.wait_end(30)
    assert code == 8 and "is 60, our last commit wrote 100" in daemon.log_text(), f"ended with {code}\n{daemon.tail()}"
    ends = [event["kind"] for event in daemon.history("--events", "--last", "2")]
    assert ends == ["offset_audit", "stop"], ends
    daemon = place.daemon(graph)
    code, _ = daemon.wait_end(30)
    assert code == 8 and "--accept-offsets" in daemon.log_text(), f"ended with {code}\n{daemon.tail()}"
    return graph


def go_on(place, graph, accept):
    daemon = place.daemon(graph, start=False).start("--accept-offsets", accept)
    place.drained(graph, 30, daemon)
    daemon.stop()
    # The decision is of one start.
    daemon = place.daemon(graph)
    daemon.wait_ready(20)
    daemon.stop()


@case(seconds=90)
def accept_offsets_expected(place):
    """After exit 8, --accept-offsets expected goes on behind what was written: nothing twice"""
    go_on(place, audited(place), "expected")
    assert ids_of(place) == [*range(300)]


@case(seconds=90)
def accept_offsets_committed(place):
    """After exit 8, --accept-offsets committed goes on from the moved offsets: what lies behind comes again, once"""
    go_on(place, audited(place), "committed")
    assert ids_of(place) == sorted([*range(300), *range(60, 100)])


def deleted(wire, group):
    try:
        wire.delete_group(group, missing_ok=True)
        return True
    except Exception:  # not empty yet
        return False
