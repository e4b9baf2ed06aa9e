"""Every error a user can meet: what was found, where, and how to mend it.

Constructors are plain, so an error survives being sent back from a worker process.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Self


def without_password(text: str) -> str:
    """``text`` with the user and password of every URL in it masked, and what its query calls a secret."""
    # The second form is of a password with a slash in it, which databases take as it is.
    masked = re.sub(r"://(?:[^\s/]*|[^\s:/@]*:[^\s@]*)@", "://***@", text)
    return re.sub(r"(?i)([?&;][\w.-]*(?:password|passwd|pwd|secret|token|key)=)[^\s&;'\"]+", r"\1***", masked)


class CvmError(Exception):
    """Base of all refusals; the command line prints its message and exits with code 1."""


class ParamsError(CvmError, ValueError):
    """``params.yaml`` holds something that cannot be run."""

    @classmethod
    def from_problems(cls, source: str, problems: Sequence[str]) -> Self:
        """Gather all problems of one file into one message."""
        lines = "\n".join(f"  - {problem}" for problem in problems)
        noun = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        return cls(f"{source} has {noun}:\n{lines}")


class SourceError(CvmError):
    """A source is missing, unreadable or empty."""

    @classmethod
    def from_missing_file(cls, table: str, path: str) -> Self:
        """Nothing lies at the configured path."""
        return cls(f"Table {table!r}: no file matches {path!r}. Correct data.{table}.path in params.yaml.")

    @classmethod
    def from_unreadable_file(cls, table: str, path: str, reason: str) -> Self:
        """The file is there but does not parse."""
        return cls(
            f"Table {table!r}: {path!r} cannot be read: {reason}. "
            f"Export the file again, or correct data.{table}.path in params.yaml."
        )

    @classmethod
    def from_unreadable_database(cls, table: str, shown: str, reason: str, fix: str) -> Self:
        """The database cannot be opened, or refuses the query."""
        return cls(f"Table {table!r}: {shown} cannot be read: {reason}. {fix}")

    @classmethod
    def from_empty_table(cls, table: str, path: str) -> Self:
        """The source has a header but no row."""
        return cls(f"Table {table!r}: {path!r} has no rows. Check the export, or correct data.{table} in params.yaml.")


class EmptySourceError(SourceError):
    """A source can be read, but holds no row."""


class MissingColumnsError(CvmError, ValueError):
    """A table lacks columns its contract requires."""

    @classmethod
    def from_columns(cls, table: str, *, required: Collection[str], found: Collection[str]) -> Self:
        """Name what is missing, what is there, and the likeliest match."""
        missing = sorted(set(required) - set(found))
        spelled = {name.lower(): name for name in found}
        near = {name: get_close_matches(name, list(spelled), n=1, cutoff=0.6) for name in missing}
        hints = ", ".join(f"{name}: {spelled[match[0]]}" for name, match in near.items() if match)
        example = hints or ", ".join(f"{name}: <your column>" for name in missing)
        return cls(
            f"Table {table!r} lacks columns {missing}; it has {sorted(found)}. "
            f"Map your column names in params.yaml, for example data.{table}.columns: {{{example}}}."
        )


class ColumnTypeError(CvmError, ValueError):
    """A column has a type from which its values cannot be read without guessing."""


class QualityError(CvmError):
    """Too many rows were rejected for the rest to be trusted."""


class InsufficientDataError(CvmError, ValueError):
    """The data is sound but cannot carry the model that was asked for."""


class MissingOutputError(CvmError):
    """A stage needs what an earlier stage has not written yet."""

    @classmethod
    def from_stage(cls, path: Path, *, command: str) -> Self:
        """Name the command that writes the missing output."""
        return cls(f"{path} does not exist yet. Run `{command}` first, or `cvm run` for the whole loop.")

    @classmethod
    def from_damage(cls, path: Path, *, command: str) -> Self:
        """The output is there but cannot be read; the command that writes it makes it whole."""
        return cls(f"{path} is damaged. Run `{command}` to write it again.")


class LeakageError(CvmError):
    """Training data holds what could not have been known, or means something else where it is applied."""

    @classmethod
    def from_findings(cls, findings: Sequence[str], fix: str) -> Self:
        """Gather all findings, each a name with its evidence, and say once what to do about them."""
        lines = "\n".join(f"  - {finding}" for finding in findings)
        return cls(f"The leakage gate refuses to train:\n{lines}\n{fix}")


class TuningError(CvmError):
    """The stored tuning studies cannot be used."""

    @classmethod
    def from_file(cls, path: Path, reason: str) -> Self:
        """Their file is locked, damaged or foreign."""
        return cls(
            f"The tuning studies in {path} cannot be used: {reason}. Close the program that holds the file, or delete it: "
            "nothing is lost but trials, which are run again. train.trials: 0 does without."
        )


class BundleError(CvmError):
    """A model bundle is damaged, foreign, or does not fit the request."""


class FeatureMismatchError(CvmError, ValueError):
    """The features handed to a model are not the ones it was trained on."""


class HistoryError(CvmError, ValueError):
    """The raw history handed to a model cannot be read."""


class ServingError(CvmError):
    """A model cannot be served."""


class WorkspaceError(CvmError):
    """Outputs cannot be written where ``params.yaml`` says."""


class TrackingError(CvmError):
    """The MLflow store cannot be used."""

    @classmethod
    def from_unregistered(cls, bundle: Path, model_version: str, reason: str) -> Self:
        """The store failed after training: say where the model is, and how to register it."""
        return cls(
            f"The model {model_version} is trained and kept in {bundle}, but it is not registered. {reason} To register it, "
            "run `cvm promote` once the store answers: it decides about the model and registers what the store lacks."
        )


class ExperimentError(CvmError, ValueError):
    """An experiment cannot tell what its treatment did."""
