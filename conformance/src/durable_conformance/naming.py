"""Find a harness by ``module:name``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

import pytest

from durable_conformance.harness import Harness

__all__ = ["STORE", "NoHarness", "load_harness"]

#: Where pytest keeps the harness that its command line names.
STORE: Final = pytest.StashKey[Harness]()


class NoHarness(Exception):
    """A ``module:name`` that names no harness; the text says what to write instead."""


def load_harness(target: str, *, here: Path) -> Harness:
    """Import the module, from the folder *here* too, and return its harness, made if it is a class.

    Raises `NoHarness`.
    """
    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute):
        raise NoHarness(f"write the harness as module:name, e.g. mypkg.harness:Harness; got {target!r}")
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise NoHarness(f"there is no module {error.name!r} in {here} or on the path") from None
    found = getattr(module, attribute, None)
    if isinstance(found, type):
        found = found()
    if not isinstance(found, Harness):
        raise NoHarness(
            f"{target!r} is {found!r}, no Harness: name a subclass of durable_conformance.Harness that has a `name`"
        )
    return found
