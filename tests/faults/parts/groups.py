"""Members that come, go, stand still and never come back."""

import signal
import time

from frames import END_TXN, JOIN_GROUP, PRODUCE, TXN_OFFSET_COMMIT
from rig import NoEffect, part
from world import World

# An instance that is gone for good: until the others have committed on each of its partitions, at the 95th percentile.
LOST_SECONDS = 25
# One run alone is held to three times of what twenty are held to.
SLACK = 3
ASSIGNORS = {"range": "range", "cooperative": "cooperative-sticky"}


def rebalances(field, assignor, rounds=5, switches=None):
    """Each round: one is added, and one stopped cleanly or killed."""
    kafka = {"properties": {"partition.assignment.strategy": assignor}} if assignor else {}
    world = World(field, ["a", "b"], static=False, kafka=kafka, switches=switches)
    number = 0
    for _ in range(rounds):
        number += 1
        world.add(f"c{number}")
        field.count("rebalance: added")
        time.sleep(0.5 + field.dice.random() * 1.5)
        leaving = field.dice.choice(world.members[:-1])
        leaving.restarting = False
        if field.dice.random() < 0.5:
            leaving.ask_to_stop()
            field.count("rebalance: stopped")
        else:
            leaving.kill()
            field.count("rebalance: killed")
        world.members.remove(leaving)
        time.sleep(0.5 + field.dice.random() * 1.5)
    world.storm.progress(90)
    world.finish()


@part("rebalances")
def rebalances_default(field):
    """Ten rebalances under load: members are added, stopped and killed; the assignor is the default: exact"""
    rebalances(field, None)


for name, strategy in ASSIGNORS.items():

    def run(field, strategy=strategy):
        rebalances(field, strategy)

    run.__doc__ = f"The same with {strategy}"
    part(f"rebalances-{name}")(run)


# With this protocol it is the brokers that say how often a member is heard and how long it may be silent.
KIP_848 = {
    "group.consumer.session.timeout.ms": 6000,
    "group.consumer.min.session.timeout.ms": 3000,
    "group.consumer.heartbeat.interval.ms": 500,
    "group.consumer.min.heartbeat.interval.ms": 500,
}


@part("rebalances-kip-848", settings=KIP_848)
def rebalances_new_protocol(field):
    """The same with the group protocol of KIP-848; needs a build with MILLRACE_TEST_SWITCHES"""
    rebalances(field, None, switches={"MILLRACE_TEST_GROUP_PROTOCOL": "consumer"})
    kind = field.kafka("group", group=field.name)["type"]
    if kind != "Consumer":
        raise NoEffect(f"the group has the protocol of a {kind} group")


@part("zombie")
def zombie(field):
    """Stopped in mid-batch past session and transaction time-outs, then continued: exact, and it goes on"""
    world = World(field, ["a", "b"], kafka={"session_timeout": "3s"})
    victim = field.dice.choice(world.members)
    api = field.dice.choice([PRODUCE, TXN_OFFSET_COMMIT, END_TXN])
    held = []

    async def act(frame):
        victim.send(signal.SIGSTOP)
        held.append(frame.request.name)
        return True

    rule = field.proxy.rule(act, api=api, client=world.storm.client(victim), skip=field.dice.randrange(5))
    field.until(lambda: held, 60, "frame of the victim")
    field.proxy.unrule(rule)
    time.sleep(14)
    world.storm.progress(60, "progress of the others")
    victim.send(signal.SIGCONT)
    field.count("zombie")
    field.note(f"stopped at {held[0]}")
    time.sleep(3)
    world.storm.progress(90, "progress with the zombie back")
    world.finish()


@part("rebalance-cut")
def rebalance_cut(field):
    """A static member is killed between the two halves of a cooperative rebalance: the rest of its partitions, which
    nobody has then, is given to somebody: exact"""
    world = World(field, ["a"])
    first, second = world.members[0], world.add("b")
    # Its first JoinGroup says that it takes part, the second that it has given back what it was to give back.
    if not world.storm.at_frame(first, "request", JOIN_GROUP, False, skip=1):
        raise NoEffect("the rebalance has no second half")
    field.count("rebalance cut")
    group = world.storm.group

    def covered():
        return sum(member["partitions"] for member in field.kafka("group", group=group)["members"]) == 6

    took = field.until(covered, 90, "owner of every partition")
    before = field.committed(group)
    field.until(
        lambda: all(offset > before.get(place, -1) for place, offset in field.committed(group).items()),
        60,
        "commit on every partition",
    )
    left = sum(member.daemon.log_text().count("nobody in the group has") for member in (first, second))
    field.note(f"every partition had an owner after {took:.1f} s; {left} times somebody left the group for it")
    world.finish()


@part("lost")
def machine_lost(field):
    """An instance is gone for good: the other owns all partitions and commits on each, within 25 s"""
    world = World(field, ["a", "b"], kafka={"session_timeout": "10s"})
    victim = field.dice.choice(world.members)
    time.sleep(1 + field.dice.random())
    victim.restarting = False
    if not victim.kill():
        raise AssertionError("there was nothing to kill")
    before = field.committed(world.storm.group)
    took = field.until(
        lambda: all(
            offset > before.get(place, -1) for place, offset in field.committed(world.storm.group).items()
        ),
        90,
        "commit on every partition",
    )
    field.count("instance lost")
    field.figure("instance lost to a commit on every partition", took)
    field.note(f"all partitions moved on after {took:.1f} s")
    assert took <= LOST_SECONDS * SLACK, f"{took:.1f} s"
    world.members.remove(victim)
    world.finish()
