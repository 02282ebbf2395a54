"""Letters to readers: files in a folder, as a printer would take them.

A letter has a key. A step that a crash interrupted runs again and writes the same letter to the same place.
"""

from __future__ import annotations

from pathlib import Path

from pony_library import settings

__all__ = ["send"]


def send(key: str, text: str) -> None:
    """Send the letter *key*, once however often this is called."""
    folder = Path(settings.LETTERS)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{key}.txt").open("a", encoding="utf-8") as letter:
        if not letter.tell():
            letter.write(text)
