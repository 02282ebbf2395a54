"""What a distribution says of itself: its RECORD, in groups of files that are hashed in one step."""

from __future__ import annotations

import csv
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["ListedFile", "parse_record"]

_BYTES_PER_GROUP: Final = 4_000_000


@dataclass(frozen=True)
class ListedFile:
    """A file as RECORD lists it; *digest* is ``sha256=...`` in unpadded URL-safe base64."""

    path: str
    digest: str
    size: int | None


def parse_record(text: str, files_per_group: int) -> Iterator[list[ListedFile]]:
    """The files that RECORD gives a hash for, in groups; RECORD itself and compiled files have none.

    A group ends after *files_per_group* files, or with the file that makes it 4 MB.
    """
    group: list[ListedFile] = []
    for row in csv.reader(text.splitlines()):
        path, digest, size, *_ = *row, "", "", ""
        if digest:
            group.append(ListedFile(path, _in_base64(digest), int(size) if size.isdecimal() else None))
            if len(group) == files_per_group or sum(each.size or 0 for each in group) >= _BYTES_PER_GROUP:
                yield group
                group = []
    if group:
        yield group


def _in_base64(digest: str) -> str:
    """*digest*, also where RECORD has it in hexadecimal: Debian's packages do."""
    algorithm, _, value = digest.partition("=")
    if re.fullmatch("(?:[0-9a-f]{32})+", value):
        value = urlsafe_b64encode(bytes.fromhex(value)).decode().rstrip("=")
    return f"{algorithm}={value}"
