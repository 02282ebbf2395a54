"""What the durable models do that Tortoise's do not: take values as they are given, and know keys of two columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IncompleteInstanceError, IntegrityError, OperationalError, UnSupportedError
from tortoise.models import Model

from durable_tortoise.fields import CompositeKeyField, InstantField, JsonField

__all__ = ["DurableRow", "TwoKeyRow"]


class DurableRow(Model):
    """A row of a durable table. What a JSON or instant column is given stays what it is; what it holds is parsed."""

    class Meta:
        """Tortoise's own."""

        abstract = True

    def _set_kwargs(self, kwargs: dict[str, Any]) -> set[str]:
        # Tortoise sends what the user gives and what the database gives through one converter, which would take the
        # user's text "1" for the number that it spells, and a naive datetime for one in UTC.
        fields = self._meta.fields_map
        given = {
            name: value
            for name, value in kwargs.items()
            if value is not None and isinstance(fields.get(name), JsonField | InstantField)
        }
        for name, value in given.items():
            setattr(self, name, value)
        rest = {name: value for name, value in kwargs.items() if name not in given}
        passed: set[str] = super()._set_kwargs(rest)
        return passed | given.keys()


class TwoKeyRow(DurableRow):
    """A row that two columns tell from others, where Tortoise knows another one as ``pk``: it is saved by those two.

    A query set's own ``bulk_update`` and ``in_bulk`` still go by ``pk``, which other rows may share.
    """

    class Meta:
        """Tortoise's own."""

        abstract = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # No database generates the column that Tortoise takes for the key.
        self._custom_generated_pk = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(tuple(self._key().values()))

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,  # noqa: FBT001, FBT002 - as Tortoise has it
        force_update: bool = False,  # noqa: FBT001, FBT002 - as Tortoise has it
    ) -> None:
        """Insert the row, or update the one row that both columns name."""
        if force_create or not (self._saved_in_db or update_fields or force_update):
            await super().save(using_db, update_fields, force_create=True)
            return
        key = self._key()
        names = list(self._meta.fields_db_projection if update_fields is None else update_fields)
        if not all(hasattr(self, name) for name in (*key, *names)):
            raise IncompleteInstanceError(
                f"this {type(self).__name__} was read in part: save(update_fields=...) what was"
            )
        values = {name: getattr(self, name) for name in names if name not in key and name != self._meta.pk_attr}
        if values and not await self._this(using_db).update(**values) and not await self._this(using_db).exists():
            raise IntegrityError(f"Can't update object that doesn't exist. Key: {key}")

    async def delete(self, using_db: BaseDBAsyncClient | None = None) -> None:
        """Delete the one row that both columns name."""
        if not self._saved_in_db:
            raise OperationalError("Can't delete unpersisted record")
        await self._this(using_db).delete()

    async def refresh_from_db(
        self, fields: Iterable[str] | None = None, using_db: BaseDBAsyncClient | None = None
    ) -> None:
        """Read the one row that both columns name again."""
        if not self._saved_in_db:
            raise OperationalError("Can't refresh unpersisted record")
        read = await self._this(using_db).get()
        for name in self._meta.db_fields if fields is None else fields:
            setattr(self, name, getattr(read, name))

    @classmethod
    def bulk_update(cls, *_arguments: Any, **_options: Any) -> NoReturn:
        """Refused: Tortoise would write to every row that shares the ``pk``."""
        raise UnSupportedError(
            f"{cls.__name__}.bulk_update() would write to rows of other runs as well: save() each row"
        )

    def _key(self) -> dict[str, Any]:
        field = self._meta.pk
        assert isinstance(field, CompositeKeyField)  # noqa: S101 - told to the type checker
        return {name: getattr(self, name, None) for name in field.of}

    def _this(self, using_db: BaseDBAsyncClient | None) -> Any:
        return type(self).filter(**self._key()).using_db(using_db)
