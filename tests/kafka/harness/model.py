"""What a pipeline must do, written from its specification a second time: in another language, sharing nothing.

A Graph holds every expression twice: as CEL for the daemon's YAML and as a Python function for the model. `yaml()`
gives the one, `outputs()` of a source record the other: the records that must stand in the destinations because of it,
with key, value bytes, headers, timestamp and partition, or the reason why it is in the dead letters.
"""

import json
import struct
from json.decoder import JSONDecodeError
from typing import NamedTuple

MAX_RECORD_BYTES = 1024 * 1024
MAX_DEPTH = 64


class Bad(Exception):
    """A record that a node rejects; the text is its reason."""


class Out(NamedTuple):
    """One record that must be in a destination, exactly so."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple
    timestamp: int


class Dead(NamedTuple):
    """A record that must be in the dead letters, rejected by this node for one of these reasons."""

    reasons: tuple
    stage: str


def murmur2(data):
    """Kafka's 32-bit murmur2 with Java's overflow, as its default partitioner uses it."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    size = len(data)
    h = (0x9747B28C ^ size) & mask
    whole = size & ~3
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = (k * m) & mask
        k ^= k >> 24
        h = ((h * m) & mask) ^ ((k * m) & mask)
    left = data[whole:]
    if len(left) == 3:
        h ^= left[2] << 16
    if len(left) >= 2:
        h ^= left[1] << 8
    if left:
        h = ((h ^ left[0]) * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def partition_of(key, count):
    return (murmur2(key) & 0x7FFFFFFF) % count


DECODER = json.JSONDecoder()
SPACE = " \t\r\n"


def skip(text, at):
    while text[at] in SPACE:
        at += 1
    return at


def members(text, at):
    """Spans (key, key_begin, value_begin, value_end) of the object that begins at `at`, and where its `}` stands."""
    found = []
    at = skip(text, at + 1)
    while text[at] != "}":
        key, after = DECODER.raw_decode(text, at)
        begin = skip(text, skip(text, after) + 1)
        _, end = DECODER.raw_decode(text, begin)
        found.append((key, at, begin, end))
        at = skip(text, end)
        if text[at] == ",":
            at = skip(text, at + 1)
    return found, at


def splice(text, path, replacement, at=0):
    """Writes one member into the text of an object, touching no other byte. replacement None: takes it away."""
    spans, close = members(text, skip(text, at))
    for number, (key, key_begin, begin, end) in reversed(list(enumerate(spans))):
        if key != path[0]:
            continue
        if len(path) > 1:
            if text[begin] != "{":
                raise Bad("not_an_object")
            return splice(text, path[1:], replacement, begin)
        if replacement is not None:
            return text[:begin] + replacement + text[end:]
        if number + 1 < len(spans):
            return text[:key_begin] + text[spans[number + 1][1] :]
        return text[: spans[number - 1][3] if number else key_begin] + text[end:]
    if replacement is None:
        return text
    for name in reversed(path[1:]):
        replacement = "{" + as_json(name) + ":" + replacement + "}"
    return text[:close] + ("," if spans else "") + as_json(path[0]) + ":" + replacement + text[close:]


def as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def depth(text):
    deep = most = 0
    for letter in text:
        if letter in "[{":
            deep += 1
            most = max(most, deep)
        elif letter in "]}":
            deep -= 1
    return most


def nothing_of_that(name):
    raise ValueError(name)


class Item:
    """A record on its way: what expressions see, and the text as it has become."""

    def __init__(self, record):
        self.record = record
        self.topic, self.partition, self.offset, self.timestamp = record[:4]
        self.key = record.key
        self.headers = list(record.headers)
        self.text = None
        self.value = None
        self.edited = False

    def decode(self, form):
        raw = self.record.value
        if form == "bytes" or raw is None:
            return
        if len(raw) > MAX_RECORD_BYTES:
            raise Bad("too_large")
        try:
            self.text = raw.decode()
            self.value = json.loads(self.text, parse_constant=nothing_of_that)
        except RecursionError as error:
            raise Bad("too_deep") from error
        except (UnicodeDecodeError, JSONDecodeError, ValueError) as error:
            raise Bad("not_decodable") from error
        if self.text.count("[") + self.text.count("{") > MAX_DEPTH and depth(self.text) > MAX_DEPTH:
            raise Bad("too_deep")

    def write(self, path, text):
        if not isinstance(self.value, dict):
            raise Bad("not_an_object")
        self.text = splice(self.text, path, text)
        self.value = json.loads(self.text)
        self.edited = True

    def bytes(self):
        return self.text.encode() if self.edited else self.record.value

    def copy(self):
        other = Item(self.record)
        other.key, other.headers = self.key, list(self.headers)
        other.text, other.value, other.edited = self.text, self.value, self.edited
        return other


def ask(function, item):
    """What an expression gives; anything that is not there or does not fit makes it fail, as in CEL."""
    try:
        return function(item)
    except Bad:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise Bad("expression_error") from error


class Graph:
    """Nodes in the order of the file. `name.port` is a port of a classify; destinations have names of their own."""

    def __init__(self, pipeline, dead_letters=None, **top):
        self.top = {"pipeline": pipeline, **top}
        self.sources, self.stages, self.destinations = {}, {}, {}
        self.nodes, self.sinks, self.dead_topic = {}, {}, dead_letters
        self.readers = {}

    def source(self, name, topics, form="json", **more):
        self.sources[name] = {"topics": list(topics), "format": form, **more}
        return name

    def add(self, name, origin, body, function, more):
        origins = [origin] if isinstance(origin, str) else list(origin)
        self.stages[name] = {"from": origin, **body, **more}
        self.nodes[name] = function
        for each in origins:
            self.readers.setdefault(each, []).append((False, name))
        return name

    def filter(self, name, origin, where, function, invert=False, **more):
        body = {"filter": {"where": where, "invert": True} if invert else where}

        def run(item):
            return [("", item)] if ask(function, item) != invert else []

        return self.add(name, origin, body, run, more)

    def classify(self, name, origin, rules, default, field=None, **more):
        """rules: [(port, CEL, function)]; default: a port's name or `drop`."""
        body = {"rules": [{port: cel} for port, cel, _ in rules], "default": default}
        if field:
            body["field"] = field

        def run(item):
            chosen = next((port for port, _, function in rules if ask(function, item)), default)
            if chosen == "drop":
                return []
            if field:
                item.write([field], as_json(chosen))
            return [(chosen, item)]

        return self.add(name, origin, {"classify": body}, run, more)

    def decorate(self, name, origin, value=None, headers=None, remove=(), if_present=None, **more):
        """value: {path: (CEL, function)} with a path as `a` or `a/b`; headers: {name: (CEL, function)}."""
        tree = {}
        for path, (cel, _) in (value or {}).items():
            *outer, last = path.split("/")
            place = tree
            for step in outer:
                place = place.setdefault(step, {})
            place[last] = cel
        body = {}
        if tree:
            body["value"] = tree
        if remove:
            body["remove"] = list(remove)
        if headers:
            body["headers"] = {header: cel for header, (cel, _) in headers.items()}
        if if_present:
            body["if_present"] = if_present

        def run(item):
            # All expressions see the record as it came in.
            made = [(path.split("/"), ask(function, item)) for path, (_, function) in (value or {}).items()]
            added = [(header, ask(function, item)) for header, (_, function) in (headers or {}).items()]
            for path in remove:
                item.write(path.split("/"), None)
            for path, result in made:
                item.write(path, as_json(result))
            for header, result in added:
                item.headers = [pair for pair in item.headers if pair[0] != header] + [(header, result.encode())]
            return [("", item)]

        return self.add(name, origin, {"decorate": body}, run, more)

    def destination(self, name, origin, topic, partitions, key=None, key_as="text", partition=None, **more):
        """key and partition: (CEL, function), or None; partition may also be "source"."""
        body = {"from": origin, "topic": topic}
        if key:
            body.update(key=key[0], key_as=key_as)
        if partition:
            body["partition"] = partition if isinstance(partition, str) else partition[0]
        body.update(more)
        self.destinations[name] = body
        wants_key = more.get("on_null_key") == "reject"

        def run(item, port):
            made = encode_key(ask(key[1], item), key_as) if key else item.key
            if made is None and wants_key:
                raise Bad("null_key")
            if partition == "source" or (made is None and not partition):
                number = item.partition % partitions
            elif partition:
                number = ask(partition[1], item) % partitions
            else:
                number = partition_of(made, partitions)
            # The timestamp 0 cannot be written: the daemon's client library takes it for "now".
            when = item.timestamp or 1
            return Out(topic.replace("{port}", port), number, made, item.bytes(), tuple(item.headers), when)

        self.sinks[name] = run
        for each in [origin] if isinstance(origin, str) else origin:
            self.readers.setdefault(each, []).append((True, name))
        return name

    def yaml(self):
        document = {**self.top, "sources": self.sources}
        if self.stages:
            document["stages"] = self.stages
        document["destinations"] = self.destinations
        if self.dead_topic:
            document["dead_letters"] = {"topic": self.dead_topic}
        return document

    def learn(self, outputs):
        """What was found, before it is judged: of use only to a graph that was changed while it ran."""

    def outputs(self, record):
        """Everything that must come of this record: a list of Out and Dead."""
        name, spec = next((name, spec) for name, spec in self.sources.items() if record.topic in spec["topics"])
        item, found = Item(record), []
        try:
            item.decode(spec["format"])
        except Bad as bad:
            self.reject(bad, name, spec, found, item)
            return found
        self.pass_on(name, "", item, found)
        return found

    def reject(self, bad, name, spec, found, item):
        policy = spec.get("on_error", "dead_letter")
        if policy == "dead_letter":
            found.append(Dead((str(bad),), name))
        elif policy == "keep":
            # As it came in, through the only port there is; a classify keeps nothing of its own.
            self.pass_on(name, "", item, found)

    def pass_on(self, name, port, item, found):
        readers = list(self.readers.get(name, []))
        if port:
            readers += self.readers.get(f"{name}.{port}", [])
        for is_sink, reader in readers:
            copy = item.copy()
            try:
                if is_sink:
                    found.append(self.sinks[reader](copy, port))
                    continue
                passed = self.nodes[reader](copy)
            except Bad as bad:
                spec = self.destinations[reader] if is_sink else self.stages[reader]
                self.reject(bad, reader, spec, found, item.copy())
                continue
            for next_port, made in passed:
                self.pass_on(reader, next_port, made, found)


def encode_key(value, form):
    if value is None:
        return None
    if form == "int64":
        return struct.pack(">q", value)
    if form == "json":
        return as_json(value).encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return value if isinstance(value, bytes) else str(value).encode()
