"""Chance: requests of transactions held back and delivered late, connections broken, kills, all together."""

import asyncio
import time

from frames import ADD_OFFSETS, ADD_PARTITIONS, END_TXN, INIT_PRODUCER_ID, PRODUCE, TXN_OFFSET_COMMIT
from rig import part
from world import World

from parts.times import RECOVERY, judge_each

TRANSACTIONAL = [PRODUCE, INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT]


def late_delivery(field, late):
    """Holds a request, breaks the client's side, and lets the request arrive 0.05 to 1 s later."""

    async def act(frame):
        loop = asyncio.get_running_loop()
        loop.create_task(arrive(frame))
        return False

    async def arrive(frame):
        await asyncio.sleep(0.005)
        frame.link.reset_client()
        await asyncio.sleep(0.05 + field.dice.random() * 0.95)
        try:
            answer = await frame.link.send_upstream(frame, 10)
            late.append((frame.request.name, tuple(answer.codes or ())))
        except (OSError, asyncio.TimeoutError):
            late.append((frame.request.name, ("lost",)))

    return act


def soak(field, seconds, kills, rate=2500):
    field.late_requests = True
    world = World(field, ["a", "b"], rate=rate)
    late, count = [], 0
    end = time.monotonic() + seconds
    field.proxy.rule(late_delivery(field, late), api=[END_TXN, TXN_OFFSET_COMMIT], chance=0.05, times=None)
    field.proxy.rule(late_delivery(field, late), api=TRANSACTIONAL, chance=0.01, times=None)
    while time.monotonic() < end:
        time.sleep(1 + field.dice.random() * 3)
        world.look_at_recoveries()
        if kills and field.dice.choice(world.members).kill():
            count += 1
    field.proxy.clear()
    field.count("late requests", len(late))
    field.count("refused late requests", sum(1 for _, codes in late if codes and codes != ("lost",)))
    if kills:
        field.count("kills", count)
    world.storm.progress(90)
    world.finish(time_recoveries=True)
    if not kills and field.rig.subject == "millrace":
        judge_each(field, RECOVERY, "recovery")


@part("soak")
def soak_with_kills(field):
    """60 s of late requests and kills: exact"""
    soak(field, 60, True)


@part("soak-long")
def soak_for_half_an_hour(field):
    """30 minutes of late requests and kills: exact"""
    # The judge keeps every record in memory; late requests and kills are what this is about.
    soak(field, 1800, True, rate=1000)


@part("soak-calm")
def soak_without_kills(field):
    """60 s of late requests: exact"""
    soak(field, 60, False)
