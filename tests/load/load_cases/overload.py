"""A backlog in front of a stage that is much slower than the broker."""

from harness.case import case

from scale import (
    GROWTH_IN_SECONDS_MIB,
    GROWTH_MOST_MIB,
    Scale,
    backlog,
    cpu_seconds,
    race,
    settled,
    share_in_all,
    usual_share,
)

# About a tenth of what a broker serves, or less.
HEAVY = "lists.range(400).exists(x, x * 7 % 13 == value.delta + 5000)"


def heavy_graph(place, topic, target):
    graph = place.graph(place.topic("dead"), workers=1)
    graph.source("all", [topic], start="earliest")
    graph.filter("heavy", "all", HEAVY, None, invert=True)
    graph.destination("copy", "heavy", target, 4)
    return graph


def overload(place, records, least, long):
    topic, first, second, _ = place.create(**{"in": 4, "limited": 4, "unlimited": 4, "dead": 1})
    backlog(place, topic, records, 900)
    limited = place.daemon(heavy_graph(place, topic, first), memory={"limit": "256MiB"})
    unlimited = place.daemon(heavy_graph(place, topic, second), memory={"limit": "4GiB"})
    scale = Scale(place, limited)
    samples = race(limited, unlimited, records)
    scale.finish()
    in_all, usual = share_in_all(samples), usual_share(samples)
    place.note(f"{records} records, with limits {in_all:.0%} of the speed without, {usual:.0%} of the usual one")
    for daemon in (limited, unlimited):
        settled(daemon, records, 120)
        daemon.stop()
    scale.judge(growth_mib=GROWTH_MOST_MIB if long else GROWTH_IN_SECONDS_MIB)
    # A limit that holds it up lowers both; a moment without its broker only one of them.
    ratio = in_all if long else max(in_all, usual)
    assert ratio >= least, f"with limits it has only {ratio:.0%} of the speed without"


@case(alone=True, seconds=150)
def overload_short(place):
    """400,000 records of 1 KiB before a heavy stage: memory under its limit and flat, and not held up by its limits"""
    # Two that are alike share the machine for ten seconds. One late answer of the broker, and backpressure gives the
    # other a lead of a second: 0.76 of the records has been seen. The figure is the long form's.
    overload(place, 400_000, 0.5, long=False)


@case(alone=True, seconds=1500, long=True)
def overload_long(place):
    """The same with 2,000,000 records: at least 95 % of the speed without limits"""
    overload(place, 2_000_000, 0.95, long=True)


def poison(place, records):
    clean, bad, to_clean, to_bad, _ = place.create(**{"clean": 4, "bad": 4, "to-clean": 4, "to-bad": 4, "dead": 4})
    backlog(place, clean, records, 300)
    backlog(place, bad, records, 300, poison=10)
    daemons = []
    for topic, target in ((clean, to_clean), (bad, to_bad)):
        graph = place.graph(place.topic("dead"), workers=1)
        graph.source("all", [topic], start="earliest")
        graph.filter("delta", "all", "value.delta > -3000 && !value.robot", None)
        graph.destination("copy", "delta", target, 4)
        daemons.append(place.daemon(graph, start=False))
    for daemon in daemons:
        daemon.start()
    scale = Scale(place, daemons[1])
    in_all = share_in_all(race(daemons[1], daemons[0], records))
    for daemon in daemons:
        settled(daemon, records, 60)
    good_cost, bad_cost = (cpu_seconds(daemon.process.pid) for daemon in daemons)
    dead = daemons[1].count("dead_records_total")
    scale.finish()
    for daemon in daemons:
        daemon.stop()
    place.note(
        f"{records} records, {dead:.0f} of them bad, at {in_all:.0%} of the speed of good ones, "
        f"{bad_cost:.1f} s of processor time for {good_cost:.1f} s"
    )
    assert 0.08 < dead / records < 0.12, f"{dead:.0f} of {records} were bad"
    scale.judge(flat=False)
    assert bad_cost <= 2 * good_cost, f"a tenth of bad records makes {good_cost:.2f} s of work {bad_cost:.2f}"
    return in_all


@case(alone=True, seconds=120)
def poison_short(place):
    """A tenth of the records is no JSON: that costs at most as much again in processor time"""
    # Not judged by the clock: both fight for one broker, and for seconds one of them gets three times as much of it.
    poison(place, 400_000)


@case(alone=True, seconds=600, long=True)
def poison_long(place):
    """The same with 4,000,000 records, and at most half of the speed"""
    in_all = poison(place, 4_000_000)
    assert in_all >= 0.5, f"a tenth of bad records leaves only {in_all:.0%} of the speed"
