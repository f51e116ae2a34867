"""Section 5 of FORMAT.md: which segments count."""

import unittest

from segment import Damage, Foreign, MissingSegment, Newer
from segment_writer import SegmentWriter, flipped
from test_reader import read, values


class WhichCount(unittest.TestCase):
    def logs(self, count):
        """Sealed logs of one put each, keys a, b, …, and the empty one behind them."""
        out, sequence = [], 0
        for id in range(1, count + 1):
            out.append(SegmentWriter(id, sequence=sequence))
            out[-1].put(b"%c" % (96 + id), b"log")
            out[-1].seal()
            sequence += 1
        return out + [SegmentWriter(count + 1)]

    def merge(self, id, first, last, puts, sealed=True):
        w = SegmentWriter(id, first, last, kind=2)
        for key, number in puts:
            w.put(key, b"merge", sequence=number)
        if sealed:
            w.seal()
        return w

    def test_a_sealed_merge_retires_its_inputs_there_or_not(self):
        a, b, c, empty = self.logs(3)
        m = self.merge(9, 1, 2, [(b"b", 2)])
        for inputs in [], [a], [b], [a, b]:
            store = read(*inputs, c, empty, m)
            self.assertEqual(values(store), {b"b": b"merge", b"c": b"log"})
        again = self.merge(10, 1, 2, [])
        self.assertEqual(values(read(a, m, c, empty, again)), {b"c": b"log"})

    def test_an_output_with_a_smaller_id_retires_nothing(self):
        a, b, c, empty = self.logs(3)
        wide = self.merge(9, 1, 3, [(b"c", 3)])
        with self.assertRaises(MissingSegment):
            read(SegmentWriter(10, 1, sequence=0), wide, empty)
        self.assertEqual(values(read(self.merge(8, 1, 2, []), wide, empty)), {b"c": b"merge"})

    def test_a_merge_without_its_seal_is_ignored(self):
        a, b, empty = self.logs(2)
        m = self.merge(9, 1, 2, [(b"b", 2)], sealed=False)
        store = read(a, b, empty, m)
        self.assertEqual(values(store), {b"a": b"log", b"b": b"log"})
        self.assertEqual(store.segments[-1].state, "uncommitted merge")
        m = self.merge(9, 1, 2, [(b"b", 2)])
        self.assertEqual(values(read(a, b, empty, (m.name, flipped(m.data, len(m.data) - 1)))), {b"a": b"log", b"b": b"log"})
        with self.assertRaises(MissingSegment):
            read(b, empty, (m.name, flipped(m.data, len(m.data) - 1)))

    def test_a_merge_copies_without_batch_synced_or_marks(self):
        for wrong in dict(batch=True), dict(synced=72):
            w = SegmentWriter(9, 1, 1, kind=2)
            w.put(b"a", sequence=4, **wrong)
            w.put(b"b", sequence=6)
            w.seal()
            with self.subTest(wrong), self.assertRaises(Damage):
                read(w, SegmentWriter(2))
        w = SegmentWriter(9, 1, 1, kind=2)
        w.mark()
        w.seal()
        with self.assertRaises(Damage):
            read(w, SegmentWriter(2))

    def test_numbers_rise_across_a_merge_but_may_leave_out(self):
        m = self.merge(9, 1, 2, [(b"a", 4), (b"b", 6)])
        for number, verdict in (9, "clean"), (7, "clean"), (6, "torn"), (5, "torn"):
            log = SegmentWriter(3)
            log.put(b"c", sequence=number)
            self.assertEqual(read(m, log, SegmentWriter(4)).verdict, verdict, number)
        log = SegmentWriter(3)
        log.put(b"c", sequence=9)
        log.put(b"c", sequence=11)
        self.assertEqual(read(m, log, SegmentWriter(4)).verdict, "torn")
        with self.assertRaises(Damage):
            read(self.merge(9, 1, 2, [(b"a", 6), (b"b", 6)]), SegmentWriter(3))

    def test_a_gap_names_its_positions(self):
        a, b, c, d, empty = self.logs(4)
        for kept, positions in ([b, c, d, empty], "1 to 1"), ([a, d, empty], "2 to 3"), ([a, b, c, empty], "4 to 4"):
            with self.assertRaises(MissingSegment) as raised:
                read(*kept)
            self.assertIn(positions, str(raised.exception))
        self.assertEqual(len(read(a, b, c, d).live), 4)
        with self.assertRaises(MissingSegment) as raised:
            read(self.merge(8, 1, 2, []), self.merge(9, 2, 3, []), d, empty)
        self.assertEqual(raised.exception.segment, "000000000009.segment")

    def test_an_un_sealed_segment_before_a_sealed_one(self):
        a, b, empty = self.logs(2)
        seal = a.hinted[-1][1]
        with self.assertRaises(Damage) as raised:
            read((a.name, bytes(a.data[:seal])), b, empty)
        self.assertEqual(raised.exception.offset, seal)

    def test_foreign_segments(self):
        a, empty = self.logs(1)
        for foreign, offset in (SegmentWriter(2, store_id=bytes(16)), 24), (("000000000002.segment", bytes(SegmentWriter(3).data)), 40):
            with self.assertRaises(Foreign) as raised:
                read(a, foreign)
            self.assertEqual((raised.exception.segment, raised.exception.offset), ("000000000002.segment", offset))

    def test_a_newer_store_is_not_a_damaged_one(self):
        for options in dict(version=2), dict(version=0), dict(features=(1, 0)):
            with self.subTest(options), self.assertRaises(Newer):
                read(SegmentWriter(1, **options))
        self.assertEqual(read(SegmentWriter(1, features=(0, 1))).live, {})

    def test_headers_that_contradict_themselves(self):
        for options in dict(magic=b"bitcask\n", version=2), dict(kind=3), dict(reserved=1), dict(first=1, last=2), dict(kind=2, first=3, last=2):
            with self.subTest(options), self.assertRaises(Damage):
                read(SegmentWriter(1, **options))

    def test_segments_being_created(self):
        a, empty = self.logs(1)
        for begun in b"", bytes(10), bytes(72), bytes(999), bytes(empty.data[:40]), b"garbage" * 30:
            store = read(a, empty, ("000000000003.segment", begun))
            self.assertEqual((store.verdict, values(store)), ("clean", {b"a": b"log"}), begun)
        self.assertEqual(read(("000000000001.segment", b"")).live, {})

    def test_a_wrong_header_where_one_is_missing(self):
        a, b, empty = self.logs(2)
        broken = (a.name, flipped(a.data, 20))
        for segments in [broken, b, empty], [broken], [a, (b.name, flipped(b.data, 71)), empty]:
            with self.assertRaises(Damage) as raised:
                read(*segments)
            self.assertIn("header", raised.exception.what)
        with self.assertRaises(MissingSegment):
            read((a.name, bytes(72) + bytes(a.data[72:])), b, empty)


if __name__ == "__main__":
    unittest.main()
