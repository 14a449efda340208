"""Several instances of one pipeline share its partitions."""

import time

from harness.case import Sampler, case


def loaded_graph(place, partitions=6, weight=0, **top):
    """Generated records (harness: Loader) through a filter, a classify and a computed key. weight: steps of a condition
    that always holds, so that a chunk takes a while."""
    source, *_ = place.create(**{"in": partitions, "out.up": 4, "out.down": 4, "robots": 4, "dead": 1})
    graph = place.graph(place.topic("dead"), **top)
    graph.source("all", [source], start="earliest")
    origin = "all"
    if weight:
        numbers = ", ".join(str(number) for number in range(weight))
        graph.filter("weighed", "all", f"[{numbers}].all(x, x * value.delta < 1000000000)", lambda item: True)
        origin = "weighed"
    graph.filter("humans", origin, "!value.robot", lambda item: not item.value["robot"])
    graph.filter("robots", origin, "value.robot", lambda item: item.value["robot"])
    rules = [("up", "value.delta >= 0", lambda item: item.value["delta"] >= 0)]
    graph.classify("way", "humans", rules, "down", field="way")
    graph.destination("by_way", "way", place.topic("out.{port}"), 4)
    graph.destination("robots", "robots", place.topic("robots"), 4)
    return source, graph


def shared_by(place, count):
    source, graph = loaded_graph(place, kafka={"session_timeout": "6s"})
    load = place.load(source, 3000, pad=40)
    sampler = Sampler(place, graph.top["pipeline"])
    daemons = [place.daemon(graph, f"i{number}") for number in range(count)]
    for daemon in daemons:
        daemon.wait(lambda daemon=daemon: daemon.count("source_records_total") > 1000, 45, "records here")
    time.sleep(1)
    place.unload(load, source, 5_500)
    place.drained(graph, 60, daemons[0])

    def shares():
        return sorted(daemon.count("partitions_assigned") for daemon in daemons)

    place.until(lambda: sum(shares()) == 6 and shares()[-1] - shares()[0] <= 1, 40, lambda: f"even share: {shares()}")
    read = [daemon.metrics() for daemon in daemons]
    for metrics in read:
        metrics.balance()
    for daemon in daemons:
        daemon.stop()
    place.judge(graph, least=5000, samples=sampler.finish())


@case(seconds=120)
def two_instances(place):
    """Two instances under load share the partitions evenly, and the outputs are exact"""
    shared_by(place, 2)


@case(seconds=120)
def three_instances(place):
    """Three instances, started one upon the other under load"""
    shared_by(place, 3)


@case(seconds=150)
def instances_come_and_go(place):
    """Under load one instance is added, one stopped, one killed: nothing lost, doubled or out of order"""
    source, graph = loaded_graph(place, kafka={"session_timeout": "6s"})
    load = place.load(source, 3000, pad=40)
    sampler = Sampler(place, graph.top["pipeline"])
    first = place.daemon(graph, "first")
    first.wait(lambda: first.count("source_records_total") > 500, 30, "records here")
    second = place.daemon(graph, "second")
    second.wait(lambda: second.count("source_records_total") > 500, 40, "records here")
    third = place.daemon(graph, "third")
    third.wait(lambda: third.count("source_records_total") > 500, 40, "records here")
    first.stop()
    assert third.kill()
    second.wait(lambda: second.count("partitions_assigned") == 6, 40, "all partitions here")
    place.unload(load, source, 5_500)
    place.drained(graph, 60, second)
    second.metrics().balance()
    second.stop()
    place.judge(graph, least=5000, samples=sampler.finish())
