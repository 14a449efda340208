"""The pipeline that the pages are shown with, and the browser to look at it."""

import glob
import os

from browser import Browser
from harness.broker import ROOT

AXE = os.path.join(ROOT, "build", "deps", "axe-*", "axe.min.js")
PICTURES = os.path.join(ROOT, "build", "tests", "page", "pictures")
TABS = ["flow", "last", "parts", "dead", "turn", "past"]
SOURCE = "edits"
PARTITIONS = 8


def edits_graph(place, interval="500ms", **top):
    """Edits by size, with a language: every kind of stage, several ports, dead letters, a table, watched readers."""
    names = [f"{SOURCE}-{port}" for port in ("huge", "middle", "small", "labelled", "dead")]
    day = {"retention.ms": "86400000"}
    place.create(**{SOURCE: (PARTITIONS, day)}, **{name: (4, day) for name in names})
    with open(os.path.join(place.directory, "languages.csv"), "w") as file:
        file.write("channel,language\n" + "".join(f"k{n},language {n % 7}\n" for n in range(97)))
    graph = place.graph(place.topic("edits-dead"), interval=interval, **top)
    graph.source("edits", [place.topic(SOURCE)])
    graph.filter("humans", "edits", "!value.robot", None)
    graph.add("plausible", "humans", {"validate": {"rules": [{"small-enough": "value.delta < 1900"}]}}, None, {})
    huge, small = "value.delta > 1000 || value.delta < -1000", "value.delta < 300 && value.delta > -300"
    rules = [("huge", huge, None), ("small", small, None)]
    graph.classify("size", "plausible", rules, "middle", field="size")
    language = "lookup('languages', value.k).?language.orValue('unknown')"
    graph.decorate("labelled", "size", {"language": (language, None)})
    graph.destination("by_size", "size", place.topic("edits") + "-{port}", 4)
    labelled = place.topic("edits-labelled")
    graph.destination("labelled", "labelled", labelled, 4, readers=["search-index"], exclusive=True)
    graph.top["tables"] = {"languages": {"file": os.path.join(place.directory, "languages.csv"), "key": "channel"}}
    return graph


def axe_script():
    found = sorted(glob.glob(AXE))
    assert found, "axe-core is not in build/deps: scripts/setup fetches it"
    with open(found[-1]) as file:
        return file.read()


def violations(tab):
    """What axe-core finds, one line each."""
    if not tab.ask("typeof axe === 'object'"):
        tab.ask(axe_script() + "; 0")
    return tab.ask(
        "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations.map((found) => found.id + "
        "': ' + found.nodes.slice(0, 3).map((node) => node.target.join(' ') + ' ' + node.failureSummary).join(' | ')))"
    )


def overflow(tab):
    """By how many pixels the page is wider than the window."""
    return tab.ask("document.scrollingElement.scrollWidth - window.innerWidth")


def show(tab, name):
    """Clicks on a tab of the page and waits until its part is filled with an answer that came after that."""
    tab.ask("delete document.body.dataset.shown")
    tab.click(f"#tab-{name}")
    tab.wait(f"document.body.dataset.shown === '{name}'", 20, f"part {name}")


class Looking:
    """with Looking(place) as browser: a browser that ends with the case."""

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        os.makedirs(PICTURES, exist_ok=True)
        self.browser = Browser(os.path.join(self.place.directory, "browser"))
        return self.browser

    def __exit__(self, *_):
        self.browser.close()
