"""Messages by the letter of draft-ietf-mimi-content-08 and its companion on extensions.

Written from the drafts, not from the Rust code, and without a CBOR library, since those forgive
what a receiver must not: that both say the same of every vector is what makes either credible.
"""

import math
import struct

OCTETS_MAX = 1024 * 1024
PARTS_MAX = 1024
LEVELS_MAX = 4
TOPIC_ID_OCTETS_MAX = 4096
SUBJECT_OCTETS_MAX = 4096
LAST_SEEN_MAX = 65_535
KEY_MAX = 2**53 - 1
YEAR_SECONDS = 365 * 86_400
SKEW_MS = 5 * 60 * 1000


class Malformed(Exception):
    """It cannot be decoded."""


class Pairs(list):
    """A map, as a list of keys and values."""


class Tagged:
    def __init__(self, tag, content):
        self.tag, self.content = tag, content


class Other:
    """A simple value that is no boolean and not null."""


def must(holds, reason):
    if not holds:
        raise Malformed(reason)


class Reader:
    """Deterministic CBOR: RFC 8949 section 4.2.1."""

    def __init__(self, octets):
        self.octets, self.at = octets, 0

    def take(self, count):
        must(self.at + count <= len(self.octets), "cut off")
        self.at += count
        return self.octets[self.at - count:self.at]

    def head(self):
        major, info = divmod(self.take(1)[0], 32)
        if info < 24:
            return major, info, info
        must(info < 28, "indefinite or reserved")
        width = 1 << (info - 24)
        argument = int.from_bytes(self.take(width), "big")
        least = {1: 24, 2: 2**8, 4: 2**16, 8: 2**32}[width]
        must(major == 7 or argument >= least, "not the shortest form")
        return major, info, argument

    def item(self, levels):
        """Any item with at most so many levels of arrays, maps and tags; None for no limit."""
        start = self.at
        major, info, argument = self.head()
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self.take(argument)
        if major == 3:
            try:
                return self.take(argument).decode()
            except UnicodeDecodeError:
                raise Malformed("not UTF-8") from None
        if major == 7:
            return self.simple(start, info, argument)
        must(levels != 0, "too deep")
        inner = None if levels is None else levels - 1
        if major == 4:
            # Each item has an octet at least, so that the count cannot be a lie.
            must(argument <= len(self.octets), "cut off")
            return [self.item(inner) for _ in range(argument)]
        if major == 5:
            return self.pairs(argument, inner)
        content = self.item(inner)
        if argument in (2, 3):
            fits = isinstance(content, bytes) and len(content) > 8 and content[0] != 0
            must(fits, "a big integer not in its shortest form")
        return Tagged(argument, content)

    def pairs(self, count, levels):
        must(count <= len(self.octets), "cut off")
        pairs, last = Pairs(), b""
        for _ in range(count):
            start = self.at
            key = self.item(0)
            must(is_integer(key) or isinstance(key, (str, bytes)), "type of a key")
            must(not is_integer(key) or abs(key) <= KEY_MAX, "a key beyond 2^53 - 1")
            encoded = self.octets[start:self.at]
            must(encoded > last, "order of keys")
            last = encoded
            pairs.append((key, self.item(levels)))
        return pairs

    def simple(self, start, info, argument):
        if info in (20, 21):
            return info == 21
        if info == 22:
            return None
        if info <= 24:
            must(info < 24 or argument >= 32, "a simple value not in its shortest form")
            return Other()
        own = self.octets[start + 1:self.at]
        formats = {2: ">e", 4: ">f", 8: ">d"}
        value = struct.unpack(formats[len(own)], own)[0]
        if math.isnan(value):
            must(own == b"\x7e\x00", "another NaN than f97e00")
            return value
        for width, shorter in formats.items():
            try:
                exact = struct.unpack(shorter, struct.pack(shorter, value))[0] == value
            except OverflowError:
                exact = False
            if exact:
                must(width == len(own), "a float not in its shortest form")
                break
        return value


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_array(value, counts):
    return type(value) is list and len(value) in counts


def is_unsigned(value, bits=64):
    return is_integer(value) and 0 <= value < 1 << bits


def kinds(values, *types):
    """Whether the values are of those types, where a number is the bits of an unsigned one."""
    return len(values) == len(types) and all(
        is_unsigned(value, kind) if isinstance(kind, int) else isinstance(value, kind)
        for value, kind in zip(values, types))


class Message:
    """What is wrong with one message: `nonsense` collects what is no fault of form."""

    def __init__(self, octets):
        self.nonsense, self.parts = [], 0
        reader = Reader(octets)
        must(reader.head()[::2] == (4, 7), "not an array of 7")
        fields = [reader.item(LEVELS_MAX if place == 5 else None) for place in range(7)]
        must(reader.at == len(octets), "octets after the end")
        salt, replaces, topic, self.expires, in_reply_to, extensions, body = fields
        must(isinstance(salt, bytes) and len(salt) == 16, "salt")
        self.message_id(replaces)
        must(isinstance(topic, bytes), "topicId")
        self.unless(len(topic) <= TOPIC_ID_OCTETS_MAX, "topicId")
        if self.expires is not None:
            must(is_array(self.expires, [2]) and kinds(self.expires, bool, 32), "expires")
        self.message_id(in_reply_to)
        must(isinstance(extensions, Pairs), "extensions")
        for key, value in extensions:
            short = isinstance(key, str) and 1 <= len(key.encode()) <= 255
            must(is_integer(key) or short, "key of an extension")
            must(key not in (1, 2) or isinstance(value, str), "senderUri or roomUri")
        self.extensions = dict(extensions)
        self.part(body, 1)
        self.unless(self.parts <= PARTS_MAX, "parts")

    def unless(self, makes_sense, what):
        if not makes_sense:
            self.nonsense.append(what)

    def message_id(self, value):
        if value is not None:
            must(isinstance(value, bytes) and len(value) == 32, "a message ID")
            self.unless(value[0] == 1, "hash function")

    def part(self, part, level):
        self.parts += 1
        self.unless(level <= LEVELS_MAX, "levels")
        must(is_array(part, [3, 5, 15]) and kinds(part[:3], 8, str, 8), "a part")
        cardinality, rest = part[2], part[3:]
        if cardinality == 0:
            must(not rest, "a null part")
        elif cardinality == 1:
            must(kinds(rest, str, bytes), "a single part")
        elif cardinality == 2:
            types = [str, str, 32, 64, 16, bytes, bytes, bytes, 8, bytes, str, str]
            must(kinds(rest, *types), "an external part")
            must(rest[4] != 0 or not any(rest[5:8]), "a key without encryption")
        else:
            must(cardinality == 3 and kinds(rest, 64, list), "a multi-part")
            must(not isinstance(rest[1], Pairs) and len(rest[1]) >= 2, "parts of a multi-part")
            self.unless(rest[0] <= 2, "partSemantics")
            for nested in rest[1]:
                self.part(nested, level + 1)

    def check(self, given):
        """The rules of sense, with what is known beside the octets."""
        for key, name in ((1, "sender"), (2, "room")):
            claim, truth = self.extensions.get(key), given.get(name)
            self.unless(None in (claim, truth) or claim == truth, name)
        known = {3: is_timestamp, 4: is_external_id, 5: is_subject, 256: is_last_seen}
        for key, fits in known.items():
            self.unless(key not in self.extensions or fits(self.extensions[key]), f"key {key}")
        relative, time = self.expires or (None, None)
        self.unless(not relative or time <= YEAR_SECONDS, "expires")
        accepted_ms = given.get("accepted_at_ms")
        if accepted_ms is None:
            return
        if relative is False:
            self.unless(abs(time - accepted_ms // 1000) <= YEAR_SECONDS, "expires")
        self.unless(accepted_ms <= given.get("now_ms", accepted_ms) + SKEW_MS, "accepted")
        self.unless(accepted_ms >= given.get("room_created_at_ms", 0), "accepted")


def is_timestamp(value):
    if not isinstance(value, Pairs):
        return False
    units = [key for key, _ in value if key != 1]
    value = dict(value)
    return (is_unsigned(value.get(1)) and len(units) <= 1
            and all(unit in (-3, -6, -9) for unit in units)
            and all(is_unsigned(value[unit]) and value[unit] < 10**-unit for unit in units))


def is_external_id(value):
    if not is_array(value, [2]) or not isinstance(value[0], bytes):
        return False
    scope = value[1]
    if isinstance(scope, Tagged):
        return scope.tag == 32 and isinstance(scope.content, str)
    return isinstance(scope, str) or is_unsigned(scope) and scope > 0


def is_subject(value):
    return isinstance(value, str) and 1 <= len(value.encode()) <= SUBJECT_OCTETS_MAX


def is_last_seen(value):
    def is_id(entry):
        return isinstance(entry, bytes) and len(entry) == 32 and entry[0] == 1
    return type(value) is list and len(value) <= LAST_SEEN_MAX and (
        all(map(is_id, value)) or all(map(is_external_id, value)))


def verdict(octets, given):
    """None for a message that makes sense, else `malformed` or `nonsensical`."""
    if len(octets) > OCTETS_MAX:
        return "nonsensical"
    try:
        message = Message(octets)
    except (Malformed, RecursionError):
        return "malformed"
    message.check(given)
    return "nonsensical" if message.nonsense else None
