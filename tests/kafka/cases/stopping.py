"""A stop is bounded: short when brokers are well, stop.timeout whatever happens; and nothing is lost either way."""

import os
import signal
import time

from harness.case import case

from .starting import copy_graph, numbered

OUTAGE_TIMEOUT = "5s"


def slow_tick(place):
    """A pipeline with a tick far away and an open batch."""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    graph.top["batch"] = {"interval": "60s"}
    place.produce(numbered(topic, 0, 2000))
    return topic, graph


def held_open(place, daemon):
    """Waits until the open batch holds all that there is, so grows no more; False when it has been committed."""
    committed = len(place.read([place.topic("copy")]))
    before = 0

    def grows_no_more():
        nonlocal before
        last, before = before, daemon.count("memory_held_bytes")
        time.sleep(0.7)
        return 0 < last == before

    def over():
        return len(place.read([place.topic("copy")])) > committed

    daemon.wait(lambda: grows_no_more() or over(), 20, "an open batch")
    return not over()


def healthy_stop(place, end):
    topic, graph = slow_tick(place)
    daemon = place.daemon(graph, stop={"timeout": "60s"})
    daemon.wait(lambda: daemon.ready(), 20, "readiness")
    # The batch is open now: nothing is committed before the tick but the start. A tick that came just now has committed
    # the first records; the next is a minute away.
    sent = 2000
    if not held_open(place, daemon):
        place.drained(graph, 20, daemon)
        place.produce(numbered(topic, sent, 2 * sent))
        sent *= 2
        assert held_open(place, daemon), "the batch was committed before the tick"
    watch = place.stopwatch()
    end(daemon)
    code, _ = daemon.wait_end(70)
    took = watch.seconds()
    place.note(f"stopped in {took:.2f} s")
    assert code == 0, f"ended with {code}\n{daemon.tail()}"
    assert took <= 2.5, f"a healthy stop took {took:.1f} s\n{daemon.tail(40)}"
    assert place.judge(graph).counts["outputs"] == sent


@case(alone=True, seconds=60)
def stop_by_touch_file(place):
    """With interval: 60s the removal of the touch file stops within 2 s, and commits the open batch"""
    healthy_stop(place, lambda daemon: daemon.ask_to_stop())


@case(alone=True, seconds=60)
def stop_by_signal(place):
    """SIGTERM does the same"""
    healthy_stop(place, lambda daemon: daemon.terminate(signal.SIGTERM))


@case(alone=True, seconds=60)
def stop_by_interrupt(place):
    """SIGINT does the same"""
    healthy_stop(place, lambda daemon: daemon.terminate(signal.SIGINT))


def stop_in_outage(place, hurt, heal):
    """stop.timeout holds when the broker does not answer; a later start delivers everything once."""
    place.own_broker()
    topic, graph = slow_tick(place)
    graph.top["batch"] = {"interval": "500ms"}
    graph.top["kafka"].update(session_timeout="4s", heartbeat_interval="1s")
    daemon = place.daemon(graph, stop={"timeout": OUTAGE_TIMEOUT})
    place.drained(graph, 20, daemon)
    place.produce(numbered(topic, 2000, 4000))
    time.sleep(0.2)
    hurt()
    time.sleep(1.0)
    daemon.must_run()
    watch = place.stopwatch()
    daemon.ask_to_stop()
    code, _ = daemon.wait_end(30)
    took = watch.seconds()
    place.note(f"stopped in {took:.2f} s with {code}")
    assert took <= 6.0, f"stop.timeout is 5 s, the stop took {took:.1f} s\n{daemon.tail(40)}"
    assert code in (0, 6), f"ended with {code}\n{daemon.tail()}"
    heal()
    daemon = place.daemon(graph)
    place.drained(graph, 60, daemon)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 4000


@case(seconds=120)
def stop_while_broker_is_halted(place):
    """The broker under SIGSTOP: the stop ends within stop.timeout"""
    stop_in_outage(place, lambda: place.broker.freeze(), lambda: place.broker.thaw())


@case(seconds=120)
def stop_while_port_is_closed(place):
    """The broker gone, its port closed: the stop ends within stop.timeout"""
    stop_in_outage(place, lambda: place.broker.kill(), lambda: place.broker.start())


@case(seconds=60)
def stop_before_brokers_answer(place):
    """A stop while no broker has ever answered"""
    graph = place.graph(place.topic("dead"))
    graph.top["kafka"]["brokers"] = ["127.0.0.1:1"]
    graph.source("all", [place.topic("in")], start="earliest")
    graph.destination("copy", "all", place.topic("copy"), 2)
    daemon = place.daemon(graph, stop={"timeout": OUTAGE_TIMEOUT})
    daemon.wait(lambda: daemon.get("/healthz")[0] == 200, 10, "/healthz")
    assert daemon.get("/readyz")[0] == 503
    time.sleep(1)
    watch = place.stopwatch()
    daemon.ask_to_stop()
    code, _ = daemon.wait_end(30)
    took = watch.seconds()
    place.note(f"stopped in {took:.2f} s with {code}")
    assert took <= 6.0 and code in (0, 6), (took, code, daemon.tail())


@case(seconds=60)
def touch_file_is_made_anew(place):
    """A touch file that is left from a kill does no harm, and is made when it is missing at the start"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic], start="earliest")
    daemon = place.daemon(graph)
    daemon.wait_ready()
    assert os.path.exists(daemon.touch)
    daemon.kill()
    assert os.path.exists(daemon.touch), "a kill cannot remove it"
    daemon = place.daemon(graph)
    place.produce(numbered(topic, 0, 100))
    place.drained(graph, 30, daemon)
    daemon.stop()
    assert not os.path.exists(daemon.touch)
    assert place.judge(graph).counts["outputs"] == 100


@case(seconds=60)
def touch_file_that_is_hard_to_see(place):
    """Only a file that is really gone stops: one replaced by a rename does not, nor a path that cannot be looked at"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    folder = os.path.join(place.directory, "shared")
    os.makedirs(folder)
    daemon = place.daemon(graph, stop={"touch_file": os.path.join(folder, "running")})
    daemon.wait_ready()
    for _ in range(20):
        with open(daemon.touch + ".new", "w") as file:
            file.write("x")
        os.rename(daemon.touch + ".new", daemon.touch)
    # ELOOP in the place of EIO, ESTALE and EACCES, which a test cannot make as root on a local file system.
    os.rename(folder, folder + ".away")
    os.symlink(folder, folder)
    time.sleep(3)
    daemon.must_run()
    os.unlink(folder)
    os.rename(folder + ".away", folder)
    place.produce(numbered(topic, 0, 100))
    place.drained(graph, 20, daemon)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 100


@case(seconds=60)
def one_touch_file_for_two(place):
    """Two instances watch one touch file: its removal stops both"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    touch = os.path.join(place.directory, "running")
    daemons = [place.daemon(graph, name, stop={"touch_file": touch}) for name in ("a", "b")]
    for daemon in daemons:
        daemon.wait_ready(30)
    place.produce(numbered(topic, 0, 300))
    place.drained(graph, 30, daemons[0])
    os.unlink(touch)
    for daemon in daemons:
        code, _ = daemon.wait_end(10)
        assert code == 0, f"ended with {code}\n{daemon.tail()}"
    assert place.judge(graph).counts["outputs"] == 300
