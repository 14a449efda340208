"""A broker of one test or of all of them, by scripts/kafka; and the ways to make it ill."""

import os
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "lib"))

import kafka_wire  # noqa: E402  (the path is set just above)


class Broker:
    def __init__(self, directory, settings=(), port=0):
        self.directory = directory
        self.settings = list(settings)
        self.port = port

    def call(self, *words, check=True):
        command = [os.path.join(ROOT, "scripts", "kafka"), "--dir", self.directory, "--port", str(self.port), *words]
        env = dict(os.environ, MILLRACE_KAFKA_HEAP=os.environ.get("MILLRACE_KAFKA_HEAP", "512m"))
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=env)
        if check and result.returncode != 0:
            raise RuntimeError(f"scripts/kafka {' '.join(words)}: {result.stdout}{result.stderr}")
        return result.stdout

    def start(self):
        words = []
        for setting in self.settings:
            words += ["--set", setting]
        self.call("start", *words)
        if not self.port:
            # The next start, after a stop or a kill, must be found where this one was.
            self.port = int(self.address().rsplit(":", 1)[1])
        return self

    def address(self):
        return f"127.0.0.1:{self.port}" if self.port else self.call("address").strip()

    def reset(self):
        self.thaw()
        self.call("reset", check=False)

    def stop(self):
        self.thaw()
        self.call("stop", check=False)

    def pid(self):
        """The broker's process, only while it is one of this very folder."""
        try:
            with open(os.path.join(self.directory, "pid")) as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.path.join(self.directory, "server.properties").encode() in words else None

    def send(self, number):
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)
        return pid

    def freeze(self):
        if self.send(signal.SIGSTOP) is None:
            raise RuntimeError("there is no broker to halt")

    def thaw(self):
        self.send(signal.SIGCONT)

    def kill(self):
        """SIGKILL: the port is closed at once, and connections are reset."""
        pid = self.send(signal.SIGKILL)
        if pid is None:
            raise RuntimeError("there is no broker to kill")
        end = time.monotonic() + 10
        while self.pid() == pid:
            if time.monotonic() > end:
                raise RuntimeError(f"broker {pid} does not end")
            time.sleep(0.02)

    def wire(self, timeout=10.0):
        return kafka_wire.Cluster(self.address(), timeout=timeout)
