"""A plan on file: a draft that anybody can look at, and, once approved, rows of the ledger that nobody changes any more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from cvm.campaigns.audiences import AudienceFile
from cvm.campaigns.customer_lists import read_customer_list
from cvm.campaigns.holdout import GlobalHoldout, holdout_query
from cvm.campaigns.plan_result import PlanSummary
from cvm.campaigns.plan_settings import PlanError, PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.sql import literals, parquet
from cvm.features.treatments import CONTROL
from cvm.workspace import parquet_files, replaced_file

_LEDGER_COLUMNS = ("campaign_id", "customer_id", "assigned_at", "arm", "cost", "channel")
PLAN_FILE, SUMMARY_FILE, AUDIENCE_FOLDER = "plan.parquet", "plan.json", "files"


@dataclass(frozen=True)
class Basis:
    """Hashes of everything that a plan rests on, by what it is called in a sentence."""

    hashes: Mapping[str, str]

    @classmethod
    def of(cls, settings: PlanSettings, inputs: PlanInputs, *, warehouse: str) -> Basis:
        """As it is now; ``warehouse`` is the fingerprint of its rows."""
        return cls(
            {
                "params.yaml": _hash(json.dumps(asdict(settings), sort_keys=True, default=str)),
                "the scores": _digest([inputs.scores]),
                "the expected effects": _digest([inputs.uplift] if inputs.uplift else []),
                "the warehouse": _hash(warehouse),
                "the ledger": _digest(inputs.ledgers),
                "the suppression lists": _hash(json.dumps([read_customer_list(file) for file in settings.suppression])),
            }
        )

    def changed_since(self, draft: Basis) -> list[str]:
        """What is no longer as it was when the draft was made."""
        return [name for name, digest in self.hashes.items() if draft.hashes.get(name) != digest]


@dataclass(frozen=True)
class Approved:
    """What an approval wrote.

    Attributes
    ----------
    name : str
    ledger : Path
    files : tuple of AudienceFile
        For those who send the campaign.
    n_drawn, n_treated : int
        Customers in the ledger, and those of them who are contacted.
    cost : float
    """

    name: str
    ledger: Path
    files: tuple[AudienceFile, ...]
    n_drawn: int
    n_treated: int
    cost: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        files = [{**asdict(file), "path": str(file.path)} for file in self.files]
        return {**asdict(self), "ledger": str(self.ledger), "files": files}


def check_new(engine: DuckDBEngine, settings: PlanSettings, ledgers: Sequence[Path]) -> None:
    """Refuse a name that a campaign had before: what two draws did could never be told apart.

    Raises
    ------
    PlanError
        If the ledger has one of the campaigns of the plan.
    """
    sources = [parquet(ledgers)] if ledgers else []
    sources += ["assignments"] if "assignments" in engine.tables() else []
    for source in sources:
        query = (
            f"SELECT DISTINCT campaign_id FROM {source} WHERE campaign_id IN ({literals(settings.campaign_ids)}) ORDER BY 1"
        )
        taken = engine.table(query).column(0).to_pylist()
        if taken:
            raise PlanError(
                f"The ledger has {', '.join(map(repr, taken))} already, and no campaign is drawn twice. Give the plan "
                f"{settings.name!r} another name under campaigns.plans in params.yaml."
            )


def write_summary(folder: Path, summary: PlanSummary, basis: Basis, by_hand: Mapping[str, Sequence[str]]) -> None:
    """Write what a draft says and rests on beside its ``PLAN_FILE``, whose content it vouches for.

    ``by_hand`` holds the customers put in and left out by hand: the log of what no rule decided.
    """
    values = {
        "summary": summary.to_dict(),
        "by_hand": {name: list(ids) for name, ids in by_hand.items()},
        "basis": dict(basis.hashes),
        "plan": _digest([folder / PLAN_FILE]),
    }
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / SUMMARY_FILE).write_text(text, encoding="utf-8")


def read_draft(folder: Path, name: str) -> Basis:
    """What a draft rests on.

    Raises
    ------
    PlanError
        If there is no draft, or its files are not as they were written.
    """
    try:
        values: dict[str, Any] = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        basis = Basis(dict(values["basis"]))
        is_whole = values["plan"] == _digest([folder / PLAN_FILE])
    except FileNotFoundError:
        raise PlanError(f"There is no draft of {name!r} to approve. Run `cvm plan {name}` and look at it first.") from None
    except (OSError, ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise PlanError(f"The draft in {folder} was changed or damaged. Run `cvm plan {name}` to make it again.")
    return basis


def check_same(name: str, draft: Basis, now: Basis) -> None:
    """Refuse a draft of other data or params than there are now.

    Raises
    ------
    PlanError
        If anything changed since.
    """
    changed = now.changed_since(draft)
    if changed:
        raise PlanError(
            f"Other than when the draft of {name!r} was made: {', '.join(changed)}. It is no longer what would be "
            f"planned. Run `cvm plan {name}` again, look at it, and approve that."
        )


def write_ledger_file(engine: DuckDBEngine, plan: Path, path: Path) -> None:
    """Write the rows of a draft that were drawn as rows of ``assignments``, whole or not at all."""
    with replaced_file(path) as temporary:
        engine.write_parquet(
            "SELECT campaign_id, customer_id, timezone('UTC', assigned_at) AS assigned_at, arm, "
            "CAST(cost AS DECIMAL(18, 4)) AS cost, propensity, channel, "
            # Arms are of exact size over the whole draw; who was put in by hand was not drawn.
            "CASE WHEN propensity < 1 THEN 'all' END AS stratum "
            f"FROM {parquet([plan])} WHERE arm IS NOT NULL ORDER BY campaign_id, customer_id",
            temporary,
        )


def write_holdout_file(
    engine: DuckDBEngine, customers: Path, holdout: GlobalHoldout, path: Path, *, on: date, salt: str, timezone: str
) -> None:
    """Write who a period of the global holdout leaves alone, and whom not, as rows of ``assignments``.

    Parameters
    ----------
    engine : DuckDBEngine
    customers : Path
        Parquet file with ``customer_id``, once per customer: everybody known at the first campaign of the period.
    holdout : GlobalHoldout
    path : Path
    on : date
        A day of the period.
    salt : str
    timezone : str
        Zone in whose midnight the period begins.
    """
    rows = holdout_query(f"(SELECT customer_id FROM {parquet([customers])})", holdout, on=on, salt=salt)
    with replaced_file(path) as temporary:
        engine.write_parquet(
            f"SELECT campaign_id, customer_id, timezone({literal(timezone)}, assigned_at) AS assigned_at, arm, "
            "CAST(0 AS DECIMAL(18, 4)) AS cost, propensity, CAST(NULL AS VARCHAR) AS channel, "
            "CAST(NULL AS VARCHAR) AS stratum "
            f"FROM ({rows}) ORDER BY customer_id",
            temporary,
        )


def treated_rows(engine: DuckDBEngine, ledger: Path) -> pa.Table:
    """One row per customer to be contacted, with what ``customers`` knows of them: for those who send.

    Columns ``campaign_id``, ``customer_id``, ``arm``, ``channel``, then those of ``customers``. Nobody in control is among
    them.
    """
    rows = f"(SELECT * FROM {parquet([ledger])} WHERE arm <> {literal(CONTROL)})"
    ours = ("campaign_id", "customer_id", "arm", "channel")
    columns, join = "", ""
    if "customers" in engine.tables():
        theirs = [name for name in engine.columns("customers") if name.lower() not in ours]
        columns = "".join(f", profile.{identifier(name)}" for name in theirs)
        profile = "(SELECT * FROM customers QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY rowid) = 1)"
        join = f" LEFT JOIN {profile} AS profile USING (customer_id)"
    names = ", ".join(f"drawn.{name}" for name in ours)
    return engine.table(f"SELECT {names}{columns} FROM {rows} AS drawn{join} ORDER BY campaign_id, arm, drawn.customer_id")


def counted(engine: DuckDBEngine, ledger: Path) -> dict[str, Any]:
    """Rows of a ledger: ``n_drawn``, ``n_treated``, ``cost``."""
    return engine.row(
        f"SELECT count(*) AS n_drawn, count(*) FILTER (WHERE arm <> {literal(CONTROL)}) AS n_treated, "
        f"CAST(coalesce(sum(cost), 0) AS DOUBLE) AS cost FROM {parquet([ledger])}"
    )


def check_ledgers(engine: DuckDBEngine, ledgers: Sequence[Path]) -> None:
    """Refuse to plan on a record that cannot be read.

    Raises
    ------
    PlanError
        If a ledger is damaged, or none of ours.
    """
    for ledger in ledgers:
        try:
            missing = sorted(set(_LEDGER_COLUMNS) - set(engine.columns(parquet([ledger]))))
        except QueryError:
            missing = ["every row"]
        if missing:
            raise PlanError(
                f"{ledger} is no ledger of an approved plan, or damaged: it lacks {', '.join(missing)}. Nothing can make it "
                "anew: restore it from a backup, or move it away if it is none of ours."
            )


def _digest(paths: Sequence[Path]) -> str:
    """Of the contents of files and their names; a file that is not there has none."""
    whole = hashlib.sha256()
    files = (file for path in paths for file in parquet_files(path))
    for path in filter(Path.is_file, files):
        whole.update(path.name.encode())
        with path.open("rb") as content:
            whole.update(hashlib.file_digest(content, "sha256").digest())
    return whole.hexdigest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
