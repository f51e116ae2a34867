"""The export stream: section 13 of FORMAT.md."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from segment import Damage, Newer, siphash13

MAGIC = b"BCEXPORT"
HEAD = struct.Struct("<8sHH16sQI")
FRAME = struct.Struct("<IIB3sQ")
ENTRIES, CLOSING = 1, 2
PAYLOAD_MAX = 262_124


@dataclass
class Stream:
    """What a whole stream holds. `entries` maps a key to (value, expiry in ms or None), in the order of the stream."""

    store_id: bytes
    sequence: int
    entries: dict = field(default_factory=dict)


def read_stream(name: str, data: bytes) -> Stream:
    """Reads and verifies a stream. Raises Damage, also where it is not whole, or Newer."""
    if len(data) < HEAD.size:
        raise Damage(name, 0, "the stream is shorter than its head")
    magic, version, features, store_id, sequence, seed = HEAD.unpack_from(data)
    if magic != MAGIC or zlib.crc32(data[:36]) != seed:
        raise Damage(name, 0, "the magic or the checksum of the head is wrong")
    if version != 1 or features:
        raise Newer(name, 8, f"version {version}, features {features:#x}")
    stream = Stream(store_id, sequence)
    at, count, size = HEAD.size, 0, 0
    while True:
        kind, payload = read_frame(name, data, at, seed)
        after = at + FRAME.size + len(payload)
        if kind == CLOSING:
            if struct.unpack("<QQQ", payload) != (count, size, siphash13(store_id, data[:at])):
                raise Damage(name, at, "the sums or the digest are not those of the stream")
            if after != len(data):
                raise Damage(name, after, "something follows the closing frame")
            return stream
        entries = list(read_entries(name, at, payload))
        if not entries or (len(payload) > PAYLOAD_MAX and len(entries) > 1):
            raise Damage(name, at, "a frame of no entry, or of more than a frame may have")
        for key, value, expiry in entries:
            stream.entries[key] = value, expiry
            count, size = count + 1, size + len(key) + len(value)
        at = after


def read_frame(name: str, data: bytes, at: int, seed: int) -> tuple:
    """Kind and payload of the frame at an offset. The length is believed after its checksum, and never beyond the stream."""
    init = seed ^ (at & 0xFFFFFFFF)
    if at + FRAME.size > len(data):
        raise Damage(name, len(data), "the stream ends before its closing frame")
    body_sum, head_sum, kind, reserved, length = FRAME.unpack_from(data, at)
    if zlib.crc32(data[at + 8 : at + FRAME.size], init) != head_sum:
        raise Damage(name, at, "the checksum of a frame's head is wrong")
    if kind not in (ENTRIES, CLOSING) or any(reserved) or (kind == CLOSING and length != 24):
        raise Damage(name, at, "a frame's kind or length makes no sense")
    end = at + FRAME.size + length
    if end > len(data):
        raise Damage(name, len(data), "the stream ends before its closing frame")
    if zlib.crc32(data[at + 4 : end], init) != body_sum:
        raise Damage(name, at, "the checksum of a frame is wrong")
    return kind, data[at + FRAME.size : end]


def read_entries(name: str, at: int, payload: bytes):
    """The entries of a payload: (key, value, expiry)."""
    place = 0
    while place < len(payload):
        if place + 7 > len(payload):
            raise Damage(name, at, "half an entry")
        flags, key_length, value_length = struct.unpack_from("<BHI", payload, place)
        start = place + 7 + 8 * (flags == 1)
        place = start + key_length + value_length
        if flags > 1 or key_length == 0 or place > len(payload):
            raise Damage(name, at, "an entry makes no sense")
        expiry = struct.unpack_from("<Q", payload, start - 8)[0] if flags else None
        yield payload[start : start + key_length], payload[start + key_length : place], expiry
