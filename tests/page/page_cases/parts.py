"""Every part of the page of a running pipeline: what it shows, on wide and small screens, light and dark."""

import os
import re

from harness.case import case
from scene import PICTURES, TABS, Looking, edits_graph, overflow, show, violations

WIDE, SMALL = 1280, 390
HAS_DRAWING = "((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((byte) => byte > 0))"


def number(text):
    return int(re.sub(r"[^0-9]", "", text) or -1)


def begin(place):
    graph = edits_graph(place)
    daemon = place.daemon(graph, name="wiki-1")
    daemon.wait_ready(60)
    place.load(place.topic("edits"), 500, poison=25)
    daemon.wait(lambda: daemon.count("source_records_total") > 1_500, 120, "1,500 records")
    return daemon


def check_parts(tab, daemon):
    """What stands in each part, against what the daemon says elsewhere."""
    assert tab.text("#pipeline") == daemon.document["pipeline"]
    assert tab.text("#state") == "ready", tab.text("#reasons")
    tab.wait("document.querySelectorAll('#graph .edge.live').length >= 7", 15, "flow on every edge")
    nodes = tab.ask("[...document.querySelectorAll('#graph [data-node]')].map((n) => n.dataset.node)")
    assert {"edits", "humans", "plausible", "size", "labelled"} <= set(nodes) and len(nodes) == 10, nodes
    assert "failing" in tab.text("#graph"), tab.text("#graph")  # the poison, at the source
    assert re.search(r"Read\s+[0-9.,]+k?/s", tab.text("#tiles")), tab.text("#tiles")
    assert tab.ask("document.querySelectorAll('#workers tr').length") == 1 + 2
    assert "it closes" in tab.text("#books")
    # A day of what comes now, on all brokers.
    storage = tab.ask("[...document.querySelectorAll('#destinations td:nth-child(8)')].map((c) => c.innerText)")
    assert len(storage) == 5 and re.fullmatch(r"[0-9.,]+ [KMG]iB", storage[0]), (storage, tab.text("#destinations"))
    tab.wait(f"[...document.querySelectorAll('#flow canvas')].every({HAS_DRAWING})", 10, "six charts")
    show(tab, "last")
    assert tab.ask("document.querySelectorAll('#batches tr').length") > 10
    assert tab.ask("document.querySelectorAll('#batches .phases i').length") > 60
    show(tab, "parts")
    assert tab.ask("document.querySelectorAll('#partitions tr').length") == 1 + 8
    assert "1 d 0 h" in tab.text("#topics"), tab.text("#topics")
    # The group's lag is asked for every 10 s.
    tab.wait("document.querySelector('#readers').innerText.includes('search-index')", 30, "readers' lag")
    tab.click("#partitions th:nth-child(3) button")
    offsets = tab.ask("[...document.querySelectorAll('#partitions td:nth-child(3)')].map((c) => c.innerText)")
    offsets = [number(text) for text in offsets]
    assert offsets == sorted(offsets, reverse=True) and offsets[0] > 0, offsets
    show(tab, "dead")
    assert "not decodable" in tab.text("#dead-letters") and "rule broken" in tab.text("#dead-letters")
    show(tab, "turn")
    assert "languages" in tab.text("#tables") and "97" in tab.text("#tables"), tab.text("#tables")
    every = tab.ask("document.querySelectorAll('#knobs tr').length")
    tab.click("#knob-changed")
    changed = tab.text("#knobs")
    assert "batch.interval" in changed and "500ms" in changed and "next batch" in changed, changed
    assert 2 < tab.ask("document.querySelectorAll('#knobs tr').length") < every
    tab.click("#knob-changed")
    tab.click("#knob-filter")
    tab.type("linger")
    tab.wait("document.querySelectorAll('#knobs tr').length === 2", 5, "one knob")
    assert "new producer" in tab.text("#knobs")
    tab.ask("document.querySelector('#knob-filter').value = ''")
    show(tab, "past")
    assert "partition assigned" in tab.text("#events") and "start" in tab.text("#events")


@case(alone=True, seconds=240)
def every_part(place):
    """Each part shows what the daemon knows; no scroll to the side at 390 px; axe-core finds nothing, light and dark"""
    daemon = begin(place)
    with Looking(place) as browser:
        address = f"http://127.0.0.1:{daemon.port}/"
        tab = browser.open(address)
        tab.wait("document.body.dataset.shown === 'flow'", 20, "first answer")
        check_parts(tab, daemon)
        problems = []
        for dark in (False, True):
            tab.theme(dark)
            word = "dark" if dark else "light"
            for name in TABS:
                tab.shape(WIDE)
                show(tab, name)
                problems += [f"{word} {name}: {line}" for line in violations(tab)]
                tab.picture(os.path.join(PICTURES, f"{name}-{word}.png"))
                tab.shape(SMALL, 844)
                show(tab, name)
                if overflow(tab) > 0:
                    problems.append(f"{word} {name}: {overflow(tab)} px too wide at {SMALL} px")
                tab.picture(os.path.join(PICTURES, f"{name}-{word}-small.png"))
        assert not problems, "\n".join(problems)
        foreign = [url for url in tab.requests() if not url.startswith(address)]
        assert not foreign, foreign
        assert tab.complaints() == [], tab.complaints()
        plain = browser.open(address + "plain")
        assert daemon.document["pipeline"] in plain.text("h1")
        # It loads itself anew now and then, which must not happen while it is looked at.
        plain.ask("window.stop()")
        assert not [line for line in violations(plain) if line.startswith("color-contrast")], violations(plain)
        place.note(f"{len(os.listdir(PICTURES))} pictures")
    daemon.stop()
