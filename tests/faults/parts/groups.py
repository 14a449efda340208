"""Members that come, go, stand still and never come back."""

import signal
import time

from frames import CONSUMER_GROUP_HEARTBEAT, END_TXN, JOIN_GROUP, PRODUCE, TXN_OFFSET_COMMIT
from rig import NoEffect, part
from world import World

# Not of this generation, not a member, the group is made anew, old epoch, another with this name, fenced.
REFUSALS = {22, 25, 27, 47, 82, 90}
ASSIGNORS = {"range": "range", "cooperative": "cooperative-sticky"}


def rebalances(field, assignor, rounds=5, switches=None):
    """Each round: one is added, and one stopped cleanly or killed."""
    kafka = {"properties": {"partition.assignment.strategy": assignor}} if assignor else {}
    found = []  # the generation (or epoch) of each time that a member was taken into the group

    def seen(frame):
        generation = frame.request.generation(frame.data)
        if generation is not None:
            found.append(generation)

    look = field.proxy.look(seen, on="answer", api=[JOIN_GROUP, CONSUMER_GROUP_HEARTBEAT], client=field.name)
    world = World(field, ["a", "b"], static=False, kafka=kafka, switches=switches)
    first = max(found)
    for number in range(1, rounds + 1):
        before = max(found)
        world.add(f"c{number}")
        field.count("rebalance: added")
        time.sleep(0.5 + field.dice.random() * 1.5)
        leaving = field.dice.choice(world.members[:-1])
        leaving.restarting = False
        if field.dice.random() < 0.5:
            leaving.ask_to_stop()
            field.count("rebalance: stopped")
        else:
            if not leaving.kill():
                raise NoEffect(f"there was nothing to kill; {leaving.name} ended with {leaving.codes}")
            field.count("rebalance: killed")
        world.members.remove(leaving)
        time.sleep(0.5 + field.dice.random() * 1.5)
        field.until(lambda: max(found) > before, 60, "generation of the group after both")  # noqa: B023
    field.count("generations of the group", max(found) - first)
    field.proxy.unlook(look)
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
    field.stands_still = True
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
    refused, recovered = [], victim.recoveries()
    look = field.proxy.look(
        lambda frame: refused.extend(REFUSALS & set(frame.codes or ())), on="answer", client=world.storm.client(victim)
    )
    victim.send(signal.SIGCONT)
    field.note(f"stopped at {held[0]}")
    time.sleep(3)
    # It is one only when somebody tells it that its time is over, or it finds that out.
    field.until(lambda: refused or victim.recoveries() > recovered, 60, "refusal of the zombie")
    field.count("zombie")
    recovered = victim.recoveries() - recovered
    field.note(f"back, it was refused with {sorted(set(refused))} and recovered {recovered} times")
    world.storm.progress(90, "progress with the zombie back")
    field.proxy.unlook(look)
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
    world.storm.progress_everywhere(60)
    left = sum(member.daemon.log_text().count("nobody in the group has") for member in (first, second))
    field.note(f"every partition had an owner after {took:.1f} s; {left} times somebody left the group for it")
    world.finish()
