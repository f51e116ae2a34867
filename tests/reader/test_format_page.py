"""FORMAT.md itself under test: every row of its table of recovery, and its worked example in hex."""

import re
import unittest
from pathlib import Path

import bitcask_reader
from segment import Damage, Segment
from segment_writer import SegmentWriter, flipped

PAGE = (Path(__file__).resolve().parents[2] / "FORMAT.md").read_text(encoding="utf-8")


def section(number):
    """The text of one section."""
    return re.search(rf"^## {number}\. .*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[0]


def fenced(text, language):
    """The lines inside the fenced blocks of a language."""
    return [line for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for line in block.splitlines()]


def hex_bytes(text):
    """The bytes of the hex block of a section; each line says where it stands."""
    data = bytearray()
    for line in fenced(text, "hex"):
        text = re.split(r"[|#]", line)[0].strip()
        at = re.match(r"([0-9a-f]{8}):", text)
        if at:
            assert int(at[1], 16) == len(data), f"the offset of the line {line!r}"
            text = text[9:]
        data += bytes.fromhex(text)
    return bytes(data)


def log(damage=lambda w, offsets: None, vouched=False):
    """An un-sealed segment of three puts. `damage` gets it with their offsets and returns the bad offset b; a mark may follow."""
    w = SegmentWriter()
    offsets = [w.put(key, b"value " + key) for key in (b"a", b"b", b"c")]
    w.bad = damage(w, offsets) or len(w.data)
    if vouched:
        w.mark()
    return w


def flip(at):
    """Changes one bit of the last record but one, `at` bytes into it (or before its end)."""

    def damage(w, offsets):
        end = offsets[2]
        w.data[:] = flipped(w.data, end + at if at < 0 else offsets[1] + at)
        return offsets[1]

    return damage


def cut_short(w, offsets):
    """Takes the last byte away."""
    del w.data[-1]
    return offsets[2]


def cut_record(w, offsets):
    """Takes the last record away; the next segment goes on behind it."""
    del w.data[offsets[2] :]
    return offsets[2]


def zeros_behind(w, offsets):
    """Growth that was not cut."""
    w.bad = len(w.data)
    w.data += bytes(500)
    return w.bad


def zeros_inside(w, offsets):
    """A sector that never came to the disk; what was behind it did."""
    w.data[offsets[1] : offsets[2]] = bytes(offsets[2] - offsets[1])
    return offsets[1]


def number(skipped):
    """The next put is written with a number that is `skipped` too large (or too small)."""

    def damage(w, offsets):
        return w.put(b"d", sequence=w.sequence + 1 + skipped)

    return damage


def lower_mark(w, offsets):
    """A mark that would lower the counter. Its own SYNCED lies at b, not beyond."""
    return w.mark(w.sequence - 1)


def then_sealed(damage):
    """The same, and then the segment was sealed, and its growth not cut, so that only a search meets the seal."""

    def damage_and_seal(w, offsets):
        w.seal()
        w.data += bytes(500)
        return damage(w, offsets)

    return damage_and_seal


def batch_sealed(w, offsets):
    """A seal where the batch should go on, and growth behind it: at the end of the file the seal would be believed."""
    w.put(b"d", batch=True)
    w.bad = w.seal()
    w.data += bytes(500)
    return w.bad


def too_long(w, offsets):
    """A right head whose value runs past the end; another record may be written where the value should be."""
    offset = w.put(b"long", bytes(1000))
    del w.data[offset + 40 :]
    return offset


def no_batch_end(w, offsets):
    """The first two of a batch of three."""
    w.put(b"d", batch=True)
    w.put(b"e", batch=True)


def seal_cut(length, zeros=0):
    """The first `length` bytes of the seal came to the disk (a negative one: all but so many), and then so many zeros."""

    def damage(w, offsets):
        bad = w.seal()
        del w.data[bad + length if length > 0 else len(w.data) + length :]
        w.data += bytes(zeros)
        return bad

    return damage


def seal_flipped(at):
    """The whole seal, with one bit changed `at` bytes into it (or before its end)."""

    def damage(w, offsets):
        bad = w.seal()
        w.data[:] = flipped(w.data, bad + at if at >= 0 else len(w.data) + at)
        return bad

    return damage


def seal_without_its_first_sector(w, offsets):
    """Zeros where the seal's head should be, and the rest of it behind them."""
    bad = w.seal()
    w.data[bad : bad + 30] = bytes(30)
    return bad


def nothing(w, offsets):
    """No damage."""


def raised(w, offsets):
    """A later session, after an unclean end."""
    w.mark(2**32 - 1)
    w.put(b"d")


def closed(w, offsets):
    """A clean close, and a later session that begins with a mark of the same number."""
    w.mark()
    w.mark()


HEAD, BODY = flip(16), flip(-1)


def last(damage, vouched=False):
    """The damaged segment is the last that holds a record."""
    w = log(damage, vouched)
    return [w, SegmentWriter(2)], w.name, w.bad


def earlier(damage, vouched=False, reported_in_next=False, skipped=0):
    """A record follows in a later segment. `skipped`: by how much its number is not the next after the last that was written."""
    w = log(damage)
    later = SegmentWriter(2, sequence=w.sequence + skipped)
    later.put(b"z", synced=72 if vouched else None)
    return [w, later, SegmentWriter(3)], *((later.name, 72) if reported_in_next else (w.name, w.bad))


def before_sealed(damage):
    """The next segment is sealed."""
    w = log(damage)
    later = SegmentWriter(2, sequence=w.sequence)
    later.put(b"z", synced=72)
    later.seal()
    return [w, later, SegmentWriter(3)], w.name, w.bad


def sealed(at, vouched, later_record=True):
    """A sealed segment with a changed bit: `at` bytes into the second record, or before the end of the seal."""
    w = log()
    bad = 72 + (w.hinted[0][1] - w.hinted[0][0])
    seal = w.seal()
    w.data[:] = flipped(w.data, bad + at if at >= 0 else len(w.data) + at)
    later = SegmentWriter(2, sequence=w.sequence)
    if later_record:
        later.put(b"z", synced=72 if vouched else None)
    return [w, later, SegmentWriter(3)], w.name, bad if at >= 0 else seal


UN_LAST, UN_EARLIER = "un-sealed, last", "un-sealed, earlier"
IN_BODY = 24 + 1 + 3
ANYTHING = [nothing, raised, zeros_behind, zeros_inside, too_long, HEAD, BODY, no_batch_end, number(1), lower_mark, cut_record, cut_short]
ANYTHING += [seal_cut(9), seal_cut(-1), seal_cut(-1, zeros=9), seal_flipped(9), seal_flipped(-9), seal_without_its_first_sector]

# Each row of the table: the stores that show it, each with the segment and the offset that must be named.
CASES = {
    (UN_LAST, "end of file", "no"): [last(nothing), last(raised), last(closed)],
    (UN_LAST, "zeros only", "no"): [last(zeros_behind)],
    (UN_LAST, "record runs past the end of the file", "no"): [last(cut_short), last(too_long)],
    (UN_LAST, "head checksum wrong", "no"): [last(HEAD)],
    (UN_LAST, "head right, body checksum wrong", "no"): [last(BODY)],
    (UN_LAST, "batch without its end", "no"): [last(no_batch_end)],
    (UN_LAST, "sequence number not the next", "no"): [last(number(1)), last(number(-1)), last(lower_mark)],
    (UN_LAST, "zeros, then a later valid record", "no"): [last(zeros_inside)],
    (UN_LAST, "head checksum wrong", "yes"): [last(HEAD, vouched=True)],
    (UN_LAST, "head right, body checksum wrong", "yes"): [last(BODY, vouched=True)],
    (UN_LAST, "zeros, then a later valid record", "yes"): [last(zeros_inside, vouched=True)],
    (UN_LAST, "sequence number not the next", "yes"): [last(number(1), vouched=True), last(number(-1), vouched=True), last(lower_mark, vouched=True)],
    (UN_LAST, "anything, then a valid seal", "any"): [last(then_sealed(damage)) for damage in (HEAD, BODY, zeros_inside)]
    + [last(batch_sealed), last(batch_sealed, vouched=True), last(then_sealed(HEAD), vouched=True)],
    (UN_EARLIER, "end of file, next record follows on", "no"): [earlier(nothing), earlier(raised)],
    (UN_EARLIER, "zeros only, next record follows on", "no"): [earlier(zeros_behind)],
    (UN_EARLIER, "head checksum wrong, next record does not follow on", "no"): [earlier(HEAD)]
    + [earlier(seal_flipped(9), skipped=skipped) for skipped in (1, -1, 2**32)],
    (UN_EARLIER, "head right, body checksum wrong, next record does not follow on", "no"): [earlier(BODY)]
    + [earlier(seal_flipped(-9), skipped=skipped) for skipped in (1, -1, 2**32)],
    (UN_EARLIER, "record runs past the end of the file, next record does not follow on", "no"): [earlier(cut_short), earlier(too_long)]
    + [earlier(seal_cut(-1), skipped=skipped) for skipped in (1, -1, 2**32)],
    (UN_EARLIER, "batch without its end, next record does not follow on", "no"): [earlier(no_batch_end), earlier(no_batch_end, skipped=1)],
    (UN_EARLIER, "end of file, next record does not follow on", "no"): [earlier(cut_record, reported_in_next=True)]
    + [earlier(nothing, reported_in_next=True, skipped=skipped) for skipped in (1, -1, 2**32)],
    (UN_EARLIER, "head checksum wrong, next record follows on", "no"): [earlier(seal_flipped(at)) for at in (4, 8, 23)]
    + [earlier(seal_cut(length, zeros=500)) for length in (1, 7, 16)],
    (UN_EARLIER, "head right, body checksum wrong, next record follows on", "no"): [earlier(seal_flipped(at)) for at in (0, 24, -1)]
    + [earlier(seal_cut(length, zeros=500)) for length in (24, 60, -1)],
    (UN_EARLIER, "record runs past the end of the file, next record follows on", "no"): [earlier(seal_cut(length)) for length in (1, 23, 24, -1)],
    (UN_EARLIER, "sequence number not the next, next record follows on", "no"): [earlier(number(-1)), earlier(number(1), skipped=-2)],
    (UN_EARLIER, "batch without its end, next record follows on", "no"): [earlier(no_batch_end, skipped=-2)],
    (UN_EARLIER, "anything", "yes"): [earlier(damage, vouched=True) for damage in ANYTHING],
    ("un-sealed, before a sealed one", "anything", "any"): [before_sealed(damage) for damage in ANYTHING],
    ("sealed", "body checksum wrong", "any"): [sealed(IN_BODY, True), sealed(IN_BODY, False), sealed(IN_BODY, False, False)],
    ("sealed", "head checksum wrong", "any"): [sealed(16, True), sealed(16, False), sealed(16, False, False)],
    ("sealed", "seal's checksum wrong, a record follows in a later segment", "yes"): [sealed(at, True) for at in (-1, -9, -30, -90)],
    ("sealed", "seal's checksum wrong, no record follows", "no"): [sealed(at, False, False) for at in (-1, -9, -30, -90)],
}


# What the reader says is there.
REASONS = {
    "record runs past the end of the file": "record runs past the end of the file",
    "record runs past the end of the file, next record does not follow on": "record runs past the end of the file",
    "record runs past the end of the file, next record follows on": "record runs past the end of the file",
    "zeros only": "zeros",
    "zeros, then a later valid record": "zeros",
    "sequence number not the next": "sequence number wrong",
    "head checksum wrong": "head checksum wrong",
    "head checksum wrong, next record does not follow on": "head checksum wrong",
    "head checksum wrong, next record follows on": "head checksum wrong",
    "head right, body checksum wrong": "body checksum wrong",
    "head right, body checksum wrong, next record does not follow on": "body checksum wrong",
    "head right, body checksum wrong, next record follows on": "body checksum wrong",
    "body checksum wrong": "body checksum wrong",
    "sequence number not the next, next record follows on": "sequence number wrong",
    "batch without its end": "batch without its end",
    "batch without its end, next record follows on": "batch without its end",
    "batch without its end, next record does not follow on": "batch without its end",
    "end of file, next record does not follow on": "sequence number wrong",
}


class RecoveryTable(unittest.TestCase):
    """Section 6. A row without a case fails, and a case without a row."""

    def rows(self):
        found = re.findall(r"^\| *(\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section(6), re.MULTILINE)
        return {tuple(cell.strip() for cell in row[1:4]): (int(row[0]), row[4].strip()) for row in found}

    def test_rows_and_cases_are_the_same(self):
        rows = self.rows()
        self.assertEqual([n for n, _ in rows.values()], list(range(1, len(rows) + 1)))
        self.assertEqual(rows.keys() - CASES.keys(), set(), "rows of FORMAT.md without a case here")
        self.assertEqual(CASES.keys() - rows.keys(), set(), "cases here without a row in FORMAT.md")

    def test_every_row(self):
        for row, (number, verdict) in self.rows().items():
            for segments, name, bad in CASES.get(row, []):
                with self.subTest(row=number, at=row):
                    store = [Segment(s.name, i + 1, bytes(s.data)) for i, s in enumerate(segments)]
                    if verdict == "damage":
                        with self.assertRaises(Damage) as raised:
                            bitcask_reader.read_segments(store)
                        self.assertEqual((raised.exception.segment, raised.exception.offset), (name, bad))
                        self.assertIn(REASONS.get(row[1], ""), raised.exception.what)
                        continue
                    found = bitcask_reader.read_segments(store)
                    self.assertEqual(found.verdict, verdict)
                    if verdict == "torn":
                        self.assertEqual(found.torn[0][0], name)
                        self.assertLessEqual(found.torn[0][1], bad)
                        behind = [s.name for s in store if s.name > name]
                        self.assertEqual([t[:2] for t in found.torn[1:]], [(other, 72) for other in behind])
                        self.assertIn(REASONS.get(row[1], ""), found.torn[0][3])
                    else:
                        self.assertEqual(len(found.live), sum(len(s.hinted) for s in segments))
                    state = next(s.state for s in store if s.name == name)
                    self.assertIn(f"at {bad}", state)
                    self.assertIn(REASONS.get(row[1], ""), state)


class CutSeals(unittest.TestCase):
    """The text under the table: where the next record follows on, a seal that was cut short loses nothing, whatever is there of it."""

    def seals(self):
        """Every way to cut the seal of a log segment, as the whole segment's damage."""
        w = log()
        length = -w.seal() + len(w.data)
        cut = [seal_cut(n, zeros) for n in range(1, length) for zeros in (0, 1, 500)]
        return cut + [seal_flipped(n) for n in range(length)] + [seal_without_its_first_sector]

    def test_every_cut_of_a_seal_loses_nothing(self):
        for damage in self.seals():
            segments, name, bad = earlier(damage)
            found = self.read(segments)
            self.assertEqual((found.verdict, sorted(found.live)), ("clean", [b"a", b"b", b"c", b"z"]))

    def test_one_after_another(self):
        one, two, three = log(seal_cut(30)), SegmentWriter(2, sequence=3), SegmentWriter(3, sequence=4)
        two.put(b"y")
        seal_cut(-5, 99)(two, [])
        three.put(b"z")
        found = self.read([one, two, three, SegmentWriter(4)])
        self.assertEqual((found.verdict, len(found.live)), ("clean", 5))
        del three.data[-1]  # The last record is torn: none follows on behind two, so the log ends there.
        found = self.read([one, two, three, SegmentWriter(4)])
        self.assertEqual((found.verdict, found.torn[0][0], len(found.live)), ("torn", two.name, 4))

    def test_behind_an_open_batch_or_a_record_out_of_its_place_there_was_no_seal(self):
        def garbage_in_batch(w, offsets):
            no_batch_end(w, offsets)
            w.data += b"\xff" * 50

        for damage, numbers in (no_batch_end, range(3, 9)), (garbage_in_batch, range(3, 9)), (number(1), (4,)), (number(-1), (4,)):
            for sequence in numbers:
                later = SegmentWriter(2)
                later.put(b"z", sequence=sequence)
                found = self.read([log(damage), later, SegmentWriter(3)])
                self.assertEqual((found.verdict, sorted(found.live)), ("torn", [b"a", b"b", b"c"]))

    def read(self, segments):
        return bitcask_reader.read_segments([Segment(s.name, i + 1, bytes(s.data)) for i, s in enumerate(segments)])


class WorkedExample(unittest.TestCase):
    """Section 11."""

    def test_the_hex_is_a_segment_with_these_records(self):
        data = hex_bytes(section(11))
        store = bitcask_reader.read_segments([Segment("000000000001.segment", 1, data)])
        self.assertEqual(store.verdict, "clean")
        self.assertEqual(store.segments[0].state, "sealed")
        self.assertEqual(store.segments[0].seal.end, len(data))
        self.assertEqual(bitcask_reader.lines(store), fenced(section(11), "jsonl"))
        self.assertTrue(store.live)


if __name__ == "__main__":
    unittest.main()
