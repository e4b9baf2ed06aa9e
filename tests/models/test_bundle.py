from __future__ import annotations

import hashlib
import json
import pickletools
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from cvm.errors import BundleError
from cvm.models.btyd import Btyd
from cvm.models.btyd.spend import ConstantSpend
from cvm.models.bundle import SCHEMA_VERSION, Bundle, read_bundle
from cvm.models.churn import ChurnFactorRule, RecencyRule
from cvm.models.churn_blend import fit_blended_churn
from cvm.models.clv import NaiveRate
from cvm.models.clv_blend import fit_blended_value
from cvm.models.samples import Sample
from cvm.models.uplift import MEAN, ArmUplift, Learning, TreatmentUplift, Uplift, UpliftModel, experiment_of, fit_learners
from simulated import PROCESS, bundle, sample
from uplifted import FAST, campaign

ONE_THREAD = {"num_threads": 1}
# A treatment by which everybody gains the same.
MEAN_OF_ALL = UpliftModel((ArmUplift("mail", 0.3),), {})
FILES = [
    "bundle.json",
    "churn.anchored.txt",
    "churn.free.txt",
    "clv.free.txt",
    "clv.spend.txt",
    "clv.spends.txt",
    "hashes.json",
]


def by_colour(part: Sample) -> Sample:
    """Whoever is red stays away; ``area`` says nothing."""
    stays = (part.features["colour"] != "red").to_numpy()
    area = np.where(np.arange(len(stays)) % 2, "north", "south")
    revenue = np.where(stays, 10 + part.revenue, 0.0)
    return replace(part, features=part.features.assign(area=area), n_orders=stays.astype(float), revenue=revenue)


@pytest.fixture(scope="module")
def boosted() -> Bundle:
    """A bundle of boosters, so that every kind of file is there; both split on categories not in alphabetical order."""
    samples = [by_colour(sample(n_customers=400, seed=1))]
    columns = ["noise", "colour", "area", "recency_days"]
    return bundle(
        churn=fit_blended_churn(samples, samples[0].ahead, columns=columns, settings=ONE_THREAD, seed=1),
        value=fit_blended_value(samples, samples[0].ahead, columns=columns, settings=ONE_THREAD, seed=1).model,
    )


@pytest.fixture
def folder(boosted, tmp_path) -> Path:
    return written(boosted, tmp_path / "champion")


def written(model: Bundle, folder: Path) -> Path:
    folder.mkdir()
    model.write(folder)
    return folder


def forge(folder: Path, name: str, text: str) -> None:
    """Replace a file and its hash, as someone would who knows how bundles are verified."""
    (folder / name).write_bytes(text.encode())
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != "hashes.json"
    }
    (folder / "hashes.json").write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n")


def content(folder: Path) -> dict:
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


class TestRoundTrip:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"churn": RecencyRule(-1.0, 0.5, 0.3), "value": NaiveRate(90)},
            {"churn": ChurnFactorRule(0.1 + 0.2, 1e-17, 0.3)},
            {"btyd": Btyd(PROCESS, ConstantSpend(9.99)), "eligible_days": 400, "lead_days": 7},
            {"evidence": {"judgement": {"churn": {"BTYD": {"auc": None}}}, "notes": []}},
        ],
        ids=["btyd", "rules", "churn factor", "constant spend", "evidence"],
    )
    def test_everything_comes_back(self, changes, tmp_path):
        model = bundle(**changes)
        again = read_bundle(written(model, tmp_path / "champion"))
        for field in fields(Bundle):
            assert getattr(again, field.name) == getattr(model, field.name), field.name
        assert again.model_version == model.model_version

    def test_boosters_predict_as_before(self, boosted, folder):
        again = read_bundle(folder)
        features = by_colour(sample(n_customers=300, seed=5)).features
        for model in (boosted.churn, boosted.value):
            for part in model.boosters.values():
                assert part.encoder.columns[-2:] == ["colour", "area"]
        for part in (boosted.churn.free, boosted.value.spends):
            assert part.importance()["colour"] > 0.1
        np.testing.assert_array_equal(again.churn.p_churn(features), boosted.churn.p_churn(features))
        np.testing.assert_array_equal(again.value.expected_revenue(features), boosted.value.expected_revenue(features))
        assert again.model_version == boosted.model_version

    def test_a_bundle_that_was_read_writes_the_same_bytes(self, folder, tmp_path):
        again = written(read_bundle(folder), tmp_path / "copy")
        assert {path.name: path.read_bytes() for path in again.iterdir()} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }

    def test_uplift_comes_back_trees_and_all(self, tmp_path):
        features, result = campaign(1_000, seed=1)
        shares = {"control": 0.5, "offer_0": 0.5}
        experiment = experiment_of(features, outcome=result["outcome"], arm=result["arm"], propensity=shares)
        learners = {MEAN: fit_learners(experiment, learning=Learning(FAST, 7)).learners[MEAN]}
        learned = UpliftModel((ArmUplift("offer_0", 0.1, MEAN, 0.8, 0.05),), learners)
        mail = TreatmentUplift("mail", 0.1, ("spring",), MEAN_OF_ALL)
        uplift = Uplift(30, (mail, TreatmentUplift("offer_0", 2.5, ("may",), learned)))
        model = bundle(uplift=uplift)
        folder = written(model, tmp_path / "champion")
        # The second treatment's, of the first candidate.
        assert (folder / "uplift.1.0.X.0.1.txt").is_file()
        again = read_bundle(folder)
        day, clock = model.trained_as_of, model.btyd.clock
        expected, found = (one.uplift.expected(features, as_of=day, clock=clock) for one in (model, again))
        assert found.shape == (1_000, 2)
        np.testing.assert_array_equal(found, expected)
        assert again.uplift.state() == uplift.state()
        assert again.model_version == model.model_version != bundle().model_version

    def test_a_learner_of_another_version_is_refused(self, tmp_path):
        model = bundle(uplift=Uplift(30, (TreatmentUplift("mail", 0.1, ("spring",), MEAN_OF_ALL),)))
        folder = written(model, tmp_path / "champion")
        state = content(folder)
        state["uplift"]["treatments"][0]["model"]["learners"] = {"magic": {}}
        forge(folder, "bundle.json", json.dumps(state))
        with pytest.raises(BundleError, match=r"cannot read.*magic"):
            read_bundle(folder)


class TestVersion:
    def test_the_same_content_has_the_same_version(self):
        assert bundle().model_version == bundle().model_version

    def test_it_is_the_start_of_the_hash_of_all_hashes(self, boosted, folder):
        assert hashlib.sha256((folder / "hashes.json").read_bytes()).hexdigest().startswith(boosted.model_version)
        assert len(boosted.model_version) == 12

    @pytest.mark.parametrize(
        "changes",
        [
            {"margin_rate": 0.41},
            {"churn": RecencyRule(-1.0, 0.5, 0.3)},
            {"evidence": {}},
            {"eligible_days": 365},
            {"features": ()},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_any_other_content_has_another_version(self, changes):
        assert bundle(**changes).model_version != bundle().model_version

    def test_other_trees_have_another_version(self, boosted):
        trees = replace(boosted.churn.free, text=boosted.churn.free.text.replace("seed: 1]", "seed: 2]", 1))
        assert replace(boosted, churn=replace(boosted.churn, free=trees)).model_version != boosted.model_version


class TestFiles:
    def test_every_file_is_json_or_text(self, folder):
        assert sorted(path.name for path in folder.iterdir()) == FILES
        for path in folder.iterdir():
            text = path.read_bytes().decode("utf-8")
            assert "\x00" not in text
            assert "\r" not in text
            if path.suffix == ".json":
                json.loads(text)
            else:
                assert text.startswith("tree\n")

    def test_no_file_is_a_pickle(self, folder):
        for path in folder.iterdir():
            data = path.read_bytes()
            # Protocol 2 and later start with PROTO; protocols 0 and 1 would have to parse up to a STOP.
            assert not data.startswith(b"\x80")
            with pytest.raises(ValueError, match=r"opcode|exhausted|expected|not enough data|no newline found|invalid"):
                list(pickletools.genops(data))

    def test_baselines_need_no_trees(self, tmp_path):
        folder = written(bundle(), tmp_path / "champion")
        assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", "hashes.json"]

    def test_reading_runs_no_code_and_imports_nothing(self, folder):
        events = []
        listening = [True]

        def hook(event, arguments):
            if listening[0] and event in ("exec", "compile", "import", "os.system", "subprocess.Popen", "pickle.find_class"):
                events.append((event, arguments[:1]))

        read_bundle(folder)  # whatever is imported late is imported now
        sys.addaudithook(hook)
        read_bundle(folder)
        listening[0] = False
        assert events == []

    def test_a_file_that_does_not_belong_to_it_is_never_opened(self, folder):
        (folder / "notes.txt").write_bytes(b"\xff not even text")
        (folder / "churn.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        assert read_bundle(folder).churn.name == "blended LightGBM"

    def test_numbers_that_are_not_json_cannot_be_written(self, tmp_path):
        with pytest.raises(ValueError, match="not JSON compliant"):
            written(bundle(margin_rate=float("nan")), tmp_path / "champion")


class TestDamage:
    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("where", [0.0, 0.3, 0.5, 0.9, 1.0])
    def test_a_changed_byte_in_any_file_is_detected(self, folder, name, where):
        data = bytearray((folder / name).read_bytes())
        position = int(where * (len(data) - 1))
        data[position] ^= 1
        (folder / name).write_bytes(bytes(data))
        with pytest.raises(BundleError, match=r"was changed after it was written|cannot be read|is missing"):
            read_bundle(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_other_line_ends_are_a_change(self, folder, name):
        data = (folder / name).read_bytes()
        for changed in (data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\r"), data + b"\n"):
            (folder / name).write_bytes(changed)
            with pytest.raises(BundleError, match="was changed after it was written"):
                read_bundle(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_named(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(BundleError, match=rf"no complete bundle: {name} is missing.*cvm train"):
            read_bundle(folder)

    def test_a_folder_that_is_not_there_holds_no_bundle(self, tmp_path):
        with pytest.raises(BundleError, match="holds no complete bundle"):
            read_bundle(tmp_path / "nowhere")

    def test_a_folder_in_the_place_of_a_file_is_refused(self, folder):
        (folder / "churn.free.txt").unlink()
        (folder / "churn.free.txt").mkdir()
        with pytest.raises(BundleError, match="cannot be read"):
            read_bundle(folder)

    def test_a_file_cut_short_is_detected(self, folder):
        (folder / "clv.free.txt").write_bytes((folder / "clv.free.txt").read_bytes()[:-200])
        with pytest.raises(BundleError, match=r"was changed after it was written \(clv\.free\.txt\)"):
            read_bundle(folder)

    def test_two_files_swapped_are_detected(self, folder):
        churn, value = (folder / name for name in ("churn.free.txt", "clv.free.txt"))
        first, second = churn.read_bytes(), value.read_bytes()
        churn.write_bytes(second)
        value.write_bytes(first)
        with pytest.raises(BundleError, match=r"was changed after it was written \(churn\.free\.txt, clv\.free\.txt\)"):
            read_bundle(folder)


class TestForeign:
    @pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, "1", None])
    def test_another_schema_version_is_refused(self, folder, version):
        forge(folder, "bundle.json", json.dumps({**content(folder), "schema_version": version}))
        with pytest.raises(BundleError, match=rf"schema version {version}; this cvm reads {SCHEMA_VERSION}"):
            read_bundle(folder)

    @pytest.mark.parametrize("text", ["{}", "[]", "3", '"bundle"', "null", "not json", "", '{"schema_version": 3}'])
    def test_foreign_content_is_refused(self, folder, text):
        forge(folder, "bundle.json", text)
        with pytest.raises(BundleError, match="a bundle this cvm cannot read"):
            read_bundle(folder)

    @pytest.mark.parametrize(
        "text", ["[]", "3", "null", "{}", '["bundle.json"]', '{"bundle.json": 3}', "not json", "", '[["a"]]']
    )
    def test_foreign_hashes_are_refused(self, folder, text):
        (folder / "hashes.json").write_text(text)
        with pytest.raises(BundleError, match=r"cannot be read|was changed after it was written"):
            read_bundle(folder)

    @pytest.mark.parametrize(
        "part", ["windows", "business", "btyd", "churn", "prospects", "value_cuts", "rfm_cuts", "features"]
    )
    @pytest.mark.parametrize("value", [None, [1], {"unknown": 1}])
    def test_a_part_that_is_not_what_it_should_be_is_refused(self, folder, part, value):
        forge(folder, "bundle.json", json.dumps({**content(folder), part: value}))
        with pytest.raises(BundleError, match="a bundle this cvm cannot read"):
            read_bundle(folder)

    def test_a_model_of_another_version_is_refused(self, folder):
        churn = {**content(folder)["churn"], "name": "transformer"}
        forge(folder, "bundle.json", json.dumps({**content(folder), "churn": churn}))
        with pytest.raises(BundleError, match=r"cannot read \('transformer'\)"):
            read_bundle(folder)

    def test_a_booster_that_came_without_its_trees_is_refused(self, folder):
        (folder / "churn.free.txt").unlink()
        forge(folder, "bundle.json", (folder / "bundle.json").read_text(encoding="utf-8"))
        with pytest.raises(BundleError, match="cannot read"):
            read_bundle(folder)

    @pytest.mark.parametrize(
        "name", ["../secret.txt", "sub/secret.txt", "{outside}", "..", ".", "", "secret.txt\x00", "C:\\secret"]
    )
    def test_hashes_lead_to_no_file_but_the_bundles_own(self, folder, tmp_path, name):
        secret = tmp_path / "secret.txt"
        secret.write_text("secret")
        (folder / "sub").mkdir()
        (folder / "sub" / "secret.txt").write_text("secret")
        hashes = json.loads((folder / "hashes.json").read_text())
        hashes[name.format(outside=secret)] = hashlib.sha256(b"secret").hexdigest()
        (folder / "hashes.json").write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n")
        with pytest.raises(BundleError, match="was changed after it was written"):
            read_bundle(folder)
