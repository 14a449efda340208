"""How long until records flow again; the distributions stand in the ledger."""

import time

from rig import part
from world import World

from parts.brokers import moved_on

REPETITIONS = 20
# The defaults of the product, which the promised times are about.
DEFAULTS = {"session_timeout": "10s", "heartbeat_interval": "3s"}


def restarts(field, static):
    """From the start of the process to its first commit."""
    world = World(field, ["a"], static=static, kafka=DEFAULTS, interval="1s")
    (member,) = world.members
    for _ in range(REPETITIONS):
        time.sleep(0.5 + field.dice.random())
        starts = member.starts
        assert member.kill()
        field.until(lambda: member.starts > starts, 30, "start after the kill")  # noqa: B023 (called at once)
        field.figure("restart to first commit", world.storm.progress(60, "first commit"))
        field.count("restart")
    world.finish()


@part("times-restart")
def restart_of_a_static_member(field):
    """Twenty restarts after SIGKILL with static: true: p95 within 5 s"""
    restarts(field, True)


@part("times-restart-dynamic")
def restart_of_a_dynamic_member(field):
    """Twenty restarts after SIGKILL without it: the session has to run out, p95 within 15 s"""
    restarts(field, False)


@part("times-leader", brokers=3)
def leader_killed(field):
    """Twenty times the leader of source partitions is killed: a commit on every partition, p95 within 20 s"""
    world = World(field, ["a"], rate=1000, kafka=DEFAULTS, interval="1s")
    cluster = field.cluster
    for _ in range(REPETITIONS):
        field.until(cluster.all_in_sync, 150, "state in which all replicas are in sync")
        leaders = field.asked(lambda wire: wire.metadata())["topics"][world.source]
        node = cluster.node(field.dice.choice(sorted(set(leaders.values()))))
        node.kill()
        field.figure("leader killed to a commit on every partition", moved_on(world, 60))
        field.count("leader killed")
        node.begin()
        node.wait()
    world.finish()


@part("times-outage")
def outage_healed(field):
    """Twenty outages of 1 to 15 s: from their end to a commit on every partition, p95 within 15 s"""
    world = World(field, ["a"], kafka=DEFAULTS, interval="1s")
    for _ in range(REPETITIONS):
        field.proxy.black_hole()
        time.sleep(1 + field.dice.random() * 14)
        field.proxy.heal()
        field.figure("outage healed to a commit on every partition", moved_on(world, 60))
        field.count("outage")
        time.sleep(1)
    world.finish()
