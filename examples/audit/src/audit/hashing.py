"""The work of an audit, whoever keeps its checkpoints: plain functions, which know no workflow and no database."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Final

from audit.environment import Target, read_record_of
from audit.files import Finding, SeenFile, compare, look_at
from audit.journal import note
from audit.record import ListedFile, parse_record

__all__ = ["NO_RECORD", "findings_of", "hash_files", "read_record"]

NO_RECORD: Final = Finding("RECORD", "no-record", "nothing says which files belong to it")


def read_record(target: Target) -> list[list[ListedFile]] | None:
    """The files that its RECORD lists, in groups; None if it has none."""
    text = read_record_of(target)
    return None if text is None else list(parse_record(text, target.files_per_step))


def hash_files(target: Target, number: int, group: list[ListedFile]) -> list[SeenFile]:
    """What is there of a group's files, hashed."""
    seen = [look_at(Path(target.location, listed.path), listed) for listed in group]
    note("hashed", target.name, target.version, number)
    return seen


def findings_of(groups: Iterable[list[ListedFile]] | None, seen: Iterable[SeenFile]) -> list[Finding]:
    """Everything that is wrong. No file is read here, so a workflow may call it again on every replay."""
    return [NO_RECORD] if groups is None else list(compare(chain.from_iterable(groups), seen))
