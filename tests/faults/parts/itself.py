"""The rig itself: each verb of the proxy against a server that answers frames, and the ends of processes."""

import asyncio
import itertools
import os
import socket
import struct
import subprocess
import threading
import time

import kproxy
from frames import END_TXN, INVALID_TXN_STATE, METADATA, Request
from rig import Millrace, NoEffect, Subject, part

LIMIT_SECONDS = 10
QUIET_SECONDS = 0.3  # long enough for a frame that was not to come to have come
LARGE = 10_000
# What Kafka 4.1.0 answered to Metadata v13 about a topic, just before it registered anew and meanwhile, from behind the
# correlation on. The leader's epoch, which such a broker raises, is 1 in both.
HEAD, CLUSTER = "0000000000", "1762576c7362484a68593255745a6d46316248527a4d51"
TOPIC = "020000057265616caa58db3d608447adb2f7cef4ad34710f0002"
NAMED = bytes.fromhex(
    f"{HEAD}02000000010a3132372e302e302e3100009c970000{CLUSTER}00000001{TOPIC}"
    "00000000000000000001000000010200000001020000000101008000000000000000"
)
UNNAMED = bytes.fromhex(
    f"{HEAD}01{CLUSTER}ffffffff{TOPIC}"
    "000500000000ffffffff000000010200000001010200000001008000000000000000"
)


class Echo(threading.Thread):
    """Answers every request well, and remembers the numbers of those that have arrived whole."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.arrived = []
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=[connection], daemon=True).start()

    def answer(self, connection):
        with connection:
            try:
                while True:
                    request = whole_frame(connection)
                    api, _, number = struct.unpack_from(">hhi", request)
                    self.arrived.append(number)
                    answer = struct.pack(">i", number) + (NAMED if api == METADATA else bytes(6))
                    connection.sendall(struct.pack(">i", len(answer)) + answer)
            except OSError:
                return

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def exactly(connection, size):
    data = b""
    while len(data) < size:
        part_of_it = connection.recv(size - len(data))
        if not part_of_it:
            raise ConnectionResetError("the connection was closed")
        data += part_of_it
    return data


def whole_frame(connection):
    (size,) = struct.unpack(">i", exactly(connection, 4))
    return exactly(connection, size)


class Client:
    """One connection that sends requests, mostly EndTxn, under a name. No two requests of a run have one number."""

    numbers = itertools.count(1)

    def __init__(self, port, name="tester"):
        self.name, self.number = name.encode(), 0
        self.connection = socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS)

    def send(self, padding=0):
        identity = b"i" * (padding + 1)
        return self.ask(END_TXN, 1, struct.pack(">h", len(identity)) + identity + struct.pack(">qh?", 7, 3, True))

    def ask(self, api, version, body):
        self.number = next(self.numbers)
        data = struct.pack(">hhih", api, version, self.number, len(self.name)) + self.name + body
        self.connection.sendall(struct.pack(">i", len(data)) + data)
        return self.number

    def receive(self, seconds=LIMIT_SECONDS):
        """(number, error code); None when nothing has come."""
        self.connection.settimeout(seconds)
        try:
            answer = whole_frame(self.connection)
        except socket.timeout:
            return None
        number, _, code = struct.unpack_from(">iih", answer, 0)
        return number, code

    def call(self, padding=0):
        begun = time.monotonic()
        number = self.send(padding)
        assert self.receive() == (number, 0)
        return time.monotonic() - begun

    def is_broken(self):
        try:
            self.send()
            self.receive()
        except OSError:
            return True
        return False


class Stand:
    """A proxy before an echo server, and one client."""

    def __init__(self, field):
        self.echo = Echo()
        self.proxy = kproxy.Proxy(os.path.join(field.directory, "frames.log"))
        self.port = self.proxy.serve(1, self.echo.address)
        self.client = Client(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.client.connection.close()
        self.proxy.close()
        self.echo.close()

    def again(self):
        self.client.connection.close()
        self.client = Client(self.port)


def passing(stand):
    rule = stand.proxy.rule(kproxy.passing(), skip=1)
    stand.client.call()
    assert rule.done == 0
    stand.client.call()
    assert rule.done == 1


def delaying(stand):
    stand.proxy.rule(kproxy.delay(0.1, jitter=0.05), times=None)
    took = [stand.client.call() for _ in range(8)]
    assert min(took) >= 0.05 and max(took) - min(took) > 0.01, took


def slowing(stand):
    stand.proxy.rate(20_000)
    took = stand.client.call(LARGE)
    assert took >= 0.8 * LARGE / 20_000, took


def dropping(stand):
    rule = stand.proxy.rule(kproxy.drop())
    number = stand.client.send()
    assert stand.client.receive(QUIET_SECONDS) is None and number not in stand.echo.arrived and rule.done == 1
    stand.client.call()


def resetting(stand):
    stand.proxy.rule(kproxy.reset())
    assert stand.client.is_broken() and stand.client.number not in stand.echo.arrived


def cutting(stand):
    stand.proxy.rule(kproxy.cut(6), on="answer")
    stand.client.send()
    # Four bytes say how long the answer is, two are of it, and then nothing more comes.
    assert len(exactly(stand.client.connection, 6)) == 6
    try:
        exactly(stand.client.connection, 1)
        raise AssertionError("more came than was let through")
    except OSError:
        pass


def refusing_one(stand):
    stand.proxy.rule(kproxy.error(INVALID_TXN_STATE))
    number = stand.client.send()
    assert stand.client.receive() == (number, INVALID_TXN_STATE) and number not in stand.echo.arrived


def rewriting(stand):
    """Byte for byte what a real broker has answered."""
    rewritten = []
    act = kproxy.rewrite(Request.without_brokers, rewritten.append)
    stand.proxy.rule(act, on="answer", api=METADATA)
    number = stand.client.ask(METADATA, 13, b"\0")
    answer = whole_frame(stand.client.connection)
    assert answer == struct.pack(">i", number) + UNNAMED and len(rewritten) == 1, answer.hex()


def killing(stand):
    sleeper = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    called = []
    stand.proxy.rule(kproxy.kill(sleeper.pid, called=called.append))
    try:
        stand.client.call()
        assert sleeper.wait(LIMIT_SECONDS) == -9 and called == [sleeper.pid]
    finally:
        sleeper.kill()


def holding(stand):
    """Held, the client's side broken, then delivered: the request arrives all the same, and nobody gets its answer."""

    async def schedule():
        late = stand.proxy.hold(api=END_TXN)
        held.set()
        frame = await late.caught(LIMIT_SECONDS)
        frame.link.reset_client()
        await asyncio.sleep(QUIET_SECONDS)
        return (await late.deliver(LIMIT_SECONDS)).codes

    held = threading.Event()
    codes = stand.proxy.run_later(schedule(), LIMIT_SECONDS)
    assert held.wait(LIMIT_SECONDS)
    number = stand.client.send(LARGE)
    assert codes.result(LIMIT_SECONDS) == [] and number in stand.echo.arrived
    assert stand.client.is_broken()


def stalling(stand):
    async def schedule():
        held = stand.proxy.hold(stall=True, api=END_TXN)
        await held.caught(LIMIT_SECONDS)
        await asyncio.sleep(QUIET_SECONDS)
        held.release()

    done = stand.proxy.run_later(schedule(), LIMIT_SECONDS)
    assert stand.client.call() >= QUIET_SECONDS
    done.result(LIMIT_SECONDS)


def looking(stand):
    seen = []
    look = stand.proxy.look(seen.append, on="answer", api=END_TXN, client="tester")
    stand.client.call()
    stand.proxy.unlook(look)
    stand.client.call()
    assert [frame.codes for frame in seen] == [[]] and seen[0].request.committed() and seen[0].link.number > 0


def black_hole(stand):
    stand.client.call()
    stand.proxy.black_hole()
    number = stand.client.send()
    assert stand.client.receive(QUIET_SECONDS) is None and stand.proxy.held_back == 1
    stand.proxy.heal()
    assert stand.client.receive() == (number, 0)


def black_hole_for_one(stand):
    other = Client(stand.port, "another")
    stand.proxy.black_hole(1, client="tester")
    number = stand.client.send()
    assert stand.client.receive(QUIET_SECONDS) is None and stand.proxy.held_back == 1
    other.call()
    stand.proxy.heal()
    assert stand.client.receive() == (number, 0)
    other.connection.close()


def refusing_all(stand):
    stand.client.call()
    assert stand.proxy.refuse() >= 1 and stand.client.is_broken()
    try:
        Client(stand.port)
        raise AssertionError("a connection was taken")
    except OSError:
        pass
    stand.proxy.heal()


def breaking_all(stand):
    stand.client.call()
    assert stand.proxy.break_all() >= 1 and stand.client.is_broken()


VERBS = [
    *(passing, delaying, slowing, dropping, resetting, cutting, refusing_one, rewriting, killing, holding),
    *(stalling, looking, black_hole, black_hole_for_one, refusing_all, breaking_all),
]


@part("proxy", brokers=0)
def proxy(field):
    """Each verb of the proxy does what it says, against a server that answers frames: no broker, seconds"""
    with Stand(field) as stand:
        for verb in VERBS:
            try:
                verb(stand)
            except (AssertionError, OSError) as error:
                raise AssertionError(f"{verb.__name__}: {type(error).__name__} {error}") from error
            stand.proxy.clear()
            stand.proxy.heal()
            stand.proxy.held_back = 0
            stand.again()
            stand.client.call()
            field.count("verb")


class Ending(Subject):
    """A process that ends by itself, in the way that is given."""

    final_codes = ()

    def __init__(self, how):
        super().__init__(how)
        self.restarting = False

    def spawn(self):
        self.process = subprocess.Popen(["sh", "-c", self.name], stdin=subprocess.DEVNULL)
        self.starts += 1


def convicted(field, subject, meet):
    field.subjects = [subject]
    subject.start()
    meet(subject)
    end = time.monotonic() + LIMIT_SECONDS
    while not subject.codes and time.monotonic() < end:
        time.sleep(0.01)
    subject.close()
    try:
        field.check_codes()
    except AssertionError:
        return True
    return False


class Told:
    """What is asked of a daemon that has left nothing but its log."""

    def __init__(self, log):
        self.log = log

    def log_text(self):
        return self.log


ENDED = "2026-01-01T00:00:00.000Z error   ended: {}; exit code {}; read 0\n"
SHUT_OUT = ENDED.format("shut out of the group after its session ran out; a restart joins it anew", 7)
STOOD = "2026-01-01T00:00:00.000Z error   watchdog: no progress: worker-0, for 31s; ending the process\n"
# (exit codes, log, kills and stops that were sent, late requests, processes stood still): the codes that are convicted
CODES = [
    (([-9, 0, 6], "", 1, 2, False, False), set()),
    (([-9, -9], "", 1, 0, False, False), {-9}),
    (([0, 6], "", 0, 1, False, False), {"0 or 6"}),
    (([1, 5, 8], "", 0, 0, True, True), {1, 5, 8}),
    (([-11, -6], "", 2, 2, True, True), {-11, -6}),
    (([4], "", 0, 0, False, False), {4}),
    (([4, 4], "", 0, 0, True, False), set()),
    (([7], SHUT_OUT, 0, 0, False, False), set()),
    (([7, 7], SHUT_OUT, 0, 0, False, False), {7}),
    (([7], STOOD, 0, 0, False, False), {7}),
    (([7], STOOD, 0, 0, False, True), set()),
]


def codes_of_the_daemon(field):
    for (codes, log, kills, stops, late, still), wanted in CODES:
        subject = Millrace.__new__(Millrace)
        Subject.__init__(subject, "a")
        subject.daemon, subject.codes, subject.kills, subject.stops = Told(log), codes, kills, stops
        field.late_requests, field.stands_still = late, still
        found = set(subject.unexplained(field))
        assert found == wanted, f"{codes} with {log!r}: {found} instead of {wanted}"
    field.late_requests = field.stands_still = False


@part("rig", brokers=0)
def rig_itself(field):
    """Ends of processes that nothing explains are convicted, those that the rig brought about are not"""
    for how in ("kill -SEGV $$", "kill -ABRT $$", "kill -KILL $$"):
        assert convicted(field, Ending(how), lambda subject: None), how
        field.count("crash convicted")
    assert not convicted(field, Ending("sleep 20"), lambda subject: subject.kill())
    codes_of_the_daemon(field)
    whole = dict(field.effects)
    for effects in ({}, {"records": 5}, {"kills": 3, "late requests": 0}):
        field.effects = effects
        try:
            field.check_effects()
            raise RuntimeError(f"{effects} passed")
        except NoEffect:
            pass
    field.effects = whole
