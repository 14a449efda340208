"""What limits a pipeline is said in a sentence: bottlenecks planted on a real broker, each with the advice expected."""

import json
import subprocess

from harness.case import case
from harness.records import to_send

# Some thousand steps for each record: more than its load leaves time for.
SLOW = f"{list(range(100))}.all(i, {list(range(60))}.all(j, i * j + int(value.delta) > -1000000))"
LOAD = 3000  # records a second


def planted(place, short, where="value.s >= 0", partitions=4, load=LOAD, interval="500ms", **top):
    """A pipeline of its own over a topic of its own; load: records a second, 0: the case fills the topic."""
    topic = place.create(**{short: partitions, f"{short}-out": partitions, f"{short}-dead": 1})[0]
    graph = place.graph(place.topic(f"{short}-dead"), interval=interval, workers=1, **top)
    graph.source("all", [topic])
    graph.filter("looked-at", "all", where, None)
    graph.destination("out", "looked-at", place.topic(f"{short}-out"), partitions)
    daemon = place.daemon(graph)
    if load:
        place.load(topic, load)
    return daemon, topic


def advice(daemon):
    status, text = daemon.get("/api/advice")
    return json.loads(text) if status == 200 else {"kind": None}


def expect(place, daemon, kind, knob, node=None):
    """Waits for the advice, and compares what `millrace advise` prints and the metric."""
    seen = {}

    def given():
        seen.update(advice(daemon))
        # What is hot is seen at once, that a limit holds it back with the first batches.
        return seen["kind"] == kind and seen["knob"] == knob

    try:
        daemon.wait(given, 60, kind)
    except AssertionError as error:
        raise AssertionError(f"{kind}, knob {knob!r}, was planted, and the advice is {seen}: {error}") from None
    assert node is None or seen["node"] == node, seen
    place.note(kind)


@case(seconds=150)
def planted_bottlenecks(place):
    """A limit of the rate, a slow stage, poison, one hot key, nothing at all: the advice names each, with its knob"""
    # Room to spare on a busy machine too, or commits would limit it and the advice rightly said so.
    well, _ = planted(place, "well", load=100, interval="2s")
    limited, _ = planted(place, "limited", rate={"max_per_partition": "100/s"})
    failing, _ = planted(place, "failing", where="value.nowhere.at_all == 1", load=300)
    hot, topic = planted(place, "hot", load=0, rate={"max_per_partition": "100/s"})
    place.produce([to_send(topic, b'{"s":%d}' % n, b"one") for n in range(15_000)])
    idle, _ = planted(place, "idle", load=0)

    expect(place, failing, "dead_letters", "dead_letters.threshold", "looked-at")
    expect(place, limited, "rate_limit", "rate.max_per_partition")
    expect(place, hot, "hot_key", "rate.max_per_partition", "all")
    expect(place, idle, "idle", "")
    said = subprocess.run([well.binary, "advise", hot.file], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0 and "one key is" in said.stdout, said.stdout + said.stderr
    for daemon in (limited, failing, hot, idle):
        daemon.kill()
    expect(place, well, "healthy", "")
    assert well.count("advice", kind="healthy") == 1
    well.kill()
    for load in list(place.loads):
        place.unload(load)
    slow, _ = planted(place, "slow", where=SLOW, load=4 * LOAD)
    expect(place, slow, "stage", "workers", "looked-at")
    slow.kill()
