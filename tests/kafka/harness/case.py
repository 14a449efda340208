"""What a case of these tests is, and what it may use: topics, records, daemons, the checker. All waits have limits."""

import os
import threading
import time

from .broker import ROOT, Broker, kafka_wire
from .checker import Checker
from .daemon import Daemon
from .model import Graph
from .patience import Patience
from .stalls import Stalls, Stopwatch

CASES = []


def case(alone=False, seconds=120, broker=True, daemon=False, long=False):
    """alone: measures times, so nothing else runs beside it. broker: needs the shared broker. daemon: needs none, but
    runs the daemon on a broker of its own. long: only for who asks for it by its whole name."""

    def add(function):
        marks = {"alone": alone, "seconds": seconds, "broker": broker, "daemon": daemon, "long": long}
        CASES.append((function.__name__, function, marks))
        return function

    return add


class Rig:
    """What all cases of a run share."""

    def __init__(self, binary, directory, broker, tool):
        self.binary, self.directory, self.broker, self.tool = binary, directory, broker, tool


class Place:
    """The place of one case. Its topics begin with its name; whatever it starts ends with it."""

    def __init__(self, rig, name):
        self.rig, self.name = rig, name
        self.directory = os.path.join(rig.directory, name)
        os.makedirs(self.directory, exist_ok=True)
        self.broker = rig.broker
        self.tool = rig.tool
        self.daemons, self.brokers, self.notes, self.loads = [], [], [], []
        self.pipelines = 0
        self.stalls = Stalls()

    def stopwatch(self):
        return Stopwatch(self.stalls)

    # --- brokers and topics ---

    def own_broker(self, settings=(), port=0):
        """A broker of this case alone, that may be hurt; later calls go to it."""
        self.broker = Broker(os.path.join(self.directory, f"broker-{len(self.brokers)}"), settings, port)
        self.brokers.append(self.broker)
        return self.broker.start()

    @property
    def address(self):
        return self.broker.address()

    def kafka(self, do, **words):
        return self.tool.call(self.address, do, **words)

    def topic(self, short):
        return f"{self.name.replace('_', '-')}.{short}"

    def create(self, **topics):
        """create(edits=4, dead=(1, {"max.message.bytes": 1000})): full names, in the order given."""
        wanted = {}
        for short, spec in topics.items():
            partitions, configs = spec if isinstance(spec, tuple) else (spec, {})
            wanted[self.topic(short.replace("_", "-"))] = {"partitions": partitions, "configs": configs}
        self.kafka("createTopics", topics=wanted)
        return list(wanted)

    def produce(self, items, **words):
        self.tool.produce(self.address, items, **words)

    def read(self, topics, committed=True):
        return self.tool.read(self.address, topics, committed)

    def load(self, topic, rate, **words):
        """Writes generated records until `unload`; returns the load's name."""
        name = f"{self.name}{len(self.loads)}"
        self.loads.append(name)
        self.kafka("load", name=name, topic=topic, rate=rate, **words)
        return name

    def unload(self, name, topic=None, least=0):
        """Ends a load, but not before `least` records lie in its topic: a fast machine is through its faults early."""
        deadline = time.monotonic() + 60
        while least and sum(self.ends([topic]).values()) < least:
            if time.monotonic() > deadline:
                raise AssertionError(f"the load {name} has not written {least} records in 60 s")
            time.sleep(0.1)
        self.loads.remove(name)
        answer = self.kafka("loadStop", name=name, seconds=75)
        if not answer["ended"]:
            raise AssertionError(f"the load {name} does not end")
        return answer

    # --- pipelines ---

    def graph(self, dead=None, interval="100ms", **top):
        """A graph of this case on its broker; the pipeline's name is the case's, with a number from the second on."""
        self.pipelines += 1
        name = self.name.replace("_", "-") + ("" if self.pipelines == 1 else f"-{self.pipelines}")
        kafka = {"brokers": [self.address], **top.pop("kafka", {})}
        batch = {"interval": interval, "offsets_interval": "300ms", **top.pop("batch", {})}
        return Graph(name, dead, kafka=kafka, batch=batch, **top)

    def daemon(self, graph, name="a", output=None, start=True, **changes):
        """Starts an instance. Its folder stays, so that a second daemon of the same name is its restart."""
        document = {**graph.yaml(), "instance": name}
        for key, value in changes.items():
            document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
        directory = os.path.join(self.directory, f"{graph.top['pipeline']}-{name}")
        daemon = Daemon(self.rig.binary, directory, document, output)
        self.daemons.append(daemon)
        return daemon.start() if start else daemon

    # --- waiting ---

    def until(self, condition, seconds, what, daemon=None):
        begun, patience = time.monotonic(), Patience(seconds)
        while not condition():
            if daemon:
                daemon.must_run()
            if patience.over():
                tail = daemon.tail() if daemon else ""
                raise AssertionError(f"no {what() if callable(what) else what} within {seconds} s\n{tail}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def committed(self, group):
        """{(topic, partition): offset}"""
        with self.broker.wire() as wire:
            try:
                found = wire.committed(group)
            except kafka_wire.KafkaError as error:
                # Right after the broker's start its topic of offsets is still to be made.
                if error.code not in (14, 15, 16):
                    raise
                return {}
        return {(topic, part): offset for topic, parts in found.items() for part, offset in parts.items()}

    def ends(self, topics):
        with self.broker.wire() as wire:
            return {(topic, part): end for topic in topics for part, end in wire.offsets(topic).items()}

    def drained(self, graph, seconds=40, daemon=None):
        """Waits until the group has committed everything up to the high watermark of every source partition."""
        topics = [topic for source in graph.sources.values() for topic in source["topics"]]
        ends = self.ends(topics)
        group = graph.top["pipeline"]

        def missing():
            have = self.committed(group)
            return {place: (have.get(place, 0), end) for place, end in ends.items() if have.get(place, 0) < end}

        return self.until(lambda: not missing(), seconds, lambda: f"end of the lag {missing()}", daemon)

    # --- judging ---

    def judge(self, graph, whole=True, least=1, duplicates_allowed=False, observed=None, samples=None):
        """Reads sources and destinations and compares. whole: the sources must have been read to their end."""
        sources = [topic for source in graph.sources.values() for topic in source["topics"]]
        given = self.read(sources)
        upto = self.committed(graph.top["pipeline"])
        checker = Checker(graph, given, upto, duplicates_allowed)
        targets = self.targets(graph)
        written = targets + ([graph.dead_topic] if graph.dead_topic else [])
        self.settled(written)
        outputs = self.read(targets) if targets else []
        checker.outputs(outputs)
        if graph.dead_topic:
            checker.dead_letters(self.read([graph.dead_topic]))
        checker.stable(self.kafka("describe", topics=written))
        if whole:
            checker.lag(self.ends(sources))
        if observed is not None:
            checker.observed(observed, outputs)
        if samples is not None:
            checker.progress(samples)
        counts = checker.verdict.demand(least).counts
        self.notes.append(f"{counts['sources']} records in, {counts['outputs']} out, {counts['dead']} dead")
        return checker.verdict

    def settled(self, topics, seconds=20):
        """Waits for open transactions of the killed to time out: till then nobody reads what was committed behind them.
        One that stays open beyond their time-out (10 s) and the brokers' look at it (1 s) is left to I10."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            described = self.kafka("describe", topics=topics) if topics else {}
            places = [at for topic in described.values() for at in topic["partitions"].values()]
            if all(at["stable"] == at["end"] for at in places):
                return
            time.sleep(0.2)

    @staticmethod
    def targets(graph):
        found = []
        for spec in graph.destinations.values():
            if "{port}" not in spec["topic"]:
                found.append(spec["topic"])
                continue
            for origin in [spec["from"]] if isinstance(spec["from"], str) else spec["from"]:
                classify = graph.stages[origin.split(".")[0]]["classify"]
                ports = [port for rule in classify["rules"] for port in rule]
                if classify["default"] != "drop":
                    ports.append(classify["default"])
                found += [spec["topic"].replace("{port}", port) for port in ports]
        return sorted(set(found))

    def note(self, text):
        self.notes.append(text)

    def close(self):
        self.stalls.close()
        for daemon in self.daemons:
            daemon.kill()
        for name in list(self.loads):
            try:
                self.unload(name)
            except Exception as error:  # the case has failed already, or its broker is gone
                self.note(f"load not ended: {error}")
        for broker in self.brokers:
            broker.reset()


class Sampler(threading.Thread):
    """Looks at a group's committed offsets all the time: they may never go back, not even for a moment."""

    def __init__(self, bench, group, every=0.1):
        super().__init__(daemon=True)
        self.bench, self.group, self.every = bench, group, every
        self.samples, self.ending = [], threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(self.every):
            try:
                self.samples.append(self.bench.committed(self.group))
            except Exception:  # a broker that is away is part of some cases
                continue

    def finish(self):
        self.ending.set()
        self.join(timeout=20)
        return self.samples


__all__ = ["CASES", "ROOT", "Place", "Rig", "Sampler", "case"]
