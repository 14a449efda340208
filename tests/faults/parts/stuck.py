"""Stops while something is stuck: the process ends within its time-out whatever happens, and nothing is lost."""

import time

from frames import END_TXN, INIT_PRODUCER_ID, JOIN_GROUP
from harness.records import to_send
from rig import Millrace, part
from world import World

TIMEOUT = 5
SLACK = 1.0
SLACK_FROM_CAUSE = 3.0  # the records that are the cause have to be written and read first
FINISHED, CUT = 0, 6


def stop_and_time(field, member, codes):
    member.restarting = False
    ended_before = len(member.codes)
    watch = field.stopwatch()
    member.ask_to_stop()
    while member.pid is not None and watch.seconds() < TIMEOUT + 20:
        time.sleep(0.005)
    took = watch.seconds()
    end = time.monotonic() + 2
    while len(member.codes) == ended_before and time.monotonic() < end:
        time.sleep(0.01)
    code = member.codes[-1] if len(member.codes) > ended_before else None
    field.count("stuck stop")
    field.figure("stuck stop", took)
    field.note(f"ended with {code} after {took:.2f} s and {watch.stalled():.2f} s of stalls")
    assert took <= TIMEOUT + SLACK, f"the stop took {took:.2f} s, exit code {code}"
    assert code in codes, f"the exit code is {code} after {took:.2f} s, not one of {codes}"


# --- before anything was reached: nothing is open, so it ends well and at once ---

AT_START = {
    "never-connected": ("No broker listens", ["127.0.0.1:1"]),
    "no-such-name": ("The brokers' name does not resolve", ["no-such-broker.invalid:9092"]),
}


def stop_at_start(field, world, name):
    changes = {"kafka": {"brokers": AT_START[name][1]}, "stop": {"timeout": f"{TIMEOUT}s"}}
    stuck = field.subject(Millrace(field, world.graph, name, **changes))
    stuck.start()
    field.until(lambda: stuck.daemon.get("/healthz")[0] == 200 or not stuck.pid, 30, "answer over HTTP")
    time.sleep(1)
    stop_and_time(field, stuck, (FINISHED,))
    stuck.close()


# --- while it runs: each harms, and returns when the stop may come ---


def refused(field, member):
    """All connections are refused"""
    field.count("connections broken", field.proxy.refuse())
    time.sleep(0.5 + field.dice.random())


def black_hole(field, member):
    """Nothing passes any more, connections stay"""
    held_back = field.proxy.held_back
    field.proxy.black_hole()
    time.sleep(0.1 + field.dice.random() * 6)
    field.count("frames held back", field.proxy.held_back - held_back)


def half_open(field, member):
    """Requests arrive, answers do not"""

    async def never(frame):
        return False

    field.proxy.rule(never, on="answer", times=None)
    time.sleep(field.dice.random() * 2)


def frozen_broker(field, member):
    """The broker stands still"""
    field.cluster.node(1).freeze()
    time.sleep(0.2 + field.dice.random() * 2)


def unanswered(field, member, api, restart):
    """The answer to one kind of request never comes; the stop arrives while it is waited for."""
    caught = []

    async def act(frame):
        caught.append(frame)
        return False

    field.proxy.rule(act, on="answer", api=api, times=None)
    if restart:
        member.kill()
    field.until(lambda: caught and member.pid, 60, "frame to be stuck at")
    time.sleep(0.3)


def in_commit(field, member):
    """EndTxn is never answered"""
    unanswered(field, member, END_TXN, False)


def in_init(field, member):
    """InitProducerId is never answered"""
    unanswered(field, member, INIT_PRODUCER_ID, True)


def in_rebalance(field, member):
    """JoinGroup is never answered"""
    unanswered(field, member, JOIN_GROUP, True)


# What had an open batch is cut; one that has none yet has nothing to finish, nor has one that has lost its partitions
# meanwhile, which its log has to say.
RUNNING = {
    "refused": (refused, (CUT,)),
    "black-hole": (black_hole, (FINISHED, CUT)),
    "half-open": (half_open, (CUT,)),
    "frozen-broker": (frozen_broker, (CUT,)),
    "in-commit": (in_commit, (CUT,)),
    "in-init": (in_init, (FINISHED,)),
    "in-rebalance": (in_rebalance, (FINISHED,)),
}


def stop_while_running(field, world, name):
    """Harm, stop, no harm any more, start again."""
    (member,) = world.members
    harm, codes = RUNNING[name]
    try:
        harm(field, member)
        stop_and_time(field, member, (FINISHED, CUT))
        log = member.daemon.log_text()
        lost = "the group has given them away" in log[log.rfind("group: assigned") :]
        assert lost or member.codes[-1] in codes, f"the exit code is {member.codes[-1]}, not one of {codes}"
    finally:
        field.cluster.node(1).thaw()
        field.proxy.clear()
        field.proxy.heal()
    member.start_again()
    world.storm.progress(90, f"commit after {name}")


def run(field, names):
    """Some of the nine on one load; everything must be there once at the end."""
    world = World(field, [], start=False)
    for name in names:
        if name in AT_START:
            stop_at_start(field, world, name)
    world.begin()
    world.add("a")
    world.storm.progress(90, "first commit")
    for name in names:
        if name in RUNNING:
            stop_while_running(field, world, name)
    world.finish()


@part("stuck-stops")
def all_nine(field):
    """All nine stuck stops in an order by chance, on one load"""
    names = [*AT_START, *RUNNING]
    field.dice.shuffle(names)
    run(field, names)


@part("stuck-cause")
def cause_is_kept(field):
    """One worker ends the process while another waits for its commit: the cut stop has the code of the cause"""
    source, target = field.create(source=2, out=2)
    graph = field.graph(workers=2, stop={"timeout": f"{TIMEOUT}s"})
    graph.source("all", [source], start="earliest", on_error="stop")
    graph.destination("copy", "all", target, 2, on_error="stop")
    member = field.subject(Millrace(field, graph, "a")).start()
    for partition in (0, 1):
        field.fill(source, 100, partition, f"p{partition}")
    field.until(lambda: sum(field.committed(graph.top["pipeline"]).values()) == 200, 60, "commit of all")
    caught = []

    async def never(frame):
        caught.append(frame)
        return False

    # Asked again, and begun anew, it stays stuck.
    rule = field.proxy.rule(never, on="answer", api=[END_TXN, INIT_PRODUCER_ID], times=None)
    field.fill(source, 1, 0, "held")
    field.until(lambda: caught, 30, "commit to be stuck at")
    watch = field.stopwatch()
    bad = [to_send(source, b"{broken", None, partition, (("id", b"bad-%d" % partition),)) for partition in (0, 1)]
    field.produce(bad)
    field.until(lambda: member.codes, TIMEOUT + 20, "end of the process")
    took = watch.seconds()
    field.proxy.unrule(rule)
    field.figure("end of a process whose commit is stuck", took)
    field.count("stuck stop")
    last = member.daemon.log_text().splitlines()[-1]
    assert ("did not end in time" in last or "cut short" in last) and "exit code 8;" in last, last
    assert took <= TIMEOUT + SLACK_FROM_CAUSE, f"the end took {took:.2f} s"
    member.start_again()
    field.until(lambda: len(member.codes) == 2, 60, "end of the next process at the same record")
    assert member.codes == [8, 8], f"the process ended with {member.codes}"
    field.verdict(graph, whole=False).demand(200)


def make_part(name, about):
    def one(field):
        run(field, [name])

    one.__doc__ = about
    part(f"stuck-{name}")(one)


for name, (about, _) in AT_START.items():
    make_part(name, about)
for name, (harm, _) in RUNNING.items():
    make_part(name, harm.__doc__)
