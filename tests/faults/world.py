"""The pipelines that the long parts run: generated load through a graph, and instances of whatever is under test."""

from cases.instances import loaded_graph
from rig import Copier, Millrace, Onlooker
from storm import Storm

# Steps of a condition: enough that a chunk of some tens of records is worth being taken by a worker that is idle.
WEIGHT = 200
LOOKS_LEAST = 5  # at the committed offsets, or they prove nothing


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
        self.written = self.targets + ([self.graph.dead_topic] if self.graph.dead_topic else [])
        self.members = [self.member(name) for name in names]
        self.storm = Storm(field, self.graph, self.members)
        self.load = self.sampler = None
        self.observing = observe
        if start:
            self.begin()

    def begin(self):
        field = self.field
        if self.observing:
            field.observe(self.written)
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

    def finish(self, seconds=180, least=2000, time_recoveries=False):
        """The load ends, what is left is read, and everything is judged. time_recoveries: the brokers were there all
        along, so how long a recovery takes is the pipeline's own."""
        field = self.field
        answer = field.unload(self.load)
        field.drained(self.graph, seconds)
        # Looks are not believed shortly after a coordinator's move, which may be all that a short run has.
        field.until(lambda: len(self.sampler.samples) >= LOOKS_LEAST, 30, "looks at the committed offsets")
        recoveries = sum(member.recoveries() for member in field.subjects)
        helped = sum(member.helped() for member in self.members)
        self.look_at_recoveries()
        for member in field.subjects:
            member.close()
        field.check_codes()
        if time_recoveries:
            self.figure_recoveries()
        samples = self.sampler.finish()
        field.settle(self.written)
        observed = field.seen() if self.observing else None
        verdict = field.verdict(self.graph, observed=observed, samples=samples).demand(least)
        counts = verdict.counts
        field.note(
            f"{counts['sources']} records in, {counts['outputs']} out, {counts['dead']} dead, {recoveries} recoveries, "
            f"{answer['sent']} sent, {helped} chunks by other workers since the last starts"
        )
        field.count("records", counts["sources"])
        return verdict

    def look_at_recoveries(self):
        for member in self.members:
            member.look_at_recoveries()

    def figure_recoveries(self):
        """How long each of those that were looked at took."""
        for member in self.field.subjects:
            for number, seconds in member.recovered.values():
                self.field.figure("recovery", seconds / number)


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
