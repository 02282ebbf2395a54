"""What a driver's error means, whichever driver it came from: the one place where errors are translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee
from playhouse.pool import MaxConnectionsExceeded

from durable_core.errors import StoreContention, StoreError, StoreUnavailable
from durable_sql.dialect import Dialect
from durable_sql.error_kinds import ErrorKind, as_store_error, kind_of, lost_or_refused

__all__ = ["passing_trouble", "translated"]


@contextmanager
def translated(dialect: Dialect) -> Iterator[None]:
    """Raise `StoreError` and its kinds for what a driver raises in the block, with the driver's error as the cause."""
    try:
        yield
    except MaxConnectionsExceeded as error:
        raise StoreUnavailable(
            "the connection pool is exhausted: give it more connections, or a timeout to wait for one"
        ) from error
    except peewee.PeeweeException as error:
        raise as_store_error(error, _kind_of(error, dialect)) from error


def passing_trouble(error: BaseException, dialect: Dialect) -> StoreError | None:
    """What the host's own statement met when others or the network were in its way; None where it is to blame."""
    if not isinstance(error, peewee.PeeweeException):
        return None
    kind = _kind_of(error, dialect)
    return as_store_error(error, kind) if kind in (StoreContention, StoreUnavailable) else None


def _kind_of(error: peewee.PeeweeException, dialect: Dialect) -> ErrorKind:
    return kind_of(_beneath(error), dialect, uncoded=lost_or_refused(error))


def _beneath(error: BaseException) -> BaseException:
    """The driver's own error, under however many of Peewee's wrappers."""
    while isinstance(error, peewee.PeeweeException) and (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
