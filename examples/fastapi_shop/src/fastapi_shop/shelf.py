"""Put something on the shelf: ``python -m fastapi_shop.shelf``."""

from __future__ import annotations

import asyncio

from fastapi_shop.flows import durable
from fastapi_shop.models import Item

__all__ = ["main"]


async def main() -> None:
    """Stock the shop, if there is nothing yet."""
    async with durable.lifespan():
        if not await Item.exists():
            await Item.bulk_create(
                [Item(name="teapot", cents=2900, stock=10), Item(name="cup", cents=700, stock=40)],
            )


if __name__ == "__main__":
    asyncio.run(main())
