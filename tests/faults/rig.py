"""What the parts of the fault runs share: the place of one run, what is tested in it, and the verdict.

Topics, load, model, checker and Kafka's own clients are those of tests/kafka.
"""

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "kafka"))
sys.path.insert(0, HERE)

from cases.reloading import write  # noqa: E402  (the paths are set just above)
from harness.broker import kafka_wire  # noqa: E402  (the paths are set just above)
from harness.case import Place, Rig, Sampler  # noqa: E402
from harness.checker import Checker  # noqa: E402
from harness.daemon import Daemon  # noqa: E402
from harness.model import Graph  # noqa: E402
from harness.records import read_file, to_send  # noqa: E402

KafkaError = kafka_wire.KafkaError
DIRECTORY = os.path.join(ROOT, "build", "tests", "faults")
PARTS = {}
# One condition of the graph under load in two spellings.
HUMANS = ("!value.robot", "value.robot == false")


class NoEffect(AssertionError):
    """A fault that was planned and never happened: the run proves nothing."""


def part(name, count=1, brokers=1, settings=None):
    """Registers a part of the list. count: how often it runs when nothing is said; settings: of the brokers."""

    def add(function):
        PARTS[name] = (function, {"count": count, "brokers": brokers, "settings": settings or {}})
        return function

    return add


class Field(Place):
    """The place of one run: its own topics, group and transactional ids on the cluster of the part."""

    def __init__(self, rig, name, cluster, dice):
        super().__init__(rig, name)
        self.broker, self.cluster, self.dice = cluster, cluster, dice
        self.proxy = cluster.proxy if cluster else None
        self.subjects, self.observers = [], []
        self.effects = {}
        self.figures = {}
        # What the run does that explains an end of a process with 4, or with 7 because a loop stood still.
        self.late_requests = self.stands_still = False
        # One digest for each verdict, of all that was judged.
        self.kept = []

    def create(self, **topics):
        wanted = {}
        for short, spec in topics.items():
            partitions, configs = spec if isinstance(spec, tuple) else (spec, {})
            wanted[self.topic(short.replace("_", "-"))] = {
                "partitions": partitions,
                "configs": configs,
                "replication": self.cluster.copies,
            }
        self.kafka("createTopics", topics=wanted)
        return list(wanted)

    def graph(self, dead=None, interval="100ms", **top):
        top["kafka"] = {"brokers": self.cluster.proxied(), **top.get("kafka", {})}
        return super().graph(dead, interval, **top)

    def straight(self, source, target, partitions, **top):
        """The shortest graph there is: everything from one topic to another, by its key."""
        graph = self.graph(**top)
        graph.source("all", [source], form="bytes", start="earliest", on_error="stop")
        graph.destination("copy", "all", target, partitions, on_error="stop")
        return graph

    def fill(self, topic, count, partition=-1, prefix="r"):
        """count records with ids, keyed by them."""
        items = []
        for number in range(count):
            key = f"{prefix}-{number}".encode()
            value, when = b'{"id":"%s"}' % key, 1_700_000_000_000 + number
            items.append(to_send(topic, value, key, partition, (("id", key),), when))
        self.produce(items)

    def patiently(self, ask, seconds=90):
        """A broker that is moving its roles, or gone, is asked again."""
        end = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except (OSError, struct.error, KafkaError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def committed(self, group):
        """{(topic, partition): offset}. An answer without offsets is right before the first commit only: a coordinator
        that cannot answer is asked again, or any commit would look like progress afterwards."""
        found = self.asked(lambda wire: wire.committed(group))
        return {(topic, part): offset for topic, parts in found.items() for part, offset in parts.items()}

    def ends(self, topics):
        return self.patiently(lambda: super(Field, self).ends(topics))

    def asked(self, question):
        """What `question` finds out over the plain wire."""

        def once():
            with self.cluster.wire(3.0) as wire:
                return question(wire)

        return self.patiently(once)

    def count(self, what, number=1):
        self.effects[what] = self.effects.get(what, 0) + number

    def check_effects(self):
        """Each fault that was planned has happened; records that were checked are no fault."""
        never = [what for what, number in self.effects.items() if number == 0]
        if never or not set(self.effects) - {"records"}:
            raise NoEffect(f"never happened: {', '.join(never) or 'any fault'}")

    def check_codes(self):
        """However right the outputs are: a process that ended as nothing in this run explains it is a fault."""
        for subject in self.subjects:
            for code, number in subject.unexplained(self).items():
                raise AssertionError(f"{subject.name} ended {number} times with {code}, for no reason: {subject.codes}")
            for code in (4, 7):
                if code in subject.codes:
                    self.count(f"ended with {code}", subject.codes.count(code))

    def figure(self, what, seconds):
        """One of the times whose distribution the ledger shows."""
        self.figures.setdefault(what, []).append(seconds)

    def subject(self, subject):
        self.subjects.append(subject)
        return subject

    def observe(self, topics):
        """A read_committed reader that looks on during the faults."""
        path = os.path.join(self.directory, f"seen-{len(self.observers)}.bin")
        name = f"{self.name}-{len(self.observers)}"
        self.kafka("observe", name=name, topics=topics, file=path)
        self.observers.append((name, topics, path))

    def seen(self, seconds=45):
        """What the observers saw. They read up to the last stable offsets first."""
        found = []
        while self.observers:
            name, topics, path = self.observers.pop()
            answer = self.kafka("observeStop", name=name, read_on=seconds, seconds=seconds + 30)
            if answer["problem"] or not answer["ended"] or answer["behind"]:
                raise AssertionError(f"the observer: {answer}")
            found += read_file(path, topics)
        return found

    def verdict(self, graph, whole=True, observed=None, samples=None, expected_dead=0):
        """As `judge`, but says what it found instead of failing."""
        sources = [topic for source in graph.sources.values() for topic in source["topics"]]
        targets = self.targets(graph)
        every = targets + ([graph.dead_topic] if graph.dead_topic else [])
        self.settle(every)
        given, outputs = self.read(sources), self.read(targets)
        graph.learn(outputs)
        checker = Checker(graph, given, self.committed(graph.top["pipeline"]))
        checker.outputs(outputs)
        dead = self.read([graph.dead_topic]) if graph.dead_topic else []
        if graph.dead_topic:
            checker.dead_letters(dead)
        checker.stable(self.kafka("describe", topics=every))
        if whole:
            checker.lag(self.ends(sources))
        if observed is not None:
            checker.observed(observed, outputs + dead, whole=True)
        if samples is not None:
            checker.progress(samples)
        if checker.verdict.counts["sources"] == 0:
            raise NoEffect("no record was checked")
        self.kept.append(digest(checker, outputs + dead))
        return checker.verdict

    def settle(self, topics, seconds=45):
        """A transaction that a kill left open may stay so until its time-out; longer it may not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            described = self.kafka("describe", topics=topics)
            parts = [at for node in described.values() for at in node["partitions"].values()]
            if all(at["stable"] == at["end"] for at in parts):
                return
            time.sleep(0.2)

    def close(self):
        for subject in self.subjects:
            subject.close()
        for name, _, _ in self.observers:
            try:
                self.kafka("observeStop", name=name)
            except Exception as error:  # the run has failed already
                self.note(f"observer: {error}")
        if self.proxy:
            self.proxy.clear()
            self.proxy.heal()
        super().close()


def digest(checker, records):
    """Of what was judged: the counts, the committed offsets, and each record with its place."""
    found = hashlib.sha256(repr((sorted(checker.verdict.counts.items()), sorted(checker.upto.items()))).encode())
    for record in records:
        found.update(repr(tuple(record)).encode())
    return found.hexdigest()


class Onlooker(Sampler):
    """Looks at committed offsets all the time; every look is a line of offsets.log. Just after a move a coordinator may
    answer with what it knew long ago, so a look counts only when all brokers have named the same one for a while: an
    offset that really went back is still back then."""

    GRACE_SECONDS = 3
    BLIND_SECONDS = 1.5

    def run(self):
        # A single broker has nobody to move to.
        self.grace = self.GRACE_SECONDS if self.bench.cluster.count > 1 else 0
        self.since, self.before, self.looked = 0.0, None, 0.0
        with open(os.path.join(self.bench.directory, "offsets.log"), "w") as log:
            while not self.ending.wait(self.every):
                try:
                    self.look(log)
                except (OSError, struct.error, KafkaError):
                    self.before = None  # a broker that is away is part of many runs

    def look(self, log):
        named = {self.coordinator(node) for node in self.bench.cluster.nodes if node.process}
        now = time.monotonic()
        # What happened while nobody looked, because the machine stood still, is not known.
        if named != self.before or len(named) != 1 or now - self.looked > self.BLIND_SECONDS:
            self.before, self.since = named, now
            if len(named) != 1:
                return
        self.looked = now
        ((host, port),) = named
        with kafka_wire.Cluster(f"{host}:{port}", timeout=2.0) as wire:
            found = wire.committed(self.group)
        sample = {(topic, part): at for topic, parts in found.items() for part, at in parts.items()}
        believed = now - self.since >= self.grace
        said = "" if believed else "new "
        log.write(f"{time.strftime('%H:%M:%S')} {now:.3f} {host} {said}{sorted(sample.items())}\n")
        if believed:
            self.samples.append(sample)

    def coordinator(self, node):
        with kafka_wire.Cluster(f"{node.host}:{node.direct}", timeout=2.0) as wire:
            return wire.coordinator(self.group)


class Subject:
    """One instance under test that is started again whenever it has ended, as systemd does it."""

    def __init__(self, name):
        self.name, self.process, self.starts = name, None, 0
        self.log_begin = 0  # where in the log the process begins, where that can be told
        self.codes = []
        self.shot = None  # the process that was killed last, which may not be gone yet
        self.kills = self.stops = 0  # that the rig has sent
        # {batch: (how often it recovered, seconds of all of that)}, of those that were looked at
        self.recovered = {}
        self.lock = threading.Lock()
        self.restarting = True
        self.closing = threading.Event()
        self.guard = None

    def start(self):
        self.spawn()
        self.guard = threading.Thread(target=self.watch, daemon=True)
        self.guard.start()
        return self

    def watch(self):
        while not self.closing.wait(0.01):
            with self.lock:
                process = self.process
                if self.closing.is_set() or process is None or process.poll() is None:
                    continue
                self.codes.append(process.returncode)
                self.process = None
                if process.returncode in self.final_codes:
                    self.restarting = False
                if self.restarting and self.starts < 10_000:
                    self.spawn()

    @property
    def pid(self):
        """Of the process that runs; None: there is none, or it has been killed and is about to be gone."""
        process = self.process
        runs = process is not None and process is not self.shot and process.poll() is None
        return process.pid if runs else None

    def kill(self, only=None):
        """SIGKILL, for the process `only` where one is named; true when it had effect."""
        process, pid = self.process, self.pid
        if pid is None or process.pid != pid or (only is not None and pid != only):
            return False
        self.kills += 1
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.shot = process
        return True

    def send(self, number):
        pid = self.pid
        if pid is None:
            raise NoEffect(f"{self.name} does not run")
        os.kill(pid, number)

    def ask_to_stop(self):
        self.stops += 1
        self.send(signal.SIGTERM)

    def unexplained(self, field):
        """{exit code: how often} of what nothing explains. A signal that nobody has sent never is."""
        found = {code: self.codes.count(code) for code in self.codes if code < 0 and code != -signal.SIGKILL}
        killed = self.codes.count(-signal.SIGKILL)
        return {**found, **({-signal.SIGKILL: killed} if killed > self.kills else {})}

    def leave(self):
        """Gone until `start_again`; killed, so that its session has to run out."""
        self.restarting = False
        self.kill()

    def start_again(self):
        with self.lock:
            self.restarting = True
            if self.process is None or self.process.poll() is not None:
                self.spawn()

    def gave_up(self):
        """How it ended for good, or None."""
        return next((code for code in self.codes if code in self.final_codes), None)

    def helped(self):
        return 0

    def look_at_recoveries(self):
        pass

    def close(self):
        self.closing.set()
        if self.guard:
            self.guard.join(5)
        with self.lock:
            if self.process is None:
                return
            if self.process.poll() is not None:
                self.codes.append(self.process.returncode)
            else:
                self.process.send_signal(signal.SIGCONT)
                self.process.kill()
                self.process.wait()
            self.process = None


class Copier(Subject):
    """The copier of copier.cc; `broken` names what it does wrong."""

    final_codes = ()

    def __init__(self, field, binary, name, graph, **words):
        super().__init__(name)
        self.field, self.binary = field, binary
        pipeline = graph.top["pipeline"]
        (source,) = graph.sources.values()
        (target,) = graph.destinations.values()
        self.words = {
            "brokers": ",".join(field.cluster.proxied()),
            "group": pipeline,
            "from": source["topics"][0],
            "to": target["topic"],
            "id": f"{pipeline}.{name}",
            "session": "1500",
            **words,
        }
        self.log = os.path.join(field.directory, f"copier-{name}.log")

    def spawn(self):
        command = [self.binary]
        for key, value in self.words.items():
            if value is not None:
                command += ["--" + key.replace("_", "-")] + ([] if value is True else [str(value)])
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1

    def recoveries(self):
        with open(self.log, errors="replace") as file:
            return file.read().count("outcome unknown")


class Millrace(Subject):
    """The daemon, by the harness of tests/kafka. Codes that need a human end it for good. The unit does not restart
    after 4 either; here it is, since late requests of its own fence an instance that has no twin."""

    final_codes = (2, 3, 8, 78)

    def __init__(self, field, graph, name, switches=None, **changes):
        super().__init__(name)
        self.field = field
        changes.setdefault("kafka", {}).setdefault("static", True)
        self.daemon = field.daemon(graph, name, start=False, **changes)
        self.switches = dict(switches or {})

    def spawn(self):
        self.log_begin = os.path.getsize(self.daemon.log) if os.path.exists(self.daemon.log) else 0
        before = {key: os.environ.get(key) for key in self.switches}
        os.environ.update(self.switches)
        try:
            self.daemon.start()
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
        self.process = self.daemon.process
        self.starts += 1

    def said(self):
        """What the process that runs has said so far."""
        return self.said_from(self.log_begin)

    def said_from(self, place, end=None):
        """What its processes have said between two places of the log."""
        with open(self.daemon.log, "rb") as file:
            file.seek(place)
            return file.read(-1 if end is None else end - place).decode(errors="replace")

    def log_end(self):
        return os.path.getsize(self.daemon.log)

    def wait_up(self):
        """Until it has begun to live: before that a signal ends it as it ends any program."""
        self.field.until(lambda: " start: state in " in self.said(), 30, f"start of {self.name}")

    def ask_to_stop(self):
        self.wait_up()
        self.stops += 1
        try:
            self.daemon.ask_to_stop()
        except FileNotFoundError:
            self.send(signal.SIGTERM)

    def unexplained(self, field):
        """Allowed are kills and stops that were asked for. Fenced (4) is explained by late requests, no progress (7) by
        what the log names: a session that ran out, an offset that is over, or a loop, where processes are halted."""
        found = super().unexplained(field)
        asked = self.codes.count(0) + self.codes.count(6)
        if asked > self.stops:
            found["0 or 6"] = asked
        log = self.daemon.log_text()
        reasons = ["shut out of the group after its session ran out", "an offset of the group that is over"]
        lines = [line for line in log.splitlines() if " ended: " in line and "exit code 7;" in line]
        documented = sum(any(reason in line for reason in reasons) for line in lines)
        if field.stands_still:
            documented += log.count(" watchdog: no progress: ")
        for code in set(self.codes) - {0, 6}:
            number = self.codes.count(code)
            explained = {4: number if field.late_requests else 0, 7: documented}.get(code, 0)
            if code >= 0 and number > explained:
                found[code] = number
        return found

    def look_at_recoveries(self):
        """Remembers what the process says of its last batches: how long each took to recover, waits between tries left
        out. A batch is there for some seconds, a process that is killed takes it along."""
        status, text = self.daemon.get("/status.json")
        for row in json.loads(text)["batches"] if status == 200 else []:
            if row["recoveries"]:
                key = (self.starts, row["worker"], row["number"])
                self.recovered[key] = (row["recoveries"], row["seconds"]["recovery"])

    def reload(self):
        """Its file says the same in other words, and it is told so."""
        self.wait_up()
        document = self.daemon.document
        stage = document["stages"]["humans"]
        stage["filter"] = next(text for text in HUMANS if text != stage["filter"])
        write(self.daemon, document)
        self.send(signal.SIGHUP)

    def helped(self):
        """Chunks that workers of this process have taken from each other."""
        return max(0, int(self.daemon.count("worker_helped_chunks_total")))

    def recoveries(self):
        return self.daemon.log_text().count("recover")


__all__ = [
    "DIRECTORY", "HERE", "PARTS", "ROOT", "Copier", "Daemon", "Field", "Graph", "Millrace", "NoEffect", "Onlooker",
    "Rig", "Subject", "part",
]  # fmt: skip
