"""KafkaTool: Kafka's own Java clients, in one process that serves all tests of a run."""

import glob
import itertools
import json
import os
import subprocess
import threading

from . import records

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))


class ToolError(Exception):
    pass


def jars(version):
    folder = os.path.join(ROOT, "build", "deps", f"kafka-{version}", "libs")
    if not os.path.isdir(folder):
        raise ToolError(f"Kafka {version} is not in build/deps; run scripts/setup")
    return os.path.join(folder, "*")


def compiled(build, version):
    """Compiles the sources when they are newer than what is there; returns the class folder."""
    classes = os.path.join(build, f"tool-{version}")
    sources = sorted(glob.glob(os.path.join(HERE, "tool", "*.java")))
    stamp = os.path.join(classes, "KafkaTool.class")
    if not os.path.exists(stamp) or max(map(os.path.getmtime, sources)) > os.path.getmtime(stamp):
        os.makedirs(classes, exist_ok=True)
        subprocess.run(["javac", "-d", classes, "-cp", jars(version), *sources], check=True, timeout=120)
    return classes


class Tool:
    """Calls may come from several threads; each waits for its own answer."""

    def __init__(self, build, version="4.1.0"):
        self.build = build
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.lock = threading.Lock()
        self.log = open(os.path.join(build, "tool.log"), "wb")
        self.process = subprocess.Popen(
            [
                "java",
                "-Xmx768m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp",
                compiled(build, version) + ":" + jars(version),
                "KafkaTool",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            start_new_session=True,
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.lock:
                slot = self.waiting.pop(answer["id"], None)
            if slot:
                slot.append(answer)
                slot[0].set()
        with self.lock:
            left, self.waiting = list(self.waiting.values()), {}
        for slot in left:
            slot.append({"error": "KafkaTool has ended; see tool.log"})
            slot[0].set()

    def call(self, bootstrap, do, seconds=60, **words):
        number = next(self.numbers)
        slot = [threading.Event()]
        line = json.dumps({"id": number, "do": do, "bootstrap": bootstrap, **words}) + "\n"
        with self.lock:
            self.waiting[number] = slot
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        if not slot[0].wait(seconds + 15):
            raise ToolError(f"{do}: no answer in {seconds + 15} s")
        answer = slot[1]
        if "error" in answer:
            raise ToolError(f"{do}: {answer['error']}")
        return answer["ok"]

    def file(self):
        return os.path.join(self.build, f"records-{os.getpid()}-{next(self.numbers)}.bin")

    def produce(self, bootstrap, items, transactional=None, abort=False):
        """Sends records; topics come from them. Returns when all are acknowledged."""
        topics = sorted({item.topic for item in items})
        path = self.file()
        records.write_file(path, topics, items)
        try:
            answer = self.call(
                bootstrap, "produce", file=path, topics=topics, transactional=transactional, abort=abort
            )
        finally:
            os.unlink(path)
        if answer["records"] != len(items):
            raise ToolError(f"sent {answer['records']} of {len(items)} records")

    def read(self, bootstrap, topics, committed=True, seconds=60):
        """Everything in these topics up to their end; committed: up to the last stable offset, read_committed."""
        path = self.file()
        try:
            self.call(
                bootstrap, "read", seconds, file=path, topics=list(topics), committed=committed, limit=seconds
            )
            return records.read_file(path, list(topics))
        finally:
            if os.path.exists(path):
                os.unlink(path)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
