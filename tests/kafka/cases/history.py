"""The history: a row for every batch, whatever happens to its database, and the documented queries answer."""

import os
import re
import sqlite3
import subprocess
import time

from harness.broker import ROOT
from harness.case import case
from harness.postgres import Postgres

from .starting import copy_graph, numbered

PAGE = os.path.join(ROOT, "runbooks", "tuning", "history.md")


def documented_queries():
    with open(PAGE) as file:
        found = re.findall(r"```sql\n(.*?)```", file.read(), re.S)
    assert len(found) >= 8, "the page has lost its queries"
    return found


def begin(place, records=2000, **top):
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    graph.top.update(top)
    place.produce(numbered(topic, 0, records))
    return topic, graph


def rows_written(daemon, least):
    return daemon.count("history_rows_total", kind="batch") >= least


def check_flow(place, graph, daemon, topic, first, seconds=30):
    """The pipeline takes records as if nothing were."""
    place.produce(numbered(topic, first, first + 500))
    took = place.drained(graph, seconds, daemon)
    place.note(f"{took:.1f} s to drain")
    assert daemon.ready(), daemon.get("/readyz")[1]


@case(seconds=60)
def history_in_sqlite(place):
    """Rows add up to what was read, also read beside the daemon; idle and locked: nobody notices; SQL answers"""
    topic, graph = begin(place)
    daemon = place.daemon(graph)
    place.drained(graph, 20, daemon)
    daemon.wait(lambda: daemon.count("source_records_total") == 2000, 10, "2,000 records counted")
    daemon.wait(lambda: rows_written(daemon, 1), 10, "a first row")
    daemon.wait(lambda: sum(row["received"] for row in daemon.history("--last", "1000")) == 2000, 10, "their rows")
    rows = daemon.history("--last", "1000")
    assert all(row["sent"] == row["received"] and row["result"] == "committed" for row in rows), rows
    assert all(row["submitted_ms"] <= row["started_ms"] <= row["completed_ms"] for row in rows), rows
    kinds = [event["kind"] for event in daemon.history("--events", "--last", "100")]
    assert kinds[0] == "start" and "partition_assigned" in kinds and "worker_started" in kinds, kinds

    # An idle pipeline writes nothing: two ticks of offsets only would have come meanwhile.
    time.sleep(1.5)
    assert len(daemon.history("--last", "1000")) == len(rows)

    path = os.path.join(daemon.state, graph.top["pipeline"], "a", "history.sqlite")
    with sqlite3.connect(path, isolation_level=None) as locker:
        for query in documented_queries():
            locker.execute(query).fetchall()
        running = locker.execute(documented_queries()[0]).fetchall()
        assert len(running) == 1 and running[0][1] == "a" and 0 <= running[0][4] < 60, running
        fast = locker.execute(documented_queries()[1]).fetchall()
        assert len(fast) == 1 and fast[0][3] == 2000, fast
        locker.execute("BEGIN EXCLUSIVE")
        check_flow(place, graph, daemon, topic, 2000)
        daemon.wait(lambda: daemon.count("history_usable") == 0, 20, "word of the lock")
        locker.execute("COMMIT")
    daemon.wait(lambda: sum(row["received"] for row in daemon.history("--last", "1000")) == 2500, 40, "the rows kept")
    daemon.stop()
    assert [event["kind"] for event in daemon.history("--events", "--last", "1")] == ["stop"]
    place.judge(graph)


@case(seconds=60)
def history_on_a_full_disk(place):
    """The state directory's file system is full: records flow, rows are missed and counted as waiting or dropped"""
    disk = os.path.join(place.directory, "disk")
    os.makedirs(disk, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode != 0:
        place.note("not shown here: mounting a small file system takes root")
        return
    try:
        topic, graph = begin(place)
        daemon = place.daemon(graph, state={"directory": disk})
        place.drained(graph, 20, daemon)
        daemon.wait(lambda: rows_written(daemon, 1), 10, "a first row")
        with open(os.path.join(disk, "filler"), "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        for turn in range(20):
            place.produce(numbered(topic, 2000 + turn * 50, 2050 + turn * 50))
            place.drained(graph, 20, daemon)
            if daemon.count("history_usable") == 0:
                break
        assert daemon.count("history_usable") == 0, "the disk is full and the history is well"
        check_flow(place, graph, daemon, topic, 5000)
        os.unlink(os.path.join(disk, "filler"))
        daemon.wait(lambda: daemon.count("history_usable") == 1, 40, "rows again")
        daemon.stop()
        place.judge(graph)
    finally:
        for daemon in place.daemons:
            daemon.kill()
        subprocess.run(["umount", disk], check=True)


@case(seconds=90)
def history_in_postgresql(place):
    """The same rows in a real PostgreSQL; it stands still, then goes away: the pipeline and its stop do not notice"""
    postgres = Postgres()
    try:
        postgres.start()
        topic, graph = begin(place)
        daemon = place.daemon(graph, history={"store": "postgresql", "connection": postgres.connection})
        place.drained(graph, 20, daemon)
        received = "SELECT coalesce(sum(received), 0) FROM batches"
        daemon.wait(lambda: rows_written(daemon, 1), 15, "a first row")
        place.until(lambda: postgres.ask(received) == [["2000"]], 15, "2,000 records in rows", daemon)
        assert sum(row["received"] for row in daemon.history("--last", "1000")) == 2000
        for query in documented_queries():
            postgres.ask(query)
        running = postgres.ask(documented_queries()[0])
        assert len(running) == 1 and running[0][1] == "a", running
        postgres.halt()
        check_flow(place, graph, daemon, topic, 2000)
        daemon.wait(lambda: daemon.count("history_usable") == 0, 20, "word of the halt")
        postgres.go_on()
        place.until(lambda: postgres.ask(received) == [["2500"]], 45, "the rows kept", daemon)
        postgres.halt()
        check_flow(place, graph, daemon, topic, 2500)
        watch = place.stopwatch()
        daemon.stop()
        took = watch.seconds()
        place.note(f"stopped in {took:.1f} s beside a database that hangs")
        assert took < 6, took
        place.judge(graph)
    finally:
        postgres.close()
