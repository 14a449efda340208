"""Bad weather: brokers away, topics gone, rights taken, disks full. It is said, nothing is lost, it goes on alone."""

import os
import socket
import time

from harness.case import case
from harness.daemon import free_port

from .starting import copy_graph, numbered

# The authorizer lets everyone do everything, where no rule says otherwise.
WITH_RIGHTS = [
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found=true",
]
AWAY_SECONDS = 60


def said(daemon, *words):
    """/readyz is red, and names what is wrong."""
    status, text = daemon.get("/readyz")
    return status == 503 and all(word in text for word in words)


@case(seconds=120)
def broker_away_at_start(place):
    """No broker at the start: alive, not ready, says so; goes on by itself when the broker comes"""
    broker = place.own_broker()
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    place.produce(numbered(topic, 0, 500))
    broker.stop()
    graph = copy_graph(place, [topic])
    daemon = place.daemon(graph)
    daemon.wait(lambda: said(daemon), 15, "/readyz with the reason")
    time.sleep(5)
    daemon.must_run()
    assert daemon.get("/healthz")[0] == 200 and said(daemon), daemon.get("/readyz")
    broker.start()
    place.drained(graph, 45, daemon)
    daemon.wait_ready(10)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 500


def copying(place):
    """A daemon in the middle of copying 3,000 records: the graph, the daemon."""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 3000))
    daemon = place.daemon(graph, rate={"max_per_partition": "500/s"})
    daemon.wait(lambda: sum(place.committed(graph.top["pipeline"]).values()) > 300, 20, "commits")
    return graph, daemon


def must_live(daemon, seconds):
    """Through so many seconds of an outage that it has noticed."""
    daemon.wait(lambda: said(daemon), 30, "/readyz with the reason")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        daemon.must_run()
        assert daemon.get("/healthz")[0] == 200, "not alive in an outage"
        assert not daemon.ready()
        time.sleep(1)


@case(seconds=200)
def broker_away_for_a_minute(place):
    """The broker away for a minute under load: alive, not ready, then everything comes once and in order"""
    broker = place.own_broker()
    graph, daemon = copying(place)
    broker.kill()
    must_live(daemon, AWAY_SECONDS)
    broker.start()
    took = place.drained(graph, 60, daemon)
    place.note(f"lag 0 after {took:.1f} s")
    daemon.wait_ready(10)
    daemon.metrics().balance()
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 3000


@case(seconds=150)
def broker_halted_for_a_while(place):
    """The broker under SIGSTOP for 25 s in the middle: connections stay and nothing answers; exact all the same"""
    broker = place.own_broker()
    graph, daemon = copying(place)
    broker.freeze()
    must_live(daemon, 15)
    broker.thaw()
    place.drained(graph, 60, daemon)
    daemon.wait_ready(15)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 3000


WATCHDOG_S = 3


class Manager:
    """Systemd's side of sd_notify: a datagram socket, and when which message came."""

    def __init__(self, directory):
        # A socket's path is short; the kernel cuts at 108 bytes.
        self.path = os.path.relpath(os.path.join(directory, "notify"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.2)

    def environment(self):
        return {"NOTIFY_SOCKET": os.path.abspath(self.path), "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}

    def longest_silence(self, seconds):
        """The longest time without WATCHDOG=1 within so many seconds from now. Counted in turns, so that a machine that
        stands still is one of them."""
        begun = time.monotonic()
        silent = longest = 0.0
        while time.monotonic() - begun < seconds:
            try:
                if b"WATCHDOG=1" in self.socket.recv(4096):
                    silent = 0.0
            except socket.timeout:
                silent += self.socket.gettimeout()
            longest = max(longest, silent)
        return longest


@case(seconds=120)
def watchdog_is_fed_in_an_outage(place):
    """The broker under SIGSTOP for three watchdog periods, in the middle and from the start: systemd is kept content"""
    broker = place.own_broker()
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 2000))
    daemon = place.daemon(graph, start=False, rate={"max_per_partition": "200/s"})
    manager = Manager(daemon.directory)
    daemon.environment.update(manager.environment())
    daemon.start()
    daemon.wait(lambda: sum(place.committed(graph.top["pipeline"]).values()) > 100, 30, "commits")
    broker.freeze()
    silence = manager.longest_silence(3 * WATCHDOG_S)
    daemon.must_run()
    assert silence < WATCHDOG_S, f"systemd would have ended it: {silence:.1f} s without WATCHDOG=1"
    assert daemon.kill()
    daemon.start()
    silence = manager.longest_silence(3 * WATCHDOG_S)
    daemon.must_run()
    assert silence < WATCHDOG_S, f"from the start: {silence:.1f} s without WATCHDOG=1"
    broker.thaw()
    daemon.wait_ready(60)  # by then the topics have leaders again
    place.drained(graph, 60, daemon)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 2000


@case(seconds=120)
def destination_deleted(place):
    """A destination deleted while running: held and said; when it is there again everything open comes, once"""
    topic, target, _ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 500))
    daemon = place.daemon(graph)
    place.drained(graph, 20, daemon)
    group = graph.top["pipeline"]
    place.kafka("deleteTopics", names=[target])
    place.produce(numbered(topic, 500, 900))
    daemon.wait(lambda: said(daemon, target), 40, "/readyz with the topic")
    assert sum(place.committed(group).values()) == 500, "committed without its outputs"
    daemon.wait(lambda: daemon.count("destination_usable", topic=target) == 0, 10, "unusable destination")
    place.create(copy=2)
    place.drained(graph, 60, daemon)
    daemon.wait_ready(15)
    daemon.stop()
    found = sorted(int(dict(record.headers)["id"]) for record in place.read([target]))
    assert found == list(range(500, 900)), (len(found), found[:5])


@case(seconds=120)
def source_deleted_and_made_anew(place):
    """A source topic that was deleted and made anew is another topic: that source stops and asks"""
    topic, _, _ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 200))
    daemon = place.daemon(graph)
    place.drained(graph, 20, daemon)
    daemon.stop()
    place.kafka("deleteTopics", names=[topic])
    place.until(lambda: topic not in topics_of(place), 20, "end of the topic")
    place.create(**{"in": 2})
    place.produce(numbered(topic, 1000, 1500))
    daemon = place.daemon(graph)
    daemon.wait(lambda: said(daemon, topic), 30, "/readyz with the topic")
    time.sleep(2)
    daemon.must_run()
    assert len(place.read([place.topic("copy")])) == 200, "records of another topic were taken for the rest of this one"
    daemon.stop()


def topics_of(place):
    with place.broker.wire() as wire:
        return wire.topics()


@case(seconds=150)
def right_to_write_taken(place):
    """The right to write a destination taken away while running: held and said; given again, it goes on, exact"""
    place.own_broker(WITH_RIGHTS)
    topic, target, _ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 500))
    daemon = place.daemon(graph)
    place.drained(graph, 30, daemon)
    place.kafka("allow", resource="topic", name=target, operation="ALL")
    place.kafka("deny", resource="topic", name=target, operation="WRITE")
    place.produce(numbered(topic, 500, 900))
    daemon.wait(lambda: said(daemon, "uthorization"), 30, "/readyz with the reason")
    # Not between two attempts either.
    readings = []
    for _ in range(40):
        readings.append(daemon.get("/readyz"))
        time.sleep(0.1)
    green = sum(status == 200 for status, _ in readings)
    assert green == 0, f"/readyz goes back and forth: {green} of {len(readings)} readings are green"
    assert any(target in text for _, text in readings), f"/readyz does not name {target}: {readings[0]}"
    assert sum(place.committed(graph.top["pipeline"]).values()) == 500, "committed without its outputs"
    daemon.must_run()
    place.kafka("forgetAccess", resource="topic", name=target)
    place.drained(graph, 60, daemon)
    daemon.wait_ready(15)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 900


@case(seconds=120)
def rights_refused_at_start(place):
    """The group refused from the start: exit 5 after the time that is given"""
    place.own_broker(WITH_RIGHTS)
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    group = graph.top["pipeline"]
    place.kafka("allow", resource="group", name=group, operation="ALL")
    place.kafka("deny", resource="group", name=group, operation="READ")
    daemon = place.daemon(graph, stop={"timeout": "5s", "refused": "6s"})
    code, took = daemon.wait_end(40)
    assert code == 5, f"ended with {code}\n{daemon.tail()}"
    assert took > 4, f"gave up after {took:.1f} s"
    assert group in daemon.log_text()


@case(seconds=60)
def log_disk_full(place):
    """Every write of a log line fails with ENOSPC: the pipeline goes on"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 500))
    daemon = place.daemon(graph, output="/dev/full", log={"level": "debug"})
    with open(daemon.log, "w") as file:
        file.write("(its log is /dev/full)\n")
    place.drained(graph, 30, daemon)
    daemon.wait_ready(10)
    lost = [name for name in daemon.metrics().series if name.startswith("millrace_log_")]
    assert any(daemon.metrics().sum(name.removeprefix("millrace_")) > 0 for name in lost), f"not said: {lost}"
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 500


@case(seconds=60)
def http_port_taken(place):
    """The HTTP port taken by another: said in the log, the pipeline goes on, and listens when the port is free"""
    import socket

    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    graph = copy_graph(place, [topic])
    place.produce(numbered(topic, 0, 500))
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        daemon = place.daemon(graph, http={"listen": f"127.0.0.1:{port}"})
        place.drained(graph, 30, daemon)
        assert str(port) in daemon.log_text(), daemon.tail()
    daemon.wait_ready(15)
    daemon.stop()
    assert place.judge(graph).counts["outputs"] == 500
