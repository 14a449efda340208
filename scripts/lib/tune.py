"""Tuning, shown on a real Apache Kafka: what an operations team meets, how it shows, which line of the YAML mends it.

Four things happen to a running pipeline: its load triples, its destination becomes slow, records come that an
expression cannot read, and one key has nearly all records. Each time the script waits until the advice, the status page
and an alert of a real Prometheus say so, edits the YAML, has the daemon take it (`millrace reload`), and waits until it
is mended. The end compares what was written with what was read.

The alert rules are those of config/prometheus with one change: a minute is a second here.
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for part in ("kafka", "faults"):
    sys.path.insert(0, os.path.join(ROOT, "tests", part))

from cluster import Cluster  # noqa: E402  (the paths are set just above)
from frames import PRODUCE  # noqa: E402
from harness.daemon import Metrics, free_port  # noqa: E402
from harness.prometheus import RULES, Prometheus  # noqa: E402
from harness.tool import Tool  # noqa: E402
from kproxy import delay  # noqa: E402

WORK = os.path.join(ROOT, "build", "tune")
BINARY = os.environ.get("MILLRACE_BIN", os.path.join(ROOT, "build", "release", "millrace"))
SOURCE, COPY, DEAD = "tune.in", "tune.out", "tune.dead"
PARTITIONS = 4
NORMAL = 500  # records a second
SLOW_S = 0.1  # that each produce request waits
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
SHOWS_SECONDS = 120
MENDED_SECONDS = 120

PIPELINE = """\
pipeline: tune
instance: demo
kafka: {{brokers: ["{broker}"], socket_timeout: 15s, message_timeout: 20s, commit_deadline: 20s}}
workers: 2
batch: {{interval: 500ms}}
rate: {{max_per_partition: 250/s}}
producer: {{batch_size: 16KiB}}
http: {{listen: "{http}"}}
state: {{directory: "{state}"}}
stop: {{touch_file: "{touch}", timeout: 15s}}
sources:
  orders:
    topics: [{source}]
    start: earliest
stages:
  large:
    from: orders
    filter: |-
      value.delta > -1500
destinations:
  large:
    from: large
    topic: {copy}
dead_letters: {{topic: {dead}}}
"""


class Failed(Exception):
    pass


def heading(text):
    print(f"\n== {text}", flush=True)


def say(text):
    print(f"   {text}", flush=True)


def fetch(url, seconds=5.0):
    """The text, or None while nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.read().decode()
    except OSError:
        return None


def sooner(text):
    """Alert rules in which a minute is a second: ranges, `for`, and seconds of lag."""
    text = re.sub(r"\[(\d+)m\]", r"[\1s]", text)
    text = re.sub(r"for: (\d+)m$", r"for: \1s", text, flags=re.M)
    return re.sub(r"(millrace_source_lag_max_seconds\) >) 300", r"\1 5", text)


def watching(target):
    """A Prometheus in a folder of this demo, with the alerts of config/prometheus."""
    with open(RULES, encoding="utf-8") as file:
        return Prometheus(os.path.join(WORK, "prometheus"), target, sooner(file.read()))


class Pipeline:
    """The daemon, and its file, which is edited as a person would."""

    def __init__(self, broker):
        self.http = f"127.0.0.1:{free_port()}"
        self.file = os.path.join(WORK, "tune.yaml")
        self.touch = os.path.join(WORK, "running")
        self.log = os.path.join(WORK, "log")
        self.process = None
        self.write(
            PIPELINE.format(
                broker=broker,
                http=self.http,
                state=os.path.join(WORK, "state"),
                touch=self.touch,
                source=SOURCE,
                copy=COPY,
                dead=DEAD,
            )
        )

    def text(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def write(self, text):
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.file + ".new", self.file)

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "run", self.file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def must_run(self):
        if self.process.poll() is not None:
            raise Failed(f"the daemon has ended ({self.process.returncode}):\n{self.end_of_log()}")

    def end_of_log(self, lines=15):
        with open(self.log, errors="replace") as file:
            return "".join(f"    {line}" for line in file.readlines()[-lines:])

    def ask(self, path):
        text = fetch(f"http://{self.http}{path}")
        return json.loads(text) if text else {}

    def advice(self):
        return self.ask("/api/advice")

    def metrics(self):
        return Metrics(fetch(f"http://{self.http}/metrics") or "")

    def lag(self):
        return self.metrics().sum("partition_lag_records")

    def turn(self, before, after):
        """Edits the file, shows what that means, and has the daemon take it."""
        text = self.text()
        if text.count(before) != 1:
            raise Failed(f"`{before}` is there {text.count(before)} times in {self.file}")
        old = self.file + ".before"
        shutil.copy(self.file, old)
        self.write(text.replace(before, after))
        say(f"the YAML:  {before}  ->  {after}")
        for command in (["diff", old, self.file], ["reload", self.file]):
            result = subprocess.run([BINARY, *command], capture_output=True, text=True, timeout=90, check=False)
            print("".join(f"     {line}\n" for line in result.stdout.splitlines()), end="")
            # `diff` ends with 1 where there is a difference, as diff(1) does.
            if result.returncode > (1 if command[0] == "diff" else 0):
                raise Failed(f"millrace {command[0]} ends with {result.returncode}: {result.stderr}")

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def seen_in_browser(address):
    """What the status page says under Advice once its script has run."""
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={os.path.join(WORK, 'browser')}",
        "--virtual-time-budget=4000",
        "--dump-dom",
        f"http://{address}/",
    ]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        return ""
    found = re.search(r'id="advice-text">(.*?)</p>', result.stdout, re.S)
    return html.unescape(found.group(1)) if found else ""


class Show:
    def __init__(self, cluster, tool):
        self.cluster, self.tool = cluster, tool
        self.pipeline = Pipeline(cluster.proxied()[0])
        self.prometheus = None
        self.loads = 0
        self.running = []
        self.alerts = []  # of the act
        self.wrong = []

    # --- load ---

    def load(self, rate, **words):
        self.loads += 1
        name = f"l{self.loads}"
        self.tool.call(self.cluster.address(), "load", name=name, topic=SOURCE, rate=rate, pad=300, **words)
        self.running.append(name)

    def unload(self, keep=0):
        while len(self.running) > keep:
            self.tool.call(self.cluster.address(), "loadStop", name=self.running.pop(), seconds=75)

    # --- what is looked at ---

    def check(self, right, what):
        say(f"{'ok    ' if right else 'NOT OK'} {what}")
        if not right:
            self.wrong.append(what)

    def until(self, condition, seconds, what):
        """Waits; whether it came to be is a check of its own."""
        begun = time.monotonic()
        value = condition()
        while not value and time.monotonic() - begun < seconds:
            self.pipeline.must_run()
            time.sleep(0.5)
            value = condition()
        self.check(bool(value), f"{what} (after {time.monotonic() - begun:.0f} s)")
        return value

    def shows(self, kind, alerts, knob=None):
        """The advice, the page and one of the alerts say so."""
        self.alerts = alerts

        def advised():
            advice = self.pipeline.advice()
            return advice if advice.get("kind") == kind and knob in (None, advice.get("knob")) else None

        advice = self.until(advised, SHOWS_SECONDS, f"the advice is `{kind}`{f', to turn {knob}' if knob else ''}")
        if not advice:
            say(f"       it is {self.pipeline.advice()}, alerts {sorted(self.prometheus.firing())}")
            return
        say(f'       "{advice["text"]}" Turn: {advice["knob"] or "the producer of the records"}')
        command = subprocess.run(
            [BINARY, "advise", self.pipeline.file], capture_output=True, text=True, timeout=30, check=False
        )
        self.check(command.returncode == 0 and command.stdout.strip() != "", "`millrace advise` answers")
        self.look_at_page()
        firing = self.until(
            lambda: [name for name in alerts if name in self.prometheus.firing()],
            SHOWS_SECONDS,
            f"an alert fires: {' or '.join(alerts)}",
        )
        for name in firing or []:
            say(f'       {name}: "{self.prometheus.firing().get(name, "over again")}"')

    def look_at_page(self):
        if not BROWSER:
            return say("       no Chromium here: the page itself is not looked at")

        def says_so():
            # Numbers go on, and advice may change between two looks; the words of either moment will do.
            texts = [self.pipeline.advice().get("text", ""), seen_in_browser(self.pipeline.http)]
            texts.append(self.pipeline.advice().get("text", ""))
            before, seen, after = (re.sub(r"[^a-z ]+", "", text.lower()).split() for text in texts)
            return len(seen) > 3 and seen in (before, after)

        self.until(says_so, SHOWS_SECONDS, "the status page says the same in a browser")

    def mended(self, what, condition):
        self.until(condition, MENDED_SECONDS, what)
        self.until(
            lambda: not any(name in self.prometheus.firing() for name in self.alerts),
            MENDED_SECONDS,
            "the alert is quiet again",
        )

    def level(self):
        """Nothing waits but what came in the last moments, and nothing limits."""
        return self.pipeline.lag() < 2 * NORMAL and self.pipeline.advice().get("kind") in (
            "healthy",
            "interval_short",
            "interval_long",
        )

    # --- the acts ---

    def quiet(self):
        heading(f"A quiet pipeline: {NORMAL} records a second")
        self.pipeline.start()
        self.prometheus = watching(self.pipeline.http)
        self.load(NORMAL, partitions=PARTITIONS)
        self.until(self.level, SHOWS_SECONDS, "it keeps up, and the advice says so")
        say(f"       the page: http://{self.pipeline.http}/   Prometheus: http://{self.prometheus.address}/alerts")

    def load_triples(self):
        heading(f"The load triples: {3 * NORMAL} records a second, and rate.max_per_partition allows {4 * 250}")
        self.load(2 * NORMAL, partitions=PARTITIONS)
        self.shows("rate_limit", ["MillraceLag", "MillraceLagGrows"], "rate.max_per_partition")
        self.pipeline.turn("max_per_partition: 250/s", "max_per_partition: 1500/s")
        self.mended("the lag is worked off", self.level)

    def destination_slows(self):
        heading(f"The destination slows: each produce request waits for {SLOW_S * 1000:.0f} ms")
        rule = self.cluster.proxy.rule(delay(SLOW_S), api=PRODUCE, times=None)
        self.shows("destination", ["MillraceLag", "MillraceLagGrows"], "producer.batch_size")

        def saturated():
            workers = self.pipeline.ask("/api/status").get("workers", [])
            return "saturated" in {worker["rate"]["state"] for worker in workers}

        self.until(saturated, SHOWS_SECONDS, "backpressure holds reading back: a worker is saturated")
        self.pipeline.turn("batch_size: 16KiB", "batch_size: 1MiB, linger: 100ms")
        self.mended("fuller requests: the lag is worked off although the destination is as slow", self.level)
        self.cluster.proxy.unrule(rule)

    def poison(self):
        heading("A poison burst: of every second record the filter cannot read `delta`, which is text")
        self.unload(1)
        self.load(NORMAL, partitions=PARTITIONS, words=2)
        self.shows("dead_letters", ["MillraceDeadLetters"])
        self.pipeline.turn("value.delta > -1500", "type(value.delta) == int && value.delta > -1500")
        dead = self.pipeline.metrics().sum("dead_records_total")

        def no_more():
            nonlocal dead
            before, dead = dead, self.pipeline.metrics().sum("dead_records_total")
            return dead == before and self.pipeline.advice().get("kind") != "dead_letters"

        self.mended("no more dead letters", no_more)
        self.unload(1)

    def hot_key(self):
        heading(f"One hot key: 95 of 100 of {4 * NORMAL} records a second have it")
        self.unload()
        self.load(4 * NORMAL, hot=95)
        self.shows("hot_key", ["MillraceHotKey"], "rate.max_per_partition")
        self.pipeline.turn("max_per_partition: 1500/s", "max_per_partition: 10000/s")
        # The key goes on being hot, and so does its alert.
        self.until(self.level, MENDED_SECONDS, "its partition may be read faster now: the lag is worked off")

    def end(self):
        heading("The end: what was written against what was read")
        self.unload()
        self.until(lambda: self.pipeline.lag() == 0, MENDED_SECONDS, "everything is read")
        described = self.tool.call(self.cluster.address(), "describe", topics=[SOURCE])
        given = sum(each["end"] for each in described[SOURCE]["partitions"].values())

        def settled():
            metrics = self.pipeline.metrics()
            return metrics if metrics.sum("source_records_total") == given else None

        metrics = self.until(settled, 30, f"all {given:,} records of {SOURCE} are counted as read")
        if metrics:
            left, right = metrics.sheet()
            self.check(left == right, f"the balance sheet closes: {left:,.0f} = {right:,.0f}")
            sent = {COPY: metrics.sum("destination_records_total", topic=COPY), DEAD: metrics.sum("dead_records_total")}
            for topic, wanted in sent.items():
                found = len(self.tool.read(self.cluster.address(), [topic]))
                self.check(found == wanted, f"{topic} holds the {wanted:,.0f} records that were sent ({found:,})")
            self.check(metrics.sum("recoveries_total") == 0, "no batch had to be written twice")
        events = self.pipeline.ask("/api/events").get("events", [])
        reloads = sum(each["kind"] == "reload" for each in events)
        self.check(reloads >= 4, f"the page lists the reloads among its events: {reloads}")
        os.unlink(self.pipeline.touch)
        try:
            code = self.pipeline.process.wait(60)
        except subprocess.TimeoutExpired:
            raise Failed("the daemon does not stop within 60 s") from None
        self.check(code == 0, f"the daemon stops when its touch file goes: exit code {code}")

    def close(self):
        self.pipeline.kill()
        if self.prometheus:
            self.prometheus.close()


def tune():
    """The exit code."""
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    begun = time.monotonic()
    heading("Kafka, behind a proxy that can be slow")
    # A machine that stands still for some seconds is not what is shown here.
    cluster = Cluster(os.path.join(WORK, "kafka"), settings={"broker.session.timeout.ms": 30000}).start()
    tool = show = None
    try:
        tool = Tool(WORK)
        topics = {SOURCE: PARTITIONS, COPY: 2, DEAD: 1}
        wanted = {name: {"partitions": partitions, "configs": {}} for name, partitions in topics.items()}
        tool.call(cluster.address(), "createTopics", topics=wanted)
        say(f"{cluster.address()}; topics {', '.join(topics)}")
        show = Show(cluster, tool)
        for act in (show.quiet, show.load_triples, show.destination_slows, show.poison, show.hot_key, show.end):
            act()
        verdict = "all well" if not show.wrong else "NOT AS EXPECTED: " + "; ".join(show.wrong)
        print(f"\n{verdict} ({time.monotonic() - begun:.0f} s)")
        return 0 if not show.wrong else 1
    finally:
        if show:
            show.close()
        if tool:
            tool.close()
        cluster.reset()
