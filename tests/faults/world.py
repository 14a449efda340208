"""The pipelines that the long parts run: generated load through a graph, and instances of whatever is under test."""

from cases.instances import loaded_graph
from rig import Copier, Millrace, Onlooker
from storm import Storm

# Steps of a condition: enough that a chunk of some tens of records is worth being taken by a worker that is idle.
WEIGHT = 200


class World:
    """Topics, graph, load, onlookers and instances of one run."""

    def __init__(
        self,
        field,
        names,
        rate=2500,
        static=True,
        kafka=None,
        observe=True,
        start=True,
        interval="150ms",
        switches=None,
        **changes,
    ):
        self.field, self.switches = field, switches
        self.changes = {"workers": 2, "stop": {"timeout": "5s"}, **changes}
        kafka = {"session_timeout": "6s", "heartbeat_interval": "500ms", "static": static, **(kafka or {})}
        if field.rig.subject == "copier":
            source, target = field.create(source=6, out=4)
            self.graph, self.poison = field.straight(source, target, 4), 0
        else:
            source, self.graph = loaded_graph(field, weight=WEIGHT, kafka=kafka, interval=interval)
            self.poison = 150
        self.source, self.rate, self.static = source, rate, static
        self.targets = field.targets(self.graph)
        self.members = [self.member(name) for name in names]
        self.storm = Storm(field, self.graph, self.members)
        self.load = self.sampler = None
        self.observing = observe
        if start:
            self.begin()

    def begin(self):
        field = self.field
        if self.observing:
            field.observe(self.targets)
        self.sampler = Onlooker(field, self.graph.top["pipeline"])
        self.load = field.load(self.source, self.rate, pad=10, poison=self.poison, seed=field.dice.randrange(1 << 30))
        for member in self.members:
            member.start()
        if self.members:
            self.storm.progress(90, "first commit")

    def member(self, name, **changes):
        """An instance, not started."""
        field = self.field
        if field.rig.subject == "copier":
            instance = name if self.static else None
            words = {"batch": 300, "interval": 100, "session": 6000, "instance": instance}
            return field.subject(Copier(field, field.rig.copier, name, self.graph, **words))
        changes = {**self.changes, "kafka": {"static": self.static}, **changes}
        return field.subject(Millrace(field, self.graph, name, self.switches, **changes))

    def add(self, name, **changes):
        member = self.member(name, **changes)
        self.members.append(member)
        self.storm.members = self.members
        member.start()
        return member

    def finish(self, seconds=180, least=2000):
        """The load ends, what is left is read, and everything is judged."""
        field = self.field
        answer = field.unload(self.load)
        field.drained(self.graph, seconds)
        recoveries = sum(member.recoveries() for member in self.members)
        helped = sum(member.helped() for member in self.members)
        for member in self.members:
            member.close()
        self.check_codes()
        samples = self.sampler.finish()
        if len(samples) < 5:
            raise AssertionError(f"only {len(samples)} looks at the committed offsets")
        observed = field.seen() if self.observing else None
        verdict = field.verdict(self.graph, observed=observed, samples=samples).demand(least)
        counts = verdict.counts
        field.note(
            f"{counts['sources']} records in, {counts['outputs']} out, {counts['dead']} dead, {recoveries} recoveries, "
            f"{answer['sent']} sent, {helped} chunks by other workers since the last starts"
        )
        field.count("records", counts["sources"])
        return verdict

    def check_codes(self):
        """An instance that gave up is a fault, however right its outputs are."""
        for member in self.members:
            if member.gave_up() is not None:
                raise AssertionError(f"{member.name} ended with {member.gave_up()}")


def resident(pid):
    """Resident bytes of a process; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
