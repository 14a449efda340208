"""SIGKILL at every point of a batch's life, and by chance."""

import time

from rig import part
from storm import POINTS
from world import World

EACH = 3
RATE = 4000  # records a second: 1,000 kills are to be met by five million of them
BY_CHANCE = 6
NOT_FOR_COPIER = ("P2", "P15", "P16", "P18")


def plan(field, each, by_chance):
    points = [point for point in POINTS if point != "random"]
    if field.rig.subject == "copier":
        points = [point for point in points if not point.startswith(NOT_FOR_COPIER)]
    kills = points * each + ["random"] * by_chance
    field.dice.shuffle(kills)
    return kills


def kill_round(field, each=EACH, by_chance=BY_CHANCE):
    world = World(field, ["a", "b"], rate=RATE)
    kills = plan(field, each, by_chance)
    took = []
    for point in kills:
        world.storm.kill_at(point, field.dice.choice(world.members))
        if field.dice.random() < 0.5:
            # Half of the kills meet an instance that has come to work again.
            took.append(world.storm.progress(60, f"commit after {point}"))
        else:
            time.sleep(field.dice.random() * 0.3)
    field.count("kills", len(kills))
    field.note(f"{len(kills)} kills, longest wait for a commit {max(took, default=0):.1f} s")
    world.finish()


@part("kills", brokers=3)
def kills(field):
    """60 SIGKILLs, 3 at each point and 6 by chance, 2 instances, 3 brokers, under load: exact"""
    kill_round(field)


@part("kills-1", brokers=1)
def kills_one_broker(field):
    """The same on one broker"""
    kill_round(field)


def make_point(point):
    def run(field):
        world = World(field, ["a", "b"])
        for _ in range(5):
            world.storm.kill_at(point, field.dice.choice(world.members))
        field.count("kills", 5)
        world.finish()

    run.__doc__ = f"Five SIGKILLs at {point}"
    part(f"kill-{point.split()[0].lower()}")(run)


for each in POINTS:
    make_point(each)
