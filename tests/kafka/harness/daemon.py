"""One millrace process of a test: its files, its start, its end, and what it says of itself over HTTP."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import yaml

from .patience import Patience


class Dumper(yaml.SafeDumper):
    """Block scalars for expressions, no anchors: the daemon's reader refuses those."""

    def ignore_aliases(self, data):
        return True


def as_text(dumper, text):
    plain = text.replace("-", "").replace(".", "").replace("_", "").replace("/", "").isalnum()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "|")


Dumper.add_representer(str, as_text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ended(AssertionError):
    """The daemon ended when nobody had asked it to."""


class Daemon:
    def __init__(self, binary, directory, document, output=None):
        self.binary, self.directory = binary, directory
        self.state = os.path.join(directory, "state")
        os.makedirs(self.state, exist_ok=True)
        document = json.loads(json.dumps(document))
        self.port = int(document.setdefault("http", {}).setdefault("listen", f"127.0.0.1:{free_port()}").split(":")[1])
        document.setdefault("state", {}).setdefault("directory", self.state)
        self.touch = document.setdefault("stop", {}).setdefault("touch_file", os.path.join(directory, "running"))
        document["stop"].setdefault("timeout", "10s")
        document.setdefault("memory", {}).setdefault("limit", "256MiB")
        self.document = document
        self.file = os.path.join(directory, "pipeline.yaml")
        self.write()
        self.log = os.path.join(directory, "log")
        self.output = output
        self.process = None
        self.arguments = []
        # Beside the test's own. Where it leaves notes of itself is no concern of whoever runs the tests.
        self.environment = {"XDG_STATE_HOME": os.path.join(directory, "home")}

    def write(self):
        with open(self.file, "w") as file:
            yaml.dump(self.document, file, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)

    def start(self, *arguments):
        self.arguments = arguments
        with open(self.output or self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", self.file, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        return self

    # --- what it says of itself ---

    def get(self, path, timeout=10.0, headers=None):
        """(status, text); (0, reason) while nothing answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError) as error:
            return 0, str(error)

    def ready(self):
        return self.get("/readyz")[0] == 200

    def metrics(self):
        status, text = self.get("/metrics")
        if status != 200:
            raise AssertionError(f"/metrics answers {status}: {text}")
        return Metrics(text)

    def count(self, name, **labels):
        """Metrics.sum, or -1 while nothing answers."""
        status, text = self.get("/metrics")
        return Metrics(text).sum(name, **labels) if status == 200 else -1

    def log_text(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def history(self, *words):
        """The rows that `millrace history` prints of this daemon."""
        result = subprocess.run(
            [self.binary, "history", self.file, "--json", *words], capture_output=True, text=True, timeout=30
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def running(self):
        return self.process is not None and self.process.poll() is None

    def must_run(self):
        if not self.running():
            code = self.process.returncode if self.process else None
            raise Ended(f"{os.path.basename(self.directory)} ended with {code}:\n{self.tail()}")

    def tail(self, lines=15):
        return "".join(f"    {line}\n" for line in self.log_text().splitlines()[-lines:])

    def wait(self, condition, seconds, what):
        """Waits for a condition while the daemon runs; returns the seconds that it took."""
        begun, patience = time.monotonic(), Patience(seconds)
        while True:
            if condition():
                return time.monotonic() - begun
            self.must_run()
            if patience.over():
                raise AssertionError(f"no {what} within {seconds} s\n{self.tail()}")
            time.sleep(0.02)

    def wait_ready(self, seconds=20):
        return self.wait(self.ready, seconds, "readiness")

    # --- the end ---

    def wait_end(self, seconds):
        """(exit code, seconds that it took)."""
        begun = time.monotonic()
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon does not end within {seconds} s\n{self.tail()}") from None
        return code, time.monotonic() - begun

    def ask_to_stop(self):
        os.unlink(self.touch)

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stop(self, seconds=12, code=0):
        """A clean stop by the touch file; returns the seconds that it took."""
        self.must_run()
        self.ask_to_stop()
        ended, took = self.wait_end(seconds)
        if ended != code:
            raise AssertionError(f"the daemon ended with {ended}, not {code}\n{self.tail()}")
        return took

    def kill(self):
        """SIGKILL; true when it still ran."""
        ran = self.running()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        return ran


class Metrics:
    """One reading of /metrics: {name: [(labels, value)]}."""

    def __init__(self, text):
        self.series = {}
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            head, _, value = line.rpartition(" ")
            name, _, labels = head.partition("{")
            self.series.setdefault(name, []).append((parse_labels(labels.rstrip("}")), float(value)))

    def sum(self, name, **wanted):
        """All series of the name with these labels, added; 0 when there are none."""
        full = f"millrace_{name}"
        return sum(
            value
            for labels, value in self.series.get(full, [])
            if all(labels.get(key) == value_ for key, value_ in wanted.items())
        )

    def has(self, name):
        return f"millrace_{name}" in self.series

    def sheet(self):
        """The balance sheet: read + copies = sent + filtered + unmatched + dead + dropped."""
        left = self.sum("source_records_total") + self.sum("copied_records_total")
        right = self.sum("destination_records_total")
        right -= self.sum("destination_records_total", destination="dead_letters")
        right += self.sum("stage_filtered_records_total") + self.sum("stage_unmatched_records_total")
        right += self.sum("dead_records_total") + self.sum("dropped_records_total")
        return left, right

    def balance(self):
        if self.sum("balance_difference_records") != 0:
            raise AssertionError(f"balance_difference_records is {self.sum('balance_difference_records')}")
        left, right = self.sheet()
        if left != right:
            raise AssertionError(f"the sheet does not close: {left:.0f} read and copied, {right:.0f} settled")
        return left


def parse_labels(text):
    found, at = {}, 0
    while at < len(text):
        name, _, rest = text[at:].partition('="')
        at += len(name) + 2
        value = []
        while rest[0] != '"':
            take = 2 if rest[0] == "\\" else 1
            value.append({"\\n": "\n"}.get(rest[:take], rest[take - 1]))
            rest, at = rest[take:], at + take
        at += 1
        if text[at : at + 1] == ",":
            at += 1
        found[name] = "".join(value)
    return found
