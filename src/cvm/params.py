"""``params.yaml``: read once, checked once, then passed on as typed values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from cvm.errors import ParamsError, without_password
from cvm.params_campaigns import CampaignParams
from cvm.params_data import AsOf, Cost, CountryCode, DataParams, Days, PathText, Section, Timezone
from cvm.params_file import read_mapping, with_overrides
from cvm.params_goals import GoalParams, KpiParams
from cvm.params_playbook import UPLIFT_COLUMNS, ActionParams, PlaybookRuleParams, TriggerParams, playbook_problems
from cvm.params_privacy import PrivacyParams
from cvm.params_promotion import PromotionParams
from cvm.params_publish import PublishParams
from cvm.params_scoring import ScoringParams
from cvm.params_segments import SegmentParams
from cvm.params_spark import SparkParams


class UnitCostParams(Section):
    """What serving a customer costs, in ``business.currency`` per occasion; ``value`` = what the event's value says."""

    per_return: Cost = 0.0
    per_event: dict[str, Cost | Literal["value"]] = Field(default_factory=dict)


class BusinessParams(Section):
    """Facts of the business that no table tells."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    timezone: Timezone = "UTC"
    margin_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    margin_rate_by_category: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(default_factory=dict)
    unit_costs: UnitCostParams = UnitCostParams()
    discount_rate_per_year: Annotated[float, Field(ge=0, le=10)] = 0.10
    active_days: Days = 365


class WindowParams(Section):
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


class TrainParams(Section):
    """How many snapshots teach the models, and how."""

    snapshots: Annotated[int, Field(ge=1, le=60)] = 4
    step_days: Annotated[int, Field(gt=0, le=730)] = 30
    trials: Annotated[int, Field(ge=0)] = 0
    timeout_s: Annotated[int, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
    features: dict[str, Literal["exclude", "keep"]] = Field(default_factory=dict)
    treated: Literal["include", "exclude", "control_only"] = "include"


class RetentionParams(Section):
    """What a retention contact costs and achieves; without a cost no threshold is computed."""

    contact_cost: Cost | None = None
    save_rate: Annotated[float, Field(gt=0, le=1)] = 0.1


class BtydParams(Section):
    """Purchase-process model."""

    family: Literal["auto", "bg_nbd", "mbg_nbd", "pareto_nbd"] = "auto"
    backend: Literal["cvm", "lifetimes"] = "cvm"


class ChurnParams(Section):
    """What churn means."""

    definition: Literal["no_order", "inactivity", "subscription"] = "no_order"
    inactivity_days: Days = 30


class ReportParams(Section):
    """How the report speaks, and whether it names customers."""

    language: Literal["en", "uk", "ru"] = "en"
    hash_ids: bool = False


class TrackingParams(Section):
    """The MLflow store."""

    uri: Annotated[str, Field(min_length=1)] = "sqlite:///mlruns/mlflow.db"
    experiment: Annotated[str, Field(min_length=1)] = "cvm"
    model: Annotated[str, Field(min_length=1)] = "cvm"


class IdentityParams(Section):
    """What makes two accounts one person."""

    match: list[Literal["email", "phone"]] = Field(default=["email", "phone"])
    max_accounts_per_key: Annotated[int, Field(ge=1)] = 5
    max_accounts_per_person: Annotated[int, Field(ge=1)] = 20
    country_code: CountryCode | None = None
    probabilistic: bool = False
    threshold: Annotated[float, Field(gt=0.5, le=1)] = 0.95


class Params(Section):
    """The whole of ``params.yaml``; ``root`` is the folder that holds it."""

    data: DataParams
    business: BusinessParams = BusinessParams()
    windows: WindowParams = WindowParams()
    identity: IdentityParams = IdentityParams()
    privacy: PrivacyParams = PrivacyParams()
    train: TrainParams = TrainParams()
    retention: RetentionParams = RetentionParams()
    btyd: BtydParams = BtydParams()
    churn: ChurnParams = ChurnParams()
    promotion: PromotionParams = PromotionParams()
    scoring: ScoringParams = ScoringParams()
    publish: PublishParams | None = None
    segments: SegmentParams = SegmentParams()
    goals: list[GoalParams] = Field(default_factory=list)
    playbook: list[PlaybookRuleParams] = Field(default_factory=list)
    triggers: TriggerParams = TriggerParams()
    actions: ActionParams = ActionParams()
    kpis: KpiParams = KpiParams()
    campaigns: CampaignParams = CampaignParams()
    report: ReportParams = ReportParams()
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark: SparkParams = SparkParams()
    tracking: TrackingParams = TrackingParams()
    outputs: PathText = "outputs"
    models: PathText = "models"
    wait_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 0
    root: Annotated[Path, Field(exclude=True)] = Path()

    @model_validator(mode="after")
    def _window_holds_the_silence(self) -> Self:
        if self.churn.definition == "inactivity" and self.churn.inactivity_days > self.windows.horizon_days:
            raise ValueError(
                f"churn.inactivity_days == {self.churn.inactivity_days}, must be <= windows.horizon_days == "
                f"{self.windows.horizon_days}; shorten the silence or raise the horizon"
            )
        return self

    @model_validator(mode="after")
    def _names_are_not_stored(self) -> Self:
        if self.privacy.pseudonym_key is not None and self.identity.probabilistic:
            raise ValueError(
                "identity.probabilistic compares names, and privacy.pseudonym_key keeps them from being stored; "
                "switch one of them off"
            )
        return self

    @model_validator(mode="after")
    def _goals_name_segments(self) -> Self:
        named = [goal for goal in self.goals if goal.segment is not None]
        segments = self.segments.rule_set.names if named else ()
        strange = [f"{goal.name!r} is about {goal.segment!r}" for goal in named if goal.segment not in segments]
        if strange:
            raise ValueError(f"goals: {'; '.join(strange)}; the rules make the segments {list(segments)}")
        return self

    @model_validator(mode="after")
    def _playbook_serves_goals(self) -> Self:
        if not self.playbook:
            return self
        from cvm.segments import (
            LIFECYCLE_STAGES,
            NUMBER_COLUMNS,
            RFM_SEGMENTS,
            VALUE_TIERS,
        )

        names = {
            "segments": self.segments.rule_set.names,
            "value_tiers": VALUE_TIERS,
            "lifecycle_stages": LIFECYCLE_STAGES,
            "rfm_segments": RFM_SEGMENTS,
        }
        goals = [goal.name for goal in self.goals]
        numbers = (*NUMBER_COLUMNS, *UPLIFT_COLUMNS)
        problems = playbook_problems(
            self.playbook, goals=goals, treatments=self.campaigns.treatments, values=names, numbers=numbers
        )
        found = "; ".join(problems)
        if found:
            raise ValueError(f"playbook: {found}")
        return self

    @field_validator("goals")
    @classmethod
    def _named_once(cls, goals: list[GoalParams]) -> list[GoalParams]:
        names = [goal.name for goal in goals]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice} are names of several goals; give each goal a name of its own")
        return goals

    def resolve(self, path: str) -> Path:
        """``path`` itself when absolute, else below the folder of ``params.yaml``."""
        return self.root / Path(path).expanduser()


def load_params(source: Path | str | Mapping[str, Any] = "params.yaml", *, overrides: Sequence[str] = ()) -> Params:
    """Read and check ``params.yaml``, or the same sections as a mapping.

    Parameters
    ----------
    source : path or mapping
        The file, relative paths in which are relative to its folder; or its sections, relative to the current folder.
    overrides : sequence of str
        ``section.key=value`` pairs, values in YAML, applied on top of it.

    Returns
    -------
    Params
        One attribute per section.

    Raises
    ------
    ParamsError
        If the source is neither path nor mapping, the file is missing or no YAML mapping, or any key, type or window is
        wrong; all problems at once.

    Examples
    --------
    >>> import cvm
    >>> params = cvm.load_params({"data": {"dataset": "cdnow"}}, overrides=["windows.horizon_days=90"])
    >>> params.windows.horizon_days
    90
    """
    if isinstance(source, Mapping):
        name, root, sections = "The mapping", Path.cwd(), deepcopy(dict(source))
    elif not isinstance(source, str | PathLike):
        raise ParamsError(
            f"source is of type {type(source).__name__}; pass the path of params.yaml, or a mapping of its sections."
        )
    else:
        file = Path(source)
        name, root, sections = str(file), file.resolve().parent, read_mapping(file)
    read = with_overrides(sections, overrides)
    # A section whose keys are all commented out is one of defaults.
    values = {key: value for key, value in read.items() if value is not None or key not in Params.model_fields}
    if "root" in values:
        raise ParamsError.from_problems(name, ["root: unknown key; remove it"])
    try:
        return Params.model_validate({**values, "root": root})
    except ValidationError as error:
        raise ParamsError.from_problems(name, list(_problems(error))) from None


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
    field, names_a_section = None, False
    for part in location:
        if section is None:
            return [*key, str(part)] if field and get_origin(field.annotation) is dict else key
        key.append(str(part))
        if names_a_section:  # a name that the user gave, such as that of a treatment
            names_a_section = False
            continue
        field = section.model_fields.get(str(part))
        section = next(_section_types(field.annotation), None) if field else None
        names_a_section = _is_named(field, section)
    return key


def _is_named(field: FieldInfo | None, section: type[BaseModel] | None) -> bool:
    """Whether a field holds sections under names of the user's own, or in a list."""
    if field is None or section is None:
        return False
    return bool({get_origin(kind) for kind in (field.annotation, *get_args(field.annotation))} & {dict, list})


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
    names_a_section = False
    for name in sections:
        if names_a_section:
            names_a_section = False
            continue
        field = model.model_fields[name]
        model = next(_section_types(field.annotation))
        names_a_section = _is_named(field, model)
    return [name for name in model.model_fields if name != "root"]


def _section_types(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _section_types(argument)
