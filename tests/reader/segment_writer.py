"""A tiny writer of segments for the reader's tests, from FORMAT.md alone. It shares with the reader only SipHash, which has a test of its own."""

from __future__ import annotations

import zlib

from segment import siphash13

STORE_ID = bytes(range(0xA0, 0xB0))


def u(size: int, *numbers: int) -> bytes:
    """The numbers, little-endian, `size` bytes each."""
    return b"".join(n.to_bytes(size, "little") for n in numbers)


def leb128(n: int) -> bytes:
    """A varint."""
    return u(1, n) if n < 128 else u(1, n % 128 + 128) + leb128(n // 128)


class SegmentWriter:
    """Writes one segment into `data`. `sequence` is the number of the last record, marks included, to go on from in the next segment."""

    def __init__(self, id=1, first=None, last=None, kind=1, sequence=0, seed=None, store_id=STORE_ID, version=1, features=(0, 0), reserved=0, magic=b"BITCASK\n"):
        self.seed, self.store_id, self.sequence = seed or 0xFACE0000 + id, store_id, sequence
        self.name = f"{id:012}.segment"
        self.hinted = []
        first = first or id
        head = magic + u(2, version, kind) + u(4, *features, self.seed) + store_id + u(8, id, first, last or first) + u(4, reserved)
        self.data = bytearray(head + u(4, zlib.crc32(head)))

    def record(self, kind, sequence, key=b"", value=b"", batch=False, expiry=None, synced=None, flags=0, head_sum=None):
        """Appends a record with any fields, the impossible ones too. Returns its offset."""
        offset = len(self.data)
        flags |= batch | (expiry is not None) << 1 | (synced is not None) << 2
        fields = b"".join(u(8, f) for f in (expiry, synced) if f is not None)
        head = u(1, kind, flags) + u(2, len(key)) + u(4, len(value)) + u(8, sequence) + fields + key
        init = self.seed ^ offset % 2**32
        rest = u(4, zlib.crc32(head, init) if head_sum is None else head_sum) + head + value
        self.data += u(4, zlib.crc32(rest, init)) + rest
        return offset

    def put(self, key, value=b"", sequence=None, kind=1, **fields):
        """Appends a put with the next number. Returns its offset."""
        self.sequence = sequence or self.sequence + 1
        offset = self.record(kind, self.sequence, key, value, **fields)
        self.hinted.append((offset, len(self.data), kind == 2, fields.get("expiry") is not None, self.sequence, key))
        return offset

    def delete(self, key, **fields):
        """Appends a tombstone with the next number. Returns its offset."""
        return self.put(key, kind=2, **fields)

    def mark(self, sequence=None):
        """Appends a mark with the number of the record before it, or with this one. Returns its offset."""
        self.sequence = self.sequence if sequence is None else sequence
        return self.record(3, self.sequence, synced=len(self.data))

    def seal(self, form=None, sequence=None):
        """Appends the seal, with the form and the number that the format chooses unless told otherwise. Returns its offset."""
        keys, size = sum(len(h[5]) for h in self.hinted), sum(h[1] - h[0] for h in self.hinted)
        form = form or (1 if keys <= size / 8 else 2)
        numbers = [h[4] for h in self.hinted] or [0]
        value = u(1, form) + bytes(7) + u(8, len(self.hinted), sum(h[2] for h in self.hinted), min(numbers), max(numbers))
        before, end = min(numbers), 72
        for start, stop, tombstone, expires, number, key in self.hinted:
            value += u(1, tombstone + 2 * expires + 4 * (start > end))
            value += leb128(start - end) if start > end else b""
            value += leb128(stop - start) + leb128(max(number - before, 0))
            value += leb128(len(key)) + key if form == 1 else u(8, siphash13(self.store_id, key))
            before, end = number, stop
        sequence = self.sequence if sequence is None else sequence
        return self.record(4, sequence, value=value + u(8, len(self.data)) + b"SEALED\r\n")


def flipped(data: bytes, offset: int, bit: int = 0) -> bytes:
    """The bytes with one bit changed."""
    out = bytearray(data)
    out[offset] ^= 1 << bit
    return bytes(out)
