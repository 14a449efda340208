"""The checker, convicted or not: recorded outputs are harmed in every way that matters, and it must name the way."""

from collections import defaultdict

from harness.case import case
from harness.checker import Checker
from harness.model import Dead, Graph, murmur2, partition_of, splice
from harness.records import Record

SOURCE, OTHER = "in", "out.big"


def graph_of():
    graph = Graph("checked", "dead")
    graph.source("all", [SOURCE])
    graph.filter("humans", "all", "!value.robot", lambda item: not item.value["robot"])
    rules = [("big", "value.n > 50", lambda item: item.value["n"] > 50)]
    graph.classify("size", "humans", rules, "small", field="size")
    graph.destination("by_size", "size", "out.{port}", 3, key=("value.k", lambda item: item.value["k"]))
    return graph


def sources_of(count=600):
    found, ends = [], defaultdict(int)
    for number in range(count):
        partition = number % 4
        robot = str(number % 5 == 0).lower()
        text = '{"id":"r-%d","k":"k%d","n":%d,"robot":%s}' % (number, number % 7, number % 100, robot)
        if number % 50 == 3:
            text = text[:-3]
        headers = (("id", f"r-{number}".encode()),)
        record = Record(SOURCE, partition, ends[partition], 1000 + number, b"key", text.encode(), headers)
        ends[partition] += 1
        found.append(record)
    return found


def outputs_of(graph, sources):
    """Outputs and dead letters as a perfect pipeline would have written them."""
    ends, outputs, dead = defaultdict(int), [], []
    for record in sources:
        for out in graph.outputs(record):
            if isinstance(out, Dead):
                said = {
                    "pipeline": "checked",
                    "stage": out.stage,
                    "reason": out.reasons[0],
                    "error": "e",
                    "topic": record.topic,
                    "partition": record.partition,
                    "offset": record.offset,
                    "timestamp": record.timestamp,
                    "config": "c",
                }
                added = tuple((f"millrace.{name}", str(text).encode()) for name, text in said.items())
                headers = record.headers + added
                dead.append(Record("dead", 0, len(dead), record.timestamp, record.key, record.value, headers))
                continue
            place = (out.topic, out.partition)
            outputs.append(Record(*place, ends[place], out.timestamp, out.key, out.value, out.headers))
            ends[place] += 1
    return outputs, dead


def lost(position):
    def harm(outputs, dead, world):
        del outputs[position(outputs)]

    return harm


def doubled(position):
    def harm(outputs, dead, world):
        outputs.insert(position(outputs) + 1, outputs[position(outputs)])

    return harm


def changed(**fields):
    def harm(outputs, dead, world):
        middle = len(outputs) // 2
        new = {name: change(outputs[middle]) for name, change in fields.items()}
        outputs[middle] = outputs[middle]._replace(**new)

    return harm


def swapped(outputs, dead, world):
    """Two neighbours of one source partition in one destination partition."""
    first = outputs[len(outputs) // 2]
    origin = world["origin"]
    at = outputs.index(first)
    other = next(
        index
        for index in range(at + 1, len(outputs))
        if outputs[index][:2] == first[:2] and origin(outputs[index]) == origin(first)
    )
    outputs[at], outputs[other] = outputs[other], outputs[at]


def partition_gone(outputs, dead, world):
    place = outputs[0][:2]
    outputs[:] = [record for record in outputs if record[:2] != place]


def all_gone(outputs, dead, world):
    outputs.clear()


def beyond(outputs, dead, world):
    world["upto"] = {place: end - 1 for place, end in world["upto"].items()}


def behind(outputs, dead, world):
    world["ends"] = {place: end + 1 for place, end in world["ends"].items()}


def aborted_shown(outputs, dead, world):
    shown = outputs[5]._replace(value=b'{"id":"r-9999"}', headers=(("id", b"r-9999"),))
    outputs.insert(6, shown)


def stale(outputs, dead, world):
    at = next(index for index, record in enumerate(outputs) if b'"size":"big"' in record.value)
    outputs[at] = outputs[at]._replace(value=outputs[at].value.replace(b'"size":"big"', b'"size":"small"'))


def two_runs(outputs, dead, world):
    outputs[:] = [copy for record in outputs for copy in (record, record)]


def dead_lost(outputs, dead, world):
    del dead[-1]


def dead_doubled(outputs, dead, world):
    dead.append(dead[0])


def dead_edit(name, text):
    def harm(outputs, dead, world):
        headers = tuple((key, text if key == name else value) for key, value in dead[2].headers)
        dead[2] = dead[2]._replace(headers=headers)

    return harm


def dead_bytes(outputs, dead, world):
    dead[1] = dead[1]._replace(value=dead[1].value[:-1])


def good_one_dead(outputs, dead, world):
    headers = tuple((key, b"4" if key == "millrace.offset" else value) for key, value in dead[0].headers)
    dead.append(dead[0]._replace(headers=headers))


def open_left(outputs, dead, world):
    world["described"] = {"out.big": {"partitions": {"0": {"stable": 7, "end": 9}}}}


def went_back(outputs, dead, world):
    world["samples"] = [{(SOURCE, 0): 10}, {(SOURCE, 0): 9}, {(SOURCE, 0): 20}]


def seen_and_gone(outputs, dead, world):
    world["seen"] = list(world["final"][:10]) + [world["final"][10]._replace(value=b"other")]


def nothing_seen(outputs, dead, world):
    world["seen"] = []


def last_not_seen(outputs, dead, world):
    world["seen"], world["whole"] = list(world["final"][:-1]), True


def not_looked_at(outputs, dead, world):
    world["samples"] = [{}, {}]


MUTANTS = {
    "first lost": ("I1", lost(lambda outputs: 0)),
    "middle lost": ("I1", lost(lambda outputs: len(outputs) // 2)),
    "last lost": ("I1", lost(lambda outputs: len(outputs) - 1)),
    "partition missing": ("I1", partition_gone),
    "nothing there": ("I1", all_gone),
    "first doubled": ("I3", doubled(lambda outputs: 0)),
    "last doubled": ("I3", doubled(lambda outputs: len(outputs) - 1)),
    "two runs mixed": ("I3", two_runs),
    "two swapped": ("I4", swapped),
    "other topic": ("I5", changed(topic=lambda record: "out.small" if record.topic == "out.big" else "out.big")),
    "one byte of a value": ("I6", changed(value=lambda record: record.value[:-2] + b"X" + record.value[-1:])),
    "stale decoration": ("I6", stale),
    "key changed": ("I6", changed(key=lambda record: record.key + b"x")),
    "value gone": ("I6", changed(value=lambda record: None)),
    "header added": ("I7", changed(headers=lambda record: (*record.headers, ("more", b"1")))),
    "timestamp moved": ("I7", changed(timestamp=lambda record: record.timestamp + 1)),
    "partition off by one": ("I8", changed(partition=lambda record: (record.partition + 1) % 3)),
    "not committed": ("I2", beyond),
    "aborted shown": ("I2", aborted_shown),
    "dead letter missing": ("I9", dead_lost),
    "dead letter doubled": ("I9", dead_doubled),
    "dead letter with a wrong reason": ("I9", dead_edit("millrace.reason", b"too_large")),
    "dead letter of another stage": ("I9", dead_edit("millrace.stage", b"size")),
    "dead letter moved by one": ("I9", dead_edit("millrace.offset", b"1")),
    "dead letter cut": ("I9", dead_bytes),
    "dead letter of a good record": ("I9", good_one_dead),
    "open transaction": ("I10", open_left),
    "offset went back": ("I11", went_back),
    "lag left": ("I12", behind),
    "offsets not looked at": ("I11", not_looked_at),
    "seen and gone": ("I13", seen_and_gone),
    "nothing seen": ("I13", nothing_seen),
    "last never seen": ("I13", last_not_seen),
}


def judge(graph, sources, outputs, dead, world):
    checker = Checker(graph, sources, world["upto"])
    checker.outputs(outputs).dead_letters(dead).lag(world["ends"])
    checker.stable(world.get("described", {})).progress(world.get("samples", [{(SOURCE, 0): 1}]))
    checker.observed(world.get("seen", world["final"][:50]), world["final"], world.get("whole", False))
    return checker.verdict


def world_of(sources, outputs):
    ends = defaultdict(int)
    for record in sources:
        ends[record[:2]] = record.offset + 1
    by_id = {dict(record.headers)["id"]: record.partition for record in sources}

    def origin(record):
        return by_id[dict(record.headers)["id"]]

    return {"upto": dict(ends), "ends": dict(ends), "final": list(outputs), "origin": origin}


@case(broker=False, seconds=30)
def checker_convicts_mutants(place):
    """Thirty harmed outputs are each convicted of the right promise, and the unharmed ones of none"""
    graph, sources = graph_of(), sources_of()
    outputs, dead = outputs_of(graph, sources)
    assert len(outputs) > 400 and len(dead) == 12, (len(outputs), len(dead))
    judge(graph, sources, outputs, dead, world_of(sources, outputs)).demand(400)
    missed = []
    for name, (invariant, harm) in MUTANTS.items():
        some, some_dead, world = list(outputs), list(dead), world_of(sources, outputs)
        harm(some, some_dead, world)
        verdict = judge(graph, sources, some, some_dead, world)
        if invariant not in verdict.names():
            missed.append(f"{name}: {verdict.names()} instead of {invariant}")
    assert not missed, "\n".join(missed)
    try:
        Checker(graph, [], {}).outputs([]).verdict.demand()
        raise RuntimeError("a check of nothing passes")
    except AssertionError:
        pass
    place.note(f"{len(MUTANTS)} mutants")


@case(broker=False, seconds=10)
def model_agrees_with_java(place):
    """murmur2 as Java computes it, and the splicing of members, on known answers"""
    # Kafka's own test vectors (org.apache.kafka.common.utils.UtilsTest), as unsigned numbers.
    vectors = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    for data, known in vectors.items():
        assert murmur2(data) == known & 0xFFFFFFFF, data
    assert partition_of(b"abc", 10) == 7
    for text, path, new, wanted in [
        ('{"a":1}', ["b"], "2", '{"a":1,"b":2}'),
        ("{}", ["b"], "2", '{"b":2}'),
        ('{"a" : 1.50 , "b":2}', ["a"], '"x"', '{"a" : "x" , "b":2}'),
        ('{"a":1,"b":2}', ["a"], None, '{"b":2}'),
        ('{"a":1,"b":2}', ["b"], None, '{"a":1}'),
        ('{"a":{"c":"}"}}', ["a", "d"], "[]", '{"a":{"c":"}","d":[]}}'),
        ('{"a":1}', ["x", "y"], "1", '{"a":1,"x":{"y":1}}'),
    ]:
        assert splice(text, path, new) == wanted, (text, path, splice(text, path, new))
