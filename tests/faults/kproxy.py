"""kproxy: a TCP proxy between clients and Kafka brokers that sees every request and answer, and can do harm to any.

In a test it runs in a thread of its own; rules are set from the test's thread, and schedules are coroutines that run on
the proxy's loop, so that nothing passes between two of their steps:

    proxy = Proxy(log)
    port = proxy.serve(1, ("127.0.0.1", 9192))      # node 1; brokers advertise the returned port
    proxy.rule(delay(0.1, jitter=0.05), api=PRODUCE, times=None)
    proxy.rule(kill(pid), api=END_TXN, skip=2)      # at the third EndTxn: kill -9
    async def schedule():
        late = proxy.hold(api=END_TXN)              # the next EndTxn goes no further
        frame = await late.caught(10)
        frame.link.reset_client()
        await late.deliver()                        # arrives now, and its answer is awaited
    proxy.run(schedule(), 30)

By hand: tests/faults/serve. Every frame is one line of the log: seconds, link, client, node, request or answer, what it
is, error codes, and what was done to it. Rules are looked at in order; the first that fits acts.
"""

import asyncio
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from frames import CONCURRENT_TRANSACTIONS, Request  # noqa: E402  (the path is set just above)

MOST_BYTES = 256 * 1024 * 1024
FORWARD, SWALLOWED = True, False


class Frame:
    """One request or answer on its way. `data` is without the four bytes of its length."""

    __slots__ = ("link", "request", "is_answer", "data", "codes", "at")

    def __init__(self, link, request, is_answer, data, codes, at):
        self.link, self.request, self.is_answer = link, request, is_answer
        self.data, self.codes, self.at = data, codes, at

    @property
    def node(self):
        return self.link.node

    def __repr__(self):
        kind = "answer to" if self.is_answer else "request"
        return f"{kind} {self.request.name} {self.request.about()} codes {self.codes}"


class Rule:
    """Acts on frames that fit: the first `skip` of them pass, then `times` are acted on (None: all)."""

    def __init__(self, act, on="request", api=None, client=None, node=None, match=None, skip=0, times=1, chance=None):
        self.act, self.is_answer = act, on == "answer"
        self.apis = None if api is None else {api} if isinstance(api, int) else set(api)
        self.client, self.node, self.match = client, node, match
        self.skip, self.times, self.chance = skip, times, chance
        self.seen = self.done = 0

    def fits(self, frame, dice):
        if self.times is not None and self.done >= self.times:
            return False
        if frame.is_answer != self.is_answer or (self.apis and frame.request.api not in self.apis):
            return False
        if self.client and self.client not in frame.request.client:
            return False
        if self.node is not None and frame.node != self.node:
            return False
        if self.match and not self.match(frame):
            return False
        if self.chance is not None and dice.random() >= self.chance:
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        self.done += 1
        return True


# --- what a rule can do ---


def passing():
    async def act(frame):
        return FORWARD

    return act


def delay(seconds, jitter=0.0):
    """What follows on the same connection waits behind it, as on a slow network."""

    async def act(frame):
        await asyncio.sleep(max(0.0, seconds + frame.link.proxy.dice.uniform(-jitter, jitter)))
        return FORWARD

    return act


def drop():
    """The connection stays; whoever waits for this frame waits in vain."""

    async def act(frame):
        return SWALLOWED

    return act


def reset():
    async def act(frame):
        frame.link.reset()
        return SWALLOWED

    return act


def cut(after):
    """So many bytes of the frame arrive, then the connection breaks."""

    async def act(frame):
        part = (struct.pack(">i", len(frame.data)) + frame.data)[:after]
        writer = frame.link.client if frame.is_answer else frame.link.upstream
        writer.write(part)
        await asyncio.sleep(0.01)
        frame.link.reset()
        return SWALLOWED

    return act


def error(code):
    """The broker never sees the request; the client is refused."""

    async def act(frame):
        frame.link.answer_client(frame.request.refusal(code))
        return SWALLOWED

    return act


def rewrite(change, called):
    """An answer goes on as `change(request, answer)` makes it."""

    async def act(frame):
        frame.data = change(frame.request, frame.data)
        called(frame)
        return FORWARD

    return act


def kill(pid, forward=True, called=None):
    """SIGKILL for a process; pid may be a function. forward: the frame goes on to a broker (a client is gone)."""

    async def act(frame):
        number = pid() if callable(pid) else pid
        if number:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                number = None
        if called:
            called(number)
        return FORWARD if forward and not frame.is_answer else SWALLOWED

    return act


class Held:
    """A rule's catch: a frame that goes no further until it is delivered. What follows it passes, unless `stall`."""

    def __init__(self, proxy, stall):
        self.proxy, self.stall = proxy, stall
        self.frame = None
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    async def act(self, frame):
        self.frame = frame
        self.arrived.set()
        if not self.stall:
            return SWALLOWED
        await self.go_on.wait()
        return FORWARD

    async def caught(self, seconds=60):
        await asyncio.wait_for(self.arrived.wait(), seconds)
        return self.frame

    def release(self):
        """Of a stalled frame: it and what waits behind it goes on."""
        self.go_on.set()

    async def deliver(self, seconds=60, tries=20):
        """Sends a request that was held to the broker; returns its answer. A busy coordinator is asked again."""
        for _ in range(tries):
            answer = await self.frame.link.send_upstream(self.frame, seconds)
            if answer.codes != [CONCURRENT_TRANSACTIONS]:
                return answer
            await asyncio.sleep(0.1)
        return answer


class Watch:
    """Frames that fit, in the order in which they passed, from the moment it was made."""

    def __init__(self, rule):
        self.rule, self.frames = rule, asyncio.Queue()

    def take(self, frame):
        self.frames.put_nowait(frame)

    async def next(self, seconds=60):
        return await asyncio.wait_for(self.frames.get(), seconds)


class Look:
    """Calls `seen` with each frame that fits, on the proxy's loop; `forget` ends it."""

    def __init__(self, rule, seen):
        self.rule, self.take = rule, seen


# --- connections ---


class Link:
    """One client's connection to one broker."""

    def __init__(self, proxy, number, node, client_reader, client):
        self.proxy, self.number, self.node = proxy, number, node
        self.client_reader, self.client = client_reader, client
        self.upstream_reader = self.upstream = None
        self.waiting = {}
        self.late = {}
        self.name = "?"
        self.client_gone = False

    async def carry(self, address):
        try:
            await self.proxy.gate(self)
            self.upstream_reader, self.upstream = await asyncio.open_connection(*address, limit=1 << 20)
            no_delay(self.upstream)
            requests = asyncio.ensure_future(self.requests())
            answers = asyncio.ensure_future(self.answers())
            await asyncio.wait({requests, answers}, return_when=asyncio.FIRST_COMPLETED)
            if requests.done() and not answers.done() and self.client_gone:
                # The broker's side stays: what is held for it can still arrive there.
                await asyncio.wait({answers}, timeout=120)
            for task in (requests, answers):
                task.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for writer in (self.client, self.upstream):
                if writer is not None:
                    writer.close()
            self.proxy.links.discard(self)

    async def read(self, reader):
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        if not 0 <= size <= MOST_BYTES:
            raise OSError(f"a frame of {size} bytes")
        return await reader.readexactly(size)

    async def requests(self):
        try:
            while True:
                data = await self.read(self.client_reader)
                request = Request(data)
                self.name = request.client
                self.waiting[request.correlation] = request
                frame = Frame(self, request, False, data, None, time.monotonic())
                await self.proxy.gate(self)
                if await self.proxy.judge(frame):
                    await self.pour(self.upstream, data)
        except (OSError, asyncio.IncompleteReadError):
            return

    async def answers(self):
        try:
            while True:
                data = await self.read(self.upstream_reader)
                (correlation,) = struct.unpack_from(">i", data, 0)
                request = self.waiting.pop(correlation, None)
                if request is None and not self.late.get(correlation):
                    continue
                awaited = self.late.pop(correlation, None)
                request = request or awaited[0]
                # A produce without acknowledgement has no answer; everything else has one.
                frame = Frame(self, request, True, data, codes_of(request, data), time.monotonic())
                if awaited:
                    self.proxy.note(frame, "answer to the late one")
                    awaited[1].set_result(frame)
                await self.proxy.gate(self)
                if not awaited and await self.proxy.judge(frame) and not self.client_gone:
                    await self.pour(self.client, frame.data)
        except (OSError, asyncio.IncompleteReadError):
            return

    async def pour(self, writer, data):
        rate = self.proxy.bytes_per_second
        head = struct.pack(">i", len(data))
        if rate is None:
            writer.write(head + data)
            await writer.drain()
            return
        step = max(1, int(rate / 20))
        whole = head + data
        for at in range(0, len(whole), step):
            part = whole[at : at + step]
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(len(part) / rate)

    def answer_client(self, data):
        (correlation,) = struct.unpack_from(">i", data, 0)
        self.waiting.pop(correlation, None)
        self.client.write(struct.pack(">i", len(data)) + data)

    async def send_upstream(self, frame, seconds):
        correlation = frame.request.correlation
        answer = asyncio.get_running_loop().create_future()
        self.waiting.pop(correlation, None)
        self.late[correlation] = (frame.request, answer)
        self.proxy.note(frame, "delivered late")
        self.upstream.write(struct.pack(">i", len(frame.data)) + frame.data)
        return await asyncio.wait_for(answer, seconds)

    def reset_client(self):
        """The client's side breaks; the broker's side stays open, and answers that come are thrown away."""
        self.client_gone = True
        break_off(self.client)

    def reset(self):
        break_off(self.client)
        if self.upstream is not None:
            break_off(self.upstream)


def no_delay(writer):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def break_off(writer):
    """RST, not FIN: the other side sees a broken connection."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


def codes_of(request, data):
    try:
        return request.codes(data)
    except (struct.error, IndexError):
        return None


class Proxy:
    """All brokers of one cluster behind one proxy. Public calls are for the test's thread, unless said otherwise."""

    def __init__(self, log=None, seed=1):
        self.dice = random.Random(seed)
        self.links, self.rules, self.watches = set(), [], []
        self.servers, self.upstreams, self.ports = {}, {}, {}
        self.closed_holes = {}  # {(node, client or ""): opened again}
        self.bytes_per_second = None
        self.frames = self.numbers = 0
        self.held_back = 0  # frames and connections that came to a black hole
        self.log = open(log, "w", buffering=1 << 16) if log else None
        self.begun = time.monotonic()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="kproxy", daemon=True)
        self.thread.start()

    # --- from the test's thread ---

    def run(self, coroutine, seconds):
        """Runs a schedule on the proxy's loop; returns what it returns, raises what it raises."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, seconds), self.loop)
        return future.result(seconds + 5)

    def run_later(self, coroutine, seconds):
        """As `run`, but returns at once, when the schedule has begun: a future."""
        begun = threading.Event()

        async def whole():
            self.loop.call_soon(begun.set)
            return await asyncio.wait_for(coroutine, seconds)

        future = asyncio.run_coroutine_threadsafe(whole(), self.loop)
        begun.wait(10)
        return future

    def call(self, function, *words):
        async def now():
            return function(*words)

        return self.run(now(), 10)

    def serve(self, node, upstream, host="127.0.0.1", port=0):
        self.upstreams[node] = upstream
        self.ports[node] = (host, port)
        return self.run(self.listen(node), 10)

    def rule(self, act, **words):
        rule = Rule(act, **words)
        self.call(self.rules.append, rule)
        return rule

    def clear(self):
        self.call(self.rules.clear)

    def unrule(self, *rules):
        def remove():
            for rule in rules:
                if rule in self.rules:
                    self.rules.remove(rule)

        self.call(remove)

    def look(self, seen, **words):
        look = Look(Rule(None, times=None, **words), seen)
        self.call(self.watches.append, look)
        return look

    def unlook(self, look):
        self.call(self.forget, look)

    def rate(self, bytes_per_second):
        self.bytes_per_second = bytes_per_second

    def black_hole(self, *nodes, client=""):
        """Connections stay and new ones are taken, but nothing passes, either way, until `heal`. No node: all of them;
        client: for the one alone whose name has this in it."""

        def close():
            for node in nodes or self.upstreams:
                self.closed_holes.setdefault((node, client), asyncio.Event())

        self.call(close)

    def refuse(self, *nodes):
        """Connections break, and new ones are refused, until `heal`; returns how many there were."""

        async def shut():
            count = 0
            for node in nodes or list(self.upstreams):
                server = self.servers.pop(node, None)
                if server:
                    server.close()
                count += self.reset_links(node)
            return count

        return self.run(shut(), 10)

    def heal(self):
        async def mend():
            for event in self.closed_holes.values():
                event.set()
            self.closed_holes.clear()
            for node in self.upstreams:
                if node not in self.servers:
                    await self.listen(node)

        self.bytes_per_second = None
        self.run(mend(), 10)

    def break_all(self, node=None):
        """RST on every connection (of one node); returns how many there were."""
        return self.call(self.reset_links, node)

    def close(self):
        async def end():
            for server in self.servers.values():
                server.close()
            self.reset_links(None)
            await asyncio.sleep(0.05)

        self.run(end(), 10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        if self.log:
            self.log.close()

    # --- on the proxy's loop: schedules ---

    def hold(self, stall=False, **words):
        """The next fitting frame is kept back."""
        held = Held(self, stall)
        self.rules.insert(0, Rule(held.act, **words))
        return held

    def watch(self, **words):
        watch = Watch(Rule(None, times=None, **words))
        self.watches.append(watch)
        return watch

    def forget(self, *watches):
        for watch in watches:
            self.watches.remove(watch)

    # --- inside ---

    async def listen(self, node):
        host, port = self.ports[node]
        server = await asyncio.start_server(lambda *both: self.accept(node, *both), host, port, limit=1 << 20)
        self.servers[node] = server
        self.ports[node] = (host, server.sockets[0].getsockname()[1])
        return self.ports[node][1]

    async def accept(self, node, reader, writer):
        no_delay(writer)
        self.numbers += 1
        link = Link(self, self.numbers, node, reader, writer)
        self.links.add(link)
        await link.carry(self.upstreams[node])

    async def gate(self, link):
        event = self.closed_hole(link)
        self.held_back += event is not None
        while event is not None:
            await event.wait()
            event = self.closed_hole(link)

    def closed_hole(self, link):
        for (node, client), event in self.closed_holes.items():
            if node == link.node and client in link.name:
                return event
        return None

    def reset_links(self, node):
        chosen = [link for link in self.links if node is None or link.node == node]
        for link in chosen:
            link.reset()
        return len(chosen)

    async def judge(self, frame):
        self.frames += 1
        for watch in self.watches:
            if watch.rule.fits(frame, self.dice):
                watch.take(frame)
        for rule in self.rules:
            if rule.act and rule.fits(frame, self.dice):
                name = getattr(rule.act, "__qualname__", "held").split(".")[0]
                self.note(frame, name)
                return await rule.act(frame)
        self.note(frame, "")
        return FORWARD

    def note(self, frame, done):
        if self.log is None:
            return
        kind = "answer " if frame.is_answer else "request"
        about = "" if frame.is_answer else frame.request.about()
        codes = "" if not frame.codes else f" codes {frame.codes}"
        self.log.write(
            f"{time.monotonic() - self.begun:10.4f} link {frame.link.number} {frame.request.client} node {frame.node} "
            f"{kind} "
            f"{frame.request.name} v{frame.request.version} #{frame.request.correlation} {len(frame.data)} bytes "
            f"{about}{codes}{' <- ' + done if done else ''}\n"
        )

    def flush(self):
        if self.log:
            self.call(self.log.flush)
