"""Doubles and the text that JavaScript writes for them: from a node process, or from the sample that one left.

``python tests/node_numbers.py`` writes the sample anew; it needs node.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import struct
import subprocess
from pathlib import Path

__all__ = ["NODE", "doubles", "javascript_texts", "sample"]

NODE = shutil.which("node")
_SAMPLE = Path(__file__).with_name("node_numbers.txt")
_EDGES = (
    *(0.0, -0.0, 1.0, -1.0, 0.1, 1.5, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308),
    *(1e-5, 1.5e-5, -1e-6, 9.999999e-7, 1e-7, 1.25e-7, 1e15, 1e16, 1e17, 1e20, 1.2345678901234568e20),
    *(9.999999999999999e20, 1e21, 1.5e21, -1e21, 1e100, 2.0**53, 2.0**53 + 2, 2.0**63, 2.0**64, 123456789.125),
)


def doubles(count: int, seed: int) -> list[float]:
    """Edge cases, random bit patterns, and decimals of everyday size."""
    chance = random.Random(seed)
    found = list(_EDGES)
    while len(found) < count:
        if len(found) % 2:
            (number,) = struct.unpack("<d", chance.randbytes(8))
        else:
            number = round(chance.uniform(-1, 1), 17) * 10.0 ** chance.randint(-10, 25)
        if math.isfinite(number):
            found.append(number)
    return found


def javascript_texts(numbers: list[float]) -> list[str]:
    """What JSON.stringify makes of the very bits of *numbers*."""
    program = """
        const bits = require('fs').readFileSync(0);
        const lines = [];
        for (let at = 0; at < bits.length; at += 8) lines.push(JSON.stringify(bits.readDoubleLE(at)));
        process.stdout.write(lines.join('\\n'));
    """
    assert NODE is not None
    bits = b"".join(struct.pack("<d", number) for number in numbers)
    ended = subprocess.run([NODE, "-e", program], input=bits, capture_output=True, check=True)
    return ended.stdout.decode().split("\n")


def sample() -> list[tuple[float, str]]:
    """The numbers and texts that node wrote when the sample was made."""
    lines = _SAMPLE.read_text(encoding="utf-8").splitlines()
    return [(float.fromhex(number), text) for number, text in map(json.loads, lines)]


if __name__ == "__main__":
    numbers = doubles(1_000, seed=1)
    pairs = zip(numbers, javascript_texts(numbers), strict=True)
    lines = (json.dumps([number.hex(), text]) for number, text in pairs)
    _SAMPLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
