"""What is really there: files, hashed; and how that differs from what was listed."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit.record import ListedFile

__all__ = ["Finding", "SeenFile", "compare", "look_at"]


@dataclass(frozen=True)
class SeenFile:
    """A file as it lies there, or the *problem* that kept us from reading it."""

    size: int = 0
    digest: str = ""
    problem: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with the file at *path*: missing, unreadable, size, hash; or no-record at all."""

    path: str
    problem: str
    detail: str


def look_at(path: Path, listed: ListedFile) -> SeenFile:
    """Hash the file with the algorithm that it was listed with. What the file system refuses is a finding, no error."""
    algorithm = listed.digest.partition("=")[0]
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).digest()
            return SeenFile(file.tell(), f"{algorithm}={urlsafe_b64encode(digest).decode().rstrip('=')}")
    except (FileNotFoundError, NotADirectoryError):
        return SeenFile(problem="missing", detail="listed, but not there")
    except (OSError, ValueError) as error:  # ValueError: an algorithm or a path that nobody knows
        return SeenFile(problem="unreadable", detail=getattr(error, "strerror", None) or str(error))


def compare(listed: Iterable[ListedFile], seen: Iterable[SeenFile]) -> Iterator[Finding]:
    """At most one finding per file."""
    for expected, found in zip(listed, seen, strict=True):
        if found.problem:
            yield Finding(expected.path, found.problem, found.detail)
        elif expected.size is not None and found.size != expected.size:
            yield Finding(expected.path, "size", f"{found.size} bytes instead of {expected.size}")
        elif found.digest != expected.digest:
            yield Finding(expected.path, "hash", f"{found.digest} instead of {expected.digest}")
