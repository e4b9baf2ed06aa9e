"""The model card: what the model is, what it learned from, how well it does and for whom, and what it is not for.

Source
------
Mitchell et al. (2019), Model cards for model reporting. FAT* '19.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cvm.models.bundle import Bundle
from cvm.models.group_errors import MIN_CUSTOMERS
from cvm.reports.words import NOTHING, Words

_CHURN_METRICS = ("auc", "brier", "calibration_error", "lift_top_decile", "mean_predicted", "mean_actual")
_VALUE_METRICS = ("ratio", "mae", "spearman", "ngini", "value_share_top_10")
_ATTRIBUTE = "attribute_"


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and what is to be said of it."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Points:
    """Sentences, one a point; ``in_english`` where there is no other language."""

    sentences: Sequence[str]
    in_english: bool = False


@dataclass(frozen=True)
class Grid:
    """A small table of written values."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """A heading and what stands under it; ``key`` names it in every language."""

    key: str
    title: str
    blocks: Sequence[Facts | Points | Grid]


def model_card(bundle: Bundle, words: Words) -> list[Part]:
    """The card of one bundle in one language.

    Parameters
    ----------
    bundle : Bundle
    words : Words
    """
    evidence = bundle.evidence
    notes = [str(note) for note in evidence.get("notes", ())]
    versions = [(name, str(version)) for name, version in evidence.get("versions", {}).items()]
    blocks: dict[str, list[Facts | Points | Grid]] = {
        "about": [_about(bundle, words)],
        "use": [Points([words("card.use_for"), words("card.use_not")])],
        "data": [_data(bundle, words)],
        "windows": [_windows(bundle, words)],
        "metrics": list(_metrics(evidence, words)),
        "groups": _groups(group_rows(bundle), words),
        "limits": [Points([words(f"card.limit_{name}") for name in ("cause", "change", "small")])],
        "versions": [Facts([*versions, (words("card.fingerprint"), evidence.get("data_fingerprint", NOTHING))])],
    }
    if notes:
        blocks["limits"].append(Points(notes, in_english=True))
    return [Part(key, words(f"card.{key}"), found) for key, found in blocks.items()]


def markdown(bundle: Bundle, words: Words) -> str:
    """The card as Markdown, with the errors of all groups.

    Parameters
    ----------
    bundle : Bundle
    words : Words
    """
    lines = [f"# {words('card.title')}", ""]
    for part in model_card(bundle, words):
        lines += [f"## {part.title}", ""]
        for block in part.blocks:
            lines += [*_markdown(block), ""]
    errors = group_rows(bundle)
    if errors:
        headers, rows = error_table(errors, words)
        lines += [f"## {words('card.errors')}", "", *_markdown(Grid(headers, rows)), ""]
    return "\n".join(lines).rstrip() + "\n"


def group_rows(bundle: Bundle) -> list[Mapping[str, Any]]:
    """Errors of the whole and of every group, as training wrote them; none in bundles that were not judged."""
    judged = bundle.evidence.get("judged") or {}
    return list(judged.get("groups") or ())


def group_name(error: Mapping[str, Any], words: Words) -> str:
    """A group as a reader knows it."""
    if error["grouping"] == "all":
        return words("card.all")
    plural = {"value_tier": "value_tiers", "segment": "segments", "lifecycle_stage": "lifecycle_stages"}.get(
        error["grouping"]
    )
    group = words.known(plural, error["group"]) if plural else error["group"]
    return f"{words.known('groupings', error['grouping'])}: {group}"


def error_table(errors: Sequence[Mapping[str, Any]], words: Words) -> tuple[list[str], list[list[str]]]:
    """Headers and written rows: every figure with its interval, an asterisk where it differs from the whole."""
    names = ("group", "n", "predicted", "observed", "calibration_error", "auc", "revenue_ratio")
    headers = [words(f"card.column_{name}") for name in names]
    rows = [
        [
            group_name(error, words),
            words.number(max(error["n_customers"], error["n_valued"])),
            NOTHING if error["predicted_churn"] is None else words.percent(error["predicted_churn"]),
            figure_text(error["observed_churn"], words, share=True),
            figure_text(error["calibration_error"], words, share=True),
            figure_text(error["auc"], words),
            figure_text(error["revenue_ratio"], words),
        ]
        for error in errors
    ]
    return headers, rows


def figure_text(figure: Mapping[str, Any] | None, words: Words, *, share: bool = False) -> str:
    """A figure with its interval."""
    if figure is None or figure["value"] is None:
        return NOTHING

    def written(value: float | None) -> str:
        return NOTHING if value is None else words.percent(value) if share else words.number(value, 2)

    bounds = words("page.from_to", lower=written(figure["lower"]), upper=written(figure["upper"]))
    return f"{written(figure['value'])}{' *' if figure['is_off'] else ''} {bounds}"


def _about(bundle: Bundle, words: Words) -> Facts:
    return Facts(
        [
            (words("card.version"), bundle.model_version),
            (words("card.trained"), words.day(bundle.trained_as_of)),
            (words("card.churn_by"), bundle.churn.name),
            (words("card.value_by"), bundle.value.name),
            (words("card.purchases_by"), str((bundle.evidence.get("btyd_family") or {}).get("family", "BTYD"))),
        ]
    )


def _data(bundle: Bundle, words: Words) -> Facts:
    evidence = bundle.evidence
    attributes = [
        feature.name.removeprefix(_ATTRIBUTE) for feature in bundle.features if feature.name.startswith(_ATTRIBUTE)
    ]
    days = [words.day(date.fromisoformat(day)) for day in evidence.get("labelled", ())]
    test = evidence.get("test")
    return Facts(
        [
            (words("card.customers"), words.number(evidence.get("n_customers", 0))),
            (words("card.learned_from"), ", ".join(days) or NOTHING),
            (words("card.test"), words.day(date.fromisoformat(test)) if test else words("card.no_test")),
            (words("card.features"), words.number(len(bundle.features))),
            (words("card.attributes"), ", ".join(attributes) or words("card.none")),
        ]
    )


def _windows(bundle: Bundle, words: Words) -> Facts:
    definition = (bundle.evidence.get("churn_definition") or {}).get("definition", "no_order")
    eligible = words.count(bundle.eligible_days, "days") if bundle.eligible_days else words("card.everybody")
    horizon = words.count(bundle.horizon_days, "days")
    return Facts(
        [
            (words("card.churn_means"), words(f"churn.definition_{definition}", days=horizon)),
            (words("card.horizon"), horizon),
            (words("card.lead_days"), words.count(bundle.lead_days, "days")),
            (words("card.clv_days"), words.count(bundle.clv_days, "days")),
            (words("card.eligible"), eligible),
        ]
    )


def _metrics(evidence: Mapping[str, Any], words: Words) -> Iterator[Facts | Points | Grid]:
    judgement = evidence.get("judgement")
    if not judgement:
        yield Points([words("card.unjudged")])
        return
    for what, names in (("churn", _CHURN_METRICS), ("value", _VALUE_METRICS)):
        models, winner = judgement[what], judgement[f"{what}_winner"]
        headers = [words(f"card.models_{what}"), *(words(f"metrics.{name}") for name in names)]
        order = sorted(models, key=lambda name: name != winner)
        yield Grid(
            headers, [[_starred(name, winner), *(_metric(models[name].get(m), words) for m in names)] for name in order]
        )


def _starred(name: str, winner: str) -> str:
    return f"{name} ★" if name == winner else name


def _metric(value: float | None, words: Words) -> str:
    return NOTHING if value is None else words.number(value, 3)


def _groups(errors: Sequence[Mapping[str, Any]], words: Words) -> list[Facts | Points | Grid]:
    if len(errors) < 2:
        return [Points([words("card.no_groups", n=words.number(MIN_CUSTOMERS))])]
    method = words("card.groups_method", n=words.number(MIN_CUSTOMERS), groups=words.number(len(errors) - 1))
    found = [sentence for error in errors[1:] if error["is_off"] for sentence in _differences(error, errors[0], words)]
    return [Points([method, *(found or [words("card.no_unfair")])])]


def _differences(error: Mapping[str, Any], whole: Mapping[str, Any], words: Words) -> Iterator[str]:
    """What the flags of one group mean for its customers."""
    name = group_name(error, words)
    for measure, ideal in (("calibration_error", 0.0), ("revenue_ratio", 1.0), ("auc", 1.0)):
        found = error[measure]
        if not found or not found["is_off"]:
            continue
        is_worse = abs(found["value"] - ideal) > abs((whole[measure] or found)["value"] - ideal)
        side = "better" if not is_worse else "high" if found["value"] > ideal else "low"
        text = figure_text({**found, "is_off": False}, words, share=measure == "calibration_error")
        yield words(f"card.{measure}_{side}", group=name, figure=text)


def _markdown(block: Facts | Points | Grid) -> list[str]:
    if isinstance(block, Facts):
        return [f"- **{_plain(term)}**: {_plain(meaning)}" for term, meaning in block.pairs]
    if isinstance(block, Points):
        return [f"- {_plain(sentence)}" for sentence in block.sentences]
    rule = ["---", *("---:" for _ in block.headers[1:])]
    return [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in (block.headers, rule, *block.rows)]


def _plain(text: str) -> str:
    """Text that Markdown neither marks up nor takes for HTML."""
    for sign in "\\`*_<>|[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
