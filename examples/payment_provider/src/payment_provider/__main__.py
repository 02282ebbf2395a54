"""The provider as a program: ``python -m payment_provider``."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from payment_provider.provider import Books, open_provider

__all__ = ["main"]


def main() -> None:
    """Serve at the address where the shops look for it."""
    address = os.environ.get("SHOP_PAYMENTS", "http://127.0.0.1:8800")
    place = urlsplit(address)
    with open_provider((place.hostname or "127.0.0.1", place.port or 80), Books()) as server:
        sys.stderr.write(f"payment provider: listening at {address}\n")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stderr.write("payment provider: closed\n")


if __name__ == "__main__":
    main()
