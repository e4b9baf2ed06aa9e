"""Python and the packages: are they there, of a supported version, and do they load."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata, version
from traceback import walk_tb

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cvm.doctor.line import Line

# Extras that a user installs for what they do, and not to work on cvm itself.
EXTRAS = ("datasets", "identity", "postgres", "spark")
# Made of machine code: installed is not yet able to load, as without libgomp or on another processor.
_COMPILED = ("numpy", "pandas", "pyarrow", "duckdb", "scipy", "sklearn", "lightgbm")
# Shown by `cvm --version`, because what goes wrong mostly depends on them.
_TELLING = ("duckdb", "lightgbm", "mlflow", "numpy", "pandas", "pyarrow", "scikit-learn")
_NOT_INSTALLED = "cvm runs from its source, and is not installed as a package"


def python_line() -> Iterator[Line]:
    """Whether this Python is one that cvm supports."""
    here = platform.python_version()
    wanted = _supported_python()
    if wanted is None or wanted.contains(here, prereleases=True):
        yield Line("Python", "ok", f"{here} on {platform.system()} {platform.machine()}")
    else:
        yield Line("Python", "wrong", f"{here}; cvm needs {wanted}", "Make an environment of a supported Python.")


def packages_line() -> Iterator[Line]:
    """Whether all packages that cvm needs are there, in versions it supports, and load."""
    needed = requirements(None)
    if not needed:
        yield Line("packages", "look", f"{_NOT_INSTALLED}: which versions it needs is not known", "pip install .")
        return
    amiss = unmet(needed)
    if amiss:
        yield Line("packages", "wrong", "; ".join(amiss), "pip install cvm")
        return
    yield Line("packages", "ok", f"{len(needed)} of {len(needed)} in supported versions: {telling_versions()}")


def loading_line() -> Iterator[Line]:
    """Whether the packages of machine code can be loaded here."""
    failed = []
    for name in _COMPILED:
        try:
            import_module(name)
        except Exception as error:  # two packages of different releases fail with anything, such as ValueError
            failed.append(f"{name}: {reason_of(error)}")
    if failed:
        fix = "Install the library that is missing (Debian: apt-get install libgomp1), or the package again."
        yield Line("loading", "wrong", "; ".join(failed), fix)
    else:
        yield Line("loading", "ok", f"{', '.join(_COMPILED)} load")


def reason_of(error: Exception) -> str:
    """The first line of what a package that does not load says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def origin_of(error: Exception) -> str:
    """The package whose code raised an error, by itself or through the standard library."""
    names = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    return next((name for name in reversed(names) if name not in sys.stdlib_module_names), "cvm")


def extras_line(wanted: dict[str, str]) -> Iterator[Line]:
    """Which optional extras are there, and whether those that params need are.

    Parameters
    ----------
    wanted : dict of str to str
        Extra to the key of params that needs it.
    """
    amiss = {extra: unmet(requirements(extra)) for extra in EXTRAS}
    for extra, key in wanted.items():
        if amiss[extra]:
            yield Line("extras", "wrong", f"{'; '.join(amiss[extra])}, and {key} needs it", f"pip install 'cvm[{extra}]'")
    there = [extra for extra in EXTRAS if not amiss[extra]]
    absent = [extra for extra in EXTRAS if amiss[extra]]
    found = "; ".join(
        part
        for part in (
            f"there: {', '.join(there)}" if there else "",
            f"not needed and not there: {', '.join(one for one in absent if one not in wanted)}" if absent else "",
        )
        if part and not part.endswith(": ")
    )
    if found:
        yield Line("extras", "ok", found)


def requirements(extra: str | None) -> list[Requirement]:
    """What cvm declares to need on this machine: always, or only with an extra; nothing where it is not installed."""
    try:
        declared = [Requirement(text) for text in metadata("cvm").get_all("Requires-Dist") or ()]
    except PackageNotFoundError:
        return []
    always = [one for one in declared if one.marker is None or one.marker.evaluate({"extra": ""})]
    if extra is None:
        return always
    return [one for one in declared if one not in always and one.marker and one.marker.evaluate({"extra": extra})]


def unmet(needed: list[Requirement]) -> list[str]:
    """In words, each requirement that the installed packages do not meet."""
    amiss = []
    for one in needed:
        try:
            here = version(one.name)
        except PackageNotFoundError:
            amiss.append(f"{one.name} is not installed")
            continue
        if not one.specifier.contains(here, prereleases=True):
            amiss.append(f"{one.name} {here}, must be {one.specifier}")
    return amiss


def telling_versions() -> str:
    """Versions of the packages that results and faults depend on most."""
    found = []
    for name in _TELLING:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} missing")
    return ", ".join(found)


def _supported_python() -> SpecifierSet | None:
    try:
        told = metadata("cvm").get_all("Requires-Python")
    except PackageNotFoundError:
        return None
    return SpecifierSet(told[0]) if told else None
