"""HTTP clients that are hostile, or merely many and slow, to a daemon at work."""

import os
import select
import socket
import subprocess
import time

from cases.starting import copy_graph, numbered
from harness.case import case

RATE = 1000  # records a second of each of the two partitions
HTTP_SHARE_MOST = 0.3  # of one processor, for all of the server's threads
SECONDS = 12


class Crowd:
    """Connections of which nobody behaves."""

    def __init__(self, port):
        self.port = port
        self.open = []

    def come(self, count, first=b""):
        for _ in range(count):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))
            self.open.append((client, first))
        # What one sends at the beginning goes out when its turn comes, if ever.
        self.speak(lambda first: first)

    def speak(self, words):
        for client, first in self.open:
            try:
                client.send(words(first))
            except OSError:
                continue  # not connected yet, or its connection was ended

    def drip(self):
        self.speak(lambda first: b"a" if first else b"")

    def ended(self):
        """How many the server has answered or sent away."""
        readable, _, _ = select.select([client for client, _ in self.open], [], [], 0)
        return len(readable)

    def leave(self):
        for client, _ in self.open:
            client.close()
        self.open = []


def flood(port):
    """One request with a header of 1 MiB, and one with a body of 10 MiB: as far as the server listens."""
    for request in (
        b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 10485760\r\n\r\n" + b"a" * (10 << 20),
    ):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
                client.sendall(request)
                client.recv(100)
        except OSError:
            continue  # not let in, or sent away


def http_seconds(daemon):
    """Processor time of the server's threads."""
    total = 0
    for task in os.listdir(f"/proc/{daemon.process.pid}/task"):
        with open(f"/proc/{daemon.process.pid}/task/{task}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        if name.startswith("civetweb"):
            total += sum(int(word) for word in rest.split()[11:13])
    return total / os.sysconf("SC_CLK_TCK")


def files_of(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@case(seconds=90)
def hostile_clients(place):
    """200 silent connections, 100 that drip, requests of 1 and 10 MiB: the pipeline keeps its pace, HTTP comes back"""
    topic, *_ = place.create(**{"in": 2, "copy": 2, "dead": 1})
    records = 2 * RATE * (SECONDS + 15)
    place.produce([record._replace(partition=n % 2) for n, record in enumerate(numbered(topic, 0, records))])
    graph = copy_graph(place, [topic])
    graph.top["batch"] = {"interval": "500ms"}
    daemon = place.daemon(graph, rate={"max_per_partition": f"{RATE}/s"})
    daemon.wait(lambda: daemon.count("source_records_total") > RATE, 30, "records")
    group = graph.top["pipeline"]

    def progress():
        return sum(place.committed(group).values())

    def pace(begun, before):
        return (progress() - before) / (time.monotonic() - begun)

    before, begun = progress(), time.monotonic()
    time.sleep(4)
    usual = pace(begun, before)
    # Counted when everything is open that a daemon opens by and by, such as its history.
    files = files_of(daemon)
    crowd = Crowd(daemon.port)
    spent = http_seconds(daemon)
    before, begun = progress(), time.monotonic()
    crowd.come(200)
    crowd.come(100, b"GET /metrics HTTP/1.1\r\nX: ")
    while time.monotonic() - begun < SECONDS:
        crowd.drip()
        flood(daemon.port)
        daemon.must_run()
        time.sleep(0.2)
    crowded = pace(begun, before)
    share = (http_seconds(daemon) - spent) / (time.monotonic() - begun)
    ended = crowd.ended()
    crowd.leave()
    place.note(f"{crowded:.0f} records a second, {usual:.0f} before; {ended} connections ended by it")
    place.note(f"HTTP took {share:.0%} of a processor")
    # The pace says little on a machine that does other things as well; what the server's threads take says it all.
    assert crowded >= usual / 3, f"{crowded:.0f} records a second while they were there, {usual:.0f} before"
    assert share <= HTTP_SHARE_MOST, f"HTTP took {share:.0%} of a processor"
    assert ended >= 16, "nobody was sent away: the time-out does nothing"
    daemon.wait(lambda: daemon.get("/healthz")[0] == 200, 20, "/healthz")
    daemon.wait(lambda: files_of(daemon) <= files + 2, 10, "end of the connections")
    daemon.wait_ready(10)
    daemon.stop()
    place.judge(graph, whole=False, least=100)


@case(seconds=30)
def beyond_loopback(place):
    """An address beyond loopback without a token is refused by `check`, and by the daemon itself"""
    topic, *_ = place.create(**{"in": 1, "copy": 2, "dead": 1})
    daemon = place.daemon(copy_graph(place, [topic]), start=False, http={"listen": "0.0.0.0:0"})
    words = [place.rig.binary, "check", daemon.file]
    result = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert result.returncode == 78 and "give a `token" in result.stdout + result.stderr, result
