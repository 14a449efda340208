"""The rig against copiers that are wrong on purpose: each is convicted within 20 cycles, the right one is not."""

import signal
import time

from rig import Copier, NoEffect, part
from schedules import SCHEDULES
from storm import POINTS, Storm

from parts import torn

RATE = 1500
CYCLES = 20
LOOK_AT = (6, 12, 20)
AIMED = ["P8 while producing", "P9 before the offsets", "P12 EndTxn sent, not answered", "random"]


def frozen(storm, victim):
    """Stopped past its session, and continued in the middle of what it did: a zombie."""
    pid = victim.pid
    if pid is None:
        return
    victim.send(signal.SIGSTOP)
    time.sleep(2.5)
    victim.send(signal.SIGCONT)
    storm.field.count("zombie")


def joined_and_left(storm, victim):
    """Another member comes and goes: partitions move twice, each time in the middle of a batch."""
    extra = storm.field.subject(Copier(storm.field, storm.field.rig.copier, f"x{storm.dice.random()}", storm.graph))
    extra.start()
    time.sleep(1.2)
    extra.restarting = False
    extra.send(signal.SIGTERM)
    time.sleep(0.6)
    extra.close()
    storm.field.count("rebalance", 2)


def killed(storm, victim):
    broken = victim.words.get("broken")
    aims = ["random", AIMED[0]] if broken == "no-transaction" else AIMED
    # This one's offsets never go through the transaction.
    aims = [aim for aim in aims if broken != "offsets-first" or not aim.startswith("P9")]
    storm.kill_at(storm.dice.choice(aims), victim)


def storm_on(field, broken, cycles, first):
    source, target = field.create(source=4, out=4)
    # Bounded: what no copier has written must come of the faults, not of a judge who looks too early.
    load = field.load(source, RATE, pad=10, seed=field.dice.randrange(1 << 30))
    graph = field.straight(source, target, 4)
    words = {"batch": 200, "interval": 80}
    members = [field.subject(Copier(field, field.rig.copier, name, graph, broken=broken, **words)) for name in "ab"]
    for member in members:
        member.start()
    storm = Storm(field, graph, members)
    storm.progress()
    for cycle in range(cycles):
        victim = field.dice.choice(members)
        kinds = [killed, joined_and_left, frozen]
        (first if cycle % 2 == 0 else field.dice.choice(kinds))(storm, victim)
        time.sleep(0.3)
    field.unload(load)
    try:
        field.drained(graph, 90 if broken is None else 30)
    except AssertionError:
        if broken is None:
            raise
    for member in members:
        member.close()
    return field.verdict(graph, whole=broken is None)


def convict(field, broken, first):
    for cycles in LOOK_AT:
        field.name = f"{field.name.split('.')[0]}.{cycles}"
        verdict = storm_on(field, broken, cycles, first)
        if verdict.problems:
            names = ", ".join(verdict.names())
            field.note(f"convicted of {names} after {cycles} cycles, {len(verdict.problems)} times")
            return
    raise NoEffect(f"{CYCLES} cycles have not convicted it: the rig is too weak")


@part("copier")
def right_copier(field):
    """The copier that makes no mistake, through 20 cycles of kills, rebalances and zombies: exact"""
    verdict = storm_on(field, None, CYCLES, killed)
    field.check_codes()
    verdict.demand(5000)
    field.note(f"{verdict.counts['sources']} records")


@part("broken-offsets-first")
def offsets_first(field):
    """Offsets before records: convicted"""
    convict(field, "offsets-first", killed)


@part("broken-no-transaction")
def no_transaction(field):
    """Records without a transaction: convicted"""
    convict(field, "no-transaction", killed)


@part("broken-no-abort-on-revoke")
def no_abort_on_revoke(field):
    """A batch that goes on although its partitions are gone: convicted"""
    convict(field, "no-abort-on-revoke", joined_and_left)


@part("broken-cached-generation")
def cached_generation(field):
    """The group's metadata from before the group was joined: convicted"""
    convict(field, "cached-generation", frozen)


@part("broken-no-outcome-rule")
def no_outcome_rule(field):
    """Transactions without the outcome rule: each of the schedules x1 to x5 convicts it"""
    whole = field.name
    for name in SCHEDULES:
        if name == "x6":
            continue  # fences, and damages nothing
        field.name = f"{whole}.{name}"
        verdict, codes, _, _ = torn.directed(field, name, rule=False, make=torn.copier)
        if not verdict.problems:
            raise NoEffect(f"{name} has not convicted it; the late request was answered {codes}")
        field.note(f"{name} convicts it of {', '.join(verdict.names())}")
        field.count(name)


assert set(AIMED) <= set(POINTS)
