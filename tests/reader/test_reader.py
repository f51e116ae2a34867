"""The reader over segments made by hand: every kind of record, sequences, batches, seals, damage, the command, golden stores."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import bitcask_reader
from segment import LOG, MARK, PUT, Damage, Record, Segment, StoreError, is_allowed, siphash13
from segment_writer import SegmentWriter, flipped

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def read(*segments):
    """Reads a store of these writers, or (name, bytes) pairs."""
    pairs = [s if isinstance(s, tuple) else (s.name, bytes(s.data)) for s in segments]
    return bitcask_reader.read_segments([Segment(name, int(name[:-8]), data) for name, data in sorted(pairs)])


def values(store):
    """The live keys with their values only."""
    return {key: value for key, (value, _, _) in store.live.items()}


def command(*arguments):
    """Runs the command in this process: its exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = bitcask_reader.main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def example(**options):
    """A log segment with every kind of record."""
    w = SegmentWriter(**options)
    w.put(b"a", b"1")
    w.put(b"b", b"2", expiry=2**41)
    w.delete(b"a", synced=72)
    w.mark()
    w.put(b"c", b"3", batch=True, synced=80)
    w.put(b"d", b"", batch=True, expiry=7, synced=len(w.data))
    w.delete(b"c")
    return w


class Records(unittest.TestCase):
    def test_every_kind_and_field(self):
        for w in example(), example():
            store = read(w, SegmentWriter(2))
            self.assertEqual(store.verdict, "clean")
            self.assertEqual(store.live, {b"b": (b"2", 2, 2**41), b"d": (b"", 5, 7)})
            self.assertEqual(store.segments[0].counts, {"puts": 4, "tombstones": 2, "marks": 1})

    def test_any_bytes_and_longest_key(self):
        w = SegmentWriter()
        w.put(b"\0", bytes(range(256)) * 300)
        w.put(b"k" * 65535, b"v")
        w.seal()
        self.assertEqual(values(read(w, SegmentWriter(2))), {b"\0": bytes(range(256)) * 300, b"k" * 65535: b"v"})

    def test_a_record_that_no_writer_writes_is_no_record(self):
        wrong = [
            dict(kind=0, sequence=1, key=b"k"), dict(kind=5, sequence=1, key=b"k"), dict(kind=1, sequence=1),
            dict(kind=1, sequence=1, key=b"k", flags=8), dict(kind=1, sequence=1, key=b"k", flags=128), dict(kind=1, sequence=0, key=b"k"),
            dict(kind=2, sequence=1, key=b"k", value=b"v"), dict(kind=2, sequence=1, key=b"k", expiry=1), dict(kind=2, sequence=1),
            dict(kind=3, sequence=0), dict(kind=3, sequence=0, key=b"k", synced=72), dict(kind=3, sequence=0, value=b"v", synced=72),
            dict(kind=3, sequence=0, synced=72, batch=True), dict(kind=3, sequence=0, synced=72, expiry=1), dict(kind=3, sequence=0, synced=71), dict(kind=3, sequence=0, synced=73),
            dict(kind=1, sequence=1, key=b"k", synced=71), dict(kind=1, sequence=1, key=b"k", synced=73),
            dict(kind=4, sequence=0, value=bytes(55)), dict(kind=1, sequence=1, key=b"k", head_sum=7),
        ]
        for fields in wrong:
            with self.subTest(fields):
                w = SegmentWriter()
                w.record(**fields)
                store = read(w, SegmentWriter(2))
                self.assertEqual((store.verdict, store.live), ("torn", {}))
                self.assertEqual(store.torn[0][1], 72)

    def test_a_mark_that_vouches_for_less_than_all_is_no_record(self):
        w = SegmentWriter()
        end = w.put(b"a") and len(w.data)
        w.record(3, 1, synced=72)
        store = read(w, SegmentWriter(2))
        self.assertEqual((store.verdict, store.torn[0][1]), ("torn", end))

    def test_puts_begin_in_the_first_four_gibibytes(self):
        for offset, allowed in (2**32 - 1, True), (2**32, False):
            self.assertEqual(is_allowed(Record(offset, offset + 25, PUT, 0, 1, None, None, b"k", b"")), allowed)

    def test_a_moved_record_and_one_of_another_seed_fail(self):
        w = SegmentWriter()
        w.put(b"a", b"1")
        record = bytes(w.data[72:])
        for moved in SegmentWriter(seed=99).data + record, SegmentWriter().data + bytes(1) + record:
            self.assertEqual(read((w.name, bytes(moved)), SegmentWriter(2)).verdict, "torn")

    def test_a_record_inside_a_value_vouches_for_nothing(self):
        inner = SegmentWriter()
        inner.mark()
        w = SegmentWriter()
        w.put(b"k", bytes(inner.data[72:]) * 3)
        self.assertEqual(read((w.name, flipped(w.data, 72)), SegmentWriter(2)).verdict, "torn")


class Sequence(unittest.TestCase):
    def two(self, second, before=1, **fields):
        w = SegmentWriter()
        w.put(b"a", sequence=before)
        w.put(b"b", sequence=second, **fields)
        return read(w, SegmentWriter(2))

    def test_the_next_number_is_one_more(self):
        self.assertEqual(self.two(2).verdict, "clean")
        for number in 1, 3, 2**32:
            self.assertEqual(self.two(number).verdict, "torn", number)

    def test_synced_allows_no_jump(self):
        self.assertEqual(self.two(2, synced=72).verdict, "clean")
        for number in 1, 3, 2**32:
            self.assertEqual(self.two(number, synced=72).verdict, "torn", number)

    def test_a_mark_raises_the_counter_and_never_lowers_it(self):
        for number, allowed in (5, True), (6, True), (2**32 - 1, True), (2**64 - 2, True), (4, False), (0, False):
            w = SegmentWriter()
            for key in b"abcde":
                w.put(b"%c" % key)
            mark = w.mark(number)
            w.put(b"f")
            store = read(w, SegmentWriter(2))
            self.assertEqual(store.verdict, "clean" if allowed else "torn", number)
            self.assertEqual(store.live.get(b"f"), (b"", number + 1, None) if allowed else None)
            if not allowed:
                self.assertEqual(store.torn[0][1], mark)

    def test_a_put_follows_a_mark_by_one(self):
        for number, verdict in (8, "torn"), (9, "torn"), (10, "clean"), (11, "torn"), (2, "torn"):
            w = SegmentWriter()
            w.put(b"a")
            w.mark(9)
            w.put(b"b", sequence=number)
            self.assertEqual(read(w, SegmentWriter(2)).verdict, verdict, number)

    def test_the_first_number_of_a_store_is_one_unless_a_mark_raised_it(self):
        w = SegmentWriter()
        w.put(b"a", sequence=2)
        self.assertEqual(read(w, SegmentWriter(2)).verdict, "torn")
        for number in 0, 1, 2**32 - 1:
            w = SegmentWriter()
            w.mark(number)
            w.put(b"a")
            self.assertEqual(read(w, SegmentWriter(2)).live, {b"a": (b"", number + 1, None)})

    def test_across_segments(self):
        """The last number of the sealed segment before is 7, of a mark."""
        for mark, number, right in (None, 8, True), (None, 9, False), (None, 7, False), (7, 8, True), (20, 21, True), (20, 8, False), (6, 7, False):
            one, two = SegmentWriter(1), SegmentWriter(2)
            one.put(b"a")
            one.mark(7)
            one.seal()
            if mark:
                two.mark(mark)
            two.put(b"b", sequence=number)
            two.seal()
            bad = len(two.data) if right else 72 if not mark or mark < 7 else 104
            with self.subTest(mark=mark, number=number):
                if right:
                    self.assertEqual(len(read(one, two, SegmentWriter(3)).live), 2)
                    continue
                with self.assertRaises(Damage) as raised:
                    read(one, two, SegmentWriter(3))
                self.assertEqual((raised.exception.segment, raised.exception.offset), (two.name, bad))

    def test_a_seal_has_the_number_of_the_record_before_it(self):
        for raised_to, number, right in (None, 1, True), (None, 2, False), (None, 0, False), (5, 5, True), (5, 1, False), (5, 6, False):
            w = SegmentWriter()
            w.put(b"a")
            if raised_to:
                w.mark(raised_to)
            seal = w.seal(sequence=number)
            with self.subTest(mark=raised_to, seal=number):
                if right:
                    self.assertEqual(read(w, SegmentWriter(2)).segments[0].state, "sealed")
                    continue
                with self.assertRaises(Damage) as raised:
                    read(w, SegmentWriter(2))
                self.assertEqual(raised.exception.offset, seal)
                self.assertIn("sequence number wrong", raised.exception.what)

    def test_a_segment_of_marks_alone_is_sealed_without_hints(self):
        w = SegmentWriter()
        w.mark(2**32 - 1)
        w.seal()
        two = SegmentWriter(2, sequence=w.sequence)
        two.put(b"a")
        store = read(w, two, SegmentWriter(3))
        self.assertEqual((store.verdict, store.live), ("clean", {b"a": (b"", 2**32, None)}))


class Batches(unittest.TestCase):
    def test_a_batch_counts_when_its_end_is_there(self):
        w = SegmentWriter()
        w.put(b"a")
        begin = w.put(b"b", batch=True)
        w.delete(b"a", batch=True)
        last = w.put(b"c")
        for length in range(begin + 1, len(w.data) + 1):
            store = read((w.name, bytes(w.data[:length])), SegmentWriter(2))
            whole = length == len(w.data)
            self.assertEqual(set(store.live), {b"b", b"c"} if whole else {b"a"}, length)
            self.assertEqual(store.verdict, "clean" if whole else "torn", length)
        store = read((w.name, bytes(w.data[:last]) + bytes(999)), SegmentWriter(2))
        self.assertEqual((store.verdict, store.torn[0][1]), ("torn", begin))

    def test_neither_mark_nor_seal_nor_the_next_segment_ends_a_batch(self):
        marked, sealed = SegmentWriter(), SegmentWriter()
        marked.put(b"a", batch=True)
        marked.mark()
        store = read(marked, SegmentWriter(2))
        self.assertEqual((store.verdict, store.live, store.torn[0][1]), ("torn", {}, 72))
        sealed.put(b"a", batch=True)
        sealed.seal()
        with self.assertRaises(Damage):
            read(sealed, SegmentWriter(2))
        one = SegmentWriter(1)
        one.put(b"a", batch=True)
        two = SegmentWriter(2, sequence=1)
        two.put(b"b")
        store = read(one, two, SegmentWriter(3))
        self.assertEqual((store.verdict, store.live), ("torn", {}))


class Seals(unittest.TestCase):
    def test_siphash_agrees_with_that_of_python(self):
        self.assertEqual(sys.hash_info.width, 64)
        if sys.hash_info.algorithm != "siphash13":
            self.skipTest(f"this Python hashes with {sys.hash_info.algorithm}")
        texts = [bytes(range(n)) for n in range(1, 40)] + [b"x" * 300]
        code = f"print([hash(t) % 2**64 for t in {texts!r}])"
        out = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, check=True).stdout
        self.assertEqual([siphash13(bytes(16), t) for t in texts], json.loads(out))

    def test_siphash_of_published_vectors(self):
        """Of the reference's key and inputs: 00 01 02 …, this many bytes."""
        for size, expected in (0, "dcc40f055801acab"), (1, "93ca577df39bf4c9"), (15, "5699512a6dd820d3"):
            self.assertEqual(siphash13(bytes(range(16)), bytes(range(size))).to_bytes(8, "little").hex(), expected)

    def test_both_forms_by_the_eighth(self):
        for key, size, form in (b"k", 6, 2), (b"ab", 6, 1), (b"four", 4, 1), (b"four", 3, 2), (b"", 0, 1):
            w = SegmentWriter()
            if key:
                w.put(key, bytes(size))
            if key == b"k":
                w.put(b"k" * 100)
            w.seal()
            self.assertEqual(read(w, SegmentWriter(2)).segments[0].summary()["seal_form"], form, key)

    def test_a_seal_that_lies_with_right_checksums(self):
        liars = {
            "wrong form": lambda w: w.seal(2),
            "other store id": lambda w: (setattr(w, "store_id", bytes(16)), w.put(b"k" * 99), w.seal()),
            "one record less": lambda w: (w.hinted.pop(), w.seal()),
            "a key changed": lambda w: (w.hinted.append(w.hinted.pop()[:5] + (b"x",)), w.seal()),
            "tombstone unsaid": lambda w: (w.hinted.append(w.hinted.pop()[:2] + (True, False, 6, b"c")), w.seal()),
            "number of another": lambda w: w.seal(sequence=6),
        }
        for name, lie in liars.items():
            w = example()
            w.put(b"e", bytes(200))
            lie(w)
            with self.subTest(name), self.assertRaises(Damage) as raised:
                read(w, SegmentWriter(2))
            self.assertEqual(raised.exception.segment, w.name)

    def test_a_seal_before_slack_is_met_by_the_walk(self):
        for slack in bytes(1000), b"\xff" * 50, b"SEALED\r\n", bytes(8) + b"SEALED\r\n":
            w = example()
            w.seal()
            w.data += slack
            store = read(w, SegmentWriter(2))
            self.assertEqual((len(store.live), store.segments[0].state), (2, "sealed"))
            m = SegmentWriter(9, 1, 1, kind=2)
            m.put(b"merged", sequence=3)
            m.seal()
            m.data += slack
            self.assertEqual(values(read(w, SegmentWriter(2), m)), {b"merged": b""})

    def test_damage_in_a_sealed_segment_with_slack_is_damage(self):
        w = example()
        w.seal()
        with self.assertRaises(Damage) as raised:
            read((w.name, flipped(w.data, 72 + 25) + bytes(99)), SegmentWriter(2))
        self.assertEqual(raised.exception.offset, 72)

    def test_every_flipped_bit_of_a_sealed_segment_is_noticed(self):
        for pad in 0, 300:
            w = example()
            w.put(b"p", bytes(pad))
            seal = w.seal()
            vouching = SegmentWriter(2, sequence=w.sequence)
            vouching.put(b"z", synced=72)
            for offset in range(len(w.data)):
                for bit in range(8):
                    changed = (w.name, flipped(w.data, offset, bit))
                    with self.assertRaises(StoreError, msg=(offset, bit)):
                        read(changed, vouching, SegmentWriter(3))
                    if offset < seal:
                        with self.assertRaises(StoreError, msg=(offset, bit)):
                            read(changed, SegmentWriter(2))
                    else:  # Nothing vouches for the seal: a torn one, and no record is lost.
                        store = read(changed, SegmentWriter(2))
                        self.assertEqual((store.verdict, store.torn[0][1], len(store.live)), ("torn", seal, 3))


class AnyBytes(unittest.TestCase):
    def test_every_length_of_a_store_gives_a_prefix(self):
        w = example()
        states = [values(read((w.name, bytes(w.data[:n])), SegmentWriter(2))) for n in range(72, len(w.data) + 1)]
        seen = [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]
        self.assertEqual(seen, [{}, {b"a": b"1"}, {b"a": b"1", b"b": b"2"}, {b"b": b"2"}, {b"b": b"2", b"d": b""}])

    def test_random_damage_gives_an_error_or_a_store(self):
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        for _ in range(1500):
            w, two = example(), SegmentWriter(2, sequence=6)
            two.put(b"e", b"5" * 40)
            if rng.random() < 0.7:
                w.seal()
            victim = rng.choice([w, two])
            for _ in range(rng.randrange(1, 4)):
                at, size = rng.randrange(len(victim.data)), rng.randrange(30)
                new = rng.choice([b"", bytes(size), bytes(rng.randrange(256) for _ in range(size))])
                victim.data[at : at + size] = new
                if not victim.data:
                    break
            with contextlib.suppress(StoreError):
                store = read(w, two, SegmentWriter(3))
                wrote = {b"a": b"1", b"b": b"2", b"d": b"", b"c": b"3", b"e": b"5" * 40}
                self.assertLessEqual(values(store).items(), wrote.items(), f"seed {seed}")


class Command(unittest.TestCase):
    def folder(self, *segments):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, data in [s if isinstance(s, tuple) else (s.name, bytes(s.data)) for s in segments]:
            Path(folder.name, name).write_bytes(data)
        return folder.name

    def test_lines_in_order_of_keys_and_nothing_changed(self):
        w = example()
        w.put(b"\xff")
        w.data += b"torn"
        strangers = [("LOCK", b"1"), ("1.segment", b"x"), ("0000000000001.segment", b"x"), ("000000000007.segment.tmp", b"x")]
        folder = self.folder(w, SegmentWriter(2), *strangers)
        before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in Path(folder).iterdir()}
        code, out, err = command(folder)
        self.assertEqual(code, 0)
        expected = [
            '{"key": "62", "value": "32", "sequence": 2, "expires_at_ms": 2199023255552}',
            '{"key": "64", "value": "", "sequence": 5, "expires_at_ms": 7}',
            '{"key": "ff", "value": "", "sequence": 7, "expires_at_ms": null}',
        ]
        self.assertEqual(out.splitlines(), expected)
        self.assertIn("torn: 000000000001.segment", err)
        self.assertIn("4 bytes behind", err)
        self.assertEqual({p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in Path(folder).iterdir()}, before)

    def test_segments(self):
        w = example()
        w.seal()
        code, out, _ = command(self.folder(w, SegmentWriter(2)), "--segments")
        one, two = map(json.loads, out.splitlines())
        self.assertEqual((code, one["state"], one["seal_form"], one["puts"], one["bytes"]), (0, "sealed", 1, 4, len(w.data)))
        self.assertEqual((two["segment"], two["state"], two["first"]), ("000000000002.segment", "end of file at 72", 2))

    def test_exit_codes(self):
        w = example()
        w.seal()
        code, out, err = command(self.folder((w.name, flipped(w.data, 80)), SegmentWriter(2)))
        self.assertEqual((code, out), (5, ""))
        self.assertIn("000000000001.segment at offset 72", err)
        self.assertEqual(command(self.folder() + "/none")[0], 4)
        script = [sys.executable, bitcask_reader.__file__]
        self.assertEqual(subprocess.run(script, capture_output=True, check=False).returncode, 2)
        self.assertEqual(subprocess.run(script + [self.folder(w)], capture_output=True, check=False).stdout.count(b"\n"), 2)


class Golden(unittest.TestCase):
    def test_golden_stores(self):
        folders = sorted(p for p in GOLDEN.glob("*") if p.is_dir())
        self.assertTrue(folders, "tests/golden holds no golden stores: the engine's tests make them (NAME/store and NAME/expected.jsonl)")
        for folder in folders:
            with self.subTest(folder.name):
                code, out, err = command(str(folder / "store"))
                self.assertEqual(code, 0, err)
                self.assertEqual(bool(err), "torn" in folder.name, err)
                self.assertTrue(all(line.startswith("torn: ") for line in err.splitlines()), err)
                self.assertEqual(out, (folder / "expected.jsonl").read_text())

    def test_a_mark_that_raises_the_counter_takes_the_next_such_number(self):
        """Section 3: n × 2³² − 1, the smallest that is larger than the last one of the log."""
        raising = 0
        for folder in GOLDEN.glob("*/store"):
            before = 0
            for segment in sorted(bitcask_reader.read_store(folder).segments, key=lambda s: s.first):
                for record in segment.valid_records() if segment.kind == LOG else []:
                    if record.kind == MARK and record.sequence != before:
                        with self.subTest(folder.parent.name, segment=segment.name, offset=record.offset):
                            self.assertEqual(record.sequence, (before + 1) // 2**32 * 2**32 + 2**32 - 1)
                        raising += 1
                    before = record.sequence
        self.assertTrue(raising, "no golden store has a second session")


if __name__ == "__main__":
    unittest.main()
