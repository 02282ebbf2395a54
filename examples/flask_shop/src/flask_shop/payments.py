"""The shop's client of its payment provider.

Every request carries an idempotency key. A step that a crash interrupted runs again and sends the same key, and the
provider answers with the charge that it has made already.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from durable_core import FatalError
from flask_shop import settings

__all__ = ["PaymentUnavailable", "Receipt", "charge", "refund"]

_DECLINED = 402
_PATIENCE_S = 30


class PaymentUnavailable(Exception):
    """The provider did not answer, or not with what we need: worth trying again."""

    code = "payment_unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A charge that was made."""

    id: str
    cents: int


def charge(*, key: str, cents: int) -> Receipt:
    """Charge once per *key*, however often this is called.

    Raises `FatalError` when the payment is declined, which no second try will change, and `PaymentUnavailable`.
    """
    answer = _post("/charges", {"key": key, "cents": cents})
    return Receipt(id=answer["id"], cents=answer["cents"])


def refund(*, key: str) -> None:
    """Give back what was charged under *key*, and never charge it again. Raises `PaymentUnavailable`."""
    _post("/refunds", {"key": key})


def _post(path: str, body: dict[str, Any]) -> Any:
    request = Request(  # noqa: S310 - the address is the operator's own setting
        settings.PAYMENTS + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urlopen(request, timeout=_PATIENCE_S) as response:  # noqa: S310 - as above
            return json.load(response)
    except HTTPError as error:
        with error:
            if error.code == _DECLINED:
                raise FatalError("the payment was declined", code="declined") from error
            raise PaymentUnavailable(f"the payment provider answered {error.code}") from error
    except (URLError, OSError, ValueError) as error:
        raise PaymentUnavailable(f"the payment provider cannot be reached: {error}") from error
