"""Two versions of the product, two versions of the graph and changing numbers of workers in one group, under load."""

import time

from harness.model import Graph
from rig import part
from world import World

MARK = "graph"


def graph_of(field, source, name, version, kafka):
    """The second version moves the border between the ports and writes one member more; both mark their outputs."""
    border = 0 if version == 1 else 40
    graph = Graph(name, field.topic("dead"), kafka=kafka, batch={"interval": "150ms", "offsets_interval": "300ms"})
    graph.source("all", [source], start="earliest")
    value = {} if version == 1 else {"twice": ("value.delta * 2", lambda item: item.value["delta"] * 2)}
    headers = {MARK: (f"'{version}'", lambda item: str(version))}
    graph.decorate("marked", "all", value, headers)
    graph.filter("humans", "marked", "!value.robot", lambda item: not item.value["robot"])
    graph.filter("robots", "marked", "value.robot", lambda item: item.value["robot"])
    rules = [("up", f"value.delta >= {border}", lambda item: item.value["delta"] >= border)]
    graph.classify("way", "humans", rules, "down", field="way")
    graph.destination("by_way", "way", field.topic("out.{port}"), 4)
    graph.destination("robots", "robots", field.topic("robots"), 4)
    return graph


class Changed:
    """The graph of a pipeline that was changed while it ran: each record went wholly through one version or the other.
    Its outputs say through which; one that came out of both is there twice."""

    def __init__(self, first, second):
        self.versions = {b"1": first, b"2": second}
        self.first, self.of = first, {}

    def __getattr__(self, name):
        return getattr(self.first, name)

    def learn(self, outputs):
        for record in outputs:
            headers = dict(record.headers)
            self.of.setdefault(headers.get("id"), headers.get(MARK, b"1"))

    def outputs(self, record):
        return self.versions[self.of.get(dict(record.headers).get("id"), b"1")].outputs(record)


def change(field, world, member, binary, graph, workers):
    """Ended, cleanly or not, and started as another version."""
    daemon = member.daemon
    member.restarting = False
    if field.dice.random() < 0.7:
        member.ask_to_stop()
    else:
        member.kill()
    field.until(lambda: member.pid is None, 10, f"end of {member.name}")
    daemon.binary = binary
    daemon.document.update({**graph.yaml(), "batch": daemon.document["batch"], "workers": workers})
    daemon.document["kafka"]["static"] = True
    daemon.write()
    member.start_again()
    world.storm.progress(60, f"commit after {member.name} was changed")
    time.sleep(0.5 + field.dice.random() * 1.5)


@part("upgrade")
def upgrade(field):
    """An earlier version and this one in one group, forward and back, graph and workers changed, under load: exact"""
    world = World(field, [], start=False)
    source, name, kafka = world.source, world.graph.top["pipeline"], world.graph.top["kafka"]
    graphs = [graph_of(field, source, name, version, kafka) for version in (1, 2)]
    binaries = [field.rig.other, field.rig.binary]
    world.graph = graphs[0]
    world.storm.graph = graphs[0]
    newest, field.rig.binary = field.rig.binary, field.rig.other
    try:
        for member in ("a", "b"):
            world.members.append(world.member(member))
        world.storm.members = world.members
        world.begin()
        for version, workers in ((1, 3), (0, 1), (1, 4), (0, 2)):
            for member in world.members:
                change(field, world, member, binaries[version], graphs[version], workers)
                field.count("forward" if version else "back")
    finally:
        field.rig.binary = newest
    world.graph = Changed(*graphs)
    world.finish()
    marks = list(world.graph.of.values())
    field.note(f"{marks.count(b'1')} records through the first graph, {marks.count(b'2')} through the second")
    assert min(marks.count(mark) for mark in (b"1", b"2")) > 100, "one of the graphs was hardly used"


@part("workers")
def workers_up_and_down(field):
    """The number of workers goes up and down under load, by stops and by kills: exact"""
    world = World(field, ["a", "b"])
    for workers in (4, 1, 3, 2, 5, 1):
        member = field.dice.choice(world.members)
        change(field, world, member, member.daemon.binary, world.graph, workers)
        field.count("workers changed")
    world.finish()
