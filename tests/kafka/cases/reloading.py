"""A changed file, and changed tables, while the pipeline runs."""

import functools
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import defaultdict

from harness.case import case
from harness.records import to_send

from .starting import UNHURRIED


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


def reload(daemon, *expected):
    """What it answers; its exit code is one of `expected`, or 0."""
    result = subprocess.run(
        [daemon.binary, "reload", daemon.file],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, **daemon.environment},
    )
    text = result.stdout + result.stderr
    wanted = expected or (0,)
    assert result.returncode in wanted, f"reload answers {result.returncode} for {wanted}:\n{text}\n{daemon.tail()}"
    return text


def begin_reload(daemon):
    """A command that answers later."""
    return subprocess.Popen(
        [daemon.binary, "reload", daemon.file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **daemon.environment},
    )


def write_slowly(path, text):
    """In place and piece by piece, as an editor should not: about 0.9 s, of which the file is half for most."""
    step = len(text) // 30 + 1
    with open(path, "w") as file:
        for at in range(0, len(text), step):
            file.write(text[at : at + step])
            file.flush()
            time.sleep(0.03)


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
        # A machine with much else to do is not to be spared here.
        "rate": {"backpressure": {"enabled": False}},
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
    load = place.load(source, 1000, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 1000, 30, "records")
    for version in range(2, 10):
        write(daemon, {**daemon.document, **pipeline(place, version, "bc"[version % 2 == 0])})
        text = reload(daemon)
        assert f"reloaded: version {version}" in text and "stages.mark.decorate" in text, text
        time.sleep(0.3)
    place.unload(load, source, 5_500)
    place.drained(Plain(wanted), 60, daemon)
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
    load = place.load(source, 800, pad=40)
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
    place.drained(Plain(wanted), 60, daemon)
    daemon.stop()
    judge(place)


@case(seconds=90)
def wrong_files_are_refused(place):
    """Wrong, half, missing files, unknown topics: refused by name, counted, and the pipeline does not notice"""
    source, *_ = place.create(**{"in": 2, "a": 2, "b": 2, "c": 2, "dead": 1})
    wanted = document(place, 1, "b")
    wanted["kafka"] = {**wanted["kafka"], **UNHURRIED}
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 1000, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 200, 30, "records")
    good = open(daemon.file).read()

    put(daemon.file, good.replace("!value.robot", "!value.robot &&"))
    assert "error" in reload(daemon, 78)
    put(daemon.file, good.replace(place.topic("b"), place.topic("nowhere")))
    assert "a new destination cannot be written to" in reload(daemon, 78)
    refused = daemon.metrics().sum("reloads_total", result="refused")
    put(daemon.file, good[: good.index("destinations:") + 5])
    assert "refused: nothing has changed" in reload(daemon, 78)
    assert daemon.metrics().sum("reload_ok") == 0
    assert "pipeline.yaml:" in daemon.get("/status.json")[1]
    put(daemon.file, "")
    assert "the file is empty" in reload(daemon, 78)
    os.remove(daemon.file)
    assert "refused: nothing has changed" in reload(daemon, 78)
    assert daemon.metrics().sum("reloads_total", result="refused") == refused + 3
    put(daemon.file, good.replace(daemon.state, daemon.state + "-2"))
    text = reload(daemon, 1)
    assert "state.directory" in text and "needs restart" in text, text

    # A machine with much else to do may leave the half file alone for too long: it is then refused, and half no more.
    for _ in range(3):
        writer = threading.Thread(target=write_slowly, args=(daemon.file, good))
        writer.start()
        time.sleep(0.06)
        text = reload(daemon, 0, 78)
        writer.join()
        if "unchanged" in text:
            break
    assert "unchanged" in text, text

    put(daemon.file, good.replace("pipeline: ", "workers: 3\npipeline: "))
    text = reload(daemon, 1)
    assert "workers: 2 -> 3 (needs restart)" in text, text
    put(daemon.file, good.replace("interval: 100ms", "interval: 200ms"))
    assert "100ms -> 200ms (next batch)" in reload(daemon)
    assert "unchanged" in reload(daemon)
    before = daemon.metrics().sum("reloads_total")
    asked = []
    for _ in range(20):
        os.kill(daemon.process.pid, signal.SIGHUP)
        asked.append(begin_reload(daemon))
        time.sleep(0.1)
    for each in asked:
        text, _ = each.communicate(timeout=30)
        assert each.returncode == 0 and "unchanged" in text, text
    metrics = daemon.metrics()
    assert metrics.sum("reload_ok") == 1 and metrics.sum("recoveries_total") == 0
    assert metrics.sum("reloads_total") - before < 10, "40 requests within some seconds are some reloads"
    place.unload(load, source, 1_500)
    place.drained(Plain(wanted), 60, daemon)
    daemon.stop()
    assert judge(place) == {1}


@case(seconds=120)
def tables_change_under_load(place):
    """A table changes under load: rows of one batch are of one table, a wrong one is refused"""
    source, *_ = place.create(**{"in": 4, "a": 4, "b": 3, "c": 2, "dead": 1})
    path = os.path.join(place.directory, "versions.csv")
    put(path, "name,version\nnow,1\n")
    steady = os.path.join(place.directory, "steady.csv")
    put(steady, "name\nsame\n")
    wanted = document(
        place,
        1,
        "b",
        tables={
            "versions": {"file": path, "key": "name", "refresh": "changed"},
            "steady": {"file": steady, "key": "name", "refresh": "1s"},
        },
        memory={"limit": "256MiB", "table_rows": 1000},
    )
    wanted["stages"]["mark"]["decorate"]["headers"]["version"] = "lookup('versions', 'now').?version.orValue('0')"
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 1000, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 500, 30, "records")
    now = functools.partial(daemon.count, table="versions")
    for version in (2, 3):
        put(path, f"name,version\nnow,{version}\n")
        daemon.wait(lambda version=version: now("table_version") == version, 20, "another table")
        time.sleep(0.3)
    put(path, "name,version\nnow\n")
    daemon.wait(lambda: now("table_ok") == 0, 20, "refusal")
    assert "versions.csv:2: the row has 1 fields" in daemon.get("/status.json")[1]
    put(path, "name,version\nnow,9\n" + "".join(f"row{number},9\n" for number in range(1000)))
    daemon.wait(lambda: "memory.table_rows" in daemon.get("/status.json")[1], 20, "refusal of a table that grew")
    assert now("table_ok") == 0 and now("table_version") == 3
    put(path, "name,version\nnow,4\n")
    daemon.wait(lambda: now("table_version") == 4, 20, "another table")
    assert now("table_ok") == 1
    # Looked at every second, and as it was.
    assert daemon.count("table_version", table="steady") == 1
    place.unload(load, source, 4_000)
    place.drained(Plain(wanted), 60, daemon)
    daemon.stop()
    assert judge(place, whole_versions=False) == {1, 2, 3, 4}


@case(seconds=150)
def reload_in_an_outage(place):
    """The broker halted: a reload says in bounded time who is late, one with a new topic is refused; exact after it"""
    broker = place.own_broker()
    source, *_ = place.create(**{"in": 4, "a": 4, "b": 3, "c": 5, "dead": 1})
    wanted = document(place, 1, "b", kafka={"brokers": [place.address], "static": True, "session_timeout": "90s"})
    wanted["rate"]["max_per_partition"] = "100/s"
    table = os.path.join(place.directory, "rows.csv")
    put(table, "name\n0\n")
    wanted["tables"] = {"rows": {"file": table, "key": "name", "refresh": "1s"}}
    place.produce([some_record(source, number) for number in range(6_000)])
    daemon = place.daemon(Plain(wanted))
    daemon.wait(lambda: daemon.count("destination_records_total") > 200, 30, "records")
    assert sum(place.committed(wanted["pipeline"]).values()) < 3_000, "the backlog is gone before the outage"
    broker.freeze()
    time.sleep(1)  # every worker has a batch open by now
    write(daemon, {**daemon.document, **pipeline(place, 3, "b")})
    begun = time.monotonic()
    first = begin_reload(daemon)
    daemon.wait(lambda: json.loads(daemon.get("/status.json")[1])["reload"]["version"] == 2, 10, "version 2")
    second = begin_reload(daemon)
    text, _ = first.communicate(timeout=60)
    took = time.monotonic() - begun
    assert first.returncode == 1, text
    again, _ = second.communicate(timeout=60)
    assert second.returncode == 1 and "not in effect yet: worker" in again and "unchanged: version 2" in again, again
    put(table, "name\n0\n1\n2\n3\n")
    assert took < 30 and "not in effect yet: worker" in text and "reloaded: version 2" in text, (took, text)
    write(daemon, {**daemon.document, **pipeline(place, 4, "c"), "rate": {"backpressure": {"enabled": False}}})
    begun = time.monotonic()
    text = reload(daemon, 78)
    refused = time.monotonic() - begun
    assert refused < 25 and "the brokers do not answer about a new destination topic" in text, (refused, text)
    assert daemon.count("table_version") == 1, "a table was read while no worker could come to it"
    place.note(f"late after {took:.1f} s, refused after {refused:.1f} s")
    broker.thaw()
    daemon.wait(lambda: daemon.log_text().count("goes on with version 2") == 2, 40, "both workers in version 2")
    daemon.wait(lambda: daemon.count("table_version") == 2, 40, "the table as it is now")
    assert daemon.count("table_rows") == 4
    assert "version 4 of" in reload(daemon)
    place.drained(Plain(wanted), 60, daemon)
    daemon.metrics().balance()
    daemon.stop()
    assert judge(place) >= {1, 3}


@case(seconds=120)
def settings_follow_a_reload(place):
    """Readers, exclusive, rates and chunk sharing follow the file; history and events say what changed"""
    source, a, *_ = place.create(**{"in": 2, "a": 2, "b": 2, "dead": 1})
    wanted = document(place, 1, "b", batch={"interval": "200ms", "offsets_interval": "300ms"})
    daemon = place.daemon(Plain(wanted))
    load = place.load(source, 500, pad=40)
    daemon.wait(lambda: daemon.count("destination_records_total") > 200, 30, "records")
    assert daemon.count("reconcile_decidable", topic=a) == 0
    changed = json.loads(json.dumps(daemon.document))
    changed["destinations"]["a"].update({"readers": ["next"], "exclusive": True, "expect": {"partitions": 2}})
    changed["rate"] = {"max": "400/s"}
    changed["batch"]["share_chunks"] = False
    first = daemon.document
    write(daemon, changed)
    text = reload(daemon)
    for line in ("destinations.a.readers: changed (live)", "destinations.a.exclusive: (unset) -> true (live)",
                 "rate.max: none -> 400/s (next batch)", "batch.share_chunks: true -> false (next batch)"):  # fmt: skip
        assert line in text, text
    status = json.loads(daemon.get("/status.json")[1])
    assert status["knobs"]["rate.max"] == "400/s" and status["knobs"]["batch.share_chunks"] == "false", status["knobs"]
    assert status["reload"]["version"] == 2
    daemon.wait(lambda: daemon.count("reader_lag_sum_records", topic=a, group="next") > 0, 30, "lag of the reader")
    daemon.wait(lambda: daemon.count("reconcile_decidable", topic=a) == 1, 30, "a baseline")
    rows = [row for row in daemon.history("--last", "5") if row["received"] > 0]
    assert rows and {row["config"] for row in rows} == {status["config"]["hash"]}, (rows, status["config"])
    put(daemon.file, open(daemon.file).read().replace("!value.robot", "!value.robot &&"))
    reload(daemon, 78)
    write(daemon, first)
    reload(daemon)
    daemon.wait(lambda: daemon.count("reader_lag_sum_records", topic=a, group="next") <= 0, 30, "end of that lag")
    daemon.wait(lambda: daemon.count("reconcile_decidable", topic=a) == 0, 30, "end of the reconciliation")
    daemon.wait(lambda: len(reloads(daemon)) == 3, 10, "three events")
    forth, wrong, back = reloads(daemon)
    assert forth["subject"] == status["config"]["hash"], forth
    assert "rate.max: none -> 400/s (next batch)" in forth["text"], forth
    assert wrong["kind"] == "reload_refused" and "pipeline.yaml:" in wrong["text"], wrong
    assert "rate.max: 400/s -> none (next batch)" in back["text"], back
    place.unload(load, source, 1_000)
    place.drained(Plain(wanted), 60, daemon)
    daemon.metrics().balance()
    daemon.stop()
    assert judge(place) == {1}


def some_record(topic, number):
    name = f"r{number}".encode()
    robot = b"true" if number % 3 == 0 else b"false"
    return to_send(topic, b'{"robot":%s}' % robot, name, number % 4, (("id", name),), 1_700_000_000_000 + number)


def reloads(daemon):
    """The events of reloads, the oldest first."""
    return [event for event in daemon.history("--events", "--last", "100") if event["kind"].startswith("reload")]
