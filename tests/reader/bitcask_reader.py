#!/usr/bin/env python3
"""An independent, read-only reader of mini-bitcask stores and of exported streams, written from FORMAT.md alone.

It shares no code with the engine, so that a mistake in the engine's writer is not forgiven by the same mistake in its reader.
It reads every byte that counts, checks every checksum, and makes each seal again from the records. It changes nothing.

    python3 tests/reader/bitcask_reader.py STORE              one JSON line for every live key, in the order of the keys
    python3 tests/reader/bitcask_reader.py STORE --segments   one JSON line for every segment file
    python3 tests/reader/bitcask_reader.py --stream FILE      one JSON line for every entry of an exported stream

Exit codes: 0 read, 2 usage, 4 input or output failed, 5 the store or stream is damaged, foreign or newer. A torn tail is not damage:
what recovery would cut is left out, and said on standard error. No clock is asked: an expired put is printed, with its expiry.

"Section n" in this file is section n of FORMAT.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, field

from segment import HEADER_SIZE, LOG, MARK, MERGE, PUT, TOMBSTONE, Damage, Foreign, MissingSegment, Numbers, Segment, StoreError
from stream import read_stream


@dataclass
class Store:
    """What a store holds. `live` maps a key to (value, sequence, expiry in ms or None)."""

    live: dict = field(default_factory=dict)
    segments: list = field(default_factory=list)
    verdict: str = "clean"
    torn: list = field(default_factory=list)  # (segment name, length that stays, bytes cut, why)


def read_store(folder: str) -> Store:
    """Reads and verifies the whole store in `folder`. Raises StoreError, or OSError."""
    segments = []
    for name in sorted(os.listdir(folder)):
        found = re.fullmatch(r"([0-9]{12,})\.segment", name)
        if found and name == f"{int(found[1]):012d}.segment":
            with open(os.path.join(folder, name), "rb") as file:
                segments.append(Segment(name, int(found[1]), file.read()))
    return read_segments(segments)


def read_segments(segments: list) -> Store:
    """Sections 5 and 6: which segments count, what is in them, and how the log ends."""
    store = Store(segments=segments)
    chain = choose_segments(segments)
    numbers = Numbers()
    sealed = [s for s in chain if s.seal]
    for segment in chain[: len(sealed)]:
        apply(store, segment, segment.verify(numbers))
    recover(store, chain[len(sealed) :], numbers)
    return store


def recover(store: Store, tail: list, numbers: Numbers) -> None:
    """Section 6. The first segment of the tail that does not end cleanly decides; a clean one is applied, and the next walked.

    A clean one has no unsound bytes behind its records, or such that the next record follows on: then no record is missing.
    """
    for index, segment in enumerate(tail):
        later = tail[index + 1 :]
        walk = segment.walk(numbers)
        synced = [r.synced for r in segment.valid_records() if r.synced is not None]
        vouched = max(synced, default=0) > walk.bad or any(r.synced is not None for s in later for r in s.valid_records())
        segment.state = f"{walk.at} at {walk.bad}"
        if vouched:
            raise Damage(segment.name, walk.bad, f"{walk.at}, but a later record says that this was durable")
        apply(store, segment, walk.records)
        if not (walk.clean or (walk.may_be_a_seal and follows_on(later, numbers))):
            store.verdict = "torn"
            store.torn.append((segment.name, walk.cut, len(segment.data) - walk.cut, walk.at))
            store.torn += [(s.name, HEADER_SIZE, len(s.data) - HEADER_SIZE, "behind a torn record") for s in later]
            return


def follows_on(later: list, numbers: Numbers) -> bool:
    """Whether the first valid record of these segments has the next number. (A mark vouches for what is before it, so is not asked about here.)"""
    record = next((r for s in later for r in s.valid_records()), None)
    return record is not None and record.sequence == numbers.last + 1


def apply(store: Store, segment: Segment, records: list) -> None:
    """The newest record of a key wins; segments and records come here in the order of their numbers."""
    for record in records:
        if record.kind == PUT:
            store.live[record.key] = (record.value, record.sequence, record.expiry)
        elif record.kind == TOMBSTONE:
            store.live.pop(record.key, None)
    kinds = [r.kind for r in records]
    segment.counts = {"puts": kinds.count(PUT), "tombstones": kinds.count(TOMBSTONE), "marks": kinds.count(MARK)}


def choose_segments(segments: list) -> list:
    """Section 5, rule by rule. Returns the segments that count, in the order of their positions."""
    wrong = []
    for segment in segments:
        if not any(segment.data[:HEADER_SIZE]):
            segment.state = "being created"
            continue
        try:
            segment.read_header()
        except Damage as error:
            segment.state = "header wrong"
            wrong.append((segment, error))
    known = [s for s in segments if s.kind]
    ids = Counter(s.store_id for s in known).most_common(1)
    for segment in known:
        if segment.store_id != ids[0][0]:
            raise Foreign(segment.name, 24, f"store id {segment.store_id.hex()}, but that of most segments is {ids[0][0].hex()}")
        if segment.id != segment.name_id:
            raise Foreign(segment.name, 40, f"the header names it segment {segment.id}")
        segment.find_seal()
        segment.state = "sealed" if segment.seal else "un-sealed" if segment.kind == LOG else "uncommitted merge"
    outputs = [s for s in known if s.kind == MERGE and s.seal]
    chain = []
    for x in known:
        by = [y.id for y in outputs if y.first <= x.first and x.last <= y.last and y.id > x.id]
        if x.kind == MERGE and not x.seal:
            continue
        if by:
            x.state = f"retired by segment {max(by)}"
        else:
            chain.append(x)
    chain.sort(key=lambda s: (s.first, s.id))
    expect_tiling(chain, [error for _, error in wrong], max(known, key=lambda s: s.last, default=None))
    for segment, error in wrong if not chain else []:
        if any(segment.data[HEADER_SIZE:]):
            raise error
    return chain


def expect_tiling(chain: list, wrong: list, furthest: Segment | None) -> None:
    """Rules 5 and 6: the positions are 1, 2, … n, where `furthest` names n; where one is missing, a file whose header is wrong was it."""

    def missing(segment: Segment, offset: int, first: int, last: int) -> StoreError:
        return wrong[0] if wrong else MissingSegment(segment.name, offset, f"no segment for log positions {first} to {last}")

    position = 1
    for segment in chain:
        if segment.first > position:
            raise missing(segment, 48, position, segment.first - 1)
        if segment.first < position:
            raise Damage(segment.name, 48, f"log position {segment.first} is stood for twice")
        position = segment.last + 1
    if furthest and furthest.last >= position:
        raise missing(furthest, 56, position, furthest.last)


def lines(store: Store) -> list:
    """The JSON lines of the live keys, in the order of the keys."""
    out = []
    for key, (value, sequence, expiry) in sorted(store.live.items()):
        line = {"key": key.hex(), "value": value.hex(), "sequence": sequence, "expires_at_ms": expiry}
        out.append(json.dumps(line))
    return out


def main(arguments: list | None = None) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(description="Reads a mini-bitcask store, independently of its engine.")
    parser.add_argument("store", help="the store's folder, or the stream's file")
    parser.add_argument("--segments", action="store_true", help="print the segments instead of the keys")
    parser.add_argument("--stream", action="store_true", help="it is a file that an export wrote")
    options = parser.parse_args(arguments)
    try:
        if options.stream:
            with open(options.store, "rb") as file:
                stream = read_stream(options.store, file.read())
            for key, (value, expiry) in stream.entries.items():
                print(json.dumps({"key": key.hex(), "value": value.hex(), "expires_at_ms": expiry}))
            return 0
        store = read_store(options.store)
    except StoreError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 5
    except OSError as error:
        print(error, file=sys.stderr)
        return 4
    for name, stays, cut, why in store.torn:
        print(f"torn: {name}: {why}; {cut} bytes behind offset {stays} do not count", file=sys.stderr)
    for line in [json.dumps(s.summary()) for s in store.segments] if options.segments else lines(store):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
