"""Clusters of the fault runs: one or three KRaft brokers, each with a listener for the tests and one behind the proxy.

The program of a broker, its jars and most of its settings come from scripts/kafka. DIRECT is for the rig itself (load,
checker, brokers among themselves) and is never harmed; PROXIED is what the pipeline under test is given, and advertises
the proxy's port, so that every connection of the pipeline passes the proxy.
"""

import argparse
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "scripts", "lib"))

import kafka_wire  # noqa: E402  (the path is set just above)
from kproxy import Proxy  # noqa: E402


def load_script(name):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(ROOT, "scripts", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


kafka_script = load_script("kafka")
START_SECONDS = 180


class Node(kafka_script.Broker):
    """One broker of a cluster. Process and folder as in scripts/kafka; the settings are the cluster's."""

    def __init__(self, cluster, number):
        super().__init__(
            argparse.Namespace(dir=os.path.join(cluster.directory, f"broker-{number}"), port=0, version=cluster.version)
        )
        self.cluster, self.number = cluster, number
        self.host = f"127.0.0.{number}"
        self.direct, self.controller, self.behind = (free_port(self.host) for _ in range(3))
        self.proxied = None
        self.process = None
        self.frozen = False

    def write(self):
        values = dict(kafka_script.PROPERTIES)
        values.update(
            {
                "node.id": self.number,
                "log.dirs": os.path.join(self.dir, "data"),
                "listeners": f"DIRECT://{self.host}:{self.direct},PROXIED://{self.host}:{self.behind},"
                f"CONTROLLER://{self.host}:{self.controller}",
                "advertised.listeners": f"DIRECT://{self.host}:{self.direct},PROXIED://127.0.0.1:{self.proxied}",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,PROXIED:PLAINTEXT",
                "inter.broker.listener.name": "DIRECT",
                "controller.quorum.voters": ",".join(
                    f"{node.number}@{node.host}:{node.controller}" for node in self.cluster.nodes
                ),
            }
        )
        values.update(self.cluster.settings)
        os.makedirs(self.dir, exist_ok=True)
        with open(self.properties, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in values.items())

    def format(self):
        if os.path.exists(os.path.join(self.dir, "data", "meta.properties")):
            return
        command = self.java("kafka.tools.StorageTool", "format", "-t", "bWlsbHJhY2UtZmF1bHRzMQ", "-c", self.properties)
        for name, level in self.cluster.features.items():
            command += ["--feature", f"{name}={level}"]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            raise RuntimeError("formatting failed:\n" + result.stdout + result.stderr)

    def begin(self):
        """Starts the process; does not wait until it answers."""
        self.write()
        self.format()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.java("kafka.Kafka", self.properties),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.dir,
                start_new_session=True,
            )
        with open(self.pid_file, "w") as file:
            file.write(f"{self.process.pid}\n")

    def answers(self):
        try:
            with kafka_wire.Cluster(f"{self.host}:{self.direct}", timeout=2.0) as cluster:
                return len(cluster.metadata([])["brokers"]) == sum(1 for node in self.cluster.nodes if node.process)
        except (OSError, kafka_wire.KafkaError):
            return False

    def wait(self, seconds=START_SECONDS):
        end = time.monotonic() + seconds
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"broker {self.number} does not answer:\n{self.end_of_log()}")
            time.sleep(0.05)

    def send(self, number):
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"broker {self.number} does not run")
        self.process.send_signal(number)

    def freeze(self):
        self.send(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.frozen = False
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.send(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self, seconds=20):
        """As an operator stops it: leaders move first, where there are others."""
        if self.process is None:
            return
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Cluster:
    """count brokers and the proxy in front of them. What the harness asks of a broker can be asked of it."""

    def __init__(self, directory, count=1, version="4.1.0", features=None, settings=None, seed=1):
        self.directory, self.count, self.version = os.path.abspath(directory), count, version
        self.features = dict(features or {})
        copies, least = (3, 2) if count > 2 else (1, 1)
        self.settings = {
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": least,
            "default.replication.factor": copies,
            "min.insync.replicas": least,
            "unclean.leader.election.enable": "false",
            "offsets.topic.num.partitions": count,
            "transaction.state.log.num.partitions": count,
            "auto.leader.rebalance.enable": "false",
            "broker.session.timeout.ms": 6000,
            **(settings or {}),
        }
        self.nodes = []
        self.nodes = [Node(self, number) for number in range(1, count + 1)]
        self.seed = seed
        self.proxy = None

    @property
    def copies(self):
        return 3 if self.count > 2 else 1

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.proxy = Proxy(os.path.join(self.directory, "frames.log"), self.seed)
        for node in self.nodes:
            node.proxied = self.proxy.serve(node.number, (node.host, node.behind))
        starts = [threading.Thread(target=node.begin) for node in self.nodes]
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        try:
            for node in self.nodes:
                node.wait()
            self.warm()
        except RuntimeError:
            self.reset()
            raise
        return self

    def warm(self, seconds=90):
        """Until the internal topics of groups are there: the first question makes them."""
        end = time.monotonic() + seconds
        while True:
            try:
                with self.wire() as wire:
                    return wire.coordinator("warm")
            except (OSError, kafka_wire.KafkaError) as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"no group coordinator: {error}") from error
                time.sleep(0.1)

    def all_in_sync(self):
        """Whether every partition, internal ones too, has all replicas in sync, as each broker knows it: only then is a
        fault a single one. One that stood still knows for a moment what was true before."""
        running = [node for node in self.nodes if node.process and not node.frozen]
        return bool(running) and all(self.all_in_sync_as_told_by(node) for node in running)

    def all_in_sync_as_told_by(self, node):
        body = kafka_wire.Writer().pack("i", -1)
        try:
            with kafka_wire.Cluster(f"{node.host}:{node.direct}", timeout=3.0) as wire:
                reader = wire.call(kafka_wire.METADATA, 1, body)
        except (OSError, kafka_wire.KafkaError):
            return False
        for _ in range(reader.unpack("i")):
            reader.unpack("i"), reader.string(), reader.unpack("i"), reader.string()
        reader.unpack("i")
        for _ in range(reader.unpack("i")):
            reader.unpack("h"), reader.string(), reader.unpack("?")
            for _ in range(reader.unpack("i")):
                reader.unpack("hii")
                replicas, in_sync = (reader.array(lambda: reader.unpack("i")) for _ in range(2))
                if len(in_sync) < len(replicas):
                    return False
        return True

    def address(self):
        """For the rig: never harmed."""
        return ",".join(f"{node.host}:{node.direct}" for node in self.nodes)

    def proxied(self):
        """For the pipeline under test."""
        return [f"127.0.0.1:{node.proxied}" for node in self.nodes]

    def wire(self, timeout=10.0):
        node = next((node for node in self.nodes if node.process and not node.frozen), self.nodes[0])
        return kafka_wire.Cluster(f"{node.host}:{node.direct}", timeout=timeout)

    def node(self, number):
        return self.nodes[number - 1]

    def reset(self):
        if self.proxy:
            self.proxy.close()
            self.proxy = None
        for node in self.nodes:
            if node.process is not None:
                node.thaw()
                node.process.kill()
                node.process.wait()
                node.process = None
        for node in self.nodes:
            shutil.rmtree(os.path.join(node.dir, "data"), ignore_errors=True)

    stop = reset
