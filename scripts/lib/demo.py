#!/usr/bin/env python3
"""Shows millrace at work: a real Apache Kafka, a day's edits of Wikipedia, and the pipeline config/wikipedia.yaml.

usage: scripts/demo [--keep | --tune]

  --keep   leave the broker and the daemon running (scripts/stop wikipedia and scripts/kafka stop end them)
  --tune   another one: a load that triples, a destination that slows, a poison burst, one hot key; what the advice, the
           page and the alerts say while it happens, and the line of the YAML that mends it. About four minutes

Sets up and builds what is missing first. Everything it makes lies below build/. It ends with 0 when every destination
holds what an independent count of the input expects, the balance closes, and the daemon stops well.
"""

import argparse
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "lib"))
sys.dont_write_bytecode = True

import kafka_wire  # noqa: E402  (the path is set just above)

CONFIG = os.path.join(ROOT, "config", "wikipedia.yaml")
SOURCE = "wikipedia.edits"
GROUP = "wikipedia"
PARTITIONS = 4
ADDRESS = "127.0.0.1:19092"  # as in config/wikipedia.yaml
RUN_SECONDS = 120
STOP_SECONDS = 60


def heading(text):
    print(f"\n== {text}", flush=True)


def script(*words):
    result = subprocess.run([os.path.join(ROOT, "scripts", words[0]), *words[1:]], stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise Failed(f"scripts/{' '.join(words)} failed")


class Failed(Exception):
    pass


class Numbers:
    """One reading of /metrics."""

    SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.M)

    def __init__(self, text):
        self.samples = [
            (name, dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)), float(value))
            for name, labels, value in self.SAMPLE.findall(text)
        ]

    def sum(self, name, **labels):
        return sum(
            value
            for found, has, value in self.samples
            if found == name and all(has.get(key) == wanted for key, wanted in labels.items())
        )

    def has(self, name):
        return any(found == name for found, _, _ in self.samples)


def start_broker():
    """True when the broker was started here, and so is stopped here."""
    status = subprocess.run([os.path.join(ROOT, "scripts", "kafka"), "status"], capture_output=True, text=True)
    if status.returncode == 0:
        address = subprocess.run(
            [os.path.join(ROOT, "scripts", "kafka"), "address"], capture_output=True, text=True
        ).stdout.strip()
        if address != ADDRESS:
            raise Failed(f"a broker of scripts/kafka runs at {address}, and config/wikipedia.yaml wants {ADDRESS}")
        print(status.stdout, end="")
        return False
    script("kafka", "start", "--port", ADDRESS.rsplit(":", 1)[1])
    return True


def prepare_topics(expected):
    """Made anew each time, so that the counts are those of this run; so is what the group had committed."""
    wanted = [SOURCE, *expected["topics"]]
    with kafka_wire.Cluster(ADDRESS) as cluster:
        there = [name for name in cluster.topics() if name in wanted]
        if there:
            cluster.delete_topics(there)
        end = time.monotonic() + 30
        while True:
            try:
                cluster.delete_group(GROUP, missing_ok=True)
                break
            except kafka_wire.KafkaError as error:
                # A broker that has just started does not answer for groups yet; a member may still be counted as there.
                if error.code not in kafka_wire.RETRIABLE | {68} or time.monotonic() > end:
                    raise
                time.sleep(0.2)
        cluster.create_topics({name: (PARTITIONS, {}) for name in wanted})
    print(f"topics: {', '.join(wanted)} ({PARTITIONS} partitions each)")
    script("kafka", "load", SOURCE, os.path.join("tests", "data", "wikipedia-edits.jsonl.zst"))


def everything_is_committed():
    with kafka_wire.Cluster(ADDRESS) as cluster:
        return cluster.committed(GROUP).get(SOURCE, {}) == cluster.offsets(SOURCE, committed_only=True)


def progress_line(numbers, before, seconds):
    read = numbers.sum("millrace_source_records_total")
    sent = numbers.sum("millrace_destination_records_total")
    lag = numbers.sum("millrace_partition_lag_records")
    batches = numbers.sum("millrace_batches_total")
    count = numbers.sum("millrace_batch_duration_seconds_count")
    total = numbers.sum("millrace_batch_duration_seconds_sum")
    if before:
        count -= before.sum("millrace_batch_duration_seconds_count")
        total -= before.sum("millrace_batch_duration_seconds_sum")
    mean = f"{total / count:.2f} s" if count > 0 else "-"
    return (
        f"{seconds:5.1f} s  in {read:,.0f}  out {sent:,.0f}  lag {lag:,.0f}  batches {batches:,.0f}"
        f"  batch time {mean} of {numbers.sum('millrace_batch_interval_seconds'):g} s"
    )


def follow(one, expected):
    """Shows the progress until nothing is left to do; returns the last reading."""
    begun = time.monotonic()
    live = sys.stdout.isatty()
    before, shown = None, 0.0
    while True:
        seconds = time.monotonic() - begun
        status, text = one.get("/metrics")
        numbers = Numbers(text) if status == 200 else Numbers("")
        # Not only by its own word: the broker is asked what the group has committed.
        done = (
            numbers.sum("millrace_source_records_total") >= expected["read"]
            and numbers.sum("millrace_partition_lag_records") == 0
            and everything_is_committed()
        )
        if status == 200 and (live or done or seconds - shown >= 1.0 or before is None):
            line = progress_line(numbers, before, seconds)
            print(f"\r{line}\033[K" if live else line, end="" if live else "\n", flush=True)
            if seconds - shown >= 1.0 or before is None:
                before, shown = numbers, seconds
        if done:
            if live:
                print()
            return numbers
        if one.exit_code() is not None:
            raise Failed(f"the daemon has ended ({one.exit_code()}); its log ends with\n{one.end_of_log()}")
        if seconds > RUN_SECONDS:
            raise Failed(
                f"not done after {RUN_SECONDS} s ({text if status != 200 else 'lag is left'})\n{one.end_of_log()}"
            )
        time.sleep(0.2)


def count_records(topic):
    """Records that a reader of committed transactions finds; markers and aborted records are none."""
    command = ["kcat", "-C", "-b", ADDRESS, "-t", topic, "-e", "-q", "-X", "isolation.level=read_committed"]
    result = subprocess.run(command + ["-f", "%p\n"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if result.returncode != 0:
        raise Failed(f"kcat cannot read {topic}: {result.stderr.decode()}")
    return result.stdout.count(b"\n")


def show_destinations(expected):
    heading("What has arrived (read with kcat, read_committed)")
    print(f"{'destination':28} {'records':>9} {'expected':>9}")
    right = True
    for topic, wanted in expected["topics"].items():
        found = count_records(topic)
        right = right and found == wanted
        print(f"{topic:28} {found:9,} {wanted:9,}  {'ok' if found == wanted else 'NOT OK'}")
    return right


def show_balance(numbers, expected):
    heading("Balance sheet (from /metrics)")
    read = numbers.sum("millrace_source_records_total")
    copies = numbers.sum("millrace_copied_records_total")
    rest = {
        "sent": numbers.sum("millrace_destination_records_total"),
        "filtered": numbers.sum("millrace_stage_filtered_records_total"),
        "unmatched": numbers.sum("millrace_stage_unmatched_records_total"),
        "dead": numbers.sum("millrace_dead_records_total"),
        "dropped": numbers.sum("millrace_dropped_records_total"),
    }
    print(f"{'read':>12} {read:9,.0f}      {'':12}")
    print(f"{'copies':>12} {copies:9,.0f}      (a record read by two nodes counts twice)")
    for name, value in rest.items():
        print(f"{'':12} {'':9}      {name:>12} {value:9,.0f}")
    closes = read + copies == sum(rest.values()) and read == expected["read"]
    print(
        f"{'sum':>12} {read + copies:9,.0f}      {'sum':>12} {sum(rest.values()):9,.0f}  {'ok' if closes else 'NOT OK'}"
    )
    return closes


def show_where(one):
    heading("Where to look")
    print(f"  http://{one.http()}/           status page")
    print(f"  http://{one.http()}/metrics    numbers for Prometheus")
    print(f"  {one.log}")
    print(f"  kcat -C -b {ADDRESS} -t wikipedia.edits.labelled -c 3 -e -q -X isolation.level=read_committed")
    print(
        f"  kcat -C -b {ADDRESS} -t wikipedia.edits.huge -c 3 -e -f '%k: %s\\n' -q -X isolation.level=read_committed"
    )


def show_stop(one):
    import daemon

    heading("Stop: the touch file goes away")
    touch = one.touch_file()
    if not touch:
        raise Failed("the daemon has made no touch file")
    begun = time.monotonic()
    os.remove(touch)
    print(f"removed {touch}")
    if not one.wait(STOP_SECONDS):
        raise Failed(f"the daemon is still there after {STOP_SECONDS} s\n{one.end_of_log()}")
    print(one.end_of_log(5), end="")
    print(f"{daemon.ending(one.exit_code())}, after {time.monotonic() - begun:.1f} s")
    return one.exit_code() == 0


def demo(keep):
    heading("Set-up and build")
    script("setup")
    script("build", "release")
    # These need packages that setup has just brought.
    import daemon
    import wikipedia_counts

    expected = wikipedia_counts.count()
    one = daemon.Daemon(CONFIG)
    if one.pid():
        print(f"a daemon of an earlier run: {one.ask_to_stop()}")
        if not one.wait(STOP_SECONDS):
            raise Failed(f"the daemon of an earlier run does not stop (pid {one.pid()})")

    heading("Kafka")
    begun = time.monotonic()
    own_broker = start_broker()
    try:
        prepare_topics(expected)
        heading("millrace run config/wikipedia.yaml")
        one.forget()
        wrong = one.start()
        if wrong:
            raise Failed(f"the daemon: {wrong}")
        numbers = follow(one, expected)
        right = show_destinations(expected)
        right = show_balance(numbers, expected) and right
        show_where(one)
        if keep:
            print("\nBroker and daemon go on running; scripts/stop wikipedia and scripts/kafka stop end them.")
        else:
            right = show_stop(one) and right
        verdict = "all well" if right else "NOT AS EXPECTED"
        print(f"\n{verdict} ({time.monotonic() - begun:.0f} s without set-up and build)")
        return 0 if right else 1
    finally:
        if not keep:
            if one.pid():
                one.ask_to_stop()
                one.wait(STOP_SECONDS)
            if own_broker:
                script("kafka", "stop")


def show_tuning():
    if "MILLRACE_BIN" not in os.environ:
        heading("Set-up and build")
        script("setup")
        script("build", "release")
    # These need packages that setup has just brought.
    import tune

    try:
        return tune.tune()
    except (tune.Failed, RuntimeError) as error:
        raise Failed(error) from error


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    if options.help:
        print(__doc__)
        return 0
    try:
        return show_tuning() if options.tune else demo(options.keep)
    except (Failed, kafka_wire.KafkaError, OSError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
