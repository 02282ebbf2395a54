"""For the tests: which groups were really hashed, kept in a file that no rollback undoes."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["JOURNAL", "note"]

#: The environment variable that names the file.
JOURNAL: Final = "DURABLE_AUDIT_JOURNAL"


def note(*words: object) -> None:
    """Append one line, in one write, so that a kill leaves it whole or not at all."""
    path = os.environ.get(JOURNAL)
    if path:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, f"{' '.join(map(str, words))}\n".encode())
        finally:
            os.close(file)
