"""Kafka's framing as far as the proxy needs it: what a request is, what an answer says, and answers that refuse.

Only the versions that librdkafka and Kafka's own clients send to Apache Kafka 3.9 and 4.x for the requests that matter
here are taken apart. Shares no code with millrace or librdkafka.
"""

import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP = 8, 9, 10, 11
HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, INIT_PRODUCER_ID = 12, 13, 14, 22
ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT, CONSUMER_GROUP_HEARTBEAT = 24, 25, 26, 28, 68

NAMES = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    17: "SaslHandshake",
    18: "ApiVersions",
    22: "InitProducerId",
    23: "OffsetForLeaderEpoch",
    24: "AddPartitionsToTxn",
    25: "AddOffsetsToTxn",
    26: "EndTxn",
    28: "TxnOffsetCommit",
    32: "DescribeConfigs",
    36: "SaslAuthenticate",
    68: "ConsumerGroupHeartbeat",
}

# From this version on a request has tagged fields and compact strings.
FLEXIBLE = {0: 9, 1: 12, 3: 9, 8: 8, 9: 6, 10: 3, 11: 6, 12: 4, 14: 4, 22: 2, 24: 3, 25: 3, 26: 3, 28: 3, 68: 0}

LEADER_NOT_AVAILABLE, NOT_LEADER, NOT_COORDINATOR, NOT_ENOUGH_REPLICAS, ILLEGAL_GENERATION = 5, 6, 16, 19, 22
INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, CONCURRENT_TRANSACTIONS = 47, 48, 51


def flexible(api, version):
    return version >= FLEXIBLE.get(api, 1000)


class Cursor:
    """Reads a request or an answer, in the plain or the compact form."""

    def __init__(self, data, at=0, compact=False):
        self.data, self.at, self.compact = data, at, compact

    def take(self, form):
        (value,) = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def varint(self):
        shift = value = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def count(self):
        return self.varint() - 1 if self.compact else self.take("i")

    def string(self):
        size = self.varint() - 1 if self.compact else self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def numbers(self):
        return [self.take("i") for _ in range(self.count())]

    def skip_bytes(self):
        size = self.varint() - 1 if self.compact else self.take("i")
        self.at += max(0, size)

    def tags(self):
        if not self.compact:
            return
        for _ in range(self.varint()):
            self.varint()
            size = self.varint()
            self.at += size


class Output:
    def __init__(self, compact):
        self.data, self.compact = bytearray(), compact

    def put(self, form, *values):
        self.data += struct.pack(">" + form, *values)
        return self

    def varint(self, value):
        while value >= 0x80:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)
        return self

    def count(self, number):
        return self.varint(number + 1) if self.compact else self.put("i", number)

    def string(self, text):
        raw = text.encode()
        self.varint(len(raw) + 1) if self.compact else self.put("h", len(raw))
        self.data += raw
        return self

    def numbers(self, values):
        return self.count(len(values)).put(f"{len(values)}i", *values)

    def tags(self):
        return self.varint(0) if self.compact else self


class Request:
    """One request: its head, and of transactional ones what tells them apart."""

    __slots__ = ("api", "version", "correlation", "client", "body", "compact", "data")

    def __init__(self, data):
        self.data = data
        self.api, self.version, self.correlation = struct.unpack_from(">hhi", data, 0)
        cursor = Cursor(data, 8)
        self.client = cursor.string() or ""
        self.compact = flexible(self.api, self.version)
        cursor.compact = self.compact
        cursor.tags()
        self.body = cursor.at

    @property
    def name(self):
        return NAMES.get(self.api, f"api{self.api}")

    def cursor(self):
        return Cursor(self.data, self.body, self.compact)

    def committed(self):
        """Of an EndTxn: whether it commits."""
        if self.api != END_TXN:
            return None
        cursor = self.cursor()
        cursor.string(), cursor.take("q"), cursor.take("h")
        return cursor.take("?")

    def producer(self):
        """(producer id, epoch) of 24, 25, 26 and 28."""
        cursor = self.cursor()
        cursor.string()
        if self.api == TXN_OFFSET_COMMIT:
            cursor.string()
        elif self.api == ADD_PARTITIONS and self.version > 3:
            return None
        elif self.api not in (ADD_PARTITIONS, ADD_OFFSETS, END_TXN):
            return None
        return cursor.take("q"), cursor.take("h")

    def transactional_id(self):
        if self.api in (PRODUCE, INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT):
            return self.cursor().string()
        return None

    def partitions(self):
        """{topic: [partition]} that a Produce, AddPartitionsToTxn or TxnOffsetCommit is about; None: not known."""
        cursor = self.cursor()
        if self.api == PRODUCE and 3 <= self.version <= 12:
            cursor.string(), cursor.take("h"), cursor.take("i")

            def part():
                number = cursor.take("i")
                cursor.skip_bytes()
                return number

        elif self.api == ADD_PARTITIONS and self.version <= 3:
            cursor.string(), cursor.take("q"), cursor.take("h")
        elif self.api == TXN_OFFSET_COMMIT:
            cursor.string(), cursor.string(), cursor.take("q"), cursor.take("h")
            if self.version >= 3:
                cursor.take("i"), cursor.string(), cursor.string()

            def part():
                number = cursor.take("i")
                cursor.take("q")
                if self.version >= 2:
                    cursor.take("i")
                cursor.string()
                return number

        else:
            return None
        found = {}
        for _ in range(cursor.count()):
            topic = cursor.string()
            numbers = found.setdefault(topic, [])
            for _ in range(cursor.count()):
                if self.api == ADD_PARTITIONS:
                    numbers.append(cursor.take("i"))
                    continue
                numbers.append(part())
                cursor.tags()
            cursor.tags()
        return found

    def about(self):
        """A few words for the log."""
        if self.api == END_TXN:
            identity = "pid %d epoch %d" % self.producer()
            return f"{self.transactional_id()} {identity} {'commit' if self.committed() else 'abort'}"
        if self.api in (PRODUCE, ADD_PARTITIONS, TXN_OFFSET_COMMIT):
            parts = self.partitions() or {}
            text = " ".join(f"{topic}:{','.join(map(str, numbers))}" for topic, numbers in parts.items())
            return f"{self.transactional_id() or ''} {text}"
        if self.api in (ADD_OFFSETS, INIT_PRODUCER_ID):
            return str(self.transactional_id())
        return ""

    # --- answers ---

    def codes(self, answer):
        """The error codes in the answer to this request that are not 0; None when it cannot be told."""
        cursor = Cursor(answer, 4, self.compact)
        cursor.tags()
        if self.api in (ADD_OFFSETS, END_TXN, INIT_PRODUCER_ID):
            cursor.take("i")
            return [code for code in [cursor.take("h")] if code]
        if self.api in (HEARTBEAT, JOIN_GROUP, SYNC_GROUP):
            if self.version >= (2 if self.api == JOIN_GROUP else 1):
                cursor.take("i")
            return [code for code in [cursor.take("h")] if code]
        if self.api in (TXN_OFFSET_COMMIT, ADD_PARTITIONS) and not (self.api == ADD_PARTITIONS and self.version > 3):
            cursor.take("i")
        elif self.api != PRODUCE or not 3 <= self.version <= 12:
            return None
        found = []
        for _ in range(cursor.count()):
            cursor.string()
            for _ in range(cursor.count()):
                cursor.take("i")
                found.append(cursor.take("h"))
                if self.api == PRODUCE:
                    self.skip_produced(cursor)
                cursor.tags()
            cursor.tags()
        return [code for code in found if code]

    def skip_produced(self, cursor):
        cursor.take("q"), cursor.take("q")
        if self.version >= 5:
            cursor.take("q")
        if self.version >= 8:
            for _ in range(cursor.count()):
                cursor.take("i"), cursor.string(), cursor.tags()
            cursor.string()

    def generation(self, answer):
        """Of an answer that takes a member into a group: the group's generation (JoinGroup), or the member's epoch
        (ConsumerGroupHeartbeat); else None."""
        cursor = Cursor(answer, 4, self.compact)
        cursor.tags()
        if self.api == JOIN_GROUP and self.version >= 2:
            cursor.take("i")
            return None if cursor.take("h") else cursor.take("i")
        if self.api == CONSUMER_GROUP_HEARTBEAT:
            cursor.take("i")
            if cursor.take("h"):
                return None
            cursor.string(), cursor.string()
            return cursor.take("i")
        return None

    def refusal(self, code):
        """The whole answer, without its length, that refuses this request with an error code."""
        out = Output(self.compact).put("i", self.correlation).tags()
        if self.api in (ADD_OFFSETS, END_TXN):
            out.put("ih", 0, code).tags()
        elif self.api == INIT_PRODUCER_ID:
            out.put("ihqh", 0, code, -1, -1).tags()
        elif self.api in (TXN_OFFSET_COMMIT, ADD_PARTITIONS):
            out.put("i", 0)
            self.refuse_partitions(out, lambda number: out.put("ih", number, code))
            out.tags()
        elif self.api == PRODUCE:
            self.refuse_partitions(out, lambda number: self.refuse_produced(out, number, code))
            out.put("i", 0).tags()
        elif self.api == HEARTBEAT:
            if self.version >= 1:
                out.put("i", 0)
            out.put("h", code).tags()
        else:
            raise ValueError(f"no refusal is known for {self.name}")
        return bytes(out.data)

    def refuse_partitions(self, out, one):
        parts = self.partitions()
        out.count(len(parts))
        for topic, numbers in parts.items():
            out.string(topic).count(len(numbers))
            for number in numbers:
                one(number)
                out.tags()
            out.tags()

    def refuse_produced(self, out, number, code):
        out.put("ihqq", number, code, -1, -1)
        if self.version >= 5:
            out.put("q", -1)
        if self.version >= 8:
            out.count(0)
            out.varint(0) if out.compact else out.put("h", -1)

    # --- answers that say something else ---

    def without_brokers(self, answer):
        """The answer to this Metadata request as a broker gives it that is registering anew: it names no broker and no
        controller, and no partition has a leader or a replica in sync. Leaders' epochs stay as they are: after higher
        ones a client would take the true answers that come later for old ones."""
        if self.api != METADATA or not 10 <= self.version <= 13:
            raise ValueError(f"brokers are not known in an answer to {self.name} v{self.version}")
        cursor, out = Cursor(answer, 4, self.compact), Output(self.compact)
        cursor.tags(), cursor.take("i")
        out.data += answer[: cursor.at]
        for _ in range(cursor.count()):
            cursor.take("i"), cursor.string(), cursor.take("i"), cursor.string(), cursor.tags()
        out.count(0)
        kept = cursor.at
        cursor.string()
        out.data += answer[kept : cursor.at]
        cursor.take("i")
        out.put("i", -1)
        topics = cursor.count()
        out.count(topics)
        for _ in range(topics):
            self.topic_without_leaders(cursor, out)
        out.data += answer[cursor.at :]
        return bytes(out.data)

    def topic_without_leaders(self, cursor, out):
        kept = cursor.at
        cursor.take("h"), cursor.string(), cursor.take("16s"), cursor.take("?")
        out.data += cursor.data[kept : cursor.at]
        partitions = cursor.count()
        out.count(partitions)
        for _ in range(partitions):
            cursor.take("h")
            number, _, epoch = cursor.take("i"), cursor.take("i"), cursor.take("i")
            replicas, _, _ = cursor.numbers(), cursor.numbers(), cursor.numbers()
            out.put("hiii", LEADER_NOT_AVAILABLE, number, -1, epoch).numbers(replicas).numbers([]).numbers(replicas)
            cursor.tags(), out.tags()
        kept = cursor.at
        cursor.take("i"), cursor.tags()
        out.data += cursor.data[kept : cursor.at]

    def without_leader(self, answer):
        """The answer to this Fetch request as of a broker that does not lead the first partition any more."""
        if self.api != FETCH or not 13 <= self.version <= 17:
            raise ValueError(f"partitions are not known in an answer to {self.name} v{self.version}")
        cursor = Cursor(answer, 4, self.compact)
        cursor.tags(), cursor.take("i"), cursor.take("h"), cursor.take("i")
        if cursor.count() == 0:
            return answer
        cursor.take("16s"), cursor.count(), cursor.take("i")
        return answer[: cursor.at] + struct.pack(">h", NOT_LEADER) + answer[cursor.at + 2 :]
