"""A Tortoise engine on aiomysql, beside the one on asyncmy.

Tortoise's MySQL backend takes asyncmy where it is installed. This is that very backend, loaded a second time while
asyncmy cannot be imported.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType

__all__ = ["client_class"]


def _backend_without_asyncmy() -> ModuleType:
    spec = find_spec("tortoise.backends.mysql.client")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    hidden = {name: sys.modules.pop(name) for name in tuple(sys.modules) if name.partition(".")[0] == "asyncmy"}
    sys.modules["asyncmy"] = None  # type: ignore[assignment]
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["asyncmy"]
        sys.modules.update(hidden)
    return module


client_class = _backend_without_asyncmy().MySQLClient
