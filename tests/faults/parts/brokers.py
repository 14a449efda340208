"""Brokers that die, stop, stand still, or cannot be reached, one at a time and all at once."""

import time
from contextlib import contextmanager

from frames import FETCH, JOIN_GROUP, METADATA, Request
from kproxy import SWALLOWED, rewrite
from rig import NoEffect, part
from world import World, resident

ROLES = ["controller", "group coordinator", "transaction coordinator", "source leader", "target leader"]
SINGLE = ["kill", "stop", "freeze", "isolate", "isolate from one"]
KINDS = [*SINGLE, "reset", "elect", "move coordinators", "all"]
WITHOUT_SECONDS = 60
NAMED_AGAIN_SECONDS = 20
COORDINATORS = ["__consumer_offsets", "__transaction_state"]


def roles_of(world):
    """{role: the brokers that have it for this pipeline just now}"""
    field = world.field
    answer, group = field.asked(lambda wire: (wire.metadata(), wire.coordinator(world.storm.group)))

    def leaders(topics):
        return {leader for topic in topics for leader in answer["topics"].get(topic, {}).values() if leader > 0}

    return {
        "controller": {answer["controller"]},
        "group coordinator": {node.number for node in field.cluster.nodes if (node.host, node.direct) == group},
        "transaction coordinator": leaders(["__transaction_state"]),
        "source leader": leaders([world.source]),
        "target leader": leaders(world.targets),
    }


def harm(cluster, kind, number, client):
    node = cluster.node(number)
    if kind == "kill":
        node.kill()
    elif kind == "stop":
        node.stop()
    elif kind == "freeze":
        node.freeze()
    elif kind == "isolate":
        cluster.proxy.black_hole(number)
    elif kind == "isolate from one":
        cluster.proxy.black_hole(number, client=client)


def mend(cluster, kind, number):
    node = cluster.node(number)
    if kind in ("kill", "stop"):
        node.begin()
        node.wait()
    elif kind == "freeze":
        node.thaw()
    elif kind.startswith("isolate"):
        cluster.proxy.heal()


def all_killed(world):
    field, nodes = world.field, world.field.cluster.nodes
    for node in nodes:
        node.kill()
    time.sleep(1 + field.dice.random() * 2)
    for node in nodes:
        node.begin()
    for node in nodes:
        node.wait()
    return world.storm.progress(120, "commit after all brokers were killed")


def leaders_moved(world, topics):
    if world.field.kafka("moveLeaders", topics=topics)["moved"] == 0:
        raise NoEffect("no leader has moved")
    return world.storm.progress(75, f"commit after the leaders of {topics} moved")


def while_harmed(world, kind, other, is_coordinator):
    """What must go on meanwhile; returns how long it took."""
    field, storm = world.field, world.storm
    if kind == "isolate from one":
        # An instance that the group hears no more loses its partitions to the other. One that the group does hear keeps
        # them, whatever else it cannot reach, and the other goes on with its own.
        if is_coordinator:
            return storm.progress_everywhere(WITHOUT_SECONDS, times=2)
        with storm.commits(other) as links:
            return field.until(lambda: len(links) > 2, WITHOUT_SECONDS, f"commits of {other.name}")
    # A broker that the others do not miss keeps its roles: then nothing that needs it can move.
    if kind != "isolate" and field.cluster.count > 1:
        return storm.progress_everywhere(WITHOUT_SECONDS, times=2)
    time.sleep(3 + field.dice.random() * 8)
    return 0


def single_fault(world, kind, role):
    """One broker that has this role; returns the longest wait for a commit."""
    field, cluster = world.field, world.field.cluster
    roles = roles_of(world)
    if not roles[role]:
        raise NoEffect(f"nobody is {role}: {roles}")
    number = field.dice.choice(sorted(roles[role]))
    about = [name for name, who in roles.items() if number in who]
    held_back = cluster.proxy.held_back
    victim, other = field.dice.sample(world.members, 2)
    harm(cluster, kind, number, world.storm.client(victim))
    try:
        took = while_harmed(world, kind, other, number in roles["group coordinator"])
        if kind.startswith("isolate"):
            field.count("frames held back", cluster.proxy.held_back - held_back)
    finally:
        mend(cluster, kind, number)
    field.count(f"of the {role}")
    return max(took, world.storm.progress(75, f"commit after {kind} of broker {number}, {about}"))


def one_fault(world, kind, role):
    field, cluster = world.field, world.field.cluster
    field.until(cluster.all_in_sync, 150, "state in which all replicas are in sync")
    if kind == "all":
        return all_killed(world)
    if kind == "reset":
        if cluster.proxy.break_all() == 0:
            raise NoEffect("no connection to break")
        return world.storm.progress(120, "commit after all connections were broken")
    if kind == "elect":
        return leaders_moved(world, [world.source, *world.targets])
    if kind == "move coordinators":
        return leaders_moved(world, COORDINATORS)
    return single_fault(world, kind, role)


@part("brokers", brokers=3)
def brokers(field):
    """Nine faults: kill, stop, freeze, isolate from all or one, each of a role; resets, elections, all killed: exact"""
    world = World(field, ["a", "b"])
    kinds, roles = list(KINDS), list(ROLES)
    field.dice.shuffle(kinds)
    field.dice.shuffle(roles)
    took = {}
    for kind in kinds:
        role = roles.pop() if kind in SINGLE else None
        took[kind] = one_fault(world, kind, role)
        field.count(f"broker {kind}")
        time.sleep(1)
    field.note("longest waits " + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in took.items()))
    world.finish()


@part("coordinator-stalled")
def coordinator_stalled(field):
    """The only broker stands still a little longer than the session, five times; static members come back"""
    world = World(field, ["a", "b"], rate=1000)
    node = field.cluster.node(1)
    for _ in range(5):
        node.freeze()
        time.sleep(5.9 + field.dice.random())
        node.thaw()
        field.count("coordinator stalled")
        field.figure("coordinator back to a commit on every partition", world.storm.progress_everywhere(90))
    world.finish()


@part("join-lost")
def join_is_lost(field):
    """The request to join never arrives, and the connection stays: the member joins by another consumer, exact"""
    world = World(field, ["a"], rate=1000)
    (member,) = world.members
    lost = []

    async def act(frame):
        lost.append(frame)
        return SWALLOWED

    rule = field.proxy.rule(act, api=JOIN_GROUP, client=world.storm.client(member))
    assert member.kill()
    field.until(lambda: lost, 60, "request to join")
    field.proxy.unrule(rule)
    field.count("join lost", len(lost))
    field.figure("join lost to a commit on every partition", world.storm.progress_everywhere(60))
    world.finish()


@contextmanager
def registering(field, client):
    """Meanwhile brokers answer a client as when they register anew: they lead nothing, and there are no brokers."""
    changes = {
        "fetches without a leader": (FETCH, Request.without_leader),
        "answers without brokers": (METADATA, Request.without_brokers),
    }
    rules = []
    for what, (api, change) in changes.items():
        field.count(what, 0)
        act = rewrite(change, lambda frame, what=what: field.count(what))
        rules.append(field.proxy.rule(act, on="answer", api=api, client=client, times=None))
    yield
    field.proxy.unrule(*rules)


@part("no-brokers")
def no_brokers_named(field):
    """Five times a broker that registers anew names no broker for a second: the consumers ask on, and go on, exact"""
    # So long a session that nothing but an answer brings back a client that has nobody left to ask.
    world = World(field, ["a"], rate=1000, kafka={"session_timeout": "90s"})
    (member,) = world.members
    # Without its patch the library gives up everybody by a race within it, which comes out so mostly and not always.
    for _ in range(5):
        with registering(field, world.storm.client(member)):
            time.sleep(1)
        took = world.storm.progress_everywhere(NAMED_AGAIN_SECONDS, times=2)
        field.figure("brokers named again to a commit on every partition", took)
    if member.starts != 1:
        raise AssertionError(f"answers without brokers ended the process: codes {member.codes}")
    world.finish()


@part("coordinator-frozen")
def coordinator_frozen(field):
    """The only broker stands still for two sessions and more, five times; the only member, a static one, comes back"""
    world = World(field, ["a"], rate=1000)
    node = field.cluster.node(1)
    for _ in range(5):
        node.freeze()
        time.sleep(13 + field.dice.random() * 4)
        node.thaw()
        field.count("coordinator frozen")
        field.figure("coordinator back to a commit on every partition", world.storm.progress_everywhere(90))
    world.finish()


def outage(field, seconds):
    world = World(field, ["a"])
    (member,) = world.members
    pid, before, held_back = member.pid, resident(member.pid), field.proxy.held_back
    field.proxy.black_hole()
    most, end = before, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        most = max(most, resident(member.pid))
    field.proxy.heal()
    field.count("frames held back", field.proxy.held_back - held_back)
    field.count("outage")
    took = world.storm.progress(45, "commit after the outage")
    if member.pid != pid:
        raise AssertionError(f"the outage ended the process: codes {member.codes}")
    field.note(f"{before >> 20} MiB resident before, {most >> 20} MiB at most, first commit {took:.1f} s after")
    if most > 256 << 20:
        raise AssertionError(f"{most >> 20} MiB resident, more than the limit")
    world.finish()


@part("outage")
def outage_of_a_minute(field):
    """Nothing answers for 60 s: the process stays, its memory stays under its limit, it goes on by itself"""
    outage(field, 60)


@part("outage-long")
def outage_of_ten_minutes(field):
    """Nothing answers for ten minutes"""
    outage(field, 600)
