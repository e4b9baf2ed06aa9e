"""The package as its users get it: what the wheel and the sdist hold, and a run from an environment of nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from email import message_from_string
from email.message import Message
from importlib.resources import files
from pathlib import Path

import pytest

import cvm
import shop

ROOT = Path(__file__).parents[1]
# Of an environment of their own, because twine brings much along.
CHECKERS = ("twine==7.0.0", "check-wheel-contents==0.6.3")
EXTRAS = {"bench", "datasets", "dev", "docs", "identity", "postgres", "spark"}


def run(*command: object, cwd: Path, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    """A command without the paths and settings of this environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "COVERAGE"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def environment_with(folder: Path, *packages: object) -> Path:
    """The programs of a new environment with these packages; the test ends here where no registry can be reached."""
    venv.create(folder, with_pip=True, symlinks=sys.platform != "win32")
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")  # compiling takes longer than all the rest
    done = run(programs / "python", "-m", "pip", "install", *options, *packages, cwd=folder, seconds=600)
    if done.returncode:
        reason = f"the packages cannot be installed: {done.stderr.strip().splitlines()[-1]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return programs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist of this source."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def wheel_names(built: tuple[Path, Path]) -> list[str]:
    with zipfile.ZipFile(built[0]) as wheel:
        return wheel.namelist()


@pytest.fixture(scope="module")
def metadata(built: tuple[Path, Path]) -> Message:
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(wheel.read(name).decode())


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel_names: list[str]) -> None:
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source).as_posix())
        for path in (source / "cvm").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel_names if ".dist-info/" not in name}
    assert held == expected
    assert "cvm/py.typed" in held
    assert any(name.startswith("cvm/ingest/presets/") and not name.endswith(".py") for name in held)
    kinds = {Path(name).suffix for name in held}
    assert kinds >= {".py", ".yaml"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_names)
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_names)


def test_the_sdist_holds_what_its_tests_need_and_no_output_of_a_run(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    texts = {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"}
    assert names >= {"pyproject.toml", "src/cvm/py.typed", "params.yaml", "Makefile", "mkdocs.yml", *texts}
    for folder in ("tests", "benchmarks", "docs", "notebooks"):
        assert any(name.startswith(f"{folder}/") for name in names), folder
    assert not {name.partition("/")[0] for name in names} & {"outputs", "mlruns", "models", ".venv", ".git", "dist"}
    assert not any("__pycache__" in name for name in names)


def test_make_clean_removes_what_runs_and_the_site_leave_behind(tmp_path: Path) -> None:
    for folder in ("build", "outputs"):
        (tmp_path / folder).mkdir()
    done = run("make", "--file", ROOT / "Makefile", "clean", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_metadata_say_who_may_install_it(metadata: Message) -> None:
    assert metadata["Name"] == "cvm"
    assert metadata["Version"] == cvm.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert set(metadata.get_all("Provides-Extra") or ()) >= EXTRAS


def test_every_package_that_the_source_imports_is_declared(metadata: Message) -> None:
    program = (
        "import ast, pathlib, sys\n"
        "names = set()\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*.py'):\n"
        "    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):\n"
        "        if isinstance(node, ast.Import):\n"
        "            names |= {alias.name.partition('.')[0] for alias in node.names}\n"
        "        elif isinstance(node, ast.ImportFrom) and not node.level:\n"
        "            names.add(node.module.partition('.')[0])\n"
        "print(*sorted(names - set(sys.stdlib_module_names) - {'cvm'}))\n"
    )
    imported = run(sys.executable, "-c", program, ROOT / "src", cwd=ROOT).stdout.split()
    assert "pandas" in imported
    called = {"sklearn": "scikit-learn", "yaml": "pyyaml", "psycopg": "psycopg[binary]", "py4j": "pyspark"}
    declared = {text.partition(">=")[0].partition(";")[0].strip() for text in metadata.get_all("Requires-Dist") or ()}
    assert {called.get(name, name) for name in imported} <= declared


def test_the_data_that_the_package_reads_are_found_where_it_is_installed() -> None:
    assert (files("cvm") / "py.typed").is_file()
    assert any(one.name == "shopify-orders.yaml" for one in (files("cvm") / "ingest" / "presets").iterdir())


@pytest.mark.slow
def test_the_checkers_of_packages_find_no_fault(built: tuple[Path, Path], tmp_path: Path) -> None:
    programs = environment_with(tmp_path / "checkers", *CHECKERS)
    done = run(programs / "twine", "check", "--strict", *built, cwd=tmp_path)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout + done.stderr
    done = run(programs / "check-wheel-contents", built[0], cwd=tmp_path)
    assert (done.returncode, done.stdout.strip().endswith("OK")) == (0, True), done.stdout + done.stderr


def purchases(folder: Path, **sections: object) -> None:
    """A shop that runs in seconds."""
    shop.purchases(n_customers=150).to_csv(folder / "transactions.csv", index=False)
    windows = {"horizon_days": 90, "clv_days": 180}
    shop.write_params(folder, **{"windows": windows, "train": {"snapshots": 2, "step_days": 30, "seed": 7}, **sections})


def probable(folder: Path) -> None:
    (folder / "customers.csv").write_text(
        "customer_id,name,birth_date,postcode\nc00001,A B,1990-01-01,01001\nc00002,A B,1990-01-01,01001\n", encoding="utf-8"
    )
    data = {"transactions": {"path": "transactions.csv"}, "customers": {"path": "customers.csv"}}
    purchases(folder, data=data, identity={"probabilistic": True})


def database(folder: Path) -> None:
    data = {"transactions": {"url": "postgresql://me:secret@localhost/shop", "query": "SELECT 1"}}
    purchases(folder, data=data)


# Extra, the command that needs it, and the params under which it does.
MISSING: list[tuple[str, str, Callable[[Path], None]]] = [
    ("spark", "ingest", lambda folder: purchases(folder, engine="spark")),
    ("identity", "ingest", probable),
    ("postgres", "ingest", database),
    ("datasets", "data prepare complete-journey", purchases),
]


@pytest.mark.slow
def test_the_wheel_and_its_dependencies_alone_run_the_loop_and_name_each_extra_that_is_missing(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    programs = environment_with(tmp_path / "core", built[0], "--constraint", ROOT / "requirements.lock")
    command, work = programs / "cvm", tmp_path / "work"
    work.mkdir()
    purchases(work)
    where = run(programs / "python", "-c", "import cvm; print(cvm.__file__)", cwd=work).stdout
    assert Path(where.strip()).is_relative_to(tmp_path / "core")

    done = run(command, "run", cwd=work)
    assert done.returncode == 0, done.stderr
    assert (work / "outputs" / "report.html").stat().st_size > 100_000
    assert "Traceback" not in done.stderr

    done = run(command, "doctor", cwd=work)
    assert done.returncode == 0, done.stdout
    assert "not needed and not there: datasets, identity, postgres, spark" in " ".join(done.stdout.split())

    for extra, words, prepare in MISSING:
        folder = tmp_path / extra
        folder.mkdir()
        prepare(folder)
        done = run(command, *words.split(), cwd=folder)
        assert done.returncode == 1
        assert f"pip install 'cvm[{extra}]'" in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
        assert "secret" not in done.stderr
