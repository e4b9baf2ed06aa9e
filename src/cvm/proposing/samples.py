"""What a sample of a file's rows shows of each column: how many values read as dates, as numbers, as yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.ingest import values
from cvm.ingest.column_types import has_zone, is_number, is_time
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.sources import FILE_NAME, ROW_NUMBER, load_sample
from cvm.ingest.times import TimeFormat, utc_time
from cvm.proposing.files import FileGroup

N_ROWS = 10_000
# Of the values given, so many must read as what they are taken for; the rest are faults that ingest tells of.
MOST = 0.9
_FEW = 12

# How times are written, the likelier first where several read all. Keys of params.yaml.
TIME_WRITINGS: tuple[Mapping[str, str | bool], ...] = (
    {},
    {"day_first": True},
    *(
        {"datetime_format": pattern}
        for pattern in (
            *("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p"),
            *("%d.%m.%y", "%d.%m.%y %H:%M", "%d/%m/%y", "%m/%d/%y", "%m/%d/%y %H:%M"),
            *("%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d", "%Y%m%d", "%Y%m%d%H%M%S", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y"),
            *("%Y-%m-%d %I:%M:%S %p", "%a %b %d %H:%M:%S %Y"),
            *("epoch_s", "epoch_ms", "epoch_us"),
        )
    ),
)
# How numbers are written, the plainer first.
NUMBER_FORMATS = (
    *(NumberFormat("."), NumberFormat(","), NumberFormat(".", ","), NumberFormat(",", ".")),
    *(NumberFormat(",", " "), NumberFormat(".", " "), NumberFormat(".", "'")),
)
_LIKELY_FROM, _LIKELY_TO = "1990-01-01", "2100-01-01"
# An offset stands behind a time of day: the -02 of 2024-01-02 is none.
_ZONE = r".*\d\s*(Z|z|UTC)|.*:\d\d([.,]\d+)?\s*[+-](0\d|1[0-5])(:?[0-5]\d)?"
# A number with a currency before or behind it, and that currency.
_SIGN = r"[^\d\s.,'%+-]{1,4}"
_DIGITS = "[+-]?\\d[\\d\\s.,'\u00a0\u202f]*"
_PRICED = rf"[+-]?{_SIGN}\s*{_DIGITS}|{_DIGITS}{_SIGN}\.?"


@dataclass(frozen=True)
class ColumnFacts:
    """Counts over the sample.

    Attributes
    ----------
    name, kind : str
        Of the user's column; the type is that of the engine.
    n_given, n_distinct : int
        Values that are not blank, and different ones.
    n_dates, n_numbers : tuple of int
        Values that read as dates, as numbers; one count for each of ``TIME_WRITINGS``, of ``NUMBER_FORMATS``.
    n_priced : tuple of int
        Values that read as numbers with a currency beside them; one count for each of ``NUMBER_FORMATS``.
    n_flags, n_zoned, n_codes, n_negative, n_nested : int
        Values that read as yes or no, that carry a zone, that are three letters, that are numbers below zero, and that are
        lists or objects.
    sign : str or None
        The commonest that stands beside numbers.
    few : tuple of str
        The values, where they are at most twelve.
    """

    name: str
    kind: str
    n_given: int
    n_distinct: int
    n_dates: tuple[int, ...]
    n_numbers: tuple[int, ...]
    n_priced: tuple[int, ...]
    n_flags: int
    n_zoned: int
    n_codes: int
    n_negative: int
    n_nested: int
    sign: str | None = None
    few: tuple[str, ...] = ()

    def are(self, count: int) -> bool:
        """Whether ``count`` of the values are as good as all."""
        return 0 < self.n_given * MOST <= count

    @property
    def are_dates(self) -> bool:
        """Whether the values are dates in one way of writing."""
        return self.are(max(self.n_dates))

    @property
    def are_numbers(self) -> bool:
        """Whether the values are numbers in one way of writing."""
        return self.are(max(self.n_numbers))

    @property
    def are_priced(self) -> bool:
        """Whether the values are numbers, but with a currency beside them."""
        return not self.are_numbers and self.are(max(self.n_priced))


@dataclass(frozen=True)
class TableSample:
    """A sample of the rows of one table.

    Attributes
    ----------
    files : FileGroup
    n_rows : int
        In the sample.
    columns : mapping of str to ColumnFacts
        By the user's names, in the order of the files.
    """

    files: FileGroup
    n_rows: int
    columns: Mapping[str, ColumnFacts]

    @property
    def is_whole(self) -> bool:
        """Whether there are no other rows."""
        return self.n_rows < N_ROWS

    def share(self, count: int, n_given: int) -> str:
        """``count`` of ``n_given`` in words."""
        of = "" if self.is_whole else " sampled"
        return f"all {n_given:,}{of} values" if count == n_given else f"{count:,} of {n_given:,}{of} values"


def sampled(engine: DuckDBEngine, files: FileGroup) -> TableSample:
    """Draw a sample of the files, and count.

    Raises
    ------
    SourceError
        If a file cannot be read, or has no row.
    """
    load_sample(engine, "sample", files.paths, n_rows=N_ROWS)
    types = {name: kind for name, kind in engine.columns("raw_sample").items() if name not in (FILE_NAME, ROW_NUMBER)}
    n_rows = engine.row("SELECT count(*) AS n FROM raw_sample")["n"]
    return TableSample(files, n_rows, {name: _facts(engine, name, kind) for name, kind in types.items()})


def _facts(engine: DuckDBEngine, name: str, kind: str) -> ColumnFacts:
    source = f"(SELECT {identifier(name)} AS value, {values.given(name, kind)} AS text FROM raw_sample)"
    first = engine.row(
        "SELECT count(text) AS n_given, count(DISTINCT text) AS n_distinct, "
        f"count(*) FILTER (length(text) > 5 AND regexp_matches(text, '[0-9]')) AS n_long, "
        f"mode(regexp_extract(text, {literal(_SIGN)})) FILTER (regexp_full_match(text, {literal(_PRICED)})) AS sign "
        f"FROM {source}"
    )
    n_long, sign = first.pop("n_long"), first["sign"]
    # Most columns hold no date, and to ask for each way of writing takes most of the time.
    ways = TIME_WRITINGS if is_time(kind) or n_long * 2 > first["n_given"] else ()
    texts = kind == "VARCHAR"
    tests = {
        **{f"date{place}": _is_date(kind, how) for place, how in enumerate(ways)},
        **{f"number{place}": _is_number(kind, one) for place, one in enumerate(NUMBER_FORMATS)},
        **{f"priced{place}": _is_priced(kind, one, sign) for place, one in enumerate(NUMBER_FORMATS)},
        "n_flags": "TRY_CAST(text AS BOOLEAN) IS NOT NULL" if texts else str(kind == "BOOLEAN"),
        "n_zoned": str(has_zone(kind)) if is_time(kind) else f"regexp_full_match(text, {literal(_ZONE)})",
        "n_codes": "regexp_full_match(text, '[A-Za-z]{3}')",
        "n_negative": "starts_with(text, '-')" if texts or is_number(kind) else "false",
        "n_nested": "regexp_matches(text, '^[{\\[]')",
    }
    counts = ", ".join(f"count(text) FILTER ({test}) AS {label}" for label, test in tests.items())
    row = engine.row(f"SELECT {counts} FROM {source}")
    query = f"SELECT DISTINCT text FROM {source} WHERE text IS NOT NULL ORDER BY 1"
    few = engine.table(query).column(0).to_pylist() if first["n_distinct"] <= _FEW else ()
    return ColumnFacts(
        name=name,
        kind=kind,
        n_dates=tuple(row.pop(f"date{place}", 0) for place in range(len(TIME_WRITINGS))),
        n_numbers=tuple(row.pop(f"number{place}") for place in range(len(NUMBER_FORMATS))),
        n_priced=tuple(row.pop(f"priced{place}") for place in range(len(NUMBER_FORMATS))),
        few=tuple(few),
        **first,
        **row,
    )


def _is_number(kind: str, numbers: NumberFormat) -> str:
    return numbers.is_number("text") if kind == "VARCHAR" else str(is_number(kind))


def _is_priced(kind: str, numbers: NumberFormat, sign: str | None) -> str:
    return replace(numbers, sign=sign).is_number("text") if kind == "VARCHAR" and sign else "false"


def _is_date(kind: str, how: Mapping[str, str | bool]) -> str:
    """Numbers read as moments, too, if of the year 1970 or 5000."""
    moment = utc_time("value", kind, "text", _time_format(how))
    bounds = (f"TIMESTAMP {literal(bound)}" for bound in (_LIKELY_FROM, _LIKELY_TO))
    return "false" if moment is None else f"({moment}) BETWEEN {' AND '.join(bounds)}"


def _time_format(how: Mapping[str, str | bool]) -> TimeFormat:
    pattern = how.get("datetime_format")
    return TimeFormat("UTC", str(pattern) if pattern else None, day_first=bool(how.get("day_first")))
