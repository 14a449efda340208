"""Torn transactions: late requests that take effect in a later transaction, and the rule against them."""

import time

from rig import Copier, Millrace, NoEffect, part
from schedules import SCHEDULES, x3_own

from parts.times import RECOVERY, judge_each

RECORDS = 200
BATCH = 20
# In these a recovery happens and the process lives on.
RECOVERING = ("x2", "x3", "x6")
RULE_OFF = {"MILLRACE_TEST_OUTCOME_RULE": "off"}


def copier(field, graph, name, rule=True, ring=4):
    # No schedule is about a session that runs out.
    words = {"batch": BATCH, "instance": "a", "ring": ring, "session": 10_000}
    if not rule:
        words["broken"] = "no-outcome-rule"
    if name == "x3":
        words.update(flush=True, abort_batch=3)
    return field.subject(Copier(field, field.rig.copier, "a", graph, **words))


def millrace(field, graph, name, rule=True, ring=4):
    switches = {} if rule else dict(RULE_OFF)
    if ring != 4:
        switches["MILLRACE_TEST_RING"] = str(ring)
    return field.subject(Millrace(field, graph, "a", switches, workers=1, stop={"timeout": "5s"}))


def directed(field, name, rule=True, ring=4, make=None):
    """One schedule on a fresh pair of topics; returns (verdict, codes of the late request, recoveries, starts)."""
    field.late_requests = True
    source, target = field.create(source=1, out=4)
    field.fill(source, RECORDS, partition=0)
    graph = field.straight(source, target, 4, batch={"max_records": BATCH})
    make = make or (copier if field.rig.subject == "copier" else millrace)
    schedule = x3_own if make is copier and name == "x3" else SCHEDULES[name]
    subject = make(field, graph, name, rule, ring)

    async def run():
        return await schedule(field.proxy, subject)

    future = field.proxy.run_later(run(), 180)
    subject.start()
    field.until(lambda: future.done() or subject.gave_up() is not None, 190, "end of the schedule")
    if not future.done():
        raise NoEffect(f"the subject ended with {subject.gave_up()} before the schedule did")
    codes = future.result(1)
    if rule:
        field.drained(graph, 90)
    else:
        # What is damaged may never drain: the audit stops the process, as it should.
        try:
            field.drained(graph, 12)
        except AssertionError as error:
            field.note(str(error).splitlines()[0][:80])
    subject.restarting = False
    recoveries = subject.recoveries()
    starts = subject.starts
    subject.look_at_recoveries()
    subject.close()
    if rule:
        field.check_codes()
        for number, seconds in subject.recovered.values():
            field.figure("recovery", seconds / number)
    time.sleep(0.1)
    return field.verdict(graph, whole=rule), codes, recoveries, starts


def expect(field, name, rule, ring=4):
    verdict, codes, recoveries, starts = directed(field, name, rule, ring)
    names = verdict.names() or "exact"
    said = f"late request answered {codes}, {recoveries} recoveries, {starts} starts, verdict {names}"
    field.note(said)
    field.count(name)
    wanted_exact = rule and not (name == "x4" and ring == 1)
    if wanted_exact:
        if codes == [] and name != "x6":
            raise AssertionError(f"the late request took effect: {said}\n{verdict.text()}")
        verdict.demand(RECORDS)
        if name in RECOVERING and field.rig.subject == "millrace":
            if not recoveries:
                raise NoEffect(f"nothing was recovered: {said}")
            judge_each(field, RECOVERY, "recovery")
    elif not verdict.problems:
        raise NoEffect(f"nothing was damaged: {said}")


def make_part(name, rule):
    def run(field):
        expect(field, name, rule)

    run.__doc__ = f"Schedule {name}: " + ("exact" if rule else "convicted with the outcome rule off")
    part(name if rule else f"{name}-off")(run)


for each in SCHEDULES:
    make_part(each, True)
    if each != "x6":
        make_part(each, False)


@part("x4-ring1")
def x4_with_a_ring_of_one(field):
    """Schedule x4 with one transactional id: convicted on brokers below 4.0, exact from 4.0 on"""
    if field.cluster.version.startswith("3."):
        expect(field, "x4", True, ring=1)
        return
    verdict, codes, recoveries, _ = directed(field, "x4", True, ring=1)
    field.note(f"late request answered {codes}, {recoveries} recoveries")
    field.count("x4")
    verdict.demand(RECORDS)
