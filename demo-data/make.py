"""Makes characters.jsonl from two files of the Unicode Character Database:

    python3 make.py UnicodeData.txt Blocks.txt > characters.jsonl
"""

import bisect
import json
import sys

# Alphabets, symbols and emoji. The ideographs and the historic scripts would make it too large.
PARTS = [(0x20, 0x52F), (0x590, 0x5FF), (0x2000, 0x27BF), (0x1F300, 0x1F6FF), (0x1F900, 0x1F9FF)]


def main():
    characters_path, blocks_path = sys.argv[1:]
    starts, names = blocks(blocks_path)
    with open(characters_path, encoding="ascii") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(";")
            code = int(fields[0], 16)
            # Control characters have no name of their own: `<control>`.
            if fields[1].startswith("<") or not any(low <= code <= high for low, high in PARTS):
                continue
            record = {
                "name": fields[1],
                "character": chr(code),
                "code": "U+" + fields[0],
                "category": fields[2],
                "block": names[bisect.bisect_right(starts, code) - 1],
                "uppercase": letter(fields[12]),
                "lowercase": letter(fields[13]),
            }
            print(json.dumps({name: value for name, value in record.items() if value}, ensure_ascii=False, separators=(",", ":")))


def blocks(path):
    starts, names = [], []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            bounds, _, name = line.split("#")[0].strip().partition("; ")
            if name:
                starts.append(int(bounds.split("..")[0], 16))
                names.append(name)
    return starts, names


def letter(code):
    return chr(int(code, 16)) if code else ""


main()
