"""The rules of the layout: who may import what, how long a module may be, what an import may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
MAX_LINES = 400

# From left to right; a room imports only from rooms left of it.
FLOW = (
    "ingest",
    "proposing",
    "features",
    "models",
    "scoring",
    "campaigns",
    "actions",
    "kpis",
    "monitoring",
    "promotion",
    "publish",
    "reports",
    "tracking",
    "stages",
    "pipeline",
    "doctor",
    "completion",
    "terminal",
    "early_signals",
    "command",
    "cli_warehouse",
    "cli_campaigns",
    "cli_doctor",
    "cli_init",
    "cli_models",
    "cli_privacy",
    "cli_serving",
    "cli",
    "__main__",
)
# Importable by all.
LEAVES = ("errors", "frames", "late_names", "locks", "writing", "workspace", "engines", "evaluation", "segments", "privacy")
# Imported by the rooms named and no others.
RESTRICTED = {
    "params": {"stages", "pipeline", "doctor", "terminal", "cli"},
    "params_data": {"doctor"},
    "params_file": {"completion"},
    "datasets": {"stages", "doctor", "cli", "reports"},
}
# What rooms outside of the flow may import of ours.
MAY_IMPORT = {
    "errors": set(),
    "frames": {"errors"},
    "late_names": set(),
    "locks": {"errors"},
    "writing": {"errors"},
    "workspace": {"errors", "locks", "writing"},
    "engines": {"errors"},
    "evaluation": {"errors", "late_names"},
    "segments": {"errors"},
    "privacy": {"errors", "workspace", "engines"},
    "params": {
        "errors",
        "params_campaigns",
        "params_data",
        "params_file",
        "params_goals",
        "params_playbook",
        "params_promotion",
        "params_privacy",
        "params_publish",
        "params_scoring",
        "params_segments",
        "params_spark",
        "segments",
    },
    "params_campaigns": {"params_data", "params_plans"},
    "params_plans": {"params_data"},
    "params_goals": {"params_data", "kpis"},  # the names of metrics
    "params_playbook": {"params_data", "params_plans"},
    "params_promotion": {"params_data"},
    "params_privacy": {"params_data"},
    "params_publish": {"params_data"},
    "params_scoring": {"params_data"},
    "params_segments": {"params_data", "params_plans", "segments"},
    "params_spark": {"params_data"},
    "params_data": set(),
    "params_file": {"errors"},
    "datasets": {*LEAVES},
}
# Foreign packages that one place alone may import.
HOMES = {
    "duckdb": "cvm.engines",
    "pyspark": "cvm.engines",
    "mlflow": "cvm.tracking",
    "lifetimes": "cvm.models.btyd.lifetimes_backend",
    "splink": "cvm.ingest.linkage",
}
PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "skops"}
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc"}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name and everything it imports, at its top or later, by absolute dotted name."""

    name: str
    imports: frozenset[str]
    n_lines: int

    @property
    def room(self) -> str:
        """First part of the name below ``cvm``; empty for the package itself."""
        return self.name.partition(".")[2].partition(".")[0]

    @property
    def rooms_imported(self) -> set[str]:
        """Rooms of ours it imports, other than its own."""
        ours = (name.split(".") for name in self.imports if name.split(".")[0] == "cvm")
        return {parts[1] for parts in ours if len(parts) > 1} - {self.room}


def read_module(path: Path, root: Path = SRC) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    text = path.read_text(encoding="utf-8")
    package = name.split(".") if is_package else name.split(".")[:-1]
    return Module(name, frozenset(imported_names(ast.parse(text), package)), len(text.splitlines()))


def imported_names(tree: ast.AST, package: list[str]) -> set[str]:
    """``import a.b`` gives a.b; ``from a import b`` gives a.b; a literal ``import_module("a.b")`` gives a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{home}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
            names |= {part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return names


def called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_within(name: str, home: str) -> bool:
    return name == home or name.startswith(f"{home}.")


MODULES = [read_module(path) for path in sorted((SRC / "cvm").rglob("*.py"))]
INNER = [module for module in MODULES if module.room]  # the package itself only names where its public names live
each_module = pytest.mark.parametrize("module", MODULES, ids=[module.name for module in MODULES])
each_inner_module = pytest.mark.parametrize("module", INNER, ids=[module.name for module in INNER])


def test_the_imports_are_read_wherever_and_however_they_are_written(tmp_path):
    source = """
import a.b as c
from d import e
from . import near
from .near import thing
from ..models import far
if TYPE_CHECKING:
    from f.g import h
def late():
    import i
    importlib.import_module("j.k")
"""
    path = tmp_path / "cvm" / "features" / "example.py"
    path.parent.mkdir(parents=True)
    path.write_text(source)
    module = read_module(path, tmp_path)
    near = {"cvm.features.near", "cvm.features.near.thing"}
    assert module.name == "cvm.features.example"
    assert module.imports == {"a.b", "d.e", "f.g.h", "i", "j.k", "cvm.models.far", *near}
    assert (module.room, module.rooms_imported) == ("features", {"models"})


def test_every_room_has_a_place_in_the_layout():
    rooms = {module.room for module in MODULES} - {""}
    assert {"ingest", "features", "models", "segments"} <= rooms
    assert rooms <= {*FLOW, *MAY_IMPORT}


@each_inner_module
def test_a_stage_imports_only_from_stages_left_of_it(module):
    if module.room in FLOW:
        allowed = {*FLOW[: FLOW.index(module.room)], *LEAVES}
        allowed |= {room for room, users in RESTRICTED.items() if module.room in users}
    else:
        allowed = MAY_IMPORT[module.room]
    assert module.rooms_imported - {"__version__"} <= allowed


@each_inner_module
def test_an_effect_is_measured_without_any_model(module):
    if module.name.startswith("cvm.campaigns.effect"):
        assert not module.rooms_imported & {"models", "scoring"}


@each_module
def test_a_foreign_package_with_one_home_is_imported_nowhere_else(module):
    for package, home in HOMES.items():
        if any(is_within(name, package) for name in module.imports):
            assert is_within(module.name, home), f"{module.name} imports {package}, whose home is {home}"


@pytest.mark.parametrize("package", ["duckdb", "mlflow", "lifetimes"])
def test_the_home_of_a_foreign_package_is_where_it_says(package):
    users = {module.name for module in MODULES if any(is_within(name, package) for name in module.imports)}
    assert users
    assert all(is_within(user, HOMES[package]) for user in users)


@each_module
def test_nothing_imports_a_pickler(module):
    assert not {name.split(".")[0] for name in module.imports} & PICKLERS
    assert not {name for name in module.imports if name.endswith(("read_pickle", "to_pickle"))}


@each_module
def test_a_module_is_named_for_what_it_holds(module):
    assert not set(module.name.split(".")) & VAGUE


@each_module
def test_a_module_is_short_enough_to_be_read_at_once(module):
    assert module.n_lines <= MAX_LINES


def test_importing_the_package_has_no_side_effects():
    program = (
        "import logging, os, sys, warnings\n"
        "before = set(sys.modules), dict(os.environ), os.getcwd(), list(warnings.filters), list(logging.root.handlers)\n"
        "import cvm\n"
        "after = set(sys.modules), dict(os.environ), os.getcwd(), list(warnings.filters), list(logging.root.handlers)\n"
        "assert after[1:] == before[1:], (before[1:], after[1:])\n"
        "heavy = {'pandas', 'numpy', 'duckdb', 'mlflow', 'lightgbm', 'lifetimes', 'matplotlib', 'optuna', 'scipy', 'yaml'}\n"
        "loaded = {name.partition('.')[0] for name in after[0] - before[0]}\n"
        "assert not loaded & heavy, loaded & heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stages_of_one_machine_do_not_wait_for_what_spark_needs():
    program = (
        "import sys\n"
        "import cvm.cli, cvm.stages.data, cvm.stages.score, cvm.stages.train, cvm.stages.kpis\n"
        "heavy = {'sqlglot', 'pyspark', 'cvm.engines.spark', 'cvm.ingest.lake', 'cvm.scoring.distributed'}\n"
        "assert not set(sys.modules) & heavy, set(sys.modules) & heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
