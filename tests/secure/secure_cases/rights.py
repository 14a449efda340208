"""Rights that are missing from the start, and rights that are taken while it runs and given again."""

import time

from cases.starting import numbered
from cases.weather import said
from harness.case import case

from guest import WHOLE, Guest


def without(what):
    return [name for name, _ in WHOLE if name != what]


def missing_at_start(place, what, *words):
    guest = Guest(place, rights=without(what)).by_password()
    place.produce(numbered(guest.topic, 0, 100))
    guest.refused(guest.in_a_hurry().daemon(), *words)
    assert not place.read([guest.target])


@case(seconds=60)
def no_right_to_the_source(place):
    """No right to read the source topic: exit 5, and the topic is named"""
    missing_at_start(place, "in", place.topic("in"))


@case(seconds=60)
def no_right_to_the_group(place):
    """No right to the group: exit 5, and the group is named"""
    missing_at_start(place, "group", "group")


@case(seconds=60)
def no_right_to_the_ids(place):
    """No right to the transactional ids: exit 5, and the id is named"""
    missing_at_start(place, "ids", "transactional id")


@case(seconds=90)
def no_right_to_the_destination(place):
    """No right to write: a state that names the topic, beyond stop.refused; granted, it goes on"""
    guest = Guest(place, rights=without("copy")).by_password()
    place.produce(numbered(guest.topic, 0, 200))
    daemon = guest.daemon()
    daemon.wait(lambda: said(daemon, guest.target), 20, "/readyz with the topic")
    time.sleep(5)
    daemon.must_run()
    assert said(daemon, guest.target), daemon.get("/readyz")
    guest.vault.hear(daemon)
    guest.grant("copy")
    guest.finish(daemon, 200)


@case(seconds=150)
def rights_taken_and_given(place):
    """Each right taken while records flow, and given again: a state with its reason, no end, and exact"""
    guest = Guest(place).by_password()
    place.produce(numbered(guest.topic, 0, 200))
    daemon = guest.daemon()
    place.drained(guest.graph, 30, daemon)
    daemon.wait_ready(10)
    records = 200
    # What /readyz says then, beside being red.
    says = {"in": guest.topic, "copy": guest.target, "group": "roup authorization", "ids": "ransactional"}
    for what, word in says.items():
        guest.revoke(what)
        place.produce(numbered(guest.topic, records, records + 200))
        records += 200
        red = daemon.wait(lambda word=word: said(daemon, word), 10, f"/readyz after {what} was taken")
        guest.vault.hear(daemon)
        time.sleep(1)
        daemon.must_run()
        guest.grant(what)
        healed = place.drained(guest.graph, 45, daemon) + daemon.wait_ready(25)
        place.note(f"{what}: red after {red:.1f} s, well {healed:.1f} s after")
    guest.finish(daemon, records)
