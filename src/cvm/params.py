"""``params.yaml``: read once, checked once, then passed on as typed values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from cvm.errors import ParamsError, without_password
from cvm.params_file import read_mapping, with_overrides

# Files that hold several tables, so that one must be named.
DATABASE_FILES = (".duckdb", ".db", ".sqlite", ".sqlite3")

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


Timezone = Annotated[str, AfterValidator(_known_timezone)]
PathText = Annotated[str, Field(min_length=1), AfterValidator(_usable_path)]
CountryCode = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[1-9][0-9]{0,2}$")]
AsOf = Annotated[date | Literal["latest"], BeforeValidator(_date_or_latest)]
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
Cost = Annotated[float, Field(ge=0, le=1e9)]


class _Section(BaseModel):
    # An error in Python shows no input, which may hold a password.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class SourceParams(_Section):
    """One of the user's own tables: where it comes from, and how it is read.

    The origin is files, a database file with ``table`` or ``query``, or a ``url`` with a ``query``; none only where
    Python hands over a frame.
    """

    path: PathText | Annotated[list[PathText], Field(min_length=1)] | None = None
    url: SecretStr | None = None
    table: Annotated[str, Field(min_length=1)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    preset: Preset | None = None
    columns: dict[str, str | Annotated[list[str], Field(min_length=1)]] = {}
    defaults: dict[str, str] = {}
    ignore: list[str] = []
    skip_without: list[str] = []
    timezone: Timezone | None = None
    datetime_format: str | None = None
    day_first: bool = False
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
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
        if not databases and self.url is None and (self.table or self.query):
            raise ValueError(f"table and query are for a url or a database file {list(DATABASE_FILES)}; remove them")
        return self

    @model_validator(mode="after")
    def _one_way_of_writing(self) -> Self:
        if self.day_first and self.datetime_format is not None:
            raise ValueError("has both day_first and datetime_format; keep one of them")
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; they must differ")
        return self


class DataParams(_Section):
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


class UnitCostParams(_Section):
    """What serving a customer costs, in ``business.currency`` per occasion; ``value`` = what the event's value says."""

    per_return: Cost = 0.0
    per_event: dict[str, Cost | Literal["value"]] = {}


class BusinessParams(_Section):
    """Facts of the business that no table tells."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    timezone: Timezone = "UTC"
    margin_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    margin_rate_by_category: dict[str, Annotated[float, Field(ge=-1, le=1)]] = {}
    unit_costs: UnitCostParams = UnitCostParams()
    discount_rate_per_year: Annotated[float, Field(ge=0, le=10)] = 0.10
    active_days: Days = 365


class WindowParams(_Section):
    """The dates and lengths that define what is predicted."""

    as_of: AsOf = "latest"
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
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
    features: dict[str, Literal["exclude", "keep"]] = {}
    treated: Literal["include", "exclude", "control_only"] = "include"


class RetentionParams(_Section):
    """What a retention contact costs and achieves; without a cost no threshold is computed."""

    contact_cost: Cost | None = None
    save_rate: Annotated[float, Field(gt=0, le=1)] = 0.1


class BtydParams(_Section):
    """Purchase-process model."""

    family: Literal["auto", "bg_nbd", "mbg_nbd", "pareto_nbd"] = "auto"
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


class ChurnParams(_Section):
    """What churn means."""

    definition: Literal["no_order", "inactivity", "subscription"] = "no_order"
    inactivity_days: Days = 30


class SegmentParams(_Section):
    """Where segments are cut."""

    tiers: TierParams = TierParams()


class TrackingParams(_Section):
    """The MLflow store."""

    uri: Annotated[str, Field(min_length=1)] = "sqlite:///mlruns/mlflow.db"
    experiment: Annotated[str, Field(min_length=1)] = "cvm"
    model: Annotated[str, Field(min_length=1)] = "cvm"


class IdentityParams(_Section):
    """What makes two accounts one person."""

    match: list[Literal["email", "phone"]] = ["email", "phone"]
    max_accounts_per_key: Annotated[int, Field(ge=1)] = 5
    max_accounts_per_person: Annotated[int, Field(ge=1)] = 20
    country_code: CountryCode | None = None
    probabilistic: bool = False
    threshold: Annotated[float, Field(gt=0.5, le=1)] = 0.95


class Params(_Section):
    """The whole of ``params.yaml``; ``root`` is the folder that holds it."""

    data: DataParams
    business: BusinessParams = BusinessParams()
    windows: WindowParams = WindowParams()
    identity: IdentityParams = IdentityParams()
    train: TrainParams = TrainParams()
    retention: RetentionParams = RetentionParams()
    btyd: BtydParams = BtydParams()
    churn: ChurnParams = ChurnParams()
    segments: SegmentParams = SegmentParams()
    engine: Literal["duckdb"] = "duckdb"
    tracking: TrackingParams = TrackingParams()
    outputs: PathText = "outputs"
    models: PathText = "models"
    root: Annotated[Path, Field(exclude=True)] = Path()

    @model_validator(mode="after")
    def _window_holds_the_silence(self) -> Self:
        if self.churn.definition == "inactivity" and self.churn.inactivity_days > self.windows.horizon_days:
            raise ValueError(
                f"churn.inactivity_days == {self.churn.inactivity_days}, must be <= windows.horizon_days == "
                f"{self.windows.horizon_days}; shorten the silence or raise the horizon"
            )
        return self

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
    read = with_overrides(read_mapping(path), overrides)
    # A section whose keys are all commented out is one of defaults.
    values = {key: value for key, value in read.items() if value is not None or key not in Params.model_fields}
    if "root" in values:
        raise ParamsError.from_problems(str(path), ["root: unknown key; remove it"])
    try:
        return Params.model_validate({**values, "root": path.resolve().parent})
    except ValidationError as error:
        raise ParamsError.from_problems(str(path), list(_problems(error))) from None


def _problems(error: ValidationError) -> Iterator[str]:
    problems: dict[tuple[str, str], list[str]] = {}
    for item, key in _located(error):
        subject, problem = _wording(item, key)
        problems.setdefault((".".join(key) or "the file", subject), []).append(problem)
    # What every member of a union says of one value is one problem.
    return (f"{key}: {subject}{', or '.join(dict.fromkeys(found))}" for (key, subject), found in problems.items())


def _located(error: ValidationError) -> Iterator[tuple[Any, list[str]]]:
    for item in error.errors():
        yield item, _key_path(item["loc"])


def _key_path(location: Sequence[int | str]) -> list[str]:
    """Keys of the file that lead to a problem, without the union members pydantic tried on the way."""
    key: list[str] = []
    section: type[BaseModel] | None = Params
    field = None
    for part in location:
        if section is None:
            return [*key, str(part)] if field and get_origin(field.annotation) is dict else key
        key.append(str(part))
        field = section.model_fields.get(str(part))
        section = next(_section_types(field.annotation), None) if field else None
    return key


def _wording(item: Any, key: Sequence[str]) -> tuple[str, str]:
    """The value that is wrong, unless the problem names it, and what is wrong with it."""
    kind = item["type"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(key[:-1])
        near = get_close_matches(key[-1], allowed, n=1)
        return "", "unknown key; " + (f"did you mean {near[0]!r}?" if near else f"known here: {allowed}")
    if kind == "missing":
        return "", "is required; add it"
    if kind == "value_error":
        return "", str(item["ctx"]["error"])
    problem = f"must be a section with keys of {_allowed_keys(key)}" if kind == "model_type" else item["msg"]
    return f"{_short(item.get('input'))}: ", problem[0].lower() + problem[1:]


def _short(value: Any) -> str:
    text = without_password(repr(value))
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
