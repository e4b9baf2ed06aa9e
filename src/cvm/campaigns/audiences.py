"""The files a campaign is sent by: one per campaign, arm and channel, in the form the sender imports.

What a file needs and a customer does not have is said, by number in the result and by customer in ``left_out.csv`` beside
the files. Held-out customers are in none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cvm.campaigns.addresses import ADDRESSES, address_of, checked_columns, unreachable_sql
from cvm.campaigns.senders import ADDRESS, COMPUTED, TEMPLATES, SenderTemplate
from cvm.campaigns.spreadsheet import write_csv
from cvm.engines import DuckDBEngine, identifier, literal
from cvm.errors import CvmError
from cvm.features.treatments import CONTROL
from cvm.workspace import replaced_directory

LEFT_OUT = "left_out.csv"
_CELL = ("campaign_id", "arm", "channel")
_REQUIRED = ("customer_id", *_CELL)
_ROWS = "audience_rows"
_REASON = identifier("reason nothing reaches them")
_BATCH_ROWS = 50_000
_NESTED = ("[]", "STRUCT", "MAP", "UNION", "BLOB")
_MAX_NAME_BYTES = 60


class AudienceError(CvmError, ValueError):
    """An audience cannot be handed to a sender."""


@dataclass(frozen=True)
class AudienceSettings:
    """In what form audiences are written.

    Attributes
    ----------
    template : str or mapping of str to str
        One of ``TEMPLATES`` for all channels, or by channel; channels that are not named get ``plain``.
    attributes : sequence of str
        Further columns of the audience, each under its own name; never in files of hashes.
    country_code : str or None
        Country of telephone numbers that name none, such as 380; without it they cannot be used.
    has_pseudonyms : bool
        Whether customers are stored under pseudonyms and without addresses: files then hold no address, and whoever has both
        joins them.
    """

    template: str | Mapping[str, str] = "plain"
    attributes: Sequence[str] = ()
    country_code: str | None = None
    has_pseudonyms: bool = False

    def __post_init__(self) -> None:
        named = [self.template] if isinstance(self.template, str) else list(self.template.values())
        unknown = sorted(set(named) - set(TEMPLATES))
        if unknown:
            raise AudienceError(f"The template {unknown[0]!r} is unknown; choose among {list(TEMPLATES)}.")

    def template_of(self, channel: str) -> str:
        """Name of the template of a channel."""
        return self.template if isinstance(self.template, str) else self.template.get(channel, "plain")


@dataclass(frozen=True)
class AudienceFile:
    """One file that was written.

    Attributes
    ----------
    path : Path
    campaign_id, arm, channel, template : str
    n_customers : int
        In the file.
    left_out : mapping of str to int
        Reason to customers who should have been in it, and are in ``left_out.csv`` instead.
    """

    path: Path
    campaign_id: str
    arm: str
    channel: str
    template: str
    n_customers: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What is in it and who is not, in plain words, without any address."""
        missing = ", ".join(f"{n:,} with {reason}" for reason, n in self.left_out.items())
        told = f"{self.arm} by {self.channel}: {self.n_customers:,} customers in {self.path.name} ({self.template})"
        return f"{told}; left out {missing}" if missing else told


def write_audiences(rows: pa.Table, folder: Path, settings: AudienceSettings) -> tuple[AudienceFile, ...]:
    """Write the audience files of treated customers; whatever was in ``folder`` before is gone.

    Parameters
    ----------
    rows : Table
        One row per treated customer and channel: ``campaign_id``, ``customer_id``, ``arm``, ``channel``, and where they are
        known ``email``, ``phone``, ``first_name``, ``last_name`` and the attributes of the settings.
    folder : Path
        Of these files alone; replaced as a whole, or not at all. Files can be read by their owner only.
    settings : AudienceSettings

    Returns
    -------
    tuple of AudienceFile
        By campaign, arm and channel.

    Raises
    ------
    AudienceError
        If a column is missing, a row is of the arm ``control`` or lacks its campaign, customer, arm or channel, a customer
        is there twice, or an attribute is no single value.
    WorkspaceError
        If the folder cannot be written.
    """
    with DuckDBEngine() as engine, replaced_directory(folder) as temporary:
        temporary.chmod(0o700)
        engine.register("given_rows", _with_text_keys(rows))
        columns = engine.columns("given_rows")
        _check_attributes(columns, settings)
        engine.replace_table(_ROWS, _prepared(columns, settings))
        _check_rows(engine)
        cells = engine.table(f"SELECT DISTINCT {', '.join(_CELL)} FROM {_ROWS} ORDER BY ALL").to_pylist()
        files = tuple(_write_cell(engine, temporary, folder, cell, columns, settings) for cell in cells)
        if any(file.left_out for file in files):
            _write_left_out(engine, temporary, cells, settings)
    return files


def _with_text_keys(rows: pa.Table) -> pa.Table:
    missing = sorted(set(_REQUIRED) - set(rows.column_names))
    if missing:
        raise AudienceError(f"The audience lacks the columns {missing}; it has {sorted(rows.column_names)}.")
    for name in _REQUIRED:
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.string()))
    return rows


def _check_attributes(columns: Mapping[str, str], settings: AudienceSettings) -> None:
    unknown = [name for name in settings.attributes if name not in columns]
    if unknown:
        raise AudienceError(
            f"Nobody in the audience has the attributes {unknown}; there are {sorted(set(columns) - set(_REQUIRED))}. "
            "Correct campaigns.audiences.attributes in params.yaml."
        )
    nested = [name for name in settings.attributes if any(kind in columns[name] for kind in _NESTED)]
    if nested:
        raise AudienceError(
            f"The attributes {nested} hold lists or other nested values, which have no place in a cell; "
            "take them out of campaigns.audiences.attributes in params.yaml."
        )


def _check_rows(engine: DuckDBEngine) -> None:
    blank = " OR ".join(f"trim(coalesce({name}, '')) = ''" for name in _REQUIRED)
    found = engine.row(
        f"SELECT count(*) FILTER (WHERE arm = {literal(CONTROL)}) AS n_held_out, count(*) FILTER (WHERE {blank}) AS n_blank "
        f"FROM {_ROWS}"
    )
    if found["n_held_out"]:
        raise AudienceError(
            f"The audience has customers of the arm {CONTROL!r}, which nobody contacts: {found['n_held_out']:,}. "
            "Hand over treated customers alone."
        )
    if found["n_blank"]:
        raise AudienceError(f"The audience has rows without one of {list(_REQUIRED)}: {found['n_blank']:,}. Complete them.")
    for key, having, what in (
        ("campaign_id, customer_id", "count(DISTINCT arm) > 1", "in several arms of one campaign"),
        (f"{', '.join(_CELL)}, customer_id", "count(*) > 1", "more than once in one arm and channel"),
    ):
        customers = f"SELECT customer_id FROM {_ROWS} GROUP BY {key} HAVING {having}"
        twice = engine.row(f"SELECT count(*) AS n FROM ({customers})")["n"]
        if twice:
            raise AudienceError(f"The audience has customers {what}: {twice:,}. Keep one row of each.")


def _write_cell(
    engine: DuckDBEngine,
    temporary: Path,
    folder: Path,
    cell: Mapping[str, str],
    columns: Mapping[str, str],
    settings: AudienceSettings,
) -> AudienceFile:
    name, file_name = settings.template_of(cell["channel"]), _file_name(cell)
    template, members = TEMPLATES[name], _members(cell, settings)
    shown = _shown(template, cell["channel"], columns, settings)
    values = ", ".join(f"{sql} AS {identifier(f'c{number}')}" for number, sql in enumerate(shown.values()))
    query = f"SELECT {values} FROM ({members}) WHERE {_REASON} IS NULL ORDER BY customer_id"
    batches = engine.batches(query, rows=_BATCH_ROWS)
    path = temporary / file_name
    n = write_csv(path, list(shown), batches, delimiter=template.delimiter, has_bom=template.has_bom)
    missing = f"SELECT {_REASON} AS reason, count(*) AS n FROM ({members}) WHERE {_REASON} IS NOT NULL GROUP BY 1 ORDER BY 1"
    left_out = {row["reason"]: row["n"] for row in engine.table(missing).to_pylist()}
    return AudienceFile(folder / file_name, **cell, template=name, n_customers=n, left_out=left_out)


def _write_left_out(
    engine: DuckDBEngine, temporary: Path, cells: Sequence[Mapping[str, str]], settings: AudienceSettings
) -> None:
    """Customers whom nothing reaches, by id and with the reason."""
    titles = [*_REQUIRED, "reason"]
    found = " UNION ALL ".join(
        f"SELECT {', '.join(_REQUIRED)}, {_REASON} AS reason FROM ({_members(cell, settings)}) WHERE {_REASON} IS NOT NULL"
        for cell in cells
    )
    batches = engine.batches(f"SELECT {', '.join(titles)} FROM ({found}) ORDER BY ALL", rows=_BATCH_ROWS)
    write_csv(temporary / LEFT_OUT, titles, batches, has_bom=True)


def _prepared(columns: Mapping[str, str], settings: AudienceSettings) -> str:
    """Query of what any file may need of all rows, addresses checked, which takes longer than everything else together."""
    email, phone = (f"CAST({identifier(name) if name in columns else 'NULL'} AS VARCHAR)" for name in ADDRESSES)
    shown = [name for template in TEMPLATES.values() for name in template.columns.values() if name in columns]
    used = dict.fromkeys([*_REQUIRED, *shown, *settings.attributes])
    checked = checked_columns(email, phone, country_code=settings.country_code)
    return f"SELECT {', '.join([*map(identifier, used), *checked])} FROM given_rows"


def _members(cell: Mapping[str, str], settings: AudienceSettings) -> str:
    """Query of the customers of one cell, with why nothing reaches them, or null."""
    needed = _needed(TEMPLATES[settings.template_of(cell["channel"])], cell["channel"], settings)
    same = " AND ".join(f"{name} = {literal(cell[name])}" for name in _CELL)
    return f"SELECT *, {unreachable_sql(needed)} AS {_REASON} FROM {_ROWS} WHERE {same}"


def _needed(template: SenderTemplate, channel: str, settings: AudienceSettings) -> tuple[str, ...]:
    """Addresses of which a customer must have one."""
    if settings.has_pseudonyms and not template.is_hashed:
        return ()
    address = address_of(channel)
    if address and not template.is_hashed:
        return (address,)
    return ADDRESSES if template.needs_address else ()


def _shown(template: SenderTemplate, channel: str, columns: Mapping[str, str], settings: AudienceSettings) -> dict[str, str]:
    """Title to SQL of every column: no address but the one the channel needs, and nothing the audience does not have."""
    wanted = _needed(template, channel, settings)
    present = [name for name in wanted if name in columns] or wanted
    shown = {
        title: COMPUTED[name] if name in COMPUTED else _as_text(name, columns)
        for title, name in template.columns.items()
        if (ADDRESS[name] in present if name in COMPUTED else name in columns)
    }
    for name in () if template.is_hashed else settings.attributes:
        if name in shown and template.columns.get(name) != name:
            raise AudienceError(f"The attribute {name!r} is the title of another column of this sender; rename it.")
        if name not in template.columns.values():
            shown[name] = _as_text(name, columns)
    return shown


def _as_text(name: str, columns: Mapping[str, str]) -> str:
    """SQL for a column as it is written; what is no finite number is left blank."""
    column = identifier(name)
    known = f"CASE WHEN isfinite({column}) THEN {column} END" if columns[name] in ("FLOAT", "DOUBLE") else column
    return f"CAST({known} AS VARCHAR)"


def _file_name(cell: Mapping[str, str]) -> str:
    """Name of a cell's file: readable, of no path, and another for every other cell, also where case does not tell.

    Plain names stand for themselves, separated by dots they do not hold; any others get a digest in addition.
    """
    parts = [cell[name] for name in _CELL]
    readable = [
        re.sub(r"[^\w-]+", "_", part.casefold()).encode()[:_MAX_NAME_BYTES].decode(errors="ignore") for part in parts
    ]
    if readable != parts or not "".join(parts).isascii():
        readable.append(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12])
    return ".".join([*readable, "csv"])
