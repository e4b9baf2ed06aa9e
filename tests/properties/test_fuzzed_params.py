"""Whatever stands in ``params.yaml``, it is read or refused in words; what is read is of the right types."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.errors import CvmError, ParamsError
from cvm.params import Params, load_params
from cvm.stages.inputs import plan_settings_of, rules_of, sources_of, train_settings_of

SHIPPED = Path(__file__).parents[2] / "params.yaml"
FULL: dict[str, Any] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
# Sections that the shipped file leaves empty, so that mutations reach their inside.
FULL["data"] = {
    "transactions": {"path": "t.csv", "columns": {"customer_id": "client"}, "timezone": "UTC", "key": ["order_id"]},
    "customers": {"path": ["a.csv", "b.csv"], "ignore": ["*name*"], "defaults": {"email": "x"}},
    "events": {"url": "postgresql://u:planted-password@h/d", "query": "SELECT 1"},
}
FULL["goals"] = [{"name": "keep", "metric": "p_churn", "period": "quarter", "target": "-15%", "deadline": "2026-12-31"}]
FULL["playbook"] = [
    {"name": "r", "goal": "keep", "when": {"segments": ["vip"], "min": {"p_churn": 0.4}}, "treatment": "letter"}
]
FULL["campaigns"]["treatments"] = {"letter": {"channel": "post", "cost": 1.1}}
FULL["campaigns"]["plans"] = {"spring": {"treatments": ["letter"], "budget": 10, "starts_on": "2026-03-02"}}
FULL["privacy"] = {"keep_days": {"events": 30}, "pseudonym_key": "env:KEY"}

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.dates().map(str),
    st.sampled_from(
        ["../../etc/passwd", "/", "~nobody/x", "\0", "env:", "latest", "${HOME}", "!!python/object:os.system", "-5%"]
    ),
    st.binary(max_size=8),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=8,
)


def mutated(rng: random.Random, strange: list[Any]) -> Any:
    """The full file with some values replaced, removed, moved or doubled, at any depth."""
    tree = copy.deepcopy(FULL)
    for value in strange:
        node: Any = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = rng.choice(keys)
            inner = node[key]
            if isinstance(inner, (dict, list)) and inner and rng.random() < 0.85:
                node = inner
                continue
            how = rng.random()
            if how < 0.6:
                node[key] = value
            elif how < 0.75 and isinstance(node, dict):
                del node[key]
            elif how < 0.9 and isinstance(node, dict):
                node[str(value)] = inner
            else:
                node[key] = copy.deepcopy(rng.choice(list(FULL.values())))
            break
    return tree


def read_or_refused(text: bytes, overrides: Sequence[str] = ()) -> bool:
    """Whether a file is read; a refusal must say something and never show the password."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_bytes(text)
        try:
            params = load_params(path, overrides=overrides)
        except ParamsError as error:
            refusal = str(error)
        else:
            check(params)
            return True
    assert refusal
    assert "planted-password" not in refusal
    return False


def check(params: Params) -> None:
    """What was read is typed, and each room's own values can be made of it or are refused."""
    assert Params.model_validate({**params.model_dump(), "root": params.root}) == params
    assert "planted-password" not in repr(params) + str(params.model_dump(mode="json"))
    for make in (rules_of, train_settings_of, lambda p: sources_of(p, {}), lambda p: plan_settings_of(p, None)):
        with suppress(CvmError):
            make(params)


def fuzz(seed: int, strange: list[Any]) -> bool:
    tree = mutated(random.Random(seed), strange)  # noqa: S311 - no secret
    return read_or_refused(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


bounded = settings(derandomize=True, deadline=None, database=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def test_the_file_that_is_mutated_is_valid():
    assert read_or_refused(yaml.safe_dump(FULL).encode())


@bounded
@given(seed=seeds, strange=st.lists(values, min_size=1, max_size=4))
def test_no_tree_makes_reading_fail(seed, strange):
    fuzz(seed, strange)


@bounded
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_no_bytes_make_reading_fail(content):
    read_or_refused(content)


@bounded
@given(
    key=st.sampled_from(["windows.horizon_days", "data.transactions.path", "a.b.c", "goals", "", ".", "outputs", "windows"]),
    value=st.text(max_size=30) | values.map(lambda value: yaml.safe_dump(value)),
)
def test_no_override_makes_reading_fail(key, value):
    read_or_refused(yaml.safe_dump(FULL).encode(), [f"{key}={value}"])


@pytest.mark.parametrize(
    "value", ['!!python/object/apply:os.system ["touch planted"]', "!!python/name:os.system", "!!python/module:os"]
)
def test_no_value_runs_code(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    assert not read_or_refused(yaml.safe_dump(FULL).encode(), [f"outputs={value}"])
    assert not read_or_refused(f"outputs: {value}\n".encode())
    assert list(tmp_path.iterdir()) == []


HOLDS_ITSELF = ["a: &a [*a]", "&a {a: *a}", "goals: &a [*a]", "data: &a {events: *a}", "a: " + "[" * 5000]


@pytest.mark.parametrize("text", HOLDS_ITSELF, ids=lambda text: text[:12])
def test_a_value_that_holds_itself_is_refused(text):
    assert not read_or_refused(text.encode())


def test_a_small_file_that_unfolds_to_a_huge_one_is_refused_in_time():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    lines += ["data: {dataset: cdnow}", "outputs: *a11", "goals: *a11"]
    assert not read_or_refused("\n".join(lines).encode())


@pytest.mark.slow
def test_eight_hundred_fuzzed_files_are_read_or_refused():
    n_read, n = 0, 0

    @settings(derandomize=True, deadline=None, database=None, max_examples=800)
    @given(seed=seeds, strange=st.lists(values, min_size=1, max_size=4))
    def run(seed, strange):
        nonlocal n_read, n
        n_read, n = n_read + fuzz(seed, strange), n + 1

    run()
    assert n >= 800
    assert 0 < n_read < n
