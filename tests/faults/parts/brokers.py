"""Brokers that die, stop, stand still, or cannot be reached, one at a time and all at once."""

import time

from rig import NoEffect, part
from world import World, resident

KINDS = ["kill", "stop", "freeze", "isolate", "reset", "all"]
WITHOUT_SECONDS = 25


def roles_of(world, number):
    """What the broker does for this pipeline just now."""
    field = world.field
    with field.cluster.wire() as wire:
        answer = wire.metadata()
        group = wire.coordinator(world.storm.group)
    node = field.cluster.node(number)
    roles = ["controller"] if answer["controller"] == number else []
    if group == (node.host, node.direct):
        roles.append("group coordinator")
    for name, topics in (("source", [world.source]), ("target", world.targets), ("txn", ["__transaction_state"])):
        if any(number in answer["topics"].get(topic, {}).values() for topic in topics):
            roles.append(name)
    return roles


def harm(cluster, kind, number):
    node = cluster.node(number)
    if kind == "kill":
        node.kill()
    elif kind == "stop":
        node.stop()
    elif kind == "freeze":
        node.freeze()
    elif kind == "isolate":
        cluster.proxy.black_hole(number)


def mend(cluster, kind, number):
    node = cluster.node(number)
    if kind in ("kill", "stop"):
        node.begin()
        node.wait()
    elif kind == "freeze":
        node.thaw()
    elif kind == "isolate":
        cluster.proxy.heal()


def one_fault(world, kind):
    field, cluster = world.field, world.field.cluster
    field.until(cluster.all_in_sync, 60, "state in which all replicas are in sync")
    if kind == "all":
        for node in cluster.nodes:
            node.kill()
        time.sleep(1 + field.dice.random() * 2)
        for node in cluster.nodes:
            node.begin()
        for node in cluster.nodes:
            node.wait()
        return world.storm.progress(60, "commit after all brokers were killed")
    if kind == "reset":
        if cluster.proxy.break_all() == 0:
            raise NoEffect("no connection to break")
        return world.storm.progress(20, "commit after all connections were broken")
    number = field.dice.randrange(1, cluster.count + 1)
    roles = roles_of(world, number)
    harm(cluster, kind, number)
    try:
        # A broker that the others do not miss keeps its roles: then nothing that needs it can move.
        can_move = kind in ("kill", "stop", "freeze") and cluster.count > 1
        took = world.storm.progress(WITHOUT_SECONDS, f"progress without broker {number}, {roles}") if can_move else 0
        if not can_move:
            time.sleep(3 + field.dice.random() * 8)
    finally:
        mend(cluster, kind, number)
    return max(took, world.storm.progress(30, f"commit after {kind} of broker {number}, {roles}"))


@part("brokers", brokers=3)
def brokers(field):
    """Kill, stop, freeze, isolate, reset, all killed, each on a broker by chance, under load: exact"""
    world = World(field, ["a", "b"])
    kinds = list(KINDS)
    field.dice.shuffle(kinds)
    took = {}
    for kind in kinds:
        took[kind] = one_fault(world, kind)
        field.count(f"broker {kind}")
        time.sleep(1)
    field.note("longest waits " + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in took.items()))
    world.finish()


def outage(field, seconds):
    world = World(field, ["a"])
    (member,) = world.members
    pid, before = member.pid, resident(member.pid)
    field.proxy.black_hole()
    most, end = before, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        most = max(most, resident(member.pid))
    field.proxy.heal()
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
