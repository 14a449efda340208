"""Producing: every delivery, compression, partitioning and acks, as the requests on the wire show them."""

import threading

from harness.case import case
from harness.records import to_send

from .rates import PRODUCE, Proxied
from .starting import UNHURRIED

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Wire:
    """A rule of the proxy that notes of each produce request: topic -> {(acks, codec)}, and the largest in bytes."""

    def __init__(self, proxy):
        self.seen, self.largest, self.lock = {}, {}, threading.Lock()
        proxy.rule(self.act, api=PRODUCE, times=None)

    async def act(self, frame):
        cursor = frame.request.cursor()
        cursor.string()
        acks = cursor.take("h")
        cursor.take("i")
        for _ in range(cursor.count()):
            topic = cursor.string()
            for _ in range(cursor.count()):
                cursor.take("i")
                start = cursor.at
                cursor.skip_bytes()
                records = cursor.data[start : cursor.at]
                # The magic byte 2 tells where the batch begins behind its length, of either form.
                head = next(size for size in range(1, 6) if records[size + 16] == 2)
                codec = CODECS[records[head + 22] & 7]
                with self.lock:
                    self.seen.setdefault(topic, set()).add((acks, codec))
                    self.largest[topic] = max(self.largest.get(topic, 0), len(records))
                cursor.tags()
            cursor.tags()
        return True

    def take(self):
        with self.lock:
            seen, self.seen = self.seen, {}
            return seen


def several(place, delivery, kafka, acks):
    """All compressions and partitionings; acks: of the destinations, by name."""
    graph = place.graph(place.topic("dead"), delivery=delivery, kafka=kafka)
    graph.source("all", [place.topic("in")], start="earliest")
    number = ("value.n", lambda item: item.value["n"])
    for name, more in {
        "none": {},
        "gzip": {"partition": "source"},
        "snappy": {"partition": number},
        "lz4": {"key": ("value.text", lambda item: item.value["text"])},
        "zstd": {},
    }.items():
        wanted = {"acks": acks[name]} if name in acks else {}
        graph.destination(name, "all", place.topic(name), 3, compression=name, **more, **wanted)
    return graph


# What is asked for, and what each destination's requests must then say.
MODES = [
    ("exactly_once", {}, {}),
    ("at_least_once", {"gzip": 1, "zstd": "all"}, {"gzip": 1}),
    ("sync", {"lz4": 1}, {"lz4": 1}),
    ("fire_and_forget", {"gzip": 1, "zstd": "all"}, {"none": 0, "gzip": 1, "snappy": 0, "lz4": 0, "dead": 0}),
]


@case(seconds=150, broker=False, daemon=True)
def deliveries_on_the_wire(place):
    """Each delivery with every compression and partitioning; acks of each destination, as its requests say them"""
    with Proxied(place) as brokers:
        wire = Wire(brokers.proxy)
        for delivery, asked, differing in MODES:
            names = ["in", *CODECS, "dead"]
            place.kafka("createTopics", topics={place.topic(name): {"partitions": 3, "configs": {}} for name in names})
            items = []
            for n in range(240):
                text = b"not json" if n % 40 == 7 else b'{"n":%d,"text":"%s"}' % (n, b"abc" * (n % 50 + 1))
                items.append(to_send(place.topic("in"), text, b"k%d" % (n % 11), n % 3, [("id", b"%d" % n)]))
            place.produce(items)
            graph = several(place, delivery, brokers.kafka(), asked)
            daemon = place.daemon(graph)
            place.drained(graph, 40, daemon)
            daemon.wait(lambda: daemon.count("source_records_total") == 240, 10, "published counts")
            daemon.metrics().balance()
            daemon.stop()
            verdict = place.judge(graph)
            assert verdict.counts["outputs"] == 5 * 234 and verdict.counts["dead"] == 6, dict(verdict.counts)
            seen = wire.take()
            for name in CODECS:
                found, acks = seen[place.topic(name)], differing.get(name, -1)
                # What compression does not make smaller is sent as it is: a record alone, say.
                assert (acks, name) in found <= {(acks, name), (acks, "none")}, f"{delivery}: {name} sent as {found}"
            assert seen[place.topic("dead")] == {(differing.get("dead", -1), "none")}, (delivery, seen)
            with place.broker.wire() as wire_client:
                wire_client.delete_topics([place.topic(name) for name in names])


@case(seconds=90, broker=False, daemon=True)
def producer_of_a_pipeline(place):
    """batch_size and linger shape the requests, turned by a reload; without retries a failed request is a recovery"""
    from kproxy import error

    from .reloading import reload, write

    with Proxied(place) as brokers:
        wire = Wire(brokers.proxy)
        topic, *_ = place.create(**{"in": 1, "copy": 1, "dead": 1})
        producer = {"batch_size": "4KiB", "linger": "50ms", "queue": "1MiB", "retries": 0}
        # Without retries there is no idempotent producer: that takes a destination with fewer acks than all.
        kafka = {**brokers.kafka(), **UNHURRIED}
        graph = place.graph(place.topic("dead"), kafka=kafka, producer=producer, delivery="at_least_once")
        graph.source("all", [topic], form="bytes", start="earliest")
        graph.destination("copy", "all", place.topic("copy"), 1, acks=1)

        def send(first, last):
            place.produce([to_send(topic, b"%0500d" % n, headers=[("id", b"%d" % n)]) for n in range(first, last)])

        send(0, 1000)
        daemon = place.daemon(graph)
        place.drained(graph, 30, daemon)
        small = wire.largest[place.topic("copy")]
        assert 1000 < small < 6000, small
        write(daemon, {**daemon.document, "producer": {**producer, "batch_size": "200KiB"}})
        assert "producer.batch_size" in reload(daemon)
        send(1000, 3000)
        place.drained(graph, 30, daemon)
        assert wire.largest[place.topic("copy")] > 5 * small, (small, wire.largest)
        assert daemon.count("recoveries_total") == 0
        brokers.proxy.clear()  # the first rule that fits acts
        brokers.proxy.rule(error(19), api=PRODUCE, times=1)  # NOT_ENOUGH_REPLICAS
        send(3000, 3100)
        place.drained(graph, 40, daemon)
        daemon.wait(lambda: daemon.count("recoveries_total") >= 1, 10, "recovery for the one try that failed")
        daemon.stop()
        assert place.judge(graph, duplicates_allowed=True).counts["sources"] == 3100
