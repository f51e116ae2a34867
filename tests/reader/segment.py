"""The bytes of one segment: its header, its records, its seal. Sections 2 to 4 of FORMAT.md, and what section 6 asks of a walk."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"BITCASK\n"
END_MAGIC = b"SEALED\r\n"
HEADER = struct.Struct("<8sHHIII16sQQQII")
HEADER_SIZE = 72
HEAD = struct.Struct("<IIBBHIQ")
LOG, MERGE = 1, 2
PUT, TOMBSTONE, MARK, SEAL = 1, 2, 3, 4
BATCH, EXPIRES, SYNCED = 1, 2, 4
ALLOWED_FLAGS = {PUT: BATCH | EXPIRES | SYNCED, TOMBSTONE: BATCH | SYNCED, MARK: SYNCED, SEAL: 0}

# What can be at the first offset that is not followed by a valid record.
END, ZEROS = "end of file", "zeros"
PAST_END, HEAD_WRONG, BODY_WRONG = "record runs past the end of the file", "head checksum wrong", "body checksum wrong"
NOT_ALLOWED, OUT_OF_SEQUENCE, NO_BATCH_END = "fields that no record may have", "sequence number wrong", "batch without its end"


class StoreError(Exception):
    """The store cannot be read as it is. Names the segment file and the offset in it, where there is one."""

    def __init__(self, segment: str, offset: int, what: str):
        super().__init__(f"{segment} at offset {offset}: {what}")
        self.segment, self.offset, self.what = segment, offset, what


class Damage(StoreError):
    """Bytes that were durable are not what was written."""


class MissingSegment(Damage):
    """No segment stands for some position of the log."""


class Foreign(StoreError):
    """A segment of another store, or under another segment's name."""


class Newer(StoreError):
    """Written by a later version of the format."""


@dataclass
class Numbers:
    """The store's counter (section 3): the number of the last record so far, in all segments."""

    last: int = 0

    def take(self, record: Record, segment_kind: int, is_first: bool) -> bool:
        """Whether the record's number may come here; if so, it is now the last. `is_first`: no record is before it in its segment."""
        number, before = record.sequence, self.last
        if record.kind == MARK:
            follows = number >= before
        elif record.kind == SEAL and segment_kind == LOG:
            # The page does not say what number the seal of a log segment without a record has.
            follows = number == before or (is_first and number == 0)
        elif record.kind == SEAL:
            follows = number >= before
        else:
            follows = number == before + 1 if segment_kind == LOG else number > before
        self.last = max(before, number) if follows else before
        return follows


@dataclass
class Record:
    """A record whose checksums and fields are right."""

    offset: int
    end: int
    kind: int
    flags: int
    sequence: int
    expiry: int | None
    synced: int | None
    key: bytes
    value: bytes


def parse_record(data: bytes, offset: int, seed: int):
    """The Record at `offset`, or the word for what is wrong with it (section 3). Lengths are bounded by the file before use."""
    if offset >= len(data):
        return END
    if offset + HEAD.size > len(data):
        return PAST_END if any(data[offset:]) else ZEROS
    body_sum, head_sum, kind, flags, key_length, value_length, sequence = HEAD.unpack_from(data, offset)
    optional = offset + HEAD.size
    key_start = optional + 8 * bool(flags & EXPIRES) + 8 * bool(flags & SYNCED)
    key_end = key_start + key_length
    end = key_end + value_length
    if kind == 0:
        return HEAD_WRONG if any(data[offset : offset + HEAD.size]) else ZEROS
    if key_end > len(data):
        return PAST_END
    init = seed ^ (offset & 0xFFFFFFFF)
    if zlib.crc32(data[offset + 8 : key_end], init) != head_sum:
        return HEAD_WRONG
    if end > len(data):
        return PAST_END
    if zlib.crc32(data[offset + 4 : end], init) != body_sum:
        return BODY_WRONG
    fields = list(struct.unpack(f"<{(key_start - optional) // 8}Q", data[optional:key_start]))
    expiry = fields.pop(0) if flags & EXPIRES else None
    synced = fields.pop(0) if flags & SYNCED else None
    record = Record(offset, end, kind, flags, sequence, expiry, synced, data[key_start:key_end], data[key_end:end])
    return record if is_allowed(record) else NOT_ALLOWED


def is_allowed(record: Record) -> bool:
    """The table of kinds in section 3."""
    if record.kind not in ALLOWED_FLAGS or record.flags & ~ALLOWED_FLAGS[record.kind]:
        return False
    if record.synced is not None and not HEADER_SIZE <= record.synced <= record.offset:
        return False
    if record.kind in (PUT, TOMBSTONE):
        empty = record.kind == PUT or not record.value
        return bool(record.key) and empty and record.sequence > 0 and record.offset < 2**32
    if record.kind == MARK:
        return not record.key and not record.value and record.synced == record.offset
    return not record.key and len(record.value) >= 56


@dataclass
class Walk:
    """A walk from the header to the first offset `bad` where no record follows; whole batches only, the last ends at `cut`.

    `clean`: nothing but zeros is at `bad`. `may_be_a_seal`: what is there is no record and ends no batch, so perhaps a seal that was cut short.
    """

    records: list
    bad: int
    at: str
    cut: int
    clean: bool
    may_be_a_seal: bool = False
    seal: Record | None = None


class Segment:
    """One file: its header, and the records behind it."""

    def __init__(self, name: str, name_id: int, data: bytes):
        self.name, self.name_id, self.data = name, name_id, data
        self.kind, self.seal, self.state, self.counts = 0, None, "", {}
        self.valid = None

    def read_header(self) -> None:
        """Section 2. Raises Newer where the checksum is right and the version or a feature unknown, Damage where it is wrong."""
        if len(self.data) < HEADER_SIZE:
            raise Damage(self.name, 0, "the file is shorter than a header")
        magic, version, kind, incompatible, _, seed, store_id, id, first, last, reserved, checksum = HEADER.unpack_from(self.data)
        if zlib.crc32(self.data[:68]) != checksum or magic != MAGIC:
            raise Damage(self.name, 0, "the header's magic or checksum is wrong")
        if version != 1:
            raise Newer(self.name, 8, f"version {version} of the format")
        if incompatible:
            raise Newer(self.name, 12, f"features {incompatible:#x}")
        if kind not in (LOG, MERGE) or reserved or id == 0 or not 1 <= first <= last or (kind == LOG and first != last):
            raise Damage(self.name, 8, "the header's fields contradict each other")
        self.seed, self.store_id, self.id, self.first, self.last, self.kind = seed, store_id, id, first, last, kind

    def find_seal(self) -> None:
        """Section 4: at the end of the file, else where the records lead, else (behind a damaged record) wherever it is."""
        data = self.data
        if len(data) >= HEADER_SIZE + 80 and data[-8:] == END_MAGIC:
            offset = int.from_bytes(data[-16:-8], "little")
            if HEADER_SIZE <= offset < len(data):
                record = parse_record(data, offset, self.seed)
                self.seal = record if isinstance(record, Record) and record.kind == SEAL else None
        if not self.seal:
            self.seal = next((r for r in self.valid_records() if r.kind == SEAL), None)

    def valid_records(self) -> list:
        """Every valid record, those behind a bad offset included: searched byte by byte (section 6)."""
        if self.valid is None:
            self.valid, offset = [], HEADER_SIZE
            # The kind of a record is not 0, so none begins in the zeros at the end.
            content = len(self.data.rstrip(b"\0"))
            while offset < content:
                record = parse_record(self.data, offset, self.seed)
                if isinstance(record, Record):
                    self.valid.append(record)
                offset = record.end if isinstance(record, Record) else offset + 1
        return self.valid

    def walk(self, numbers: Numbers) -> Walk:
        """Walks the records in order, up to the seal or the first bad offset."""
        records, offset, cut, whole = [], HEADER_SIZE, HEADER_SIZE, 0
        while True:
            record = parse_record(self.data, offset, self.seed)
            at = record if isinstance(record, str) else self.misplaced(record, numbers, len(records) > whole)
            if at or record.kind == SEAL:
                break
            records.append(record)
            offset = record.end
            if not record.flags & BATCH:
                cut, whole = offset, len(records)
        if not at:
            return Walk(records, offset, "seal", cut, True, seal=record)
        silent = not any(self.data[offset:])
        at = NO_BATCH_END if silent and cut < offset else at
        return Walk(records[:whole], offset, at, cut, silent and cut == offset, isinstance(record, str) and cut == offset)

    def misplaced(self, record: Record, numbers: Numbers, in_batch: bool) -> str:
        """What is wrong with a valid record at this place of its segment; empty if nothing is."""
        if self.kind == MERGE and (record.kind == MARK or record.flags & (BATCH | SYNCED)):
            return NOT_ALLOWED
        if in_batch and record.kind in (MARK, SEAL):
            return NO_BATCH_END
        return "" if numbers.take(record, self.kind, record.offset == HEADER_SIZE) else OUT_OF_SEQUENCE

    def verify(self, numbers: Numbers) -> list:
        """The records of a segment that has a seal or ought to, all of them right, and the seal what they make it. Else Damage."""
        walk = self.walk(numbers)
        if not walk.seal or walk.bad != self.seal.offset:
            raise Damage(self.name, walk.bad, f"{walk.at}, in a segment that is sealed or has a sealed one behind it")
        expected = make_seal(walk.records, self.store_id, self.seal.offset)
        if expected != self.seal.value:
            pairs = zip(expected, self.seal.value)
            differs = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(self.seal.value)))
            raise Damage(self.name, self.seal.end - len(self.seal.value) + differs, "the seal is not what the records make it")
        return walk.records

    def summary(self) -> dict:
        """A line of `--segments`."""
        line = {"segment": self.name, "bytes": len(self.data), "state": self.state}
        if self.kind:
            line.update(kind="log" if self.kind == LOG else "merge", first=self.first, last=self.last, seal_form=None, **self.counts)
        if self.seal:
            line["seal_form"] = self.seal.value[0]
        return line


def make_seal(records: list, store_id: bytes, offset: int) -> bytes:
    """The value of the seal at `offset` behind these records (section 4)."""
    hinted = [r for r in records if r.kind in (PUT, TOMBSTONE)]
    size, keys = sum(r.end - r.offset for r in hinted), sum(len(r.key) for r in hinted)
    form = 1 if keys * 8 <= size else 2
    first, last = (hinted[0].sequence, hinted[-1].sequence) if hinted else (0, 0)
    tombstones = sum(r.kind == TOMBSTONE for r in hinted)
    parts = [struct.pack("<B7xQQQQ", form, len(hinted), tombstones, first, last)]
    end, sequence = HEADER_SIZE, first
    for r in hinted:
        skip = r.offset - end
        parts.append(bytes([(r.kind == TOMBSTONE) | (r.expiry is not None) << 1 | (skip > 0) << 2]))
        parts.append(varint(skip) if skip else b"")
        parts.append(varint(r.end - r.offset) + varint(r.sequence - sequence))
        parts.append(varint(len(r.key)) + r.key if form == 1 else struct.pack("<Q", siphash13(store_id, r.key)))
        end, sequence = r.end, r.sequence
    return b"".join(parts) + struct.pack("<Q", offset) + END_MAGIC


def varint(number: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def siphash13(key: bytes, data: bytes) -> int:
    """SipHash-1-3 of the bytes of `data`, without any prefix, under a key of 16 bytes."""
    mask = 2**64 - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(x: int, by: int) -> int:
        return (x << by | x >> 64 - by) & mask

    def rounds(count: int) -> None:
        a, b, c, d = v
        for _ in range(count):
            a, c = (a + b) & mask, (c + d) & mask
            b, d = turn(b, 13) ^ a, turn(d, 16) ^ c
            a, c = (turn(a, 32) + d) & mask, (c + b) & mask
            d, b = turn(d, 21) ^ a, turn(b, 17) ^ c
            c = turn(c, 32)
        v[:] = a, b, c, d

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(1)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(3)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
