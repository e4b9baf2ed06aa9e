"""URLs of databases as params write them, and what may be shown of them: dialect, host and database."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from cvm.errors import CvmError

if TYPE_CHECKING:
    import sqlalchemy as sa

_ENVIRONMENT = "env:"
_SECRET_KEYS = re.compile("pass|pwd|secret|token|key|odbc_connect", re.IGNORECASE)
# What people write, and what SQLAlchemy calls the driver that cvm declares.
_DEFAULT_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class DatabaseUrlError(CvmError):
    """What stands where a URL of a database is expected is none."""


def database_url(text: str, *, key: str) -> sa.URL:
    """The URL that ``key`` of params says: as SQLAlchemy writes it, or ``env:NAME`` for a variable that holds it.

    Raises
    ------
    DatabaseUrlError
        If it is none, or the variable is not set. Says nothing of what stood there.
    """
    name = text.removeprefix(_ENVIRONMENT)
    if text.startswith(_ENVIRONMENT):
        text = os.environ.get(name, "")
        if not text:
            raise DatabaseUrlError(
                f"{key} names the environment variable {name!r}, which is not set. Set it to the URL of the database."
            )
    import sqlalchemy as sa  # late, for few have a database, and all stages would wait for it
    from sqlalchemy.exc import ArgumentError

    dialect, separator, rest = text.partition("://")
    if rest.partition("/")[0].count("@") > 1:  # what lies between would be taken for the host, and shown
        raise DatabaseUrlError(f"{key} holds more than one @ before the database. Write those of user and password as %40.")
    try:
        return sa.make_url(f"{_DEFAULT_DRIVERS.get(dialect, dialect)}{separator}{rest}")
    except (ArgumentError, ValueError):
        raise DatabaseUrlError(
            f"{key} is no URL of a database. Write it as dialect://user:password@host:port/database, with the signs "
            "@ : / of a password percent-encoded."
        ) from None


def shown(url: sa.URL) -> str:
    """What a message may say of a URL."""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{url.host or ''}{port}/{url.database or ''}"


def gist(error: Exception, url: sa.URL) -> str:
    """First line of what a driver or server says, without the secrets of the URL."""
    cause = getattr(error, "orig", None) or error
    first = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    return _without_secrets(first, url).rstrip(".: ")


def _without_secrets(text: str, url: sa.URL) -> str:
    secrets = [str(url.password or "")]
    for key, value in url.query.items():
        if _SECRET_KEYS.search(key):
            secrets += [value] if isinstance(value, str) else value
    for secret in filter(None, secrets):
        for written in {secret, quote(secret), quote_plus(secret)}:
            text = text.replace(written, "***")
    return text
