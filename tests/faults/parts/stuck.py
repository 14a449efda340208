"""Stops while something is stuck: the process ends within its time-out whatever happens, and nothing is lost."""

import asyncio
import time

from frames import END_TXN, INIT_PRODUCER_ID, JOIN_GROUP
from rig import Millrace, part
from world import World

TIMEOUT = 5
SLACK = 1.0


def stop_and_time(field, member, codes=(0, 6)):
    member.restarting = False
    ended_before = len(member.codes)
    begun = time.monotonic()
    member.ask_to_stop()
    while member.pid is not None and time.monotonic() - begun < TIMEOUT + 20:
        time.sleep(0.005)
    took = time.monotonic() - begun
    end = time.monotonic() + 2
    while len(member.codes) == ended_before and time.monotonic() < end:
        time.sleep(0.01)
    code = member.codes[-1] if len(member.codes) > ended_before else None
    field.count("stuck stop")
    field.note(f"ended with {code} after {took:.2f} s")
    assert took <= TIMEOUT + SLACK, f"the stop took {took:.2f} s, exit code {code}"
    assert code in codes, f"the exit code is {code} after {took:.2f} s"


def again(field, world, member):
    """What harmed it is over; it is started again, and everything must be there once."""
    field.proxy.clear()
    field.proxy.heal()
    member.codes.clear()
    member.start_again()
    world.finish()


def at_start(field, brokers):
    """Never connected: it is asked to stop while it has not reached anything."""
    world = World(field, [], observe=False, start=False)
    changes = {"kafka": {"brokers": brokers}, "stop": {"timeout": f"{TIMEOUT}s"}}
    stuck = field.subject(Millrace(field, world.graph, "n", **changes))
    stuck.start()
    field.until(lambda: stuck.daemon.get("/healthz")[0] == 200 or not stuck.pid, 10, "answer over HTTP")
    time.sleep(1)
    stop_and_time(field, stuck)
    stuck.close()
    world.begin()
    world.add("a")
    world.storm.progress(60)
    world.finish()


@part("stuck-never-connected")
def never_connected(field):
    """No broker listens"""
    at_start(field, ["127.0.0.1:1"])


@part("stuck-no-such-name")
def no_such_name(field):
    """The brokers' name does not resolve"""
    at_start(field, ["no-such-broker.invalid:9092"])


def while_running(field, harm, wait):
    world = World(field, ["a"])
    (member,) = world.members
    harm()
    time.sleep(wait)
    stop_and_time(field, member)
    again(field, world, member)


@part("stuck-refused")
def refused(field):
    """All connections are refused"""
    while_running(field, lambda: field.proxy.refuse(), 0.5 + field.dice.random())


@part("stuck-black-hole")
def black_hole(field):
    """Nothing passes any more, connections stay"""
    while_running(field, lambda: field.proxy.black_hole(), 0.1 + field.dice.random() * 6)


@part("stuck-half-open")
def half_open(field):
    """Requests arrive, answers do not"""

    async def never(frame):
        return False

    while_running(field, lambda: field.proxy.rule(never, on="answer", times=None), field.dice.random() * 2)


@part("stuck-frozen-broker")
def frozen(field):
    """The broker stands still"""
    world = World(field, ["a"])
    (member,) = world.members
    field.cluster.node(1).freeze()
    try:
        time.sleep(0.2 + field.dice.random() * 2)
        stop_and_time(field, member)
    finally:
        field.cluster.node(1).thaw()
    again(field, world, member)


def stuck_at(field, api, restart):
    """The answer to one kind of request never comes; the stop arrives while it is waited for."""
    world = World(field, ["a"])
    (member,) = world.members
    caught = []

    async def act(frame):
        caught.append(frame)
        await asyncio.sleep(0)
        return False

    field.proxy.rule(act, on="answer", api=api, times=None)
    if restart:
        member.kill()
    field.until(lambda: caught and member.pid, 20, "frame to be stuck at")
    time.sleep(0.3)
    stop_and_time(field, member)
    again(field, world, member)


@part("stuck-in-commit")
def in_commit(field):
    """EndTxn is never answered"""
    stuck_at(field, END_TXN, False)


@part("stuck-in-init")
def in_init(field):
    """InitProducerId is never answered"""
    stuck_at(field, INIT_PRODUCER_ID, True)


@part("stuck-in-rebalance")
def in_rebalance(field):
    """JoinGroup is never answered"""
    stuck_at(field, JOIN_GROUP, True)
