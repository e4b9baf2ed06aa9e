"""A real PostgreSQL server for the tests marked ``postgres``."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from ports import free_port

PASSWORD = "s3cr:t/p@ss"  # noqa: S105 - of the server that these tests start
ENCODED = "s3cr%3At%2Fp%40ss"


@dataclass(frozen=True)
class Server:
    """A server that runs, and who may log in."""

    port: int

    def url(self, *, password: str = ENCODED, port: int | None = None) -> str:
        return f"postgresql://cvm:{password}@127.0.0.1:{port or self.port}/postgres"

    def execute(self, *statements: str) -> None:
        engine = sa.create_engine(self.url().replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def programs() -> Path:
    """Folder of ``initdb`` and ``pg_ctl``."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if folders:
        return folders[-1]
    reason = "PostgreSQL is not installed: no initdb on PATH or in /usr/lib/postgresql"
    return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def servant() -> str:
    """A user who is not root, as whom the server refuses to run: the one that Debian's package makes, or nobody."""
    return "postgres" if "postgres" in {user.pw_name for user in pwd.getpwall()} else "nobody"


def run(*command: str | Path) -> None:
    prefix = ["runuser", "-u", servant(), "--"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*prefix, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session", name="server")
def started_server() -> Iterator[Server]:
    bin_folder, port = programs(), free_port()
    # Not below pytest's folder, which none but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="cvm-postgres-") as folder:
        home = Path(folder)
        (home / "password").write_text(PASSWORD, encoding="utf-8")
        if os.getuid() == 0:
            for path in (home, home / "password"):
                shutil.chown(path, servant())
        data = home / "data"
        run(
            bin_folder / "initdb",
            "-D",
            data,
            "-U",
            "cvm",
            "-A",
            "scram-sha-256",
            f"--pwfile={home / 'password'}",
            "-E",
            "UTF8",
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {home} -c fsync=off"
        run(bin_folder / "pg_ctl", "-D", data, "-o", options, "-l", home / "log", "-w", "start")
        try:
            yield Server(port)
        finally:
            run(bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
