"""Mappings of well-known exports, one YAML file each, written as they would stand under ``data`` in ``params.yaml``.

A preset is what the user's own section starts from: it names columns that an export may lack, and the user's keys win.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from cvm.errors import ParamsError

_ENDING = ".yaml"


def preset_names() -> list[str]:
    """Names of all presets."""
    return sorted(file.name.removesuffix(_ENDING) for file in files(__name__).iterdir() if file.name.endswith(_ENDING))


def read_preset(name: str, *, table: str) -> Mapping[str, Any]:
    """The keys that a preset gives to a section.

    Raises
    ------
    ParamsError
        If there is no preset of that name, or it is made for another table.
    """
    if name not in preset_names():
        raise ParamsError(f"data.{table}.preset: {name!r} is none; there are {preset_names()}.")
    sections = preset_sections(name)
    if table not in sections:
        raise ParamsError(f"data.{table}.preset: {name!r} is made for {[f'data.{made_for}' for made_for in sections]}.")
    return sections[table]


def preset_sections(name: str) -> dict[str, dict[str, Any]]:
    """What a preset says of each table it is made for."""
    text = files(__name__).joinpath(f"{name}{_ENDING}").read_text(encoding="utf-8")
    sections: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return sections
