"""The shop's client of its payment provider.

Every request carries an idempotency key. A step that a crash interrupted runs again and sends the same key, and the
provider answers with the charge that it has made already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from durable_core import FatalError
from fastapi_shop import settings

__all__ = ["PaymentUnavailable", "Receipt", "charge", "refund"]

_PATIENCE_S = 30
_TLS = httpx.create_ssl_context()  # once: to read the certificates for each request would hold up the event loop


class PaymentUnavailable(Exception):
    """The provider did not answer, or not with what we need: worth trying again."""

    code = "payment_unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A charge that was made."""

    id: str
    cents: int


async def charge(*, key: str, cents: int) -> Receipt:
    """Charge once per *key*, however often this is called.

    Raises `FatalError` when the payment is declined, which no second try will change, and `PaymentUnavailable`.
    """
    answer = await _post("/charges", {"key": key, "cents": cents})
    return Receipt(id=answer["id"], cents=answer["cents"])


async def refund(*, key: str) -> None:
    """Give back what was charged under *key*, and never charge it again. Raises `PaymentUnavailable`."""
    await _post("/refunds", {"key": key})


async def _post(path: str, body: dict[str, Any]) -> Any:
    try:
        async with httpx.AsyncClient(base_url=settings.PAYMENTS, timeout=_PATIENCE_S, verify=_TLS) as provider:
            answer = await provider.post(path, json=body)
            if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
                raise FatalError("the payment was declined", code="declined")
            return answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise PaymentUnavailable(f"the payment provider did not answer as it should: {error!r}") from error
