"""What differs from machine to machine comes from the environment."""

from __future__ import annotations

import os

__all__ = ["DATABASE", "LEASE", "LETTERS", "LOAN_PERIOD", "REMINDER_PERIOD"]

#: sqlite:///file, postgresql://user:password@host/name or mysql://user:password@host/name
DATABASE = os.environ.get("LIBRARY_DATABASE", "sqlite:///library.db")

#: The folder into which letters to readers are put.
LETTERS = os.environ.get("LIBRARY_LETTERS", "letters")

#: How long a reader may keep a book, and how long after a reminder the next one follows.
LOAN_PERIOD = os.environ.get("LIBRARY_LOAN_PERIOD", "28 days")
REMINDER_PERIOD = os.environ.get("LIBRARY_REMINDER_PERIOD", "7 days")

#: How long after the death of a worker its loans are taken up by another one.
LEASE = os.environ.get("LIBRARY_LEASE", "10 s")
