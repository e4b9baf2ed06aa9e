from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cvm.errors import BundleError
from cvm.models.bundle import Bundle, bundle_version, read_bundle
from cvm.promotion import shelf
from cvm.promotion.decision import Decision, DecisionVerdict
from cvm.promotion.history import read_decisions
from cvm.promotion.shelf import carry_out, retired_of, retired_versions, settle, version_to_restore
from cvm.workspace import Workspace
from promoted import put

Bundles = Callable[[int], Bundle]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def decision(before: str | None, after: str, *, verdict: DecisionVerdict = "promoted", number: int = 0) -> Decision:
    return Decision(NOW + timedelta(days=number), verdict, after, before, after, reason="of a test")


def promote(found: Bundle, workspace: Workspace, *, number: int = 0, keep: int = 5) -> str:
    before, version = bundle_version(workspace.champion), put(found, workspace.challenger)
    carry_out(decision(before, version, number=number), workspace, keep=keep)
    return version


def test_the_challenger_takes_the_place_and_the_champion_before_is_kept(bundles: Bundles, workspace: Workspace) -> None:
    first, second = (promote(bundles(number), workspace, number=number) for number in (1, 2))
    assert read_bundle(workspace.champion).model_version == second
    assert read_bundle(retired_of(workspace, first)).model_version == first
    assert not workspace.challenger.exists()
    assert [found.champion_after for found in read_decisions(workspace.decisions)] == [first, second]


def test_only_the_latest_former_champions_are_kept(bundles: Bundles, workspace: Workspace) -> None:
    versions = [promote(bundles(number), workspace, number=number, keep=2) for number in (1, 2, 3, 4)]
    assert retired_versions(workspace) == [versions[2], versions[1]]


@pytest.mark.parametrize("step", range(4))
def test_whatever_a_kill_left_unfinished_is_finished(
    bundles: Bundles, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    first, second = promote(bundles(1), workspace), bundles(2).model_version
    put(bundles(2), workspace.challenger)
    steps = iter(range(4))

    def killed_at(work: Callable[..., None]) -> Callable[..., None]:
        def stepwise(*arguments: Path) -> None:
            if next(steps) == step:
                raise Killed
            work(*arguments)

        return stepwise

    with monkeypatch.context() as patch, suppress(Killed):
        for name in ("_copy", "_remove"):
            patch.setattr(shelf, name, killed_at(getattr(shelf, name)))
        carry_out(decision(first, second), workspace, keep=5)
    assert read_bundle(workspace.champion).model_version in (first, second)
    finished = settle(workspace, keep=5)
    assert (finished is None) is (step >= 2)
    assert read_bundle(workspace.champion).model_version == second
    assert read_bundle(retired_of(workspace, first)).model_version == first
    assert not workspace.challenger.exists()
    assert [found.champion_after for found in read_decisions(workspace.decisions)] == [first, second]
    assert settle(workspace, keep=5) is None


def test_a_place_left_empty_between_two_renames_is_filled(
    bundles: Bundles, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = promote(bundles(1), workspace), put(bundles(2), workspace.challenger)
    with monkeypatch.context() as patch:
        patch.setattr(shelf, "settle", lambda *_, **__: None)
        carry_out(decision(first, second), workspace, keep=5)
    workspace.champion.rename(workspace.champion.with_name(".champion.1.old"))
    finished = settle(workspace, keep=5)
    assert finished is not None
    assert read_bundle(workspace.champion).model_version == second


def test_a_champion_put_there_by_hand_stays(bundles: Bundles, workspace: Workspace) -> None:
    promote(bundles(1), workspace)
    promote(bundles(2), workspace)
    workspace.champion.rename(workspace.champion.with_name("away"))
    by_hand = put(bundles(3), workspace.champion)
    assert settle(workspace, keep=5) is None
    assert bundle_version(workspace.champion) == by_hand


def test_a_former_champion_put_back_by_hand_stays_though_the_one_it_replaced_is_trained_again(
    bundles: Bundles, workspace: Workspace
) -> None:
    first, second = (promote(bundles(number), workspace, number=number) for number in (1, 2))
    assert not workspace.unsettled.exists()
    workspace.champion.rename(workspace.champion.with_name("away"))
    retired_of(workspace, first).rename(workspace.champion)
    put(bundles(2), workspace.challenger)
    assert settle(workspace, keep=5) is None
    assert (bundle_version(workspace.champion), bundle_version(workspace.challenger)) == (first, second)
    # A kill after the mark and before the history: the decision before is not taken for it.
    workspace.unsettled.write_text("3", encoding="utf-8")
    assert settle(workspace, keep=5) is None
    assert bundle_version(workspace.champion) == first


def test_the_way_back_leads_to_the_champion_before_and_then_further_back(bundles: Bundles, workspace: Workspace) -> None:
    first, second, third = (promote(bundles(number), workspace, number=number) for number in (1, 2, 3))
    for before, expected in ((third, second), (second, first)):
        found = version_to_restore(workspace, None)
        assert found == expected
        carry_out(decision(before, found, verdict="rolled back", number=9), workspace, keep=5)
        assert read_bundle(workspace.champion).model_version == expected
    assert retired_versions(workspace) == [second, third]
    with pytest.raises(BundleError, match=rf"knows no champion before {first}: nothing to go back to\. Name one with --to"):
        version_to_restore(workspace, None)
    assert version_to_restore(workspace, third) == third


@pytest.mark.parametrize("wanted", ["0" * 12, "../challenger", "."])
def test_a_version_that_is_not_on_file_is_refused(bundles: Bundles, workspace: Workspace, wanted: str) -> None:
    with pytest.raises(BundleError, match=r"neither a champion nor a former one in .*models. Run `cvm train` first"):
        version_to_restore(workspace, wanted)
    only = promote(bundles(1), workspace)
    with pytest.raises(BundleError, match=r"is not among the former champions.*there are none.*promotion\.keep"):
        version_to_restore(workspace, wanted)
    with pytest.raises(BundleError, match=f"{only} is the champion already"):
        version_to_restore(workspace, only)
    with pytest.raises(BundleError, match=f"knows no champion before {only}: nothing to go back to"):
        version_to_restore(workspace, None)
