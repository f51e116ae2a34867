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
        """A merge's output. The seal of the last of its inputs has the number `last`."""
        w = SegmentWriter(id, first, last, kind=2)
        for key, number in puts:
            w.put(key, b"merge", sequence=number)
        if sealed:
            w.seal(sequence=last)
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
        with self.assertRaises(Damage) as raised:
            read(SegmentWriter(10, 1), wide, empty)
        self.assertIn("stood for twice", raised.exception.what)
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

    def test_counting_goes_on_from_the_seal_of_a_merge(self):
        m = SegmentWriter(9, 1, 2, kind=2)
        m.put(b"a", sequence=4)
        m.put(b"b", sequence=6)
        m.seal(sequence=8)  # Numbers 7 and 8 were of tombstones that the merge left out.
        for mark, number, verdict in (None, 9, "clean"), (None, 10, "torn"), (None, 8, "torn"), (None, 7, "torn"), (8, 9, "clean"), (20, 21, "clean"), (7, 8, "torn"):
            log = SegmentWriter(3)
            if mark:
                log.mark(mark)
            log.put(b"c", sequence=number)
            self.assertEqual(read(m, log, SegmentWriter(4)).verdict, verdict, (mark, number))

    def test_numbers_rise_within_a_merge_and_its_seal_is_not_below(self):
        for numbers, seal, bad in ([4, 6], 6, None), ([4, 6], 8, None), ([6, 6], 6, 1), ([6, 4], 6, 1), ([4, 6], 5, 2), ([], 3, None), ([], 2, 0), ([3], 3, 0):
            log, m = SegmentWriter(1), SegmentWriter(9, 2, 3, kind=2)
            for key in b"xyz":
                log.put(b"%c" % key)
            log.seal()
            offsets = [m.put(b"%c" % (97 + i), sequence=number) for i, number in enumerate(numbers)]
            offsets.append(m.seal(sequence=seal))
            with self.subTest(numbers, seal=seal):
                if bad is None:
                    self.assertEqual(len(read(log, m, SegmentWriter(4)).live), 3 + len(numbers))
                    continue
                with self.assertRaises(Damage) as raised:
                    read(log, m, SegmentWriter(4))
                self.assertEqual((raised.exception.segment, raised.exception.offset), (m.name, offsets[bad]))

    def test_a_gap_names_its_positions(self):
        a, b, c, d, empty = self.logs(4)
        for kept, positions in ([b, c, d, empty], "1 to 1"), ([a, d, empty], "2 to 3"), ([a, b, c, empty], "4 to 4"):
            with self.assertRaises(MissingSegment) as raised:
                read(*kept)
            self.assertIn(positions, str(raised.exception))
        self.assertEqual(len(read(a, b, c, d).live), 4)

    def test_a_gap_at_the_end_where_an_ignored_or_retired_header_names_more(self):
        """Rule 5: n is the last position that any header names."""
        a, b, c, empty = self.logs(3)
        cut = self.merge(9, 2, 3, [], sealed=False)
        self.assertEqual(len(read(a, b, c, cut).live), 3)
        for kept, positions in ([a, b], "3 to 3"), ([a], "2 to 3"), ([], "1 to 3"), ([a, c], "2 to 2"):
            with self.assertRaises(MissingSegment) as raised:
                read(*kept, cut)
            self.assertIn(f"positions {positions}", raised.exception.what)
        self.assertEqual((raised.exception.segment, raised.exception.offset), (c.name, 48))
        with self.assertRaises(MissingSegment) as raised:
            read(a, cut)
        self.assertEqual((raised.exception.segment, raised.exception.offset), (cut.name, 56))
        with self.assertRaises(Damage) as raised:  # A file with a wrong header may be the missing one.
            read(a, b, (c.name, flipped(c.data, 20)), cut)
        self.assertEqual(raised.exception.segment, c.name)
        # What is retired names no position that its output does not.
        self.assertEqual(read(a, b, c, self.merge(9, 2, 3, [])).verdict, "clean")

    def test_an_overlap_is_damage(self):
        d, empty = self.logs(4)[3:]
        with self.assertRaises(Damage) as raised:
            read(self.merge(8, 1, 2, []), self.merge(9, 2, 3, []), d, empty)
        self.assertNotIsInstance(raised.exception, MissingSegment)
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

    def test_the_id_of_most_segments_is_the_id_of_the_store(self):
        _, b, empty = self.logs(2)
        foreign = SegmentWriter(1, store_id=bytes(16))
        with self.assertRaises(Foreign) as raised:
            read(foreign, b, empty)
        self.assertEqual((raised.exception.segment, raised.exception.offset), (foreign.name, 24))

    def test_a_newer_store_is_not_a_damaged_one(self):
        for options in dict(version=2), dict(version=0), dict(features=(1, 0)):
            with self.subTest(options), self.assertRaises(Newer):
                read(SegmentWriter(1, **options))
        self.assertEqual(read(SegmentWriter(1, features=(0, 1))).live, {})

    def test_headers_that_contradict_themselves(self):
        for options in dict(magic=b"bitcask\n", version=2), dict(kind=3), dict(reserved=1), dict(first=1, last=2), dict(kind=2, first=3, last=2):
            w = SegmentWriter(1, **options)
            w.put(b"a")
            with self.subTest(options), self.assertRaises(Damage):
                read(w)

    def test_segments_being_created(self):
        a, empty = self.logs(1)
        for begun in b"", bytes(10), bytes(72), bytes(999), bytes(empty.data[:40]), b"garbage" * 30:
            store = read(a, empty, ("000000000003.segment", begun))
            self.assertEqual((store.verdict, values(store)), ("clean", {b"a": b"log"}), begun)
        self.assertEqual(read(("000000000001.segment", b"")).live, {})

    def test_the_very_first_creation_interrupted(self):
        header = bytes(SegmentWriter(1).data)
        for begun in b"", bytes(40), header[:40], header[:40] + bytes(32), header[:71] + bytes(500), b"garbage":
            store = read(("000000000001.segment", begun))
            self.assertEqual((store.verdict, store.live), ("clean", {}), begun)
        w = SegmentWriter(1)
        w.put(b"a")
        for name, data in (w.name, flipped(w.data, 20)), (w.name, header[:71] + bytes(99) + b"x"), ("000000000007.segment", b"garbage" * 30):
            with self.assertRaises(Damage):
                read((name, data))
            with self.assertRaises(Damage):
                read((name, data), ("000000000002.segment", header[:40]))

    def test_a_wrong_header_is_ignored_where_nothing_is_missing(self):
        a, b, empty = self.logs(2)
        m = self.merge(9, 1, 1, [(b"a", 1)])
        store = read((a.name, flipped(a.data, 20)), b, empty, m)
        self.assertEqual((values(store), store.segments[0].state), ({b"a": b"merge", b"b": b"log"}, "header wrong"))

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
