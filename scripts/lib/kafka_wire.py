"""A small Kafka client for the scripts and tests: topics, offsets, groups; no records.

It speaks the old, plain encoding of the requests, which Apache Kafka 3.9 and 4.x both still take, so that creating a
topic costs milliseconds and not the start of a Java machine. It shares no code with millrace or librdkafka.
"""

import socket
import struct
import time

METADATA, LIST_OFFSETS, OFFSET_FETCH, FIND_COORDINATOR = 3, 2, 9, 10
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS = 18, 19, 20
CREATE_PARTITIONS, DELETE_GROUPS, INCREMENTAL_ALTER_CONFIGS = 37, 42, 44

ERRORS = {
    3: "unknown topic or partition",
    7: "request timed out",
    15: "coordinator not available",
    16: "not coordinator",
    17: "invalid topic",
    29: "topic authorization failed",
    36: "topic already exists",
    37: "invalid partitions",
    38: "invalid replication factor",
    40: "invalid config",
    41: "not controller",
    42: "invalid request",
    60: "topic deletion disabled",
    68: "group not empty",
    69: "group id not found",
}
RETRIABLE = {3, 5, 6, 7, 14, 15, 16, 41}


class KafkaError(Exception):
    def __init__(self, what, code=0, message=None):
        text = message or ERRORS.get(code, f"error {code}")
        super().__init__(f"{what}: {text}" if code else what)
        self.code = code


class Writer:
    def __init__(self):
        self.data = bytearray()

    def pack(self, form, *values):
        self.data += struct.pack(">" + form, *values)
        return self

    def string(self, text):
        if text is None:
            return self.pack("h", -1)
        raw = text.encode()
        return self.pack("h", len(raw)) if not raw else self.pack(f"h{len(raw)}s", len(raw), raw)

    def array(self, items, write):
        self.pack("i", len(items))
        for item in items:
            write(item)
        return self


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def unpack(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values if len(values) > 1 else values[0]

    def string(self):
        size = self.unpack("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def array(self, read):
        return [read() for _ in range(max(0, self.unpack("i")))]


class Connection:
    """One TCP connection; every call has the time-out given here."""

    def __init__(self, host, port, timeout=10.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def call(self, key, version, body):
        self.correlation += 1
        head = Writer().pack("hhi", key, version, self.correlation).string("millrace-scripts")
        message = bytes(head.data + body.data)
        self.socket.sendall(struct.pack(">i", len(message)) + message)
        size = struct.unpack(">i", self.receive(4))[0]
        reader = Reader(self.receive(size))
        if reader.unpack("i") != self.correlation:
            raise KafkaError("an answer to another request")
        return reader

    def receive(self, size):
        parts = bytearray()
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise ConnectionError("the broker closed the connection")
            parts += part
        return bytes(parts)

    def close(self):
        self.socket.close()


class Cluster:
    """The brokers behind one address. Not for use by several threads."""

    def __init__(self, address="127.0.0.1:19092", timeout=10.0):
        self.timeout = timeout
        host, port = address.rsplit(":", 1)
        self.first = (host, int(port))
        self.connections = {}

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def call(self, key, version, body, broker=None):
        address = broker or self.first
        if address not in self.connections:
            self.connections[address] = Connection(*address, timeout=self.timeout)
        try:
            return self.connections[address].call(key, version, body)
        except (OSError, struct.error):
            self.connections.pop(address).close()
            raise

    def metadata(self, topics=None):
        """{"brokers": {id: (host, port)}, "topics": {name: {partition: leader}}}; without names, all topics."""
        body = Writer()
        if topics is None:
            body.pack("i", -1)
        else:
            body.array(list(topics), body.string)
        reader = self.call(METADATA, 1, body)
        brokers = {}
        for _ in range(reader.unpack("i")):
            node = reader.unpack("i")
            host = reader.string()
            brokers[node] = (host, reader.unpack("i"))
            reader.string()
        controller = reader.unpack("i")
        found, internal = {}, set()
        for _ in range(reader.unpack("i")):
            error = reader.unpack("h")
            name = reader.string()
            if reader.unpack("?"):
                internal.add(name)
            leaders = {}
            for _ in range(reader.unpack("i")):
                _, partition, leader = reader.unpack("hii")
                reader.array(lambda: reader.unpack("i"))
                reader.array(lambda: reader.unpack("i"))
                leaders[partition] = leader
            if error == 0:
                found[name] = leaders
        return {"brokers": brokers, "controller": controller, "topics": found, "internal": internal}

    def topics(self):
        """{name: number of partitions}, Kafka's own topics left out."""
        answer = self.metadata()
        return {name: len(leaders) for name, leaders in answer["topics"].items() if name not in answer["internal"]}

    def create_topics(self, topics, replication=1, wait=10.0):
        """topics: {name: (partitions, {config: value})}. Returns when every partition has a leader."""
        body = Writer()

        def one(item):
            name, (partitions, configs) = item
            body.string(name).pack("ihi", partitions, replication, 0)
            body.array(list(configs.items()), lambda pair: body.string(pair[0]).string(str(pair[1])))

        body.array(list(topics.items()), one).pack("i?", int(self.timeout * 1000), False)
        reader = self.call(CREATE_TOPICS, 2, body)
        reader.unpack("i")
        self.raise_first(reader.array(lambda: (reader.string(), reader.unpack("h"), reader.string())), "creating")
        self.until(
            lambda: self.have_leaders({name: spec[0] for name, spec in topics.items()}), wait, "leaders of new topics"
        )

    def have_leaders(self, counts):
        topics = self.metadata(counts)["topics"]
        return all(
            len(topics.get(name, {})) >= count and min(topics[name].values()) >= 0 for name, count in counts.items()
        )

    def delete_topics(self, names, missing_ok=False, wait=10.0):
        body = Writer()
        body.array(list(names), body.string).pack("i", int(self.timeout * 1000))
        reader = self.call(DELETE_TOPICS, 1, body)
        reader.unpack("i")
        results = reader.array(lambda: (reader.string(), reader.unpack("h"), None))
        self.raise_first([result for result in results if not (missing_ok and result[1] == 3)], "deleting")
        self.until(lambda: not set(names) & set(self.metadata()["topics"]), wait, "the end of deleted topics")

    def add_partitions(self, topic, count, wait=10.0):
        body = Writer()
        body.array([topic], lambda name: body.string(name).pack("ii", count, -1)).pack(
            "i?", int(self.timeout * 1000), False
        )
        reader = self.call(CREATE_PARTITIONS, 0, body)
        reader.unpack("i")
        self.raise_first(
            reader.array(lambda: (reader.string(), reader.unpack("h"), reader.string())), "adding partitions to"
        )
        self.until(lambda: self.have_leaders({topic: count}), wait, "leaders of new partitions")

    def alter_topic(self, topic, configs):
        """configs: {name: value}; None takes the topic's own value away."""
        body = Writer()

        def one(pair):
            value = None if pair[1] is None else str(pair[1])
            body.string(pair[0]).pack("b", 1 if value is None else 0).string(value)

        body.array([topic], lambda name: body.pack("b", 2).string(name).array(list(configs.items()), one)).pack(
            "?", False
        )
        reader = self.call(INCREMENTAL_ALTER_CONFIGS, 0, body)
        reader.unpack("i")

        def answer():
            code, message = reader.unpack("h"), reader.string()
            reader.unpack("b")
            return reader.string(), code, message

        self.raise_first(reader.array(answer), "altering")

    def offsets(self, topic, at=-1, committed_only=False, wait=10.0):
        """{partition: offset}; at: -1 the end, -2 the beginning, else a timestamp in ms. committed_only: the end that a
        read_committed reader sees."""
        answer = self.metadata([topic])
        if topic not in answer["topics"]:
            raise KafkaError(f"offsets of {topic}", 3)
        if -1 in answer["topics"][topic].values():
            # A broker that was away is the leader again some moments after it answers.
            self.until(lambda: -1 not in self.metadata([topic])["topics"][topic].values(), wait, f"leaders of {topic}")
            answer = self.metadata([topic])
        by_leader = {}
        for partition, leader in answer["topics"][topic].items():
            by_leader.setdefault(leader, []).append(partition)
        found = {}
        for leader, partitions in by_leader.items():
            body = Writer().pack("ibi", -1, 1 if committed_only else 0, 1).string(topic)
            body.array(partitions, lambda partition: body.pack("iq", partition, at))
            reader = self.call(LIST_OFFSETS, 2, body, answer["brokers"][leader])
            reader.unpack("ii")
            reader.string()
            for _ in range(reader.unpack("i")):
                partition, code, _, offset = reader.unpack("ihqq")
                if code:
                    raise KafkaError(f"offsets of {topic} [{partition}]", code)
                found[partition] = offset
        return found

    def coordinator(self, group):
        reader = self.call(FIND_COORDINATOR, 0, Writer().string(group))
        code, _ = reader.unpack("hi")
        host = reader.string()
        port = reader.unpack("i")
        if code:
            raise KafkaError(f"coordinator of {group}", code)
        return host, port

    def committed(self, group):
        """{topic: {partition: offset}} of everything that the group has committed."""
        body = Writer().string(group).pack("i", -1)
        reader = self.call(OFFSET_FETCH, 2, body, self.coordinator(group))
        found = {}
        for _ in range(reader.unpack("i")):
            topic = reader.string()
            for _ in range(reader.unpack("i")):
                partition, offset = reader.unpack("iq")
                reader.string()
                reader.unpack("h")
                if offset >= 0:
                    found.setdefault(topic, {})[partition] = offset
        code = reader.unpack("h")
        if code:
            raise KafkaError(f"offsets of group {group}", code)
        return found

    def delete_group(self, group, missing_ok=False):
        body = Writer()
        body.array([group], body.string)
        reader = self.call(DELETE_GROUPS, 0, body, self.coordinator(group))
        reader.unpack("i")
        results = reader.array(lambda: (reader.string(), reader.unpack("h"), None))
        self.raise_first([result for result in results if not (missing_ok and result[1] == 69)], "deleting group")

    @staticmethod
    def raise_first(results, doing):
        for name, code, message in results:
            if code:
                raise KafkaError(f"{doing} {name}", code, message)

    @staticmethod
    def until(condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise KafkaError(f"gave up waiting for {what} after {seconds:.0f} s")
            time.sleep(0.02)
