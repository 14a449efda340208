"""A changed file, and changed tables, while the pipeline runs."""

import os
import random
import signal
import subprocess
import time
from collections import defaultdict

from harness.case import case


def put(path, text):
    """As an editor or a tool does it: beside, then in one step."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


def write(daemon, document):
    daemon.document = document
    where = daemon.file
    daemon.file = where + ".beside"
    daemon.write()
    daemon.file = where
    os.replace(where + ".beside", where)


def reload(daemon, expected=0):
    result = subprocess.run(
        [daemon.binary, "reload", daemon.file],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )
    text = result.stdout + result.stderr
    assert result.returncode == expected, f"reload answers {result.returncode} for {expected}:\n{text}\n{daemon.tail()}"
    return text


def pipeline(place, version, second):
    """Every record that is no robot's goes to `a` and to `second`, with the number of the version in a header."""
    return {
        "sources": {"all": {"topics": [place.topic("in")], "start": "earliest"}},
        "stages": {
            "humans": {"from": "all", "filter": "!value.robot"},
            "mark": {"from": "humans", "decorate": {"headers": {"version": f"'{version}'"}}},
        },
        "destinations": {
            "a": {"from": "mark", "topic": place.topic("a")},
            "b": {"from": "mark", "topic": place.topic(second)},
        },
        "dead_letters": {"topic": place.topic("dead")},
    }


def document(place, version, second, **top):
    # A name with a point in YAML would be a number.
    return {
        "pipeline": place.name.replace("_", "-"),
        "instance": "a",
        "kafka": {"brokers": [place.address], "static": True},
        "batch": {"interval": "100ms", "offsets_interval": "300ms"},
        **pipeline(place, version, second),
        **top,
    }


class Plain:
    """What Place.daemon and drained want of a graph."""

    def __init__(self, document):
        self.document = document
        self.top = {"pipeline": document["pipeline"]}
        self.sources = document["sources"]

    def yaml(self):
        return self.document


def judge(place, whole_versions=True, rises=True):
    """Every record that is no robot's lies once in `a` and once in `b` or `c`, both by one version; versions never go
    back within a source partition. Written from the promise, without the daemon's graph."""
    given = place.read([place.topic("in")])
    seen = defaultdict(list)
    for record in place.read([place.topic("a"), place.topic("b"), place.topic("c")]):
        headers = dict(record.headers)
        seen[headers["id"].decode()].append((record.topic, int(headers["version"])))
    second = {place.topic("b"), place.topic("c")}
    last, wrong, versions = {}, [], set()
    for record in sorted(given, key=lambda one: (one.partition, one.offset)):
        name = dict(record.headers)["id"].decode()
        found = seen.pop(name, [])
        if b'"robot":true' in record.value:
            if found:
                wrong.append(f"{name}: a robot's, in {found}")
            continue
        topics = sorted(topic for topic, _ in found)
        numbers = {version for _, version in found}
        if len(found) != 2 or topics[0] != place.topic("a") or topics[1] not in second or len(numbers) != 1:
            wrong.append(f"{name}: {found}")
            continue
        (number,) = numbers
        versions.add(number)
        if whole_versions and (number % 2 == 0) != (topics[1] == place.topic("c")):
            wrong.append(f"{name}: version {number} in {topics[1]}")
        if rises and number < last.get(record.partition, 0):
            wrong.append(f"{name}: version {number} after {last[record.partition]}")
        last[record.partition] = max(number, last.get(record.partition, 0))
    assert not wrong, f"{len(wrong)} wrong, such as {wrong[:5]}"
    assert not seen, f"outputs of nothing: {list(seen.items())[:5]}"
    place.note(f"{len(given)} records, versions {sorted(versions)}")
    return versions


@case(seconds=120)
def graph_changes_under_load(place):
    """8 changes of graph and topics under load: each record wholly by one version, none lost, doubled, out of order"""
    source, *_ = place.create(**{"in": 6, "a": 4, "b": 3, "c": 5, "dead": 1})
    wanted = document(place, 1, "b")
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 3000, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 1000, 30, "records")
    for version in range(2, 10):
        write(daemon, {**daemon.document, **pipeline(place, version, "bc"[version % 2 == 0])})
        text = reload(daemon)
        assert f"reloaded: version {version}" in text and "stages.mark.decorate" in text, text
        time.sleep(0.3)
    place.unload(load, source, 5_500)
    place.drained(Plain(wanted), 40, daemon)
    metrics = daemon.metrics()
    metrics.balance()
    assert metrics.sum("reloads_total", result="applied") == 8
    assert metrics.sum("unbalanced_batches_total") == 0
    daemon.stop()
    assert judge(place) == set(range(1, 10))


@case(seconds=120)
def killed_after_reloads(place):
    """SIGKILL in or just after a reload, 6 times: each record wholly by one version, none lost or doubled"""
    dice = random.Random(7)
    source, *_ = place.create(**{"in": 4, "a": 4, "b": 3, "c": 5, "dead": 1})
    wanted = document(place, 1, "b")
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 2000, pad=40)
    for version in range(2, 8):
        before = daemon.count("destination_records_total")
        daemon.wait(lambda before=before: daemon.count("destination_records_total") > before + 200, 30, "records")
        write(daemon, {**daemon.document, **pipeline(place, version, "bc"[version % 2 == 0])})
        os.kill(daemon.process.pid, signal.SIGHUP)
        time.sleep(dice.random() * 0.6)
        assert daemon.kill(), "the daemon had ended before it was killed"
        daemon.start()
        daemon.wait_ready(30)
    place.unload(load, source, 4_000)
    place.drained(Plain(wanted), 40, daemon)
    daemon.stop()
    judge(place)


@case(seconds=90)
def wrong_files_are_refused(place):
    """Wrong, half, missing files, unknown topics: refused by name, counted, and the pipeline does not notice"""
    source, *_ = place.create(**{"in": 2, "a": 2, "b": 2, "c": 2, "dead": 1})
    wanted = document(place, 1, "b")
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 1000, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 200, 30, "records")
    good = open(daemon.file).read()

    put(daemon.file, good.replace("!value.robot", "!value.robot &&"))
    assert "error" in reload(daemon, 78)
    put(daemon.file, good.replace(place.topic("b"), place.topic("nowhere")))
    assert "a new destination cannot be written to" in reload(daemon, 78)
    put(daemon.file, good[: good.index("destinations:")])
    refused = daemon.metrics().sum("reloads_total", result="refused")
    os.kill(daemon.process.pid, signal.SIGHUP)
    daemon.wait(lambda: daemon.count("reloads_total", result="refused") == refused + 1, 15, "refusal")
    assert daemon.metrics().sum("reload_ok") == 0
    assert "pipeline.yaml:" in daemon.get("/status.json")[1]
    os.remove(daemon.file)
    os.kill(daemon.process.pid, signal.SIGHUP)
    daemon.wait(lambda: daemon.count("reloads_total", result="refused") == refused + 2, 15, "refusal")

    put(daemon.file, good.replace("pipeline: ", "workers: 3\npipeline: "))
    text = reload(daemon, 1)
    assert "workers: 2 -> 3 (needs restart)" in text, text
    put(daemon.file, good.replace("interval: 100ms", "interval: 200ms"))
    assert "100ms -> 200ms (next batch)" in reload(daemon)
    assert "unchanged" in reload(daemon)
    for _ in range(40):
        os.kill(daemon.process.pid, signal.SIGHUP)
        time.sleep(0.05)
    metrics = daemon.metrics()
    assert metrics.sum("reload_ok") == 1 and metrics.sum("recoveries_total") == 0
    assert metrics.sum("reloads_total") < 20, "40 requests within 2 s are some reloads"
    place.unload(load, source, 1_500)
    place.drained(Plain(wanted), 40, daemon)
    daemon.stop()
    assert judge(place) == {1}


@case(seconds=120)
def tables_change_under_load(place):
    """A table changes under load: rows of one batch are of one table, a wrong one is refused"""
    source, *_ = place.create(**{"in": 4, "a": 4, "b": 3, "c": 2, "dead": 1})
    path = os.path.join(place.directory, "versions.csv")
    put(path, "name,version\nnow,1\n")
    wanted = document(place, 1, "b", tables={"versions": {"file": path, "key": "name", "refresh": "changed"}})
    wanted["stages"]["mark"]["decorate"]["headers"]["version"] = "lookup('versions', 'now').?version.orValue('0')"
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 2000, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 500, 30, "records")
    for version in (2, 3):
        put(path, f"name,version\nnow,{version}\n")
        daemon.wait(lambda version=version: daemon.count("table_version") == version, 20, "another table")
        time.sleep(0.3)
    put(path, "name,version\nnow\n")
    daemon.wait(lambda: daemon.count("table_ok") == 0, 20, "refusal")
    assert "versions.csv:2: the row has 1 fields" in daemon.get("/status.json")[1]
    put(path, "name,version\nnow,4\n")
    daemon.wait(lambda: daemon.count("table_version") == 4, 20, "another table")
    assert daemon.metrics().sum("table_ok") == 1
    place.unload(load, source, 4_000)
    place.drained(Plain(wanted), 40, daemon)
    daemon.stop()
    assert judge(place, whole_versions=False) == {1, 2, 3, 4}
