from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import shop
from cvm import cli_init
from cvm.proposing.questions import Question, one_of
from cvm.terminal import Printer

_DEAD = 999_999_999  # number of no process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = shop.purchases(n_customers=60).rename(columns={"customer_id": "client", "occurred_at": "day", "amount": "total"})
    rows.to_csv(tmp_path / "orders.csv", index=False)
    return tmp_path


def test_a_folder_becomes_params(folder: Path) -> None:
    done = shop.cvm(folder, "--json", "init", "orders.csv", "--output", "other.yaml")
    told = json.loads(done.out)
    assert (done.code, told["stages"][0]["params"], told["stages"][0]["currency"]) == (0, "other.yaml", "USD")
    assert "no terminal to ask in, so every proposal is taken, as with --yes" in done.err
    assert "orders.csv is transactions" in done.err
    assert "wrote other.yaml. Next: cvm run --params other.yaml" in done.err
    written = yaml.safe_load((folder / "other.yaml").read_text(encoding="utf-8"))
    assert written["data"]["transactions"]["path"] == "orders.csv"


def test_a_file_that_is_there_is_not_overwritten_unasked(folder: Path) -> None:
    (folder / "params.yaml").write_text("mine", encoding="utf-8")
    done = shop.cvm(folder, "init", "orders.csv", "--yes")
    assert done.code == 1
    assert done.err == (
        "cvm: params.yaml is there already. Write another file with --output FILE, or replace it with --force.\n"
    )
    assert (folder / "params.yaml").read_text(encoding="utf-8") == "mine"
    done = shop.cvm(folder, "init", "orders.csv", "--yes", "--force", "-q")
    assert (done.code, done.out.count("init      note:"), done.out.count("\n")) == (0, 1, 1)
    assert (folder / "params.yaml").read_text(encoding="utf-8").startswith("# Written by cvm init from your files")


def test_a_proposal_that_does_not_load_leaves_the_file_that_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "params.yaml").write_text("mine", encoding="utf-8")
    monkeypatch.setattr("cvm.proposing.annotated.params_text", lambda _: "windows: {horizon_days: soon}\n")
    done = shop.cvm(folder, "init", "orders.csv", "--yes", "--force")
    assert done.code == 1
    assert "does not load, and was not written to params.yaml" in done.err
    assert "windows.horizon_days" in done.err
    assert ".tmp" not in done.err
    assert (folder / "params.yaml").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["orders.csv", "params.yaml"]


def test_a_refusal_writes_nothing(tmp_path: Path) -> None:
    done = shop.cvm(tmp_path, "init", "nothing.csv", "--yes")
    assert (done.code, done.err) == (1, "cvm: There is no file 'nothing.csv'. Correct the path.\n")
    done = shop.cvm(tmp_path, "init", "--yes", "--output", "nowhere/params.yaml")
    assert done.code == 1
    assert "There is no folder" in done.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_of_proposals_that_nobody_takes(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for name in ("nothing.csv", "empty.csv"):
        done = shop.cvm(tmp_path, "init", name)
        assert done.code == 1
        assert "every proposal is taken" not in done.out + done.err


def test_the_time_that_a_user_takes_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(quiet=False)
    printer.outcome("init", "wrote it", (), 61.0, with_seconds=False)
    printer.outcome("init", "wrote it", (), 61.0)
    assert capsys.readouterr().out == "init      wrote it\ninit      wrote it (61.0 s)\n"


def test_questions_are_asked_until_the_answer_will_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["[c]", " b ", ""])
    printer = Printer(quiet=False)
    monkeypatch.setattr(printer.console, "input", lambda _: next(answers))
    ask = cli_init.asking(printer)
    question = Question("[orders].csv", "which", "a", "for a [reason]", one_of(["a", "b"]))
    assert (ask(question), ask(question)) == ("b", "a")
    shown = capsys.readouterr().out
    assert shown.count("[orders].csv") == 1
    assert shown.count("for a [reason]") == 3
    assert "'[c]' is none of ['a', 'b']" in shown


def test_what_a_killed_init_left_behind_goes_with_the_next(folder: Path) -> None:
    left_over = folder / f".cvm-init.{_DEAD}.tmp"
    (left_over / "outputs").mkdir(parents=True)
    theirs = folder / ".cvm-init.mine"
    theirs.touch()
    assert shop.cvm(folder, "init", "orders.csv", "--yes").code == 0
    assert sorted(path.name for path in folder.iterdir()) == [theirs.name, "orders.csv", "params.yaml"]


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_what_init_writes_runs_as_it_is(tmp_path: Path) -> None:
    rows = shop.purchases()
    frame = rows.assign(Quantity=2, UnitPrice=rows["amount"].astype(float) / 2).drop(columns="amount")
    frame.rename(columns={"customer_id": "CustomerID", "occurred_at": "InvoiceDate"}).to_csv(
        tmp_path / "retail.csv", index=False
    )
    assert shop.cvm(tmp_path, "init", "retail.csv").code == 0
    done = shop.cvm(tmp_path, "run")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "outputs" / "report.html").is_file()
