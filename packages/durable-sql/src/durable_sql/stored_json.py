"""JSON columns as an ORM's models show them."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

__all__ = ["UnreadableText", "read_json"]

_LOG: Final = logging.getLogger(__name__)


class UnreadableText(str):
    """What a JSON column gives for text that is no JSON: the text itself. Encrypted payloads read like this too."""

    __slots__ = ()


def read_json(text: str, place: str) -> Any:
    """The JSON value, or `UnreadableText` and a warning that names *place*."""
    try:
        return json.loads(text)
    except ValueError:
        _LOG.warning("%s holds text that is no JSON", place)
        return UnreadableText(text)
