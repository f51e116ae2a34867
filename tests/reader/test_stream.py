"""The export stream: the worked example of FORMAT.md, and streams made by hand, whole and damaged."""

import itertools
import json
import tempfile
import unittest
import zlib
from pathlib import Path

from segment import Damage, Newer, siphash13
from segment_writer import STORE_ID, flipped, u
from stream import read_stream
from test_format_page import hex_bytes, section
from test_reader import command


def entry(key, value, expiry=None, flags=None):
    """The bytes of an entry."""
    flags = (expiry is not None) if flags is None else flags
    return u(1, flags) + u(2, len(key)) + u(4, len(value)) + (b"" if expiry is None else u(8, expiry)) + key + value


class StreamWriter:
    """Writes a stream into `data`."""

    def __init__(self, version=1, features=0, magic=b"BCEXPORT"):
        head = magic + u(2, version, features) + STORE_ID + u(8, 77)
        self.seed, self.count, self.size, self.frames = zlib.crc32(head), 0, 0, []
        self.data = head + u(4, self.seed)

    def frame(self, kind, payload, length=None, reserved=0):
        """Appends a frame with any fields."""
        self.frames.append(len(self.data))
        init = self.seed ^ len(self.data) % 2**32
        fields = u(1, kind) + u(3, reserved) + u(8, len(payload) if length is None else length)
        rest = u(4, zlib.crc32(fields, init)) + fields + payload
        self.data += u(4, zlib.crc32(rest, init)) + rest
        return self

    def entries(self, *entries):
        """Appends a frame of these (key, value[, expiry])."""
        self.count += len(entries)
        self.size += sum(len(e[0]) + len(e[1]) for e in entries)
        return self.frame(1, b"".join(entry(*e) for e in entries))

    def close(self, count=0, size=0, digest=0):
        """Appends the closing frame, with sums that are so much too large."""
        return self.frame(2, u(8, self.count + count, self.size + size, siphash13(STORE_ID, self.data) ^ digest))


def example():
    """Three frames of entries and the closing one."""
    return StreamWriter().entries((b"a", b"1"), (b"b", b"", 2**40)).entries((b"c", b"three")).entries((b"d", bytes(40))).close()


class Streams(unittest.TestCase):
    def assertRefused(self, data, error=Damage):
        with self.assertRaises(error):
            read_stream("stream", bytes(data))

    def test_the_worked_example(self):
        stream = read_stream("stream", hex_bytes(section(13)))
        self.assertEqual((stream.store_id, stream.sequence), (bytes(range(16)), 2**32 + 1))
        expected = {b"pear": (b"green", None), b"plum": (b"", None), b"session": (b"42", 1767225600000)}
        self.assertEqual(stream.entries, expected)

    def test_frames_and_entries(self):
        stream = read_stream("stream", example().data)
        self.assertEqual(stream.entries, {b"a": (b"1", None), b"b": (b"", 2**40), b"c": (b"three", None), b"d": (bytes(40), None)})
        self.assertEqual(read_stream("stream", StreamWriter().close().data).entries, {})
        long = StreamWriter().entries((b"long", bytes(300_000)))
        self.assertEqual(len(long.data), 40 + 20 + 7 + 4 + 300_000)
        read_stream("stream", long.close().data)

    def test_every_cut_and_every_bit(self):
        data = example().data
        for length in range(len(data)):
            self.assertRefused(data[:length])
        self.assertRefused(data + b"\0")
        for offset, bit in itertools.product(range(len(data)), range(8)):
            self.assertRefused(flipped(data, offset, bit))

    def test_frames_that_are_lost_doubled_or_moved(self):
        w = example()
        bounds = [*w.frames, len(w.data)]
        frames = [w.data[a:b] for a, b in itertools.pairwise(bounds)]
        for count in range(1, 5):
            for choice in itertools.product(frames, repeat=count):
                if list(choice) != frames:
                    self.assertRefused(w.data[:40] + b"".join(choice))

    def test_nonsense_under_right_checksums(self):
        for payload in (b"", entry(b"", b"1"), entry(b"a", b"1", flags=2), entry(b"a", b"1", flags=1), entry(b"a", b"1")[:-1], entry(b"a", b"1") + b"\0"):
            self.assertRefused(StreamWriter().frame(1, payload).close(count=1, size=2).data)
        self.assertRefused(StreamWriter().entries(*[(b"%d" % n, bytes(100)) for n in range(3000)]).close().data)
        for kind, length, reserved in (0, None, 0), (3, None, 0), (2, 23, 0), (1, 2**63, 0), (1, None, 1):
            self.assertRefused(StreamWriter().frame(kind, entry(b"a", b"1"), length, reserved).close().data)
        for sums in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
            self.assertRefused(StreamWriter().entries((b"a", b"1")).close(*sums).data)
        self.assertRefused(StreamWriter(magic=b"BITCASK\n").close().data)
        self.assertRefused(StreamWriter(version=2).close().data, Newer)
        self.assertRefused(StreamWriter(features=4).close().data, Newer)

    def test_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "stream")
            path.write_bytes(example().data)
            code, out, _ = command("--stream", str(path))
            self.assertEqual((code, len(out.splitlines())), (0, 4))
            self.assertEqual(json.loads(out.splitlines()[1]), {"key": "62", "value": "", "expires_at_ms": 2**40})
            path.write_bytes(example().data[:-1])
            code, out, err = command("--stream", str(path))
            self.assertEqual((code, out), (5, ""))
            self.assertIn("ends before its closing frame", err)


if __name__ == "__main__":
    unittest.main()
