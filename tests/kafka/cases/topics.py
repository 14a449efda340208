"""Topics as they should be, and what is in them against what was sent."""

import json
import os
import subprocess
import time

from harness.broker import ROOT
from harness.case import case

from .starting import copy_graph, numbered


def command(place, daemon, *words, seconds=60):
    """(exit code, what it prints)"""
    name, *rest = words
    done = subprocess.run(
        [place.rig.binary, name, daemon.file, *rest], capture_output=True, text=True, timeout=seconds, check=False
    )
    return done.returncode, done.stdout + done.stderr


def lines_with(text, *parts):
    return [line for line in text.splitlines() if all(part in line for part in parts)]


@case(seconds=60)
def topics_as_expected(place):
    """check --connect shows settings and names what is not as expected, with the line that mends it; topics creates"""
    topic, copy = place.create(**{"in": 2, "copy": (3, {"retention.ms": "3600000", "retention.bytes": "1000000"})})
    graph = copy_graph(place, [topic], 3)
    graph.destinations["copy"]["expect"] = {"partitions": 4, "replication": 1, "retention": "7d"}
    daemon = place.daemon(graph, start=False)
    code, text = command(place, daemon, "check", "--connect")
    assert code == 78, text
    assert lines_with(text, "ok: source topic", topic, "2 partitions, replication 1"), text
    assert lines_with(text, "ok: ", copy, "retention.ms 1h (the topic's own; broker's default forever)"), text
    assert lines_with(text, "ok: ", topic, "cleanup.policy delete (broker's default)"), text
    assert lines_with(text, f"error: destination topic {copy}: has 3 partitions, expected 4; kafka-topics.sh"), text
    assert lines_with(text, "error: ", "retention.ms is 1h, expected 7d; kafka-configs.sh", "ms=604800000"), text
    assert lines_with(text, "error: ", "retention.bytes is", "retention.bytes=-1"), text
    assert not lines_with(text, "error: ", "replicas"), text
    missing = lines_with(text, "error: ", graph.dead_topic)
    assert missing and "millrace topics" in missing[0], text

    code, text = command(place, daemon, "topics", "--connect")
    assert code == 0, text
    made = lines_with(text, "kafka-topics.sh", "--create", f"--topic {graph.dead_topic}", "--partitions 2")
    assert made and place.address in made[0], text
    assert lines_with(text, f"# {copy}", "is there, with 3 partitions"), text

    place.kafka("addPartitions", topic=copy, count=4)
    place.kafka("alterConfig", topic=copy, configs={"retention.ms": "604800000", "retention.bytes": "-1"})
    place.create(dead=2)
    place.until(lambda: command(place, daemon, "check", "--connect")[0] == 0, 20, "clean check")


@case(seconds=90)
def topics_measured(place):
    """topics --measured asks the daemon for its rates; a hot key and one full partition show in its metrics"""
    topic, copy, _ = place.create(**{"in": 2, "copy": 4, "dead": 1})
    graph = copy_graph(place, [topic], 4)
    graph.destinations["copy"]["expect"] = {"retention": "1d", "replication": 3}
    graph.destinations["copy"]["key"] = "'hot'"
    graph.filter("any", "all", "!has(value.n) || value.n >= 0", lambda item: True)
    graph.destinations["copy"]["from"] = "any"
    daemon = place.daemon(graph)
    daemon.wait_ready()
    place.produce(numbered(topic, 0, 2000))
    place.drained(graph, 30, daemon)
    daemon.wait(lambda: daemon.count("destination_records_total", topic=copy) == 2000, 10, "2000 records")
    of_copy = {"role": "destination", "topic": copy}
    assert daemon.count("spread_largest_partition_ratio", **of_copy) == 1
    assert daemon.count("spread_imbalance_ratio", **of_copy) == 4
    assert daemon.count("spread_hottest_key_ratio", **of_copy) > 0.99
    assert daemon.count("spread_largest_partition_ratio", role="source", topic=topic) < 0.7
    spread = [at for at in json.loads(daemon.get("/status.json")[1])["spread"] if at["topic"] == copy][0]
    hot = spread["hot_keys"][0]
    assert hot["partition"] == spread["largest_partition"] and hot["seen"]["topic"] == topic, spread

    load = place.load(topic, 500)
    code, text = command(place, daemon, "topics", "--measured", "--over", "12s")
    place.unload(load)
    assert code == 0, text
    assert lines_with(text, f"{copy} (destination `copy`)", "suggested: 2 partitions"), text
    rate = float(lines_with(text, copy, "records/s")[0].split(": ")[1].split(" ")[0])
    assert 50 < rate < 1000, text
    assert lines_with(text, "storage:", "retention 1d, replication 3"), text
    # What the brokers say of the topic goes before what is expected of it.
    place.kafka("alterConfig", topic=copy, configs={"retention.ms": "604800000"})
    code, text = command(place, daemon, "topics", "--connect", "--measured", "--over", "1s")
    assert code == 0 and lines_with(text, "storage:", "retention 7d, replication 1, as the topic is"), text
    of_copy = {"destination": "copy", "topic": copy}
    daemon.wait(lambda: daemon.count("destination_storage_bytes", **of_copy) > 0, 60, "storage as a metric")
    daemon.stop()
    code, text = command(place, daemon, "topics", "--measured", "--over", "1s")
    assert code == 1 and "does not answer" in text, text


def now_ms():
    return int(time.time() * 1000)


def stamped(records, base):
    return [record._replace(timestamp=base + n * 10) for n, record in enumerate(records)]


@case(seconds=150)
def reconcile_what_was_sent(place):
    """reconcile: equal after a kill -9; a record that was removed and one of another writer are found and named"""
    topic, copy, dead = place.create(**{"in": 3, "copy": 2, "dead": 1})
    base = now_ms() - 120_000
    graph = copy_graph(place, [topic])
    graph.filter("even", "all", "value.n % 2 == 0", lambda item: json.loads(item.value)["n"] % 2 == 0)
    graph.destinations["copy"].update({"from": "even", "exclusive": True})
    records = stamped(numbered(topic, 0, 6000), base)
    place.produce(records[:4000])
    daemon = place.daemon(graph)
    daemon.wait(lambda: sum(place.committed(graph.top["pipeline"]).values()) > 500, 20, "commits")
    daemon.kill()
    place.produce(records[4000:])
    daemon.start()
    place.drained(graph, 40, daemon)
    daemon.stop()
    place.settled([copy])
    begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000)) for at in (base - 1000, base + 65_000))

    code, text = command(place, daemon, "reconcile", "--from", begin, "--to", end)
    assert code == 0, text
    assert lines_with(text, f"{copy} (copy): equal: 3000 sent, 3000 present"), text
    assert lines_with(text, dead, "not decidable: it is not declared `exclusive: true`"), text
    # A part of the time.
    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base / 1000 + 30))
    code, text = command(place, daemon, "reconcile", "--from", begin, "--to", middle)
    assert code == 0 and "equal" in text and "3000 sent" not in text, text

    first = min(place.read([copy]), key=lambda record: (record.partition, record.offset))
    assert first.partition == 0
    place.kafka("deleteRecords", topic=copy, partition=0, before=first.offset + 1)
    code, text = command(place, daemon, "reconcile", "--from", begin, "--to", end)
    assert code == 1, text
    assert lines_with(text, f"{copy} (copy): DIFFERS: 3000 sent, 2999 present"), text
    assert lines_with(text, f"{copy}-0: ", "1 missing"), text
    assert lines_with(text, "records were deleted by hand"), text
    origin = [at for at in place.read([topic]) if dict(at.headers)["id"] == dict(first.headers)["id"]][0]
    named = f"missing in {copy}-0: what was made of {topic}-{origin.partition} offset {origin.offset},"
    assert lines_with(text, named), text + named

    foreign = numbered(copy, 90_000, 90_001, 1)[0]._replace(timestamp=base + 20_000)
    place.produce([foreign])
    code, text = command(place, daemon, "reconcile", "--from", begin, "--to", end)
    assert code == 1 and lines_with(text, f"{copy}-1: ", "1 too many"), text
    last = max(record.offset for record in place.read([copy]) if record.partition == 1)
    assert lines_with(text, f"not sent by this pipeline: {copy}-1 offset {last},"), text


@case(seconds=90)
def reconcile_not_decidable(place):
    """reconcile says why it cannot say: compacted, time of the broker, records deleted by retention, nobody answers"""
    topic, squeezed, stamped_there, _ = place.create(
        **{
            "in": 1,
            "squeezed": (1, {"cleanup.policy": "compact"}),
            "stamped": (1, {"message.timestamp.type": "LogAppendTime"}),
            "dead": 1,
        }
    )
    graph = place.graph(place.topic("dead"))
    graph.source("all", [topic], start="earliest")
    graph.destination("squeezed", "all", squeezed, 1, exclusive=True)
    graph.destination("stamped", "all", stamped_there, 1, exclusive=True)
    place.produce(numbered(topic, 0, 100))
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    code, text = command(place, daemon, "reconcile", "--from", "1h")
    assert code == 1, text
    assert lines_with(text, squeezed, "not decidable: it is compacted"), text
    assert lines_with(text, stamped_there, "not decidable: its timestamps are those of the broker"), text
    daemon.stop()

    plain = place.create(plain=1)[0]
    other = copy_graph(place, [topic], 1)
    other.destinations["copy"].update({"topic": plain, "exclusive": True})
    daemon = place.daemon(other)
    place.drained(other, 30, daemon)
    daemon.stop()
    place.kafka("deleteRecords", topic=topic, partition=0, before=10)
    code, text = command(place, daemon, "reconcile", "--from", "1h")
    assert code == 1 and lines_with(text, "not decidable: source", "begins at offset 10"), text
    code, text = command(place, daemon, "reconcile", "--from", "soon")
    assert code == 2 and "takes a time such as" in text, text


@case(seconds=120)
def reconcile_live(place):
    """The running daemon sees that somebody else wrote to an exclusive destination, and does not cry wolf"""
    topic, copy, _ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    graph.destinations["copy"]["exclusive"] = True
    daemon = place.daemon(graph)
    daemon.wait_ready()
    daemon.wait(lambda: daemon.count("reconcile_decidable", topic=copy) == 1, 40, "a baseline")
    load = place.load(topic, 1000)
    end = time.monotonic() + 13
    while time.monotonic() < end:
        assert daemon.count("reconcile_difference_records", topic=copy) == 0, daemon.get("/status.json")[1]
        time.sleep(1)
    place.unload(load)
    place.drained(graph, 30, daemon)
    place.produce(numbered(copy, 0, 3, 0))
    daemon.wait(lambda: daemon.count("reconcile_difference_records", topic=copy) == 3, 40, "3 records too many")
    assert daemon.count("reconcile_decidable", destination="dead_letters") == 0
    daemon.stop()


@case(seconds=150)
def measure_quick(place):
    """scripts/measure answers a question in little: a backlog and a steady load for the first and the last setting"""
    out = os.path.join(place.directory, "out")
    words = ["interval", "--quick", "--bootstrap", place.address, "--out", out]
    done = subprocess.run(
        [os.path.join(ROOT, "scripts", "measure"), *words],
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
        env={**os.environ, "MILLRACE_BIN": place.rig.binary},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [line.strip("| ").split(" | ") for line in lines]
    assert [row[0] for row in rows] == ["batch.interval", "100ms", "1s"], done.stdout
    for row in rows[1:]:
        assert all(float(cell.replace(",", "")) > 0 for cell in row[1:]), done.stdout
    # Batches of a short interval are short.
    assert float(rows[1][5]) < float(rows[2][5]), done.stdout
    assert sorted(os.listdir(out)) == ["interval.md", "interval.svg"]
