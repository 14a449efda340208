"""Bad records are data: each is in the dead letters once, with its reason and bytes; its neighbours are untouched."""

import hashlib

from harness.case import case
from harness.model import Dead
from harness.records import to_send

MIB = 1 << 20


def nested(levels):
    """An object whose value is `levels` deep in all, and that the pipeline likes otherwise."""
    return b'{"user":{"name":"u"},"n":1,"deep":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


GOOD = b'{"user":{"name":"u"},"n":1}'

# name, value, the reasons that are right (none: it must pass), the node that rejects it
CORPUS = [
    ("good", GOOD, (), None),
    ("spaces", b' \t\r\n{ "user" : { "name" : "u" } , "n" : 1 } \n', (), None),
    ("unknown members", b'{"x":[1,{"n":2}],"user":{"name":"u","n":9},"n":1,"y":null}', (), None),
    ("escaped name of a member", b'{"user":{"n\\u0061me":"u"},"n":1}', (), None),
    ("duplicate member, last wins", b'{"n":"x","user":{"name":"u"},"n":1}', (), None),
    ("64 deep", nested(64), (), None),
    ("65 deep", nested(65), ("too_deep",), "all"),
    ("2000 deep", nested(2000), ("too_deep",), "all"),
    ("no JSON", b"hello", ("not_decodable",), "all"),
    ("empty", b"", ("not_decodable",), "all"),
    ("only spaces", b"  \n", ("not_decodable",), "all"),
    ("cut", GOOD[:-1], ("not_decodable",), "all"),
    ("cut in a string", GOOD[:14], ("not_decodable",), "all"),
    ("open brace", b"{", ("not_decodable",), "all"),
    ("two documents", GOOD + GOOD, ("not_decodable",), "all"),
    ("something behind", GOOD + b" x", ("not_decodable",), "all"),
    ("byte order mark", b"\xef\xbb\xbf" + GOOD, ("not_decodable",), "all"),
    ("truncated UTF-8", b'{"user":{"name":"\xe2\x82"},"n":1}', ("not_decodable",), "all"),
    ("latin 1", b'{"user":{"name":"\xfc"},"n":1}', ("not_decodable",), "all"),
    ("overlong UTF-8", b'{"user":{"name":"\xc0\xaf"},"n":1}', ("not_decodable",), "all"),
    ("surrogate in UTF-8", b'{"user":{"name":"\xed\xa0\x80"},"n":1}', ("not_decodable",), "all"),
    ("UTF-16", GOOD.decode().encode("utf-16"), ("not_decodable",), "all"),
    ("zero bytes", b"\0" * 100, ("not_decodable",), "all"),
    ("a number", b"17", ("not_an_object", "expression_error"), None),
    ("a string", b'"text"', ("not_an_object", "expression_error"), None),
    ("null", b"null", ("not_an_object", "expression_error"), None),
    ("an array", b'[{"n":1}]', ("not_an_object", "expression_error"), None),
    ("tombstone", None, ("not_an_object", "expression_error"), None),
    ("member absent", b'{"user":{"name":"u"}}', ("expression_error",), "asked"),
    ("member of another type", b'{"user":{"name":"u"},"n":"1"}', ("expression_error",), "asked"),
    ("a number for an object", b'{"user":5,"n":1}', ("not_an_object", "expression_error"), "marked"),
    ("nested member absent", b'{"user":{},"n":1}', ("expression_error",), "marked"),
    ("over the record limit", b'{"user":{"name":"u"},"n":1,"pad":"' + b"x" * MIB + b'"}', ("too_large",), "all"),
    ("10 MiB", b'{"user":{"name":"u"},"n":1,"pad":"' + b"y" * (10 * MIB) + b'"}', ("too_large",), "all"),
    ("10 MiB of nothing", b"\xff" * (10 * MIB), ("too_large",), "all"),
]


def corpus_graph(place, dead_bytes):
    big = {"max.message.bytes": str(32 * MIB)}
    topic, *_ = place.create(**{"in": (2, big), "out": 2, "dead": (1, {"max.message.bytes": str(dead_bytes)})})
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    graph.filter("asked", "all", "value.n > 0", lambda item: item.value["n"] > 0)
    shout = ("value.user.name + '!'", lambda item: item.value["user"]["name"] + "!")
    graph.decorate("marked", "asked", value={"shout": shout})
    graph.destination("out", "marked", place.topic("out"), 2)
    return topic, graph


def feed(place, topic, corpus):
    """Each bad one between good neighbours, all in one partition and then in the other."""
    items = []
    for turn in range(2):
        for number, (name, value, _, _) in enumerate(corpus):
            for what, data in (("before", GOOD), (name, value), ("after", GOOD)):
                headers = [("id", f"{turn}-{number}-{what}".encode()), ("keep", None)]
                items.append(to_send(topic, data, b"key", turn, headers))
    place.produce(items)
    return items


def said_of(record):
    return {name: (value or b"").decode() for name, value in record.headers if name.startswith("millrace.")}


def run_through(place, topic, graph, corpus):
    items = feed(place, topic, corpus)
    daemon = place.daemon(graph)
    place.drained(graph, 60, daemon)
    # The brokers have the offsets a moment before the daemon hears that they do.
    daemon.wait(lambda: daemon.count("source_records_total") == len(items), 10, "count of what was read")
    metrics = daemon.metrics()
    assert metrics.balance() == len(items) * 1.0
    daemon.stop()
    return metrics


@case(seconds=90)
def bad_records(place):
    """A corpus of bad JSON: each exactly once in the dead letters with reason, bytes, key, headers and position"""
    topic, graph = corpus_graph(place, 32 * MIB)
    metrics = run_through(place, topic, graph, CORPUS)
    by_id = {dict(record.headers)["id"].decode(): record for record in place.read([place.topic("dead")])}
    good = sorted(dict(record.headers)["id"].decode() for record in place.read([place.topic("out")]))
    wrong, bad = [], 0
    for turn in range(2):
        for number, (name, value, reasons, node) in enumerate(CORPUS):
            identity = f"{turn}-{number}-{name}"
            record = by_id.pop(identity, None)
            if not reasons:
                if record is not None or identity not in good:
                    wrong.append(f"{name}: must pass, but {said_of(record) if record else 'is nowhere'}")
                continue
            bad += 1
            if record is None:
                wrong.append(f"{name}: not in the dead letters{', but passed' if identity in good else ''}")
                continue
            said = said_of(record)
            if record.value != value or record.key != b"key" or dict(record.headers).get("keep", b"?") is not None:
                wrong.append(f"{name}: not the original bytes")
            if said["millrace.reason"] not in reasons or (node and said["millrace.stage"] != node):
                wrong.append(f"{name}: {said['millrace.reason']} by {said['millrace.stage']}, not {reasons} by {node}")
    assert not wrong, "\n".join(wrong)
    assert not by_id, list(by_id)[:5]
    dead_count = metrics.sum("dead_records_total")
    assert dead_count == bad, (dead_count, bad)
    neighbours = [identity for identity in good if identity.endswith(("before", "after"))]
    assert len(neighbours) == len(set(neighbours)) == 4 * len(CORPUS), len(neighbours)
    place.note(f"{len(CORPUS)} forms")


@case(seconds=60)
def bad_records_by_policy(place):
    """on_error: drop and keep: counted, and kept records pass as they came"""
    topic, *_ = place.create(**{"in": 2, "dropped": 2, "kept": 2, "dead": 1})
    items = []
    for number in range(300):
        text = b'{"n":"text"}' if number % 3 == 0 else b'{"n":%d}' % number
        items.append(to_send(topic, text, b"k", number % 2, [("id", b"%d" % number)]))
    place.produce(items)
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    add = {"m": ("value.n + 1", lambda item: item.value["n"] + 1)}
    graph.decorate("dropping", "all", value=add, on_error="drop")
    graph.decorate("keeping", "all", value=add, on_error="keep")
    graph.destination("dropped", "dropping", place.topic("dropped"), 2)
    graph.destination("kept", "keeping", place.topic("kept"), 2)
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.wait(lambda: daemon.count("kept_records_total", node="keeping") == 100, 10, "100 kept records")
    metrics = daemon.metrics()
    metrics.balance()
    daemon.stop()
    assert metrics.sum("dropped_records_total", node="dropping") == 100
    assert metrics.sum("kept_records_total", node="keeping") == 100
    verdict = place.judge(graph)
    assert verdict.counts["outputs"] == 500 and verdict.counts["dead"] == 0, dict(verdict.counts)


@case(seconds=90)
def bad_record_stops(place):
    """on_error: stop ends with 8 before the record's batch is committed, and a restart meets it again"""
    topic, *_ = place.create(**{"in": 1, "copy": 1, "dead": 1})
    place.produce([to_send(topic, b'{"n":%d}' % n, headers=[("id", b"%d" % n)]) for n in range(50)])
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest", on_error="stop")
    graph.destination("copy", "all", place.topic("copy"), 1)
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    place.produce([to_send(topic, b"{broken", headers=[("id", b"bad")])])
    for _ in range(2):
        code, _ = daemon.wait_end(20)
        assert code == 8, f"ended with {code}\n{daemon.tail()}"
        ends = [event["kind"] for event in daemon.history("--events", "--last", "2")]
        assert ends == ["policy_stop", "stop"], ends
        daemon = place.daemon(graph)
    daemon.kill()
    verdict = place.judge(graph, whole=False)
    assert verdict.counts["outputs"] == 50


@case(seconds=90)
def stubs_of_large_records(place):
    """A dead letter that its topic does not take is a stub: SHA-256, size, position and the beginning of the value"""
    topic, graph = corpus_graph(place, 200_000)
    corpus = [entry for entry in CORPUS if entry[0] in ("good", "10 MiB", "10 MiB of nothing", "over the record limit")]
    run_through(place, topic, graph, corpus)
    found = place.read([place.topic("dead")])
    assert len(found) == 6, len(found)
    values = {name: value for name, value, _, _ in corpus}
    for record in found:
        name = dict(record.headers)["id"].decode().split("-", 2)[2]
        said, value = said_of(record), values[name]
        assert said["millrace.reason"] == "too_large" and said["millrace.topic"] == topic, said
        assert said["millrace.size"] == str(len(value)), said
        assert said["millrace.sha256"] == hashlib.sha256(value).hexdigest(), said
        assert 60_000 < len(record.value) <= 65_536 and value.startswith(record.value), len(record.value)
        assert record.key == b"key"
    assert len(place.read([place.topic("out")])) == 2 * (2 * len(corpus) + 1)


@case(seconds=90)
def record_too_large_for_destination(place):
    """A record that its destination does not take is a bad record, its neighbours pass; at the limit it passes"""
    topic, *_ = place.create(**{"in": 1, "small": (1, {"max.message.bytes": "20000"}), "dead": 1})
    sizes = [10, 19_000, 19_800, 30_000, 100, 500_000, 100, 19_999, 20_001, 10]
    items = []
    for number, size in enumerate(sizes * 3):
        items.append(to_send(topic, b'{"p":"' + b"z" * (size - 8) + b'"}', b"k", 0, [("id", b"%d" % number)]))
    place.produce(items)
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    graph.destination("small", "all", place.topic("small"), 1)
    daemon = place.daemon(graph)
    place.drained(graph, 40, daemon)
    daemon.metrics().balance()
    daemon.stop()
    dead = {dict(record.headers)["id"]: record for record in place.read([place.topic("dead")])}
    out = {dict(record.headers)["id"]: record for record in place.read([place.topic("small")])}
    assert len(dead) + len(out) == len(items) and not set(dead) & set(out), (len(dead), len(out))
    for item in items:
        identity, size = dict(item.headers)["id"], len(item.value)
        if size < 19_500:
            assert out[identity].value == item.value
        if size > 20_000:
            said = said_of(dead[identity])
            assert said["millrace.reason"] == "too_large_for_destination" and said["millrace.stage"] == "small", said
            assert dead[identity].value == item.value


def forty_of_two_hundred_dead(place, target, reason, key=lambda n: b"k%d" % n, timestamp=lambda n: -1):
    """Copies 200 records into `target`, of which every fifth is bad; what the dead letters say of them."""
    place.produce(
        [
            to_send(place.topic("in"), b'{"n":%d}' % n, key(n), n % 2, [("id", b"%d" % n)], timestamp(n))
            for n in range(200)
        ]
    )
    graph = place.graph(place.topic("dead"))
    graph.source("all", [place.topic("in")], start="earliest")
    graph.destination(target, "all", place.topic(target), 2)
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    daemon.metrics().balance()
    daemon.stop()
    dead = [said_of(record) for record in place.read([place.topic("dead")])]
    assert len(dead) == 40 and {said["millrace.reason"] for said in dead} == {reason}, dead[:2]
    assert len(place.read([place.topic(target)])) == 160
    return dead


@case(seconds=60)
def null_key_on_compacted(place):
    """A compacted destination refuses null keys: those are bad records, the others pass"""
    place.create(**{"in": 2, "table": (2, {"cleanup.policy": "compact"}), "dead": 1})
    forty_of_two_hundred_dead(place, "table", "null_key", key=lambda n: None if n % 5 == 0 else b"k%d" % n)


@case(seconds=60)
def timestamps_out_of_range(place):
    """A timestamp that the destination's limits forbid makes a bad record, the others pass"""
    anytime = {"message.timestamp.after.max.ms": str(1 << 62)}
    # The broker's default since Kafka 4.0; before, there was no limit.
    hour = {"message.timestamp.after.max.ms": "3600000"}
    place.create(**{"in": (2, anytime), "copy": (2, hour), "dead": 1})
    future = 4_102_444_800_000
    dead = forty_of_two_hundred_dead(
        place, "copy", "bad_timestamp", timestamp=lambda n: future if n % 5 == 0 else n
    )
    assert {said["millrace.timestamp"] for said in dead} == {str(future)}, dead[:2]


@case(broker=False, seconds=10)
def corpus_and_model_agree(place):
    """The model of these tests rejects and passes what the corpus says"""
    from harness.model import Graph
    from harness.records import Record

    graph = Graph("model", "dead")
    graph.source("all", ["in"])
    graph.filter("asked", "all", "value.n > 0", lambda item: item.value["n"] > 0)
    graph.decorate("marked", "asked", value={"shout": ("", lambda item: item.value["user"]["name"] + "!")})
    graph.destination("out", "marked", "out", 2)
    for name, value, reasons, node in CORPUS:
        (result,) = graph.outputs(Record("in", 0, 0, 0, b"k", value, ()))
        if not reasons:
            assert not isinstance(result, Dead), (name, result)
        else:
            assert isinstance(result, Dead) and result.reasons[0] in reasons, (name, result)
            assert node is None or result.stage == node, (name, result)
