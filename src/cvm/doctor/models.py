"""The champion and the MLflow store: readable, unchanged, and of one mind with params and features."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow.parquet as pq

from cvm.doctor.line import Line, size
from cvm.doctor.machine import nearest
from cvm.errors import CvmError, without_password
from cvm.features.files import features_file, read_plan
from cvm.models.bundle import Bundle, bundle_version, read_bundle
from cvm.params import Params
from cvm.stages.prediction import unlike_params
from cvm.stages.store import database_of, store_of
from cvm.workspace import Workspace


def champion_lines(params: Params, workspace: Workspace) -> Iterator[Line]:
    """Whether the model in use can be read, is unchanged, and foretells what params ask for from the features there are."""
    if not workspace.champion.is_dir():
        fix = "cvm promote" if bundle_version(workspace.challenger) else "cvm train, then cvm promote"
        yield Line("champion", "look", "no model is in use yet", fix)
        return
    bundle = read_bundle(workspace.champion)
    churn, value = bundle.churn.name, bundle.value.name
    yield Line("champion", "ok", f"{bundle.model_version} of {bundle.trained_as_of}, hashes hold; {churn} and {value}")
    if differing := unlike_params(bundle, params):
        fix = "cvm features and cvm train, or set params.yaml back"
        yield Line("champion", "wrong", f"foretells something else than params.yaml asks for: {differing}", fix)
    missing = _missing_features(bundle, workspace.features)
    if missing:
        few = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        yield Line(
            "champion", "wrong", f"the features on file lack {len(missing)} it needs: {few}", "cvm features, cvm train"
        )
    if other := _other_versions(bundle):
        found = f"trained with {other}"
        yield Line("champion", "look", found, "Scores may differ in their last digits; cvm train makes one of today's.")


def challenger_lines(workspace: Workspace) -> Iterator[Line]:
    """Whether a decision about a model is due, or was cut short."""
    if workspace.unsettled.exists():
        yield Line("promotion", "look", "a decision was cut short before all folders followed it", "cvm promote")
    waiting = bundle_version(workspace.challenger)
    if waiting is None or waiting == bundle_version(workspace.champion):
        return
    try:
        read_bundle(workspace.challenger)
    except CvmError as error:
        yield Line("challenger", "wrong", str(error))
    else:
        yield Line("challenger", "ok", f"{waiting} waits for cvm promote")


def store_lines(params: Params) -> Iterator[Line]:
    """Whether the MLflow store answers, knows its schema, and can be written to."""
    database = database_of(params)
    if database is not None and not database.exists():
        yield Line("MLflow", "ok", f"{database} is not made yet; cvm train makes it")
        return
    if database is not None and (closed := _closed(database)):
        yield Line("MLflow", "wrong", closed, "Grant write access, or name another store under tracking.uri.")
        return
    aliases = store_of(params).look()
    if aliases is None:
        yield Line("MLflow", "ok", "the database answers, and holds no store yet; cvm train makes one")
        return
    where = f"{size(database.stat().st_size)} in {database}" if database else without_password(params.tracking.uri)
    named = ", ".join(f"{alias} {number}" for alias, number in sorted(aliases.items())) or "no model registered yet"
    yield Line("MLflow", "ok", f"answers, its schema fits MLflow {version('mlflow')}; {named}; {where}")


def _missing_features(bundle: Bundle, folder: Path) -> list[str]:
    """Columns that a bundle cannot do without and the features on file lack; none where there is no such file."""
    try:
        columns = set(pq.read_schema(features_file(folder, read_plan(folder).score)).names)
    except (CvmError, OSError, ValueError):  # told in the line of features
        return []
    return [feature.name for feature in bundle.features if feature.required and feature.name not in columns]


def _other_versions(bundle: Bundle) -> str:
    """Packages whose release at training was another than that installed: ``lightgbm 4.6.0 (here 4.7.0)``."""
    found = []
    for name, then in dict(bundle.evidence.get("versions") or {}).items():
        try:
            here = version(name)
        except PackageNotFoundError:
            continue
        if str(then).split(".")[:2] != here.split(".")[:2]:
            found.append(f"{name} {then} (here {here})")
    return ", ".join(found)


def _closed(database: Path) -> str:
    """Why the file of a store cannot be written, as far as rights tell; empty where it can."""
    if database.is_dir():
        return f"{database} is a folder, and no database"
    for path in (database, nearest(database.parent)):
        if not os.access(path, os.R_OK | os.W_OK):
            return f"no right to read and write {path}"
    return ""
