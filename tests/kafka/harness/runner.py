"""Runs the cases of one folder of tests on a real broker: what tests/NAME/run does with its command line."""

import argparse
import concurrent.futures
import fcntl
import importlib
import os
import pkgutil
import shutil
import signal
import sys
import threading
import time
import traceback

from .broker import ROOT, Broker
from .case import CASES, Place, Rig
from .tool import Tool

VERSION = os.environ.get("MILLRACE_KAFKA_VERSION", "4.1.0")
PRINTING = threading.Lock()


def options_of(usage):
    parser = argparse.ArgumentParser(usage=usage, add_help=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build")
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    if options.help:
        print(usage)
        sys.exit(0)
    return options


def binary_of(options):
    if options.build:
        path = os.path.join(os.path.abspath(options.build), "millrace")
    else:
        path = os.environ.get("MILLRACE_BIN", os.path.join(ROOT, "build", "release", "millrace"))
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there; scripts/build release")
    return path


def chosen(options, cases):
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module(f"{cases.__name__}.{module.name}")
    # What they borrow from another folder brings that folder's cases along.
    own = [entry for entry in CASES if entry[1].__module__.startswith(f"{cases.__name__}.")]
    wanted = [entry for entry in own if is_wanted(entry, options.names)]
    if not wanted:
        sys.exit("no test has such a name; --list shows them")
    return wanted


def is_wanted(entry, names):
    if entry[2]["long"]:
        return entry[0] in names
    return not names or any(entry[0].startswith(name) for name in names)


def free_directory(name):
    """The folder of this run, locked as long as the process lives. A second run at the same time takes the next one."""
    for number in ("", "-2", "-3", "-4"):
        directory = os.path.join(ROOT, "build", "tests", name + number)
        os.makedirs(directory, exist_ok=True)
        lock = open(os.path.join(directory, "lock"), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return directory, lock
        except BlockingIOError:
            lock.close()
    sys.exit("too many runs at the same time")


def run_one(rig, entry, keep):
    """Runs one test in this thread; true when it passed."""
    name, function, _ = entry
    place = Place(rig, name)
    begun = time.monotonic()
    failure = None
    try:
        function(place)
    except Exception as error:
        # An assertion with a text says it all; without one, the line that failed is wanted.
        failure = str(error) if isinstance(error, AssertionError) else ""
        failure = failure or "".join(traceback.format_exception(error)[-2:])
    finally:
        place.close()
    took = time.monotonic() - begun
    if not failure and took > entry[2]["seconds"]:
        failure = f"took longer than its {entry[2]['seconds']} s"
    with PRINTING:
        print(f"{'FAILED' if failure else 'ok':6} {name} ({took:.1f} s{''.join('; ' + note for note in place.notes)})")
        if failure:
            print("".join(f"       {line}\n" for line in failure.splitlines()), end="")
            print(f"       files: {os.path.relpath(place.directory, ROOT)}")
        sys.stdout.flush()
    if failure:
        with open(os.path.join(place.directory, "failure"), "w") as file:
            file.write(failure)
    elif not keep:
        shutil.rmtree(place.directory, ignore_errors=True)
    return failure is None


def run_all(rig, wanted, options):
    passed = 0
    together = sorted((entry for entry in wanted if not entry[2]["alone"]), key=lambda entry: -entry[2]["seconds"])
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        passed += sum(pool.map(lambda entry: run_one(rig, entry, options.keep), together))
    for entry in wanted:
        if entry[2]["alone"]:
            passed += run_one(rig, entry, options.keep)
    return passed


def main(usage, name, cases, make_broker=Broker):
    """usage: the help; name: of the folder below build/tests; cases: the package that holds them; make_broker: gives
    the broker that they share, for its folder. Gives the exit code."""
    options = options_of(usage)
    wanted = chosen(options, cases)
    if options.list:
        for case_name, function, marks in CASES if not options.names else wanted:
            if function.__module__.startswith(f"{cases.__name__}."):
                mark = " (long: by its name only)" if marks["long"] else ""
                print(f"{case_name:32} {(function.__doc__ or '').splitlines()[0]}{mark}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, _lock = free_directory(name)
    for case_name, _, _ in wanted:
        shutil.rmtree(os.path.join(directory, case_name), ignore_errors=True)
    begun = time.monotonic()
    broker = make_broker(os.path.join(directory, "broker"))
    tool = None
    try:
        rig = Rig(None, directory, broker, None)
        if any(entry[2]["broker"] or entry[2]["daemon"] for entry in wanted):
            rig.binary = binary_of(options)
            rig.tool = tool = Tool(directory, VERSION)
        if any(entry[2]["broker"] for entry in wanted):
            broker.reset()
            broker.start()
        passed = run_all(rig, wanted, options)
    finally:
        if tool:
            tool.close()
        broker.reset()
    print(f"Kafka {VERSION}, {time.monotonic() - begun:.0f} s")
    print(f"{passed} passed, {len(wanted) - passed} failed")
    return 0 if passed == len(wanted) else 1
