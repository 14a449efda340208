"""Figures that come from the brokers: quotas, what retention leaves, how far readers are."""

import os
import re
import time

from harness.case import case
from harness.prometheus import Prometheus, alert_operands, panel_expressions

from .starting import copy_graph, numbered


@case(seconds=120)
def quota_throttles(place):
    """A quota on the producer is a figure while it lasts, and records stay exact"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic], top={"batch": {"max_records": 300}, "workers": 1})
    client = f"millrace.{graph.top['pipeline']}.a"
    place.kafka("quota", client=client, bytes=20_000)
    place.produce([record._replace(value=b'{"pad":"%s"}' % (b"x" * 100)) for record in numbered(topic, 0, 3000)])
    daemon = place.daemon(graph)
    daemon.wait(lambda: daemon.count("producer_throttle_seconds") > 0, 60, "throttle")
    place.note(f"held back by up to {daemon.count('producer_throttle_seconds')} s a request")
    place.kafka("quota", client=client)
    place.drained(graph, 60, daemon)
    daemon.wait(lambda: daemon.count("producer_throttle_seconds") == 0, 40, "end of the throttle")
    daemon.wait_ready(15)
    daemon.stop()
    place.judge(graph, least=3000)


# What never happens to a pipeline in good health: these panels show a line while it does, and are empty otherwise.
# Without their "> 0" they return data like the others.
EMPTY_IN_HEALTH = {
    "Backpressure": "nothing holds reading back",
    "Dead letters by reason": "no record is rejected",
    "Errors of writing": "no write fails",
    "Recoveries": "no batch is recovered",
    "Reloads and waiting changes": "nobody reloads",
    "Age of tables": "no file of a table is refused",
}


def asked_expressions():
    """{expression: who asks it}: those of the dashboard, and the operands of the alerts."""
    asked = {operand: f"alert {name}" for name, operand in alert_operands()}
    for title, text in panel_expressions():
        bare = text.removesuffix(" > 0")
        assert not re.search(r" [<>=!]+ ?[0-9.]+$", bare), f"{title}: {text}"
        assert bare == text or title in EMPTY_IN_HEALTH, f"{title} is empty in good health: {text}"
        asked[bare] = f"panel {title}"
    return asked


@case(seconds=90)
def readers_and_retention(place):
    """The lag of a destination's readers, the seconds that retention leaves; dashboard and alerts find all they ask"""
    hour = {"retention.ms": str(3_600_000)}
    topic, *_ = place.create(**{"in": (2, hour), "copy": (2, hour), "dead": 1})
    now = int(time.time() * 1000)
    first = [record._replace(timestamp=now) for record in numbered(topic, 0, 300)]
    place.produce(first)
    graph = copy_graph(place, [topic])
    graph.filter("any", "all", "has(value.n)", lambda item: True)
    graph.destinations["copy"].update({"from": "any", "readers": ["audit", "nobody"]})
    table = os.path.join(place.directory, "names.csv")
    with open(table, "w") as file:
        file.write("n,name\n1,one\n")
    graph.top["tables"] = {"names": {"file": table, "key": "n"}}
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)

    def lag(group):
        return daemon.count("reader_lag_sum_records", group=group)

    # Nobody has committed for them: everything there is waits, and the marker of the transaction in each partition.
    daemon.wait(lambda: lag("audit") >= 300 and lag("nobody") >= 300, 25, "lag of the readers")
    ends = place.ends([place.topic("copy")])
    for (name, partition), end in ends.items():
        place.kafka("moveOffset", group="audit", topic=name, partition=partition, offset=end - 7)
    daemon.wait(lambda: lag("audit") == 14 and lag("nobody") >= 300, 25, "lag of a reader")
    assert daemon.count("reader_lag_max_records", group="audit") == 7
    assert daemon.count("reader_lag_records", group="audit", partition="1") == 7
    # Everything is read, so nothing is in danger.
    assert not daemon.metrics().has("source_retention_headroom_seconds")
    daemon.stop()

    place.produce([record._replace(timestamp=now) for record in numbered(topic, 300, 3300)])
    daemon = place.daemon(graph, rate={"max_per_partition": "20/s"})
    daemon.wait(lambda: daemon.count("source_retention_headroom_min_seconds") > 0, 30, "headroom")
    left = daemon.count("source_retention_headroom_min_seconds")
    passed = time.time() - now / 1000
    assert 3600 - passed - 5 <= left <= 3600, (left, passed)

    # Now there is something of everything. What comes and goes, such as the target of a rate, is waited for.
    absent = asked_expressions()
    place.note(f"{len(absent)} expressions")
    server = Prometheus(os.path.join(place.directory, "prometheus"), f"127.0.0.1:{daemon.port}")

    def nothing_absent():
        for text in [text for text in absent if server.values(text)]:
            del absent[text]
        return not absent

    try:
        place.until(nothing_absent, 40, lambda: f"data of {absent}", daemon)
    finally:
        server.close()
    daemon.stop()
