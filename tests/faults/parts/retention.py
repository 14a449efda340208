"""Retention that passes the consumer while the group changes."""

from frames import OFFSET_FETCH
from kproxy import SWALLOWED
from rig import Millrace, NoEffect, part

PARTITIONS = 4
BEFORE, MISSED, LEFT = 50, 30, 40


@part("skip-rebalance")
def skip_meets_a_rebalance(field):
    """A partition that skips what retention deleted begins elsewhere; a rebalance takes others away just then: it is
    read all the same. Tried until the partition stays where it was"""
    # Which partitions move is the group's to say: each try has an even chance.
    for attempt in range(16):
        if skip_once(field, attempt):
            return
    raise NoEffect("the partition went to the other instance each time")


def skip_once(field, attempt):
    source, target = field.create(**{f"source{attempt}": PARTITIONS, f"out{attempt}": 1})
    graph = field.graph(kafka={"session_timeout": "6s", "heartbeat_interval": "500ms"})
    graph.source("all", [source], form="bytes", start="earliest", on_error="stop", on_data_loss="skip")
    graph.destination("copy", "all", target, 1, on_error="stop")
    for partition in range(PARTITIONS):
        field.fill(source, BEFORE, partition, f"before{partition}")
    first = field.subject(Millrace(field, graph, "a"))
    first.start()
    field.drained(graph, 60)
    first.restarting = False
    first.ask_to_stop()
    field.until(lambda: first.pid is None, 20, "stop of the first instance")
    cut = field.dice.randrange(PARTITIONS)
    field.fill(source, MISSED + LEFT, cut, "missed")
    field.kafka("deleteRecords", topic=source, partition=cut, before=BEFORE + MISSED)
    held = []

    async def act(frame):
        held.append(frame)
        return SWALLOWED

    # The first look at the committed offsets is about where to begin at all, the next about the partition that skips;
    # until that is answered it is read by nobody.
    rule = field.proxy.rule(act, api=OFFSET_FETCH, client=f"{graph.top['pipeline']}.a", skip=1, times=None)
    first.start_again()
    field.until(lambda: held, 60, "question where to begin anew")
    second = field.subject(Millrace(field, graph, "b")).start()
    group = graph.top["pipeline"]

    def both():
        return [member["partitions"] for member in field.kafka("group", group=group)["members"]] == [2, 2]

    field.until(both, 60, "rebalance")
    field.proxy.unrule(rule)
    for partition in range(PARTITIONS):
        field.fill(source, LEFT, partition, f"after{partition}")
    field.drained(graph, 60)
    stayed = "giving back" in first.daemon.log_text() and f"{source}-{cut}" not in second.daemon.log_text()
    for member in (first, second):
        member.close()
    field.count("partition that skips, in a rebalance" if stayed else "partition that skips, elsewhere")
    return stayed
