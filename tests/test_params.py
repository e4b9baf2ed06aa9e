from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from cvm.errors import ParamsError
from cvm.params import Params, load_params

CDNOW = "data: {dataset: cdnow}\n"
SHIPPED = Path(__file__).parents[1] / "params.yaml"


def loaded(folder: Path, text: str, *overrides: str) -> Params:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return load_params(path, overrides=overrides)


def problem(folder: Path, text: str, *overrides: str) -> str:
    """The refusal, without the name of the file."""
    with pytest.raises(ParamsError, match=r"\S") as caught:
        loaded(folder, text, *overrides)
    return str(caught.value).replace(str(folder / "params.yaml"), "FILE")


def one_problem(folder: Path, text: str, *overrides: str) -> str:
    first, line = problem(folder, text, *overrides).splitlines()
    assert first == "FILE has 1 problem:"
    return line.removeprefix("  - ")


def test_the_file_that_ships_says_the_defaults() -> None:
    written = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert load_params(SHIPPED).data.dataset == "cdnow"
    defaults = Params.model_validate({"data": {"dataset": "cdnow"}}).model_dump(mode="json", exclude={"data"})
    assert {key: value for key, value in written.items() if key != "data"} == defaults
    assert {key: written["data"][key] for key in ("max_rejected_share", "allow_constant_amount")} == {
        "max_rejected_share": 0.05,
        "allow_constant_amount": False,
    }


def test_one_line_is_enough(tmp_path: Path) -> None:
    params = loaded(tmp_path, CDNOW)
    assert (params.windows.as_of, params.windows.horizon_days, params.train.seed) == ("latest", 181, 7)


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(CDNOW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    params = load_params(Path("project/params.yaml"))
    assert params.resolve("outputs") == folder / "outputs"
    assert params.resolve(str(tmp_path / "elsewhere")) == tmp_path / "elsewhere"
    assert params.resolve("~/outputs") == Path.home() / "outputs"
    assert "root" not in params.model_dump()


def test_a_table_may_have_one_path_or_several(tmp_path: Path) -> None:
    for given, expected in (("orders.csv", ["orders.csv"]), (["a.csv", "b.csv"], ["a.csv", "b.csv"])):
        params = loaded(tmp_path, yaml.safe_dump({"data": {"transactions": {"path": given}}}))
        assert params.data.transactions is not None
        assert params.data.transactions.paths == expected


@pytest.mark.parametrize("written", ["2024-02-29", "'2024-02-29'", '"2024-02-29"'])
def test_a_date_may_be_quoted_or_not(tmp_path: Path, written: str) -> None:
    assert loaded(tmp_path, f"{CDNOW}windows: {{as_of: {written}}}").windows.as_of == date(2024, 2, 29)
    assert loaded(tmp_path, CDNOW, f"windows.as_of={written}").windows.as_of == date(2024, 2, 29)


def test_a_whole_number_may_stand_for_a_share(tmp_path: Path) -> None:
    assert loaded(tmp_path, CDNOW + "business: {margin_rate: 1, discount_rate_per_year: 0}").business.margin_rate == 1.0


def test_an_event_may_cost_an_amount_or_its_value(tmp_path: Path) -> None:
    costs = loaded(tmp_path, CDNOW + "business: {unit_costs: {per_event: {call: 4, cashback: value}}}").business.unit_costs
    assert costs.per_event == {"call": 4.0, "cashback": "value"}


def test_a_section_with_all_keys_commented_out_is_one_of_defaults(tmp_path: Path) -> None:
    params = loaded(tmp_path, CDNOW + "windows:\n  # horizon_days: 90\nengine:\n")
    assert (params.windows.horizon_days, params.engine) == (181, "duckdb")


# --- overrides -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [CDNOW, CDNOW + "windows: {lead_days: 3}", CDNOW + "windows:\n"])
def test_an_override_sets_one_key_and_leaves_the_rest(tmp_path: Path, start: str) -> None:
    params = loaded(tmp_path, start, "windows.horizon_days=90", "segments.tiers.top=0.1", "windows.horizon_days=91")
    assert (params.windows.horizon_days, params.windows.clv_days, params.segments.tiers.top) == (91, 365, 0.1)
    assert params.windows.lead_days == (3 if "lead" in start else 0)


def test_an_override_takes_any_value_yaml_can_write(tmp_path: Path) -> None:
    overrides = (
        "data={transactions: {path: [a.csv, b=c.csv]}}",
        "data.transactions.columns={amount: total}",
        "outputs=o u t",
    )
    params = loaded(tmp_path, CDNOW, *overrides)
    assert params.data.transactions is not None
    assert params.data.transactions.paths == ["a.csv", "b=c.csv"]
    assert params.data.transactions.columns == {"amount": "total"}
    assert params.outputs == "o u t"


def test_an_override_leaves_the_file_alone(tmp_path: Path) -> None:
    loaded(tmp_path, CDNOW, "windows.horizon_days=90")
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == CDNOW


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("nonsense", "--set 'nonsense' is not of the form section.key=value, for example windows.horizon_days=90."),
        ("=3", "--set '=3' is not of the form section.key=value"),
        ("windows.horizon_days=[1", "--set 'windows.horizon_days=[1': the value '[1' is not valid YAML."),
        ("data.dataset.x=3", "--set 'data.dataset.x=3': 'dataset' is a value, not a section."),
        ("windows.horizn_days=3", "windows.horizn_days: unknown key; did you mean 'horizon_days'?"),
        ("windows.horizon_days=", "windows.horizon_days: None: input should be a valid integer"),
        ("windows.horizon_days=ninety", "windows.horizon_days: 'ninety': input should be a valid integer"),
        ("windows.as_of=2023-02-30", "windows.as_of: '2023-02-30' is no date; write latest, or a day such as 2024-06-30"),
        ("root=elsewhere", "root: unknown key; remove it"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(tmp_path: Path, override: str, expected: str) -> None:
    assert expected in problem(tmp_path, CDNOW, override)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("horizon: 3", "horizon: unknown key; known here: ['data', 'business', 'windows',"),
        ("bussiness: {}", "bussiness: unknown key; did you mean 'business'?"),
        ("foo:", "foo: unknown key; known here:"),
        ("root: x", "root: unknown key; remove it"),
        ("windows: {horizon: 3}", "windows.horizon: unknown key; did you mean 'horizon_days'?"),
        ("segments: {tiers: {tops: 0.1}}", "segments.tiers.tops: unknown key; did you mean 'top'?"),
        ("windows: 3", "windows: 3: must be a section with keys of ['as_of', 'horizon_days',"),
        ("segments: {tiers: [0.1]}", "segments.tiers: [0.1]: must be a section with keys of ['top', 'high', 'medium']"),
        ("windows: {horizon_days: 90.5}", "windows.horizon_days: 90.5: input should be a valid integer"),
        ("windows: {horizon_days: '90'}", "windows.horizon_days: '90': input should be a valid integer"),
        ("windows: {horizon_days: yes}", "windows.horizon_days: True: input should be a valid integer"),
        ("windows: {horizon_days: 0}", "windows.horizon_days: 0: input should be greater than 0"),
        ("windows: {lead_days: -1}", "windows.lead_days: -1: input should be greater than or equal to 0"),
        ("windows: {eligible_days: 0}", "windows.eligible_days: 0: input should be greater than 0"),
        (
            "windows: {horizon_days: 20}\nchurn: {definition: inactivity}",
            "the file: churn.inactivity_days == 30, must be <= windows.horizon_days == 20; shorten the silence",
        ),
        ("churn: {definition: cancelled}", "churn.definition: 'cancelled': input should be 'no_order', 'inactivity' or"),
        ("windows: {horizon_days: 400}", "windows: clv_days == 365, must be >= horizon_days == 400; raise clv_days"),
        ("windows: {as_of: 2023-02-30}", "windows.as_of: '2023-02-30' is no date; write latest, or a day"),
        ("windows: {as_of: 2023-02-03 10:00:00}", "windows.as_of: '2023-02-03 10:00:00' is no date; write latest"),
        ("windows: {as_of: yesterday}", "windows.as_of: 'yesterday' is no date; write latest"),
        ("windows: {as_of: 20230203}", "windows.as_of: 20230203 is no date; write latest"),
        ("windows: {as_of: null}", "windows.as_of: None is no date; write latest"),
        ("business: {margin_rate: .nan}", "business.margin_rate: nan: input should be less than or equal to 1"),
        ("business: {margin_rate: 30%}", "business.margin_rate: '30%': input should be a valid number"),
        (
            "business: {margin_rate_by_category: {tea: 0.2, coffee: 32}}",
            "business.margin_rate_by_category.coffee: 32: input should be less than or equal to 1",
        ),
        (
            "business: {margin_rate_by_category: {2024: 0.2}}",
            "business.margin_rate_by_category.2024: 2024: input should be a valid string",
        ),
        (
            "business: {unit_costs: {per_return: -1}}",
            "business.unit_costs.per_return: -1: input should be greater than or equal",
        ),
        (
            "business: {unit_costs: {per_event: {call: some}}}",
            "business.unit_costs.per_event.call: 'some': input should be a valid number, or input should be 'value'",
        ),
        ("business: {unit_costs: {return: 1}}", "business.unit_costs.return: unknown key; did you mean 'per_return'?"),
        ("business: {discount_rate_per_year: .inf}", "business.discount_rate_per_year: inf: input should be less than"),
        ("business: {currency: usd}", "business.currency: 'usd': string should match pattern '^[A-Z]{3}$'"),
        ("business: {timezone: Kyiv}", "business.timezone: 'Kyiv' is not an IANA time zone; write for example Europe/Kyiv"),
        ("business: {timezone: localtime}", "business.timezone: 'localtime' is not an IANA time zone"),
        ("business: {timezone: ../UTC}", "business.timezone: '../UTC' is not an IANA time zone"),
        ("business: {timezone: 3}", "business.timezone: 3: input should be a valid string"),
        ("segments: {tiers: {top: 0.5, high: 0.4}}", "segments.tiers: top + high + medium == 1.2, must be < 1"),
        ("train: {features: {x: drop}}", "train.features.x: 'drop': input should be 'exclude' or 'keep'"),
        ("train: {treated: drop}", "train.treated: 'drop': input should be 'include', 'exclude' or 'control_only'"),
        ("retention: {save_rate: 0}", "retention.save_rate: 0: input should be greater than 0"),
        ("retention: {contact_cost: -1}", "retention.contact_cost: -1: input should be greater than or equal to 0"),
        ("train: {seed: 99999999999}", "train.seed: 99999999999: input should be less than 2147483648"),
        ("identity: {country_code: '+380'}", "identity.country_code: '+380': string should match pattern"),
        ("identity: {match: [name]}", "identity.match: 'name': input should be 'email' or 'phone'"),
        ("engine: polars", "engine: 'polars': input should be 'duckdb' or 'spark'"),
        ("btyd: {family: pareto}", "btyd.family: 'pareto': input should be 'auto', 'bg_nbd', 'mbg_nbd' or 'pareto_nbd'"),
        ("outputs: ''", "outputs: '': string should have at least 1 character"),
        ("outputs: ~nobody-of-that-name/x", "outputs: '~nobody-of-that-name/x' begins with the home of a user"),
        ('models: "a\\0b"', "models: 'a\\x00b' holds a null character"),
        ("tracking: {uri: ''}", "tracking.uri: '': string should have at least 1 character"),
        ("1: 2", "1: 1: keys should be strings"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_way_out(tmp_path: Path, text: str, expected: str) -> None:
    assert one_problem(tmp_path, CDNOW + text).startswith(expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "data: names no source; set dataset: cdnow, or transactions: {path: ...}"),
        ({"events": {"path": "x"}}, "data: names no source;"),
        ({"dataset": "cdnow", "transactions": {"path": "x"}}, "data: has both dataset: cdnow and ['transactions']"),
        ({"dataset": "other"}, "data.dataset: 'other': input should be 'cdnow'"),
        ({"transactions": "x.csv"}, "data.transactions: 'x.csv': must be a section with keys of ['path', 'url',"),
        ({"transactions": {"path": 3}}, "data.transactions.path: 3: input should be a valid string, or input should be a"),
        ({"transactions": {"path": []}}, "data.transactions.path: []: input should be a valid string, or list should have"),
        ({"transactions": {"path": "x", "columns": {"amount": 3}}}, "data.transactions.columns.amount: 3: input should"),
        ({"transactions": {"path": "x", "columns": ["a"]}}, "data.transactions.columns: ['a']: input should"),
        ({"transactions": {"path": "x", "key": "order_id"}}, "data.transactions.key: 'order_id': input should"),
        ({"transactions": {"path": "x", "url": "sqlite://"}}, "data.transactions: has both path and url; keep one"),
        (
            {"transactions": {"url": "sqlite://"}},
            "data.transactions: a url takes a query and no table; write",
        ),
        (
            {"transactions": {"url": "sqlite://", "query": "x", "table": "y"}},
            "data.transactions: a url takes a query and no table",
        ),
        ({"transactions": {"url": 3, "query": "x"}}, "data.transactions.url: 3: input should be a valid string"),
        (
            {"transactions": {"path": "x.db"}},
            "data.transactions: path is a database; add either table:",
        ),
        (
            {"transactions": {"path": "x.DuckDB", "table": "a", "query": "b"}},
            "data.transactions: path is a database; add either table: or query:",
        ),
        (
            {"transactions": {"path": ["x.db", "y.csv"], "table": "a"}},
            "data.transactions: path names 2 files, ['x.db'] among them; a database stands alone",
        ),
        (
            {"transactions": {"path": "x.csv", "table": "a"}},
            "data.transactions: table and query are for a url or a",
        ),
        ({"transactions": {"query": "a"}}, "data.transactions: table and query are for a url or a database file"),
        (
            {"transactions": {"path": "x", "preset": "shopify"}},
            "data.transactions.preset: 'shopify': input should be",
        ),
        ({"transactions": {"path": "x", "decimal": ";"}}, "data.transactions.decimal: ';': input should be '.' or ','"),
        ({"transactions": {"path": "x", "thousands": "_"}}, "data.transactions.thousands: '_': input should be '.', ','"),
        (
            {"transactions": {"path": "x", "decimal": ",", "thousands": ","}},
            "data.transactions: decimal and thousands are both ','; they must differ",
        ),
        (
            {"transactions": {"path": "x", "day_first": True, "datetime_format": "%d.%m.%Y"}},
            "data.transactions: has both day_first and datetime_format; keep one of them",
        ),
        ({"transactions": {"path": "x", "columns": {"amount": []}}}, "data.transactions.columns.amount: []: input should"),
        ({"identities": {"path": "x"}, "dataset": "cdnow"}, "data: has both dataset: cdnow and ['identities']"),
        ({"transactions": {"path": "x", "timezone": "Nowhere"}}, "data.transactions.timezone: 'Nowhere' is not an IANA"),
        ({"dataset": "cdnow", "max_rejected_share": 5}, "data.max_rejected_share: 5: input should be less than"),
        ({"dataset": "cdnow", "allow_constant_amount": "si"}, "data.allow_constant_amount: 'si': input should"),
    ],
)
def test_a_wrong_source_is_named_with_the_way_out(tmp_path: Path, data: dict[str, Any], expected: str) -> None:
    assert one_problem(tmp_path, yaml.safe_dump({"data": data})).startswith(expected)


SECRET = "hunter2"  # noqa: S105 - made up
URL = f"postgresql://shop:{SECRET}@host/db"


def test_a_url_is_a_secret_in_every_dump(tmp_path: Path) -> None:
    params = loaded(tmp_path, yaml.safe_dump({"data": {"transactions": {"url": URL, "query": "SELECT 1"}}}))
    assert params.data.transactions is not None
    assert params.data.transactions.url is not None
    assert params.data.transactions.url.get_secret_value() == URL
    shown = [
        repr(params),
        str(params),
        str(params.model_dump()),
        str(params.model_dump(mode="json")),
        params.model_dump_json(),
    ]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize(
    ("data", "overrides"),
    [
        ({"transactions": URL}, []),
        ({"transactions": {"url": URL}}, []),
        ({"transactions": {"url": [URL], "query": "SELECT 1"}}, []),
        ({"transactions": {"url": URL, "path": "x"}}, []),
        ({"transactions": {"path": "x"}, "max_rejected_share": URL}, []),
        ({"dataset": "cdnow"}, [f"data.transactions.url={URL}"]),
        ({"dataset": "cdnow"}, [f"data.dataset.url={URL}"]),
        ({"dataset": "cdnow"}, [URL]),
        ({"dataset": "cdnow"}, [f"data.transactions=[{URL}"]),
    ],
)
def test_no_problem_of_params_tells_a_password(tmp_path: Path, data: dict[str, Any], overrides: list[str]) -> None:
    assert SECRET not in problem(tmp_path, yaml.safe_dump({"data": data}), *overrides)


def test_params_made_in_python_tell_no_password_either() -> None:
    with pytest.raises(ValidationError, match="has both path and url") as caught:
        Params(data={"transactions": {"url": URL, "path": "x"}})  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        {"path": "shop.duckdb", "table": "orders"},
        {"path": "shop.sqlite3", "query": "SELECT * FROM orders"},
        {"url": "env:SHOP", "query": "SELECT * FROM orders"},
        {"columns": {"customer_id": ["client", "email"]}},  # a frame of Python brings the rows
        {"path": "x.csv", "decimal": ",", "thousands": " ", "day_first": True, "defaults": {"channel": "web"}},
    ],
)
def test_an_origin_and_ways_of_writing_that_fit_are_accepted(tmp_path: Path, source: dict[str, Any]) -> None:
    params = loaded(tmp_path, yaml.safe_dump({"data": {"transactions": source, "subscriptions": {"path": "s.csv"}}}))
    assert list(params.data.tables) == ["transactions", "subscriptions"]


def test_a_file_without_data_is_told_so(tmp_path: Path) -> None:
    for text in ("business: {}", "data:"):
        assert one_problem(tmp_path, text) == "data: is required; add it"


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = "data: {datset: x}\nwindows: {horizon_days: -5, as_of: now}\nfoo: 1\ntrain: {snapshots: 0}\n"
    lines = problem(tmp_path, text).splitlines()
    assert lines[0] == "FILE has 5 problems:"
    assert [line.split(": ")[0] for line in lines[1:]] == [
        "  - data.datset",
        "  - windows.as_of",
        "  - windows.horizon_days",
        "  - train.snapshots",
        "  - foo",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: {dataset: cdnow", "FILE is not valid YAML at line 1, column 22: expected ',' or '}'"),
        ("data:\n  dataset: cdnow\n\twindows: 1", "FILE is not valid YAML at line 3, column 1: found character '\\t'"),
        ("data: \x01", "FILE is not valid YAML: unacceptable character #x0001"),
        ("data: !!python/object/apply:os.getcwd []", "FILE is not valid YAML at line 1, column 7: could not determine a"),
        ("data: !!int x", "FILE is not valid YAML: invalid literal for int"),
        ("train: {}\ndata:\n  dataset: cdnow\n  dataset: cdnow", "line 4, column 3: key 'dataset' stands there twice"),
        ("windows: {}\nwindows: {}", "FILE is not valid YAML at line 2, column 1: key 'windows' stands there twice"),
        ("", "FILE holds no sections. Start from the params.yaml that ships with cvm."),
        ("- data", "FILE holds no sections."),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problem(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"params.yaml cannot be read: No such file or directory. Choose another file with --params"
    ):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match="cannot be read: Is a directory"):
        load_params(tmp_path)
    (tmp_path / "params.yaml").write_bytes(CDNOW.encode("utf-16"))
    with pytest.raises(ParamsError, match="cannot be read: it is not UTF-8 text"):
        load_params(tmp_path / "params.yaml")


def test_the_global_holdout_needs_a_first_day_and_a_later_end(tmp_path: Path) -> None:
    text = CDNOW + "campaigns: {global_holdout: {share: 0.05, starts_on: 2026-01-01, ends_on: 2027-01-01}}\n"
    found = loaded(tmp_path, text).campaigns.global_holdout
    assert (found.share, found.starts_on, found.ends_on) == (0.05, date(2026, 1, 1), date(2027, 1, 1))
    where = "campaigns.global_holdout"
    assert one_problem(tmp_path, text, f"{where}.ends_on=2026-01-01") == (
        f"{where}: ends_on == 2026-01-01, must be later than starts_on == 2026-01-01"
    )
    assert "starts_on is missing" in one_problem(tmp_path, text, f"{where}.starts_on=null")
    assert "'latest' is no date here; write a day" in one_problem(tmp_path, text, f"{where}.starts_on=latest")
    assert "'soon' is no date" in one_problem(tmp_path, text, f"{where}.starts_on=soon")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[]", "segments.rules: there is no rule; write at least one"),
        (
            "[{name: a, goal: b, when: {value_tier: [top]}}, {name: c, goal: d}]",
            "when.value_tier: unknown key; did you mean",
        ),
        ("[{name: a}]", r"segments\.rules\.0\.goal: is required; add it"),
        ("[{name: a, goal: b, when: {value_tiers: [topp]}}, {name: c, goal: d}]", "'topp'; did you mean 'top'"),
        ("[{name: a, goal: b, when: {max: {p_churn: 0.5}}}]", "p_churn > 0.5 falls under no rule"),
        ("[{name: a, goal: b}, {name: c, goal: d}]", "'c'.*'a' takes everybody"),
    ],
)
def test_rules_of_segments_that_cannot_be_are_refused_by_their_key(rules: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        load_params(SHIPPED, overrides=[f"segments.rules={rules}"])


def test_clusters_may_be_switched_off_without_quotes() -> None:
    assert load_params(SHIPPED, overrides=["segments.clusters=off"]).segments.clusters == "off"
