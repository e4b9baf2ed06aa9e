"""``params.yaml``: read once, checked once, then passed on as typed values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cvm.errors import ParamsError


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone; write for example Europe/Kyiv or UTC") from None
    return name


Timezone = Annotated[str, AfterValidator(_known_timezone)]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceParams(_Section):
    """One of the user's own tables."""

    path: str | Annotated[list[str], Field(min_length=1)]
    columns: dict[str, str] = {}
    timezone: Timezone | None = None
    datetime_format: str | None = None
    key: list[str] = []

    @property
    def paths(self) -> list[str]:
        """``path`` as a list."""
        return [self.path] if isinstance(self.path, str) else list(self.path)


class DataParams(_Section):
    """Where the data comes from and how much of it may be rejected."""

    dataset: Literal["cdnow"] | None = None
    transactions: SourceParams | None = None
    events: SourceParams | None = None
    customers: SourceParams | None = None
    max_rejected_share: Share = 0.05
    allow_constant_amount: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        own = [name for name in ("transactions", "events", "customers") if getattr(self, name) is not None]
        if self.dataset is None and self.transactions is None:
            raise ValueError("names no source; set dataset: cdnow, or transactions: {path: ...}")
        if self.dataset is not None and own:
            raise ValueError(f"has both dataset: {self.dataset} and {own}; keep one of them")
        return self


class BusinessParams(_Section):
    """Facts of the business that no table tells."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    timezone: Timezone = "UTC"
    margin_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    discount_rate_per_year: Annotated[float, Field(ge=0, le=10)] = 0.10
    active_days: Days = 365


class WindowParams(_Section):
    """The dates and lengths that define what is predicted."""

    as_of: date | Literal["latest"] = "latest"
    horizon_days: Annotated[int, Field(gt=0, le=3650)] = 181
    lead_days: Annotated[int, Field(ge=0, le=365)] = 0
    clv_days: Annotated[int, Field(gt=0, le=7300)] = 365
    eligible_days: Days | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.clv_days < self.horizon_days:
            raise ValueError(
                f"clv_days == {self.clv_days}, must be >= horizon_days == {self.horizon_days}; "
                "raise clv_days or shorten the horizon"
            )
        return self


class TrainParams(_Section):
    """How many snapshots teach the models, and how."""

    snapshots: Annotated[int, Field(ge=1, le=60)] = 4
    step_days: Annotated[int, Field(gt=0, le=730)] = 30
    trials: Annotated[int, Field(ge=0)] = 0
    timeout_s: Annotated[int, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0)] = 7


class BtydParams(_Section):
    """Purchase-process model."""

    family: Literal["auto", "bg_nbd"] = "auto"
    backend: Literal["cvm", "lifetimes"] = "cvm"


class TierParams(_Section):
    """Share of the customer base in each value tier; the rest is ``low``."""

    top: Share = 0.05
    high: Share = 0.15
    medium: Share = 0.30

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        total = self.top + self.high + self.medium
        if total >= 1:
            raise ValueError(f"top + high + medium == {total:g}, must be < 1 so that a low tier remains")
        return self


class SegmentParams(_Section):
    """Where segments are cut."""

    tiers: TierParams = TierParams()


class TrackingParams(_Section):
    """The MLflow store."""

    uri: str = "sqlite:///mlruns/mlflow.db"
    experiment: Annotated[str, Field(min_length=1)] = "cvm"
    model: Annotated[str, Field(min_length=1)] = "cvm"


class Params(_Section):
    """The whole of ``params.yaml``; ``root`` is the folder that holds it."""

    data: DataParams
    business: BusinessParams = BusinessParams()
    windows: WindowParams = WindowParams()
    train: TrainParams = TrainParams()
    btyd: BtydParams = BtydParams()
    segments: SegmentParams = SegmentParams()
    engine: Literal["duckdb"] = "duckdb"
    tracking: TrackingParams = TrackingParams()
    outputs: Annotated[str, Field(min_length=1)] = "outputs"
    models: Annotated[str, Field(min_length=1)] = "models"
    root: Annotated[Path, Field(exclude=True)] = Path()

    def resolve(self, path: str) -> Path:
        """``path`` itself when absolute, else below the folder of ``params.yaml``."""
        return self.root / Path(path).expanduser()


def load_params(path: Path, *, overrides: Sequence[str] = ()) -> Params:
    """Read and check ``params.yaml``.

    Parameters
    ----------
    path : Path
        The file; relative paths inside it are relative to its folder.
    overrides : sequence of str
        ``section.key=value`` pairs, values in YAML, applied on top of the file.

    Raises
    ------
    ParamsError
        If the file is missing, is no YAML mapping, or any key, type or window is wrong; all problems at once.
    """
    values = _read_mapping(path)
    for override in overrides:
        _apply_override(values, override)
    if "root" in values:
        raise ParamsError.from_problems(str(path), ["root: unknown key; remove it"])
    try:
        return Params.model_validate({**values, "root": path.resolve().parent})
    except ValidationError as error:
        raise ParamsError.from_problems(str(path), list(_problems(error))) from None


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} cannot be read: {error}. Choose another file with --params.") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise ParamsError(f"{path} is not valid YAML{where}: {problem}.") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path} holds no sections. Start from the params.yaml that ships with cvm.")
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ParamsError(f"--set {override!r} is not of the form section.key=value, for example windows.horizon_days=90.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ParamsError(f"--set {override!r}: the value {text!r} is not valid YAML.") from None
    *sections, name = key.strip().split(".")
    node = values
    for section in sections:
        child = node.setdefault(section, {})
        if not isinstance(child, dict):
            raise ParamsError(f"--set {override!r}: {section!r} is a value, not a section.")
        node = child
    node[name] = value


def _problems(error: ValidationError) -> Iterator[str]:
    problems = (f"{'.'.join(key) or 'the file'}: {_wording(item, key)}" for item, key in _located(error))
    return iter(dict.fromkeys(problems))


def _located(error: ValidationError) -> Iterator[tuple[Any, list[str]]]:
    for item in error.errors():
        yield item, _key_path(item["loc"])


def _key_path(location: Sequence[int | str]) -> list[str]:
    """Keys of the file that lead to a problem, without the union members pydantic tried on the way."""
    key: list[str] = []
    section: type[BaseModel] | None = Params
    for part in location:
        if section is None:
            break
        key.append(str(part))
        field = section.model_fields.get(str(part))
        section = next(_section_types(field.annotation), None) if field else None
    return key


def _wording(item: Any, key: Sequence[str]) -> str:
    kind, given = item["type"], item.get("input")
    if kind == "extra_forbidden":
        allowed = _allowed_keys(key[:-1])
        near = get_close_matches(key[-1], allowed, n=1)
        return "unknown key; " + (f"did you mean {near[0]!r}?" if near else f"known here: {allowed}")
    if kind == "missing":
        return "is required; add it"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    return f"{_short(given)}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _allowed_keys(sections: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Params
    for name in sections:
        model = next(_section_types(model.model_fields[name].annotation))
    return [name for name in model.model_fields if name != "root"]


def _section_types(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _section_types(argument)
