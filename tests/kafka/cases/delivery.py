"""What arrives: contents, keys, headers, timestamps, order, compared with the model."""

import csv
import json
import os
import subprocess

from harness.case import ROOT, case
from harness.records import to_send

DATA = os.path.join(ROOT, "tests", "data")


def edits(count=None):
    raw = subprocess.run(
        ["zstd", "-dcq", os.path.join(DATA, "wikipedia-edits.jsonl.zst")], capture_output=True, check=True, timeout=60
    ).stdout
    return raw.splitlines()[:count]


def languages():
    with open(os.path.join(DATA, "ref", "wiki-languages.csv"), encoding="utf-8") as file:
        return {row["channel"]: row["language"] for row in csv.DictReader(file)}


def edits_graph(place, **top):
    """The pipeline of config/wikipedia.yaml, on topics of this test."""
    tables = {"languages": {"file": os.path.join(DATA, "ref", "wiki-languages.csv"), "key": "channel"}}
    graph = place.graph(place.topic("dead"), tables=tables, **top)
    known = languages()
    graph.source("edits", [place.topic("edits")], start="earliest")
    graph.filter("humans", "edits", "!value.isRobot", lambda item: not item.value["isRobot"])
    rules = [
        (
            "huge",
            "value.delta > 1000 || value.delta < -1000",
            lambda item: item.value["delta"] > 1000 or item.value["delta"] < -1000,
        ),
        (
            "small",
            "value.delta < 100 && value.delta > -100",
            lambda item: -100 < item.value["delta"] < 100,
        ),
    ]
    graph.classify("size", "humans", rules, "middle", field="size")
    language = (
        "lookup('languages', value.channel).?language.orValue('unknown')",
        lambda item: known.get(item.value["channel"], "unknown"),
    )
    graph.decorate(
        "labelled",
        "size",
        value={"language": language},
        headers={"handled-by": ("'millrace'", lambda item: "millrace")},
    )
    graph.destination(
        "by_size",
        "size",
        place.topic("edits.{port}"),
        4,
        key=("value.page", lambda item: item.value["page"]),
        compression="lz4",
    )
    graph.destination("labelled", "labelled", place.topic("edits.labelled"), 4)
    return graph


def load_edits(place, count=None):
    lines = edits(count)
    topic = place.topic("edits")
    place.kafka(
        "createTopics",
        topics={
            place.topic(name): {"partitions": partitions}
            for name, partitions in {
                "edits": 4,
                "edits.huge": 4,
                "edits.small": 4,
                "edits.middle": 4,
                "edits.labelled": 4,
                "dead": 1,
            }.items()
        },
    )
    place.produce(
        [
            to_send(
                topic,
                line,
                key=json.loads(line)["user"].encode(),
                headers=[("id", str(number).encode())],
                timestamp=1_442_000_000_000 + number,
            )
            for number, line in enumerate(lines)
        ]
    )
    return lines


@case(seconds=120)
def edits_exactly_once(place):
    """All Wikipedia edits through filter, classify and decorate, exactly once, every byte compared"""
    lines = load_edits(place)
    graph = edits_graph(place, delivery="exactly_once", workers=2)
    daemon = place.daemon(graph)
    place.drained(graph, 60, daemon)
    daemon.wait(lambda: daemon.count("source_records_total") == len(lines), 5, "published counts")
    metrics = daemon.metrics()
    assert metrics.balance() >= len(lines)
    assert metrics.sum("offset_audits_total", result="different") == 0
    daemon.stop()
    verdict = place.judge(graph, least=40_000)
    assert verdict.counts["sources"] == 39_244, dict(verdict.counts)
    robots = sum(json.loads(line)["isRobot"] for line in lines)
    assert metrics.sum("stage_filtered_records_total", stage="humans") == robots


@case(seconds=90)
def edits_at_least_once(place):
    """The same with at_least_once: nothing missing, and nothing double while nothing fails"""
    load_edits(place, 12_000)
    graph = edits_graph(place, delivery="at_least_once", workers=2)
    daemon = place.daemon(graph)
    place.drained(graph, 60, daemon)
    daemon.wait(lambda: daemon.count("source_records_total") == 12_000, 5, "published counts")
    daemon.metrics().balance()
    daemon.stop()
    place.judge(graph, least=12_000)


ODD_HEADERS = [
    (),
    (("a", b"1"),),
    (("a", None),),
    (("a", b""), ("a", b"2"), ("", b"empty name")),
    (("x", bytes(range(256))), ("\u00fcber", "\u20ac".encode())),
    tuple((f"h{number}", str(number).encode()) for number in range(40)),
]
ODD_KEYS = [None, b"", b"k", bytes(range(256)), "schl\u00fcssel".encode(), b"0" * 2000]
ODD_VALUES = [None, b"", b"plain", b'{"a":1}', bytes(range(256)) * 4, b"\xef\xbb\xbf{}", b"\x00"]
ODD_TIMES = [0, 1, 1000, 1_700_000_000_123, 4_102_444_800_000, -1]


@case(seconds=60)
def records_pass_unchanged(place):
    """Keys, headers, timestamps, tombstones and any bytes pass as they came; a null key keeps its source partition"""
    anytime = {"message.timestamp.after.max.ms": str(1 << 62)}
    topic, *_ = place.create(**{"in": (5, anytime), "copy": (3, anytime), "same": (5, anytime), "dead": 1})
    items = []
    for number in range(1500):
        headers = (*ODD_HEADERS[number % len(ODD_HEADERS)], ("id", str(number).encode()))
        value = ODD_VALUES[number % len(ODD_VALUES)]
        key = ODD_KEYS[number // 7 % len(ODD_KEYS)]
        items.append(to_send(topic, value, key, number % 5, headers, ODD_TIMES[number // 3 % len(ODD_TIMES)]))
    place.produce(items)
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], form="bytes", start="earliest")
    graph.destination("copy", "all", place.topic("copy"), 3)
    graph.destination("same", "all", place.topic("same"), 5, partition="source")
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.stop()
    verdict = place.judge(graph, least=3000)
    assert verdict.counts["outputs"] == 3000


@case(seconds=60)
def tombstones_in_json(place):
    """A tombstone passes a JSON pipeline that asks nothing of it, and is a bad record for an expression"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "asked": 2, "dead": 1})
    place.produce(
        [
            to_send(
                topic,
                None if number % 3 == 0 else b'{"a":%d}' % number,
                b"k%d" % (number % 11),
                number % 2,
                [("id", b"%d" % number)],
            )
            for number in range(300)
        ]
    )
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    graph.filter("asked", "all", "value.a >= 0", lambda item: item.value["a"] >= 0)
    graph.destination("copy", "all", place.topic("copy"), 2)
    graph.destination("asked", "asked", place.topic("asked"), 2)
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.stop()
    verdict = place.judge(graph)
    assert verdict.counts["dead"] == 100, dict(verdict.counts)


@case(seconds=60)
def keys_of_destinations(place):
    """key with key_as text, json and int64, a computed partition, and on_null_key: reject"""
    names = {"in": 3, "text": 6, "json": 6, "int64": 6, "computed": 6, "strict": 6, "dead": 1}
    topic, *_ = place.create(**names)
    place.produce(
        [
            to_send(
                topic,
                b'{"id":%d,"name":"n\xc3\xa4me %d","flag":%s}' % (number, number % 50, [b"true", b"false"][number % 2]),
                None if number % 4 == 0 else b"old",
                number % 3,
            )
            for number in range(600)
        ]
    )
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    name, number = ("value.name", lambda item: item.value["name"]), ("value.id", lambda item: item.value["id"])
    graph.destination("text", "all", place.topic("text"), 6, key=name)
    graph.destination("json", "all", place.topic("json"), 6, key=name, key_as="json")
    graph.destination("int64", "all", place.topic("int64"), 6, key=number, key_as="int64")
    graph.destination("computed", "all", place.topic("computed"), 6, partition=number)
    graph.destination("strict", "all", place.topic("strict"), 6, on_null_key="reject")
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.metrics().balance()
    daemon.stop()
    verdict = place.judge(graph, least=2000)
    assert verdict.counts["dead"] == 150, dict(verdict.counts)


@case(seconds=60)
def decorating_and_routing(place):
    """Nested members, removal, ports, unions, fan-out, invert and drop, from two topics of one source"""
    topics = place.create(**{"a": 2, "b": 3, "deep": 3, "union": 3, "odd": 3, "dead": 1})
    items = []
    for number in range(900):
        value = '{"n":%d,"user":{"name":"u%d"},"comment":"x, \\"y\\" }","price":%s,"tail":[1,{"}":2}]}' % (
            number,
            number % 13,
            ["1.50", "1e3", "-0.0", "12345678901234567890"][number % 4],
        )
        headers = [("id", str(number).encode())]
        items.append(to_send(topics[number % 2], value.encode(), b"k%d" % (number % 31), headers=headers))
    place.produce(items)
    graph = place.graph(place.topic("dead"))
    graph.source("both", topics[:2], start="earliest")
    rules = [
        ("low", "value.n < 300", lambda item: item.value["n"] < 300),
        ("high", "value.n >= 600", lambda item: item.value["n"] >= 600),
    ]
    graph.classify("range", "both", rules, "drop")
    graph.decorate(
        "deep",
        ["range.low", "range.high"],
        value={
            "user/shout": ("value.user.name + '!'", lambda item: item.value["user"]["name"] + "!"),
            "where/partition": ("partition", lambda item: item.partition),
            "n": ("value.n * 2", lambda item: item.value["n"] * 2),
        },
        headers={"from": ("topic", lambda item: item.topic)},
        remove=["comment"],
        if_present="replace",
    )
    graph.filter(
        "odd", "range.low", "value.n % 2 == 0", lambda item: item.value["n"] % 2 == 0, invert=True
    )
    graph.destination("deep", "deep", place.topic("deep"), 3)
    graph.destination("union", ["range.high", "odd"], place.topic("union"), 3)
    graph.destination("odd", "odd", place.topic("odd"), 3)
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    unmatched = {"stage": "range"}
    daemon.wait(lambda: daemon.count("stage_unmatched_records_total", **unmatched) == 300, 10, "300 unmatched records")
    daemon.metrics().balance()
    daemon.stop()
    place.judge(graph, least=1000)


@case(seconds=60)
def transactional_source(place):
    """Of a transactional source only what was committed comes through, and the lag reaches 0 behind the markers"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    graph.destination("copy", "all", place.topic("copy"), 2)
    daemon = place.daemon(graph)
    for turn in range(8):
        items = [
            to_send(topic, b'{"turn":%d,"n":%d}' % (turn, number), headers=[("id", b"%d-%d" % (turn, number))])
            for number in range(100)
        ]
        place.produce(items, transactional="writer", abort=turn % 2 == 1)
    place.drained(graph, 40, daemon)
    daemon.stop()
    verdict = place.judge(graph)
    assert verdict.counts["outputs"] == 400, dict(verdict.counts)
