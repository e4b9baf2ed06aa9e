"""Raw rows of a request, read as ingest reads a file; what cannot be read is refused by row and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.errors import HistoryError
from cvm.ingest import values
from cvm.ingest.column_types import is_number, is_time
from cvm.ingest.contracts import CONTRACTS, Column, Kind
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.times import TimeFormat

# Times of a request are UTC unless they carry an offset.
_TIMES, _NUMBERS = TimeFormat("UTC"), NumberFormat()
_EARLIEST = datetime(1901, 1, 1)
_ROW, _ITEM = "cvm row", "cvm item"  # a blank keeps them apart from the names of contracts
# Says who the row is of, which the request does by its place.
_WHO = ("customer_id", "source")
_NEVER_STORED = ("is_test", "currency")


@dataclass(frozen=True)
class RawTable:
    """How one table of a request is read.

    Attributes
    ----------
    name : str
        Canonical table.
    types : mapping of str to str
        The columns that training had, and their types.
    currency : str
        Of all money; a row that names another is refused.
    """

    name: str
    types: Mapping[str, str]
    currency: str

    @cached_property
    def wanted(self) -> dict[str, Column]:
        """Columns to read: those of training, and those that say whether a row counts."""
        contract = CONTRACTS[self.name]
        names = [*self.types, *(name for name in _NEVER_STORED if contract.column(name) and name not in self.types)]
        return {
            name: contract.column(name) or Column(name, _kind(self.types[name]), "") for name in names if name not in _WHO
        }

    @cached_property
    def known(self) -> set[str]:
        """Names that a row may have; those that training did not have say nothing to the model."""
        return {*self.types, *(column.name for column in CONTRACTS[self.name].columns)}

    @property
    def _is_single(self) -> bool:
        """Whether a request has one object for it, and not an array."""
        return self.name == "customers"

    @property
    def _shown_name(self) -> str:
        return "customer" if self._is_single else self.name

    def definition(self) -> str:
        """SQL that makes the table, empty."""
        columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in self.types.items())
        return f"CREATE TABLE {self.name} ({columns})"

    def load(self, engine: DuckDBEngine, cells: Mapping[int, object]) -> None:
        """Put the rows of a request into the table; ``customer_id`` is the number of the row of the request.

        Parameters
        ----------
        engine : DuckDBEngine
            Holds the table.
        cells : mapping of int to object
            Row of the request to what it holds for this table: an array of objects (for ``customers`` one object), or null.

        Raises
        ------
        HistoryError
            Names row, item and column of the first value that cannot be read, and how many there are.
        """
        raw = self._given(cells)
        if raw is None:
            return
        engine.register("given_rows", raw)
        checked = f"SELECT *, {self._fault()} AS fault FROM ({self._parsed()})"
        engine.execute(f"CREATE OR REPLACE TEMP TABLE checked_rows AS {checked}")
        engine.unregister("given_rows")
        self._refuse_faults(engine)
        stored = ", ".join(
            f"{identifier(name)}" if name in self.wanted else f"NULL AS {identifier(name)}"
            for name in self.types
            if name != "customer_id"
        )
        tests = " WHERE is_test IS NOT TRUE" if "is_test" in self.wanted else ""
        engine.execute(
            f"INSERT INTO {self.name} BY NAME SELECT CAST({identifier(_ROW)} AS VARCHAR) AS customer_id, {stored} "
            f"FROM checked_rows{tests}"
        )

    def _given(self, cells: Mapping[int, object]) -> pa.Table | None:
        """What the request says, all as text; None where it says nothing."""
        items = list(self._items(cells))
        if not items:
            return None
        found = dict.fromkeys(chain.from_iterable(item for _, _, item in items))
        strangers = [name for name in found if name not in self.known]
        if strangers:
            near = [match for name in strangers for match in get_close_matches(str(name), self.known, n=1)]
            hint = f"; did you mean {near}?" if near else "."
            raise HistoryError(f"{self._shown_name} holds {_shown(strangers)}, which the model does not know{hint}")
        columns = {_ROW: pa.array([row for row, _, _ in items]), _ITEM: pa.array([place for _, place, _ in items])}
        for name in self.wanted:
            try:
                texts = [_text(item.get(name)) for _, _, item in items]
                columns[name] = pa.array(texts, pa.string())
            except (TypeError, ValueError):
                row, place = next((row, place) for row, place, item in items if not _is_plain(item.get(name)))
                raise HistoryError(
                    f"{self._place(row, place, name)} is neither text nor a number, true, false or null."
                ) from None
        return pa.table(columns)

    def _items(self, cells: Mapping[int, object]) -> Iterator[tuple[int, int, Mapping[Any, Any]]]:
        for row, cell in cells.items():
            if cell is None or (isinstance(cell, float) and cell != cell):
                continue
            items = [cell] if self._is_single else cell
            if not isinstance(items, (list, tuple, np.ndarray)):
                raise HistoryError(f"Row {row}: {self._shown_name} must be an array of objects.")
            for place, item in enumerate(items):
                item = item.asDict() if hasattr(item, "asDict") else item  # a row of Spark
                if not isinstance(item, Mapping):
                    raise HistoryError(f"{self._place(row, place)} must be an object, such as {self._example()}.")
                yield row, place, item

    def _parsed(self) -> str:
        """SQL for each value as read and as given, by the rules of ingest."""
        selected = [identifier(_ROW), identifier(_ITEM)]
        for name, column in self.wanted.items():
            given = values.given(name, "VARCHAR")
            read = values.parsed(self.name, column, name, "VARCHAR", text=given, times=_TIMES, numbers=_NUMBERS)
            stored = self.types.get(name, str(column.kind))
            selected.append(f"{given} AS {identifier(f'given {name}')}, TRY_CAST({read} AS {stored}) AS {identifier(name)}")
        return f"SELECT {', '.join(selected)} FROM given_rows"

    def _fault(self) -> str:
        """SQL for the first fault of a row, as ``column fault``; null where there is none."""
        branches = []
        for name, column in self.wanted.items():
            value, given = identifier(name), identifier(f"given {name}")
            faults = {f"{given} IS NULL": "is missing"} if column.required else {}
            faults[f"{value} IS NULL AND {given} IS NOT NULL"] = f"is no {values.wanted(column.kind)}"
            if column.kind is Kind.TIME:
                faults[f"{value} < {literal(_EARLIEST)}"] = f"lies before {_EARLIEST.year}"
            if name == "currency":
                faults[f"upper({value}) <> {literal(self.currency)}"] = f"is not {self.currency}, in which the model counts"
            branches += [f"WHEN {test} THEN {literal(f'{name} {fault}')}" for test, fault in faults.items()]
        return f"CASE {' '.join(branches)} END"

    def _refuse_faults(self, engine: DuckDBEngine) -> None:
        first = f"struct_pack(place := {identifier(_ROW)}, item := {identifier(_ITEM)})"
        found = engine.row(
            f"SELECT count(*) AS n, arg_min(fault, {first}) AS fault, min({first}) AS place "
            "FROM checked_rows WHERE fault IS NOT NULL"
        )
        if found["n"]:
            name, _, fault = found["fault"].partition(" ")
            rows = "row is" if found["n"] == 1 else "rows are"
            place = self._place(found["place"]["place"], found["place"]["item"], name)
            raise HistoryError(
                f"{place} {fault}; {found['n']:,} {rows} faulty in {self._shown_name}. Times are ISO 8601, UTC unless they "
                "carry an offset; money and numbers are JSON numbers."
            )

    def _place(self, row: int, item: int, name: str | None = None) -> str:
        where = f"Row {row}: {self._shown_name}" + ("" if self._is_single else f"[{item}]")
        return f"{where}.{name}" if name else where

    def _example(self) -> str:
        return str({name: "..." for name in CONTRACTS[self.name].required if name != "customer_id"})


def _kind(found_type: str) -> Kind:
    """Kind of an attribute that no contract knows."""
    if found_type == "BOOLEAN":
        return Kind.FLAG
    if is_time(found_type):
        return Kind.TIME
    return Kind.NUMBER if is_number(found_type) else Kind.TEXT


def _is_plain(value: object) -> bool:
    try:
        _text(value)
    except (TypeError, ValueError):
        return False
    return True


def _text(value: object) -> str | None:
    """A value of JSON, pandas or Spark as text; null where it is none.

    Raises
    ------
    TypeError, ValueError
        If it is a collection, or text that is no Unicode.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value:
        return None
    if isinstance(value, str):
        value.encode()
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    raise TypeError(type(value).__name__)


def _shown(names: Sequence[object], *, most: int = 5) -> str:
    """The first names, shortened, because a request may hold anything."""
    shown = [str(name)[:40] for name in names[:most]]
    return f"{shown}" + (f" and {len(names) - most} more" if len(names) > most else "")
