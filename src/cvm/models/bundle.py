"""The bundle: everything scoring needs, as JSON and LightGBM text. Loading one runs no code from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from cvm.errors import BundleError
from cvm.features.raw_tables import RawTables
from cvm.models.attribution import Reference
from cvm.models.boosting import Boosted
from cvm.models.btyd import Btyd
from cvm.models.churn import ChurnModel
from cvm.models.churn_anchor import ChurnAnchor
from cvm.models.churn_blend import churn_from_state
from cvm.models.clv import ValueModel
from cvm.models.clv_blend import value_from_state
from cvm.models.intervals import ValueBands
from cvm.models.samples import ProspectRate
from cvm.models.uplift import Uplift
from cvm.segments.peers import Peers
from cvm.segments.rfm import RfmCuts
from cvm.segments.segmentation import Segmentation
from cvm.segments.tiers import ValueCuts

SCHEMA_VERSION = 3

_CONTENT = "bundle.json"
_HASHES = "hashes.json"
# Trees lie in <model>.<part>.txt.
_TREES = re.compile(r"(churn|clv|uplift)\.([A-Za-z0-9.]+)\.txt")


@dataclass(frozen=True)
class BundledFeature:
    """One input column."""

    name: str
    kind: str
    meaning: str
    unit: str
    required: bool


@dataclass(frozen=True)
class Bundle:
    """A trained product.

    Attributes
    ----------
    trained_as_of : date
        Snapshot the cut points and BTYD were fitted on.
    horizon_days, lead_days, clv_days : int
    eligible_days : int or None
        Customers whose last order is older are left to BTYD.
    active_days : int
    currency : str
    margin_rate : float
        Margin per unit of revenue.
    discount_rate_per_year : float
    btyd : Btyd
    churn : ChurnModel
    value : ValueModel
    bands : ValueBands
        How far revenue may lie from what ``value`` expects.
    prospects : ProspectRate
    reference : Reference
        What reasons compare customers with.
    value_cuts : ValueCuts
    rfm_cuts : RfmCuts
    features : tuple of BundledFeature
        The catalogue at training.
    churn_anchor : ChurnAnchor
        The definition of churn, and what churn models start from.
    uplift : Uplift or None
        Effect of each treatment, once a campaign has taught it.
    peers : Peers
        What the best of comparable customers do.
    segmentation : Segmentation
        The rules at training, by which a served model segments.
    raw : RawTables or None
        What turns a customer's raw history into the features; None in bundles of before.
    evidence : dict
        Judgement, data fingerprint, versions: what a reader wants to know, nothing scoring needs.
    """

    trained_as_of: date
    horizon_days: int
    lead_days: int
    clv_days: int
    eligible_days: int | None
    active_days: int
    currency: str
    margin_rate: float
    discount_rate_per_year: float
    btyd: Btyd
    churn: ChurnModel
    value: ValueModel
    bands: ValueBands
    prospects: ProspectRate
    reference: Reference
    value_cuts: ValueCuts
    rfm_cuts: RfmCuts
    features: tuple[BundledFeature, ...]
    churn_anchor: ChurnAnchor = field(default_factory=ChurnAnchor)
    uplift: Uplift | None = None
    peers: Peers = field(default_factory=lambda: Peers({}))
    segmentation: Segmentation = field(default_factory=Segmentation)
    raw: RawTables | None = None
    evidence: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"<Bundle {self.model_version}, trained as of {self.trained_as_of}: churn by {self.churn.name}, "
            f"CLV by {self.value.name}, {self.btyd.label}; {self.horizon_days} days ahead, CLV of {self.clv_days} days>"
        )

    @cached_property
    def model_version(self) -> str:
        """First twelve hex digits of the hash of everything in the bundle."""
        return _digest(_hashes_text(self._files()))[:12]

    def write(self, folder: Path) -> None:
        """Write the files into an existing, empty folder."""
        files = self._files()
        for name, text in files.items():
            (folder / name).write_bytes(text.encode())
        (folder / _HASHES).write_bytes(_hashes_text(files).encode())

    def _files(self) -> dict[str, str]:
        trees = {**_named("churn", self.churn.boosters), **_named("clv", self.value.boosters)}
        if self.uplift is not None:
            trees |= _named("uplift", self.uplift.boosters)
        return {_CONTENT: _json(self._content()), **trees}

    def _content(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "trained_as_of": self.trained_as_of.isoformat(),
            "windows": {
                "horizon_days": self.horizon_days,
                "lead_days": self.lead_days,
                "clv_days": self.clv_days,
                "eligible_days": self.eligible_days,
            },
            "business": {
                "active_days": self.active_days,
                "currency": self.currency,
                "margin_rate": self.margin_rate,
                "discount_rate_per_year": self.discount_rate_per_year,
            },
            "btyd": self.btyd.state(),
            "churn_anchor": self.churn_anchor.state(),
            "churn": {"name": self.churn.name, "state": self.churn.state()},
            "value": {"name": self.value.name, "state": self.value.state()},
            "bands": self.bands.state(),
            "prospects": vars(self.prospects),
            "reference": self.reference.state(),
            "value_cuts": self.value_cuts.state(),
            "rfm_cuts": self.rfm_cuts.state(),
            "peers": self.peers.state(),
            "segmentation": self.segmentation.state(),
            "features": [vars(feature) for feature in self.features],
            **({} if self.uplift is None else {"uplift": self.uplift.state()}),
            **({} if self.raw is None else {"history": self.raw.state()}),
            "evidence": self.evidence,
        }


def read_bundle(folder: Path | str) -> Bundle:
    """Read and verify a bundle; loading one runs no code from it.

    Parameters
    ----------
    folder : path
        ``models/champion``, or a copy of it.

    Returns
    -------
    Bundle
        For ``cvm.score``; its ``evidence`` says how it was judged.

    Raises
    ------
    BundleError
        If the folder holds no bundle, a file was changed since it was written, or its schema is of another version.

    Examples
    --------
    >>> cvm.read_bundle("models/champion").evidence["judgement"]["churn"]  # doctest: +SKIP
    """
    if not isinstance(folder, str | PathLike):
        raise BundleError(
            f"folder is of type {type(folder).__name__}; pass the path of a bundle, such as 'models/champion'."
        )
    folder = Path(folder)
    texts = _verified_texts(folder)
    try:
        content = json.loads(texts[_CONTENT])
        if content["schema_version"] != SCHEMA_VERSION:
            raise BundleError(
                f"{folder} holds a bundle of schema version {content['schema_version']}; this cvm reads {SCHEMA_VERSION}. "
                "Train again with `cvm train`, or use the cvm it was made with."
            )
        return Bundle(
            trained_as_of=date.fromisoformat(content["trained_as_of"]),
            **content["windows"],
            **content["business"],
            btyd=Btyd.from_state(content["btyd"]),
            churn=churn_from_state(**content["churn"], trees=_parts("churn", texts)),
            value=value_from_state(**content["value"], trees=_parts("clv", texts)),
            bands=ValueBands.from_state(content["bands"]),
            churn_anchor=ChurnAnchor.from_state(content["churn_anchor"]),
            prospects=ProspectRate(**content["prospects"]),
            reference=Reference.from_state(content["reference"]),
            value_cuts=ValueCuts(**{name: tuple(cuts) for name, cuts in content["value_cuts"].items()}),
            rfm_cuts=RfmCuts(**{name: tuple(cuts) for name, cuts in content["rfm_cuts"].items()}),
            peers=Peers.from_state(content["peers"]),
            segmentation=Segmentation.from_state(content["segmentation"]),
            features=tuple(BundledFeature(**feature) for feature in content["features"]),
            uplift=Uplift.from_state(content["uplift"], _parts("uplift", texts)) if "uplift" in content else None,
            raw=RawTables.from_state(content["history"]) if "history" in content else None,
            evidence=content["evidence"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder} holds a bundle this cvm cannot read ({error}). Train again with `cvm train`."
        ) from error


def bundle_version(folder: Path) -> str | None:
    """``model_version`` of the bundle in a folder, unverified; None where there is none."""
    try:
        return hashlib.sha256((folder / _HASHES).read_bytes()).hexdigest()[:12]
    except OSError:
        return None


def _verified_texts(folder: Path) -> dict[str, str]:
    """Files of the bundle by name; ``hashes.json`` must be exactly what ``Bundle.write`` would write beside them."""
    try:
        hashes = _text(folder / _HASHES)
        expected = dict(json.loads(hashes))
        texts = {name: _text(folder / name) for name in expected if name == _CONTENT or _TREES.fullmatch(name)}
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} holds no complete bundle: {Path(error.filename).name} is missing. Run `cvm train` first."
        ) from None
    except (OSError, TypeError, ValueError) as error:
        raise BundleError(f"The bundle in {folder} cannot be read: {error}. Train again with `cvm train`.") from None
    changed = [name for name, digest in expected.items() if name not in texts or _digest(texts[name]) != digest]
    if _hashes_text(texts) != hashes or _CONTENT not in texts:
        raise BundleError(
            f"The bundle in {folder} was changed after it was written ({', '.join(changed) or _HASHES}). "
            "Bring the champion before back with `cvm rollback`, or train again with `cvm train`."
        )
    return texts


def _named(model: str, boosters: Mapping[str, Boosted]) -> dict[str, str]:
    return {f"{model}.{part}.txt": boosted.text for part, boosted in boosters.items()}


def _parts(model: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Texts of the trees of one model, by part."""
    found = ((_TREES.fullmatch(name), text) for name, text in texts.items())
    return {match[2]: text for match, text in found if match and match[1] == model}


def _text(path: Path) -> str:
    # Through bytes: reading as text would take every kind of line end for the same.
    return path.read_bytes().decode("utf-8")


def _hashes_text(files: Mapping[str, str]) -> str:
    return _json({name: _digest(text) for name, text in sorted(files.items())})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
