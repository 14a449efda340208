"""What the page says while something is wrong, and that it finds back by itself; many pages at once."""

import json
import os
import subprocess
import time

from harness.case import case
from harness.records import to_send
from scene import Looking, edits_graph, show

TABS_OPEN = 10
POLL_S = 2
ASKS = 3  # of one turn: status, timeline, and what the part needs
HIDE = (
    "Object.defineProperty(document, 'hidden', {get: () => true}),"
    "document.dispatchEvent(new Event('visibilitychange'))"
)


def begin(place, broker=False):
    if broker:
        place.own_broker()
    graph = edits_graph(place)
    daemon = place.daemon(graph, name="wiki-1")
    daemon.wait_ready(40)
    return daemon


def look(browser, daemon, part="flow"):
    tab = browser.open(f"http://127.0.0.1:{daemon.port}/")
    tab.wait("document.body.dataset.shown === 'flow'", 30, "first answer")
    if part != "flow":
        show(tab, part)
    return tab


@case(alone=True, seconds=300, broker=False, daemon=True)
def troubles_are_seen(place):
    """A refused file, brokers that do not answer, a daemon that is gone: each is on the page, and so is the way back"""
    daemon = begin(place, broker=True)
    with Looking(place) as browser:
        tab = look(browser, daemon)
        assert tab.text("#state") == "ready", tab.text("body")

        with open(daemon.file) as file:
            right = file.read()
        with open(daemon.file, "w") as file:
            file.write(right.replace("value.robot", "value.robot ="))
        refused = subprocess.run([daemon.binary, "reload", daemon.file], capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0, refused.stdout
        tab.wait("document.querySelector('#reasons').innerText.includes('refused')", 20, "word of the refused file")
        assert "pipeline.yaml:" in tab.text("#reasons"), tab.text("#reasons")
        show(tab, "turn")
        assert "refused: " in tab.text("#version-notes")
        with open(daemon.file, "w") as file:
            file.write(right.replace("interval: 500ms", "interval: 400ms"))
        subprocess.run([daemon.binary, "reload", daemon.file], check=True, capture_output=True, timeout=60)
        tab.wait("document.querySelector('#knobs').innerText.includes('400ms')", 20, "the new interval")
        tab.wait("document.querySelector('#reasons').hidden", 20, "no complaint any more")

        place.broker.freeze()
        try:
            tab.wait("document.querySelector('#state').innerText === 'not ready'", 60, "word of the outage")
            assert tab.text("#reasons"), "no reason is given"
        finally:
            place.broker.thaw()
        tab.wait("document.querySelector('#state').innerText === 'ready'", 120, "ready after the outage")
        show(tab, "past")
        assert "connection" in tab.text("#events"), tab.text("#events")

        daemon.kill()
        tab.wait("document.querySelector('#state').innerText === 'no answer'", 30, "word of the missing daemon")
        assert "does not answer" in tab.text("#reasons")
        daemon.start()
        daemon.wait_ready(60)
        tab.wait("document.querySelector('#state').innerText === 'ready'", 90, "the daemon that is back")
    daemon.stop()


# Some thousand steps for each record.
MANY = str(list(range(100)))
SLOW = f"{MANY}.all(i, {list(range(60))}.all(j, i * j + int(value.delta) > -1000000))"


def holds(selector, pattern):
    """An expression for the page: whether the text of this element has such a part."""
    return f"new RegExp({json.dumps(pattern)}).test(document.querySelector('{selector}').textContent)"


@case(seconds=240)
def behind_and_slow(place):
    """A stage that takes the processors is marked; catching up has percent, pace and time left until it is level"""
    source, *_ = place.create(**{"slow": 4, "slow-out": 2, "slow-dead": 1})
    graph = place.graph(place.topic("slow-dead"), interval="500ms", workers=1)
    graph.source("all", [source])
    graph.filter("looked-at", "all", SLOW, None)
    graph.filter("cheap", "looked-at", "value.delta < 1000000", None)
    graph.destination("out", "cheap", place.topic("slow-out"), 2)
    place.produce([to_send(source, b'{"delta":%d}' % n, partition=n % 4) for n in range(200_000)])
    daemon = place.daemon(graph)
    daemon.wait_ready(40)
    with Looking(place) as browser:
        tab = look(browser, daemon)
        marked = "document.querySelector('#graph .mark.slow')"
        tab.wait(f"{marked} !== null", 60, "a slow stage")
        assert tab.ask(f"{marked}.dataset.node") == "looked-at", tab.text("#graph")
        assert tab.ask("document.querySelectorAll('#graph .mark').length") == 1
        busy = r"slow: \d+ % of a processor"
        tab.wait(holds("#graph", busy), 30, "how busy it is")
        tab.wait("document.querySelector('#advice').dataset.kind === 'stage'", 30, "the advice to it")
        far = r"\d+ % caught up at [0-9.,]+k?/s, level in \d+"
        tab.wait(holds("#tiles", far), 60, "how far it has come")
        tab.wait(holds("#advice", r"\d+ % are caught up, level in \d+"), 30, "the same in the advice")
        way = json.loads(daemon.get("/api/status")[1])["catch_up"]
        assert way["behind"] and 0 < way["percent"] < 100 and way["rate"] > 0 and way["seconds_left"] > 0, way
        with open(daemon.file) as file:
            slow = file.read()
        assert slow.count(MANY) == 1
        with open(daemon.file, "w") as file:
            file.write(slow.replace(MANY, "[1]"))
        subprocess.run([daemon.binary, "reload", daemon.file], check=True, capture_output=True, timeout=60)
        tab.wait("!document.querySelector('#tiles').innerText.includes('caught up')", 90, "level")
        tab.wait(f"{marked} === null", 30, "no slow stage any more")
    daemon.stop()


def thread_seconds(pid):
    """Processor seconds of each thread, by its name and id."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                head, _, tail = file.read().rpartition(")")
        except FileNotFoundError:
            continue
        words = tail.split()
        found[f"{head.partition('(')[2]}-{task}"] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return found


def answers(daemon):
    return daemon.count("http_requests_total")


@case(alone=True, seconds=180)
def ten_tabs(place):
    """Ten pages ask at most every two seconds each and not at all when hidden; the records do not wait for them"""
    daemon = begin(place)
    place.load(place.topic("edits"), 500)
    with Looking(place) as browser:
        tabs = [look(browser, daemon, part) for part in ["flow", "last", "parts", "dead", "turn"] * (TABS_OPEN // 5)]
        # In a browser without a window no page is behind another: all of them ask.
        assert len(tabs) == TABS_OPEN
        seconds, before, asked = 8, thread_seconds(daemon.process.pid), answers(daemon)
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            browser.pump(0.5)
        took, more = time.monotonic() - begun, answers(daemon) - asked
        after = thread_seconds(daemon.process.pid)
        spent = sum(value - before.get(name, 0) for name, value in after.items() if "civetweb" in name)
        assert more >= TABS_OPEN, f"only {more} requests in {took:.1f} s"
        assert more <= TABS_OPEN * ASKS * (took / POLL_S + 1) + 2, f"{more} requests in {took:.1f} s"
        place.note(f"{more / took:.1f} requests/s take {spent / took * 100:.1f} % of a processor")

        for tab in tabs:
            tab.ask(HIDE)
        # What is under way ends: until two readings differ by the reading only.
        asked = 0
        for _ in range(30):
            browser.pump(1)
            before, asked = asked, answers(daemon)
            if asked - before <= 1:
                break
        browser.pump(5)
        assert answers(daemon) - asked <= 1, "hidden pages ask"
    daemon.wait(lambda: daemon.count("partition_lag_records") < 6000, 20, "level with the load")
    daemon.stop()
