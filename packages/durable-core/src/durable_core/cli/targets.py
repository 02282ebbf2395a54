"""Find the user's Durable by ``module:object``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from durable_core.app import Durable
from durable_core.async_app import AsyncDurable
from durable_core.errors import ConfigurationError

__all__ = ["load_target"]


def load_target(target: str) -> Durable | AsyncDurable:
    """Import the module, from the current folder too, and return the object. Raises `ConfigurationError`."""
    module_name, separator, attribute = target.partition(":")
    if not (module_name and separator and attribute):
        raise ConfigurationError(f"write the target as module:object, e.g. shop.flows:durable; got {target!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise ConfigurationError(f"there is no module {error.name!r} here or on the path ({here})") from None
    found = module
    for part in attribute.split("."):
        found = getattr(found, part, None)  # type: ignore[assignment]
    if not isinstance(found, Durable | AsyncDurable):
        raise ConfigurationError(f"{target!r} is {found!r}, no Durable or AsyncDurable: name the object itself")
    return found
