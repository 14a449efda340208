"""Records, and the file form in which they travel to and from KafkaTool (its RecordFile.java describes the bytes)."""

import struct
from typing import NamedTuple


class Record(NamedTuple):
    """One Kafka record. partition -1: by its key; timestamp -1: none; key and value None: null."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()

    def where(self):
        return f"{self.topic}-{self.partition}@{self.offset}"


def to_send(topic, value, key=None, partition=-1, headers=(), timestamp=-1):
    return Record(topic, partition, -1, timestamp, key, value, tuple(headers))


HEAD = struct.Struct(">hiqq")
SIZE = struct.Struct(">i")
COUNT = struct.Struct(">h")


def blob(data):
    return SIZE.pack(-1) if data is None else SIZE.pack(len(data)) + data


def write_file(path, topics, records):
    """topics: the list that the command names; records refer to it by position."""
    index = {name: number for number, name in enumerate(topics)}
    with open(path, "wb") as file:
        for record in records:
            parts = [HEAD.pack(index[record.topic], record.partition, record.offset, record.timestamp)]
            parts += [blob(record.key), blob(record.value), COUNT.pack(len(record.headers))]
            for name, value in record.headers:
                raw = name.encode()
                parts += [COUNT.pack(len(raw)), raw, blob(value)]
            file.write(b"".join(parts))


def read_file(path, topics):
    """Every record of the file, in its order. A file that ends in the middle of a record is an error."""
    with open(path, "rb") as file:
        data = file.read()
    at, end, found = 0, len(data), []
    size_of, head_of, count_of = SIZE.unpack_from, HEAD.unpack_from, COUNT.unpack_from

    def take():
        nonlocal at
        (size,) = size_of(data, at)
        at += 4
        if size < 0:
            return None
        at += size
        if at > end:
            raise ValueError(f"{path} ends inside a record")
        return data[at - size : at]

    while at < end:
        topic, partition, offset, timestamp = head_of(data, at)
        at += HEAD.size
        key, value = take(), take()
        (count,) = count_of(data, at)
        at += 2
        headers = []
        for _ in range(count):
            (length,) = count_of(data, at)
            name = data[at + 2 : at + 2 + length].decode()
            at += 2 + length
            headers.append((name, take()))
        found.append(Record(topics[topic], partition, offset, timestamp, key, value, tuple(headers)))
    return found
