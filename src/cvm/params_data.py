"""Sections of ``params.yaml`` about the user's data, and the kinds of values that all sections are made of."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

# Files that hold several tables, so that one must be named.
DATABASE_FILES = (".duckdb", ".db", ".sqlite", ".sqlite3")

# Longest name of a segment, a goal or a rule: what a table or an axis can show.
MAX_TITLE = 60

# Names that the machine's zone files know beside the IANA zones, and no engine does.
_ZONE_FILES = ("localtime", "posix", "right")


def _known_timezone(name: str) -> str:
    try:
        if name.split("/")[0] in _ZONE_FILES:
            raise ZoneInfoNotFoundError
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone; write for example Europe/Kyiv or UTC") from None
    return name


def _usable_path(path: str) -> str:
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path!r} begins with the home of a user this machine does not know") from None
    if "\0" in path:
        raise ValueError(f"{path!r} holds a null character")
    return path


def _title(name: str) -> str:
    given, name = name, name.strip()
    if not 1 <= len(name) <= MAX_TITLE:
        raise ValueError(f"a name of {len(name)} characters, blanks at its ends left out; write 1 to {MAX_TITLE}")
    strange = next((sign for sign in name if not sign.isprintable()), None)
    if strange is not None:
        place = given.index(strange) + 1
        raise ValueError(f"{given!r} holds {strange!r} at character {place}, which no line of text shows; remove it")
    return name


def _digits(code: object) -> object:
    """Codes that YAML takes for numbers."""
    return str(code) if type(code) is int else code


def _date_or_latest(value: object) -> object:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and value != "latest" else value
    except ValueError:
        day = None
    if day != "latest" and type(day) is not date:
        raise ValueError(f"{value!r} is no date; write latest, or a day such as 2024-06-30")
    return day


def _date(value: object) -> object:
    day = _date_or_latest(value)
    if day == "latest":
        raise ValueError("'latest' is no date here; write a day such as 2024-06-30")
    return day


Timezone = Annotated[str, AfterValidator(_known_timezone)]
PathText = Annotated[str, Field(min_length=1), AfterValidator(_usable_path)]
Title = Annotated[str, AfterValidator(_title)]
CountryCode = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[1-9][0-9]{0,2}$")]
AsOf = Annotated[date | Literal["latest"], BeforeValidator(_date_or_latest)]
Day = Annotated[date, BeforeValidator(_date)]
Preset = Literal[
    "amocrm-contacts",
    "amplitude-events",
    "bitrix24-contacts",
    "ga4-events",
    "salesforce-contacts",
    "shopify-orders",
    "utm",
]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(gt=0)]
# A column that the user's files do not have, but that others of their columns make when they are multiplied.
Product = Annotated[dict[Literal["product"], Annotated[list[str], Field(min_length=2)]], Field(min_length=1)]
Cost = Annotated[float, Field(ge=0, le=1e9)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Section(BaseModel):
    """A part of the file: unknown keys and other types are refused."""

    # An error in Python shows no input, which may hold a password.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class SourceParams(Section):
    """One of the user's own tables: where it comes from, and how it is read.

    The origin is files, a database file with ``table`` or ``query``, a ``url`` with a ``query``, or with ``engine: spark`` a
    ``table`` of its catalog; none only where Python hands over a frame.
    """

    path: PathText | Annotated[list[PathText], Field(min_length=1)] | None = None
    url: SecretStr | None = None
    table: Annotated[str, Field(min_length=1)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    preset: Preset | None = None
    columns: dict[str, str | Annotated[list[str], Field(min_length=1)] | Product] = {}
    defaults: dict[str, str] = {}
    ignore: list[str] = []
    skip_without: list[str] = []
    timezone: Timezone | None = None
    datetime_format: str | None = None
    day_first: bool = False
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    currency_sign: Annotated[str, Field(pattern=r"^[^\d\s.,'+-]{1,4}$")] | None = None
    key: list[str] = []

    @property
    def paths(self) -> list[str]:
        """``path`` as a list."""
        return [self.path] if isinstance(self.path, str) else list(self.path or ())

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.path is not None and self.url is not None:
            raise ValueError("has both path and url; keep one of them")
        databases = [path for path in self.paths if path.lower().endswith(DATABASE_FILES)]
        if databases and len(self.paths) > 1:
            raise ValueError(f"path names {len(self.paths)} files, {databases} among them; a database stands alone")
        if databases and (self.table is None) == (self.query is None):
            raise ValueError(f"path is a database; add either table: or query: to say what to read of {databases[0]}")
        if self.url is not None and (self.query is None or self.table is not None):
            raise ValueError('a url takes a query and no table; write for example query: "SELECT * FROM orders"')
        is_of_catalog = self.path is None and self.query is None  # a table that Spark knows
        if not databases and self.url is None and (self.table or self.query) and not is_of_catalog:
            raise ValueError(f"table and query are for a url or a database file {list(DATABASE_FILES)}; remove them")
        return self

    @model_validator(mode="after")
    def _one_way_of_writing(self) -> Self:
        if self.day_first and self.datetime_format is not None:
            raise ValueError("has both day_first and datetime_format; keep one of them")
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; they must differ")
        return self


class DataParams(Section):
    """Where the data comes from and how much of it may be rejected."""

    dataset: Literal["cdnow"] | None = None
    transactions: SourceParams | None = None
    events: SourceParams | None = None
    customers: SourceParams | None = None
    subscriptions: SourceParams | None = None
    assignments: SourceParams | None = None
    identities: SourceParams | None = None
    features: SourceParams | None = None
    exchange_rates: SourceParams | None = None
    max_rejected_share: Share = 0.05
    allow_constant_amount: bool = False

    @property
    def tables(self) -> dict[str, SourceParams]:
        """The user's own tables by canonical name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in found.items() if isinstance(value, SourceParams)}

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.dataset is None and self.transactions is None:
            raise ValueError("names no source; set dataset: cdnow, or transactions: {path: ...}")
        if self.dataset is not None and self.tables:
            raise ValueError(f"has both dataset: {self.dataset} and {list(self.tables)}; keep one of them")
        return self
