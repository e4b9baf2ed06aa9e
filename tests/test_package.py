"""The package as its users get it: what the wheel and the sdist hold, and a run from an environment of nothing else."""

from __future__ import annotations

import os
import re
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
from pyarrow import csv

import cvm
import shop
from second_accounts import accounts

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


def environment_with(folder: Path, *packages: object, above: Path | None = None) -> Path:
    """The programs of a new environment with these packages; the test ends here where no registry can be reached.

    ``above`` another environment, its packages are there too, and only what it lacks is installed.
    """
    venv.create(folder, with_pip=above is None, symlinks=sys.platform != "win32")
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    if above is not None:
        (packages_of(programs) / "above.pth").write_text(str(packages_of(above)), encoding="utf-8")
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")  # compiling takes longer than all the rest
    done = run(programs / "python", "-m", "pip", "install", *options, *packages, cwd=folder, seconds=600)
    if done.returncode:
        reason = f"the packages cannot be installed: {done.stderr.strip().splitlines()[-1]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return programs


def packages_of(programs: Path) -> Path:
    """The folder of an environment in which its packages are."""
    told = run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=programs)
    return Path(told.stdout.strip())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist of this source."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def core(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment of the wheel and its dependencies alone."""
    return environment_with(tmp_path_factory.mktemp("core"), built[0], "--constraint", ROOT / "requirements.lock")


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
    # Lines, because to parse all of the source takes seconds: the linter sees to one import a line, and prose has none.
    statement = re.compile(r"^ *(?:import (\w+)[\w.]*(?: as \w+)?(?: +#.*)?|from (\w+)[\w.]* import .+)$", re.MULTILINE)
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    found = {one or other for text in texts for one, other in statement.findall(text)}
    imported = found - set(sys.stdlib_module_names) - {"cvm"}
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
    csv.write_csv(accounts().rename_columns({"account_id": "customer_id"}), folder / "customers.csv")
    data = {"transactions": {"path": "transactions.csv"}, "customers": {"path": "customers.csv"}}
    purchases(folder, data=data, identity={"probabilistic": True})


def database(folder: Path) -> None:
    data = {"transactions": {"url": "postgresql://me:secret@127.0.0.1:1/shop", "query": "SELECT 1"}}
    purchases(folder, data=data)


# Extra, the command that needs it, the params under which it does, and what it says and ends with where it is there.
LIGHT: list[tuple[str, str, Callable[[Path], None], str, int]] = [
    ("identity", "ingest", probable, "accounts of 194 people merged (splink 194)", 0),
    ("postgres", "ingest", database, "127.0.0.1:1/shop cannot be read: connection failed", 1),
    ("datasets", "data prepare complete-journey --into journey", purchases, "transactions 1,469,307 rows", 0),
]
MISSING = [("spark", "ingest", lambda folder: purchases(folder, engine="spark")), *(light[:3] for light in LIGHT)]


@pytest.mark.slow
def test_the_wheel_and_its_dependencies_alone_run_the_loop(core: Path, tmp_path: Path) -> None:
    purchases(tmp_path)
    where = run(core / "python", "-c", "import cvm; print(cvm.__file__)", cwd=tmp_path).stdout
    assert Path(where.strip()).is_relative_to(packages_of(core))

    done = run(core / "cvm", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "report.html").stat().st_size > 100_000
    assert "Traceback" not in done.stderr

    done = run(core / "cvm", "doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "not needed and not there: datasets, identity, postgres, spark" in " ".join(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "words", "prepare"), MISSING)
def test_an_extra_that_is_missing_is_named(
    core: Path, tmp_path: Path, extra: str, words: str, prepare: Callable[[Path], None]
) -> None:
    prepare(tmp_path)
    done = run(core / "cvm", *words.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert f"pip install 'cvm[{extra}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert "secret" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "words", "prepare", "said", "code"), LIGHT)
def test_an_extra_brings_what_its_command_needs(
    built: tuple[Path, Path],
    core: Path,
    tmp_path: Path,
    extra: str,
    words: str,
    prepare: Callable[[Path], None],
    said: str,
    code: int,
) -> None:
    """`dev`, `spark` and `docs` are installed by the targets of make that CI calls, `bench` by `make bench`."""
    wanted = (f"cvm[{extra}] @ {built[0].as_uri()}", "--constraint", ROOT / "requirements.lock")
    programs = environment_with(tmp_path / "environment", *wanted, above=core)
    prepare(tmp_path)
    done = run(programs / "python", "-m", "cvm", *words.split(), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr
