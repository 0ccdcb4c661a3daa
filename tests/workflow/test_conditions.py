"""A network is tested under further conditions: another data set's test side, and images with noise."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from studies import tiny

from spectralcal.base.errors import ConfigError, DataError
from spectralcal.data.manifest import read_manifest
from spectralcal.jobs import cells, steps
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.collect import collect
from spectralcal.jobs.tested import under_condition
from spectralcal.report.results import POOL, Results
from spectralcal.report.steps import figure_step, table_step
from spectralcal.sharing.archive import write_archive
from spectralcal.sharing.explain import explain
from spectralcal.sharing.merging import import_study
from spectralcal.sharing.shared import export_study
from spectralcal.sharing.verify import verify_study
from spectralcal.study.conditions import TEST, further_conditions
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import evaluation_recipe, training_recipe
from spectralcal.study.resolved import resolve
from spectralcal.transforms.contract import corrupted

ROOT = Path(__file__).parents[2]
CE, SCALED = (Cell("phantom", "unet", method, 0) for method in ("ce", "ce+temperature"))
CONDITIONS = {
    "noise": {"corrupt": ["noise@variance=0.5"]},
    "same": {"corrupt": ["noise@variance=0"]},
    "elsewhere": {"dataset": "other"},
    "validation": {"side": "validation"},
}
NOISY = {"source": "table2", "experiment": "main", "condition": "noise"}
KEYS = ["case", "class", "metric", "protocol"]


def content(root, conditions=CONDITIONS):
    phantom = {"options": {"cases": 12, "shape": [16, 16, 16]}}
    other = {"kind": "phantom", "options": {"cases": 9, "shape": [16, 16, 16], "seed": 5}}
    experiment = {"datasets": ["phantom"], "architectures": ["unet"], "methods": ["ce", "ce+temperature"], "seeds": [0]}
    return tiny(
        root, datasets={"phantom": phantom, "other": other}, experiments={"main": experiment},
        evaluation={"conditions": conditions},
        tables={"table2": {"experiment": "main"}, **({"noisy": NOISY} if "noise" in conditions else {})},
        figures={"reliability": {"experiment": "main", "condition": "noise"}} if "noise" in conditions else {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of which every cell is scored under every condition, as the rules do it."""
    config = parse_config(content(tmp_path_factory.mktemp("conditions")), "study.yaml")
    for name in ("phantom", "other"):
        steps.prepare_step(config, name)
        steps.split_step(config, name)
    cells.train_cell(config, CE)
    for cell in (CE, SCALED):
        for condition in (TEST, *further_conditions(config, cell)):
            cells.evaluate_cell(config, cell, condition)
    steps.collect_step(config)
    return config


def test_the_workflow_plans_one_job_for_each_cell_and_condition(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(content(tmp_path)))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--configfile", str(file), "-n",
               "--cores", "1"]  # fmt: skip
    plan = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    counted = dict(line.split()[:2] for line in plan.splitlines() if len(line.split()) == 2)
    assert {name: counted[name] for name in ("prepare", "train", "evaluate", "test_condition", "collect")} == {
        "prepare": "2", "train": "1", "evaluate": "2", "test_condition": "7", "collect": "1"
    }  # fmt: skip
    assert "condition=elsewhere/cases.csv" in plan


@pytest.fixture(scope="module")
def table(study):
    return pd.read_parquet(StudyPaths(study).cases)


def scores(table, condition, method="ce"):
    rows = table[(table.condition == condition) & (table.method == method)]
    return rows.set_index(KEYS).value.sort_index()


def test_every_score_says_what_was_tested(table):
    counted = table.groupby("condition").method.value_counts().unstack()
    assert set(counted.index) == {TEST, *CONDITIONS}
    assert (counted.loc["same"] == counted.loc[TEST]).all()


def test_noise_changes_scores_and_noise_of_no_variance_changes_none(table):
    plain, same, noisy = (scores(table, name) for name in (TEST, "same", "noise"))
    pd.testing.assert_series_equal(plain, same)
    brier = [values.xs("Brier", level="metric").dropna() for values in (plain, noisy)]
    assert len(brier[0]) >= 2
    assert (brier[0] != brier[1]).all()


def test_the_noisy_image_has_the_asked_variance_and_is_the_same_for_every_method(study):
    data = load_data(study, "phantom")
    one, other = (under_condition(resolve(study, cell, "noise"), data).scored for cell in (CE, SCALED))
    noises = [noisy.image() - np.asarray(plain.image()) for noisy, plain in zip(one, data.scored, strict=True)]
    for noisy, again, plain, noise in zip(one, other, data.scored, noises, strict=True):
        assert np.array_equal(noisy.image(), again.image())
        assert np.array_equal(noisy.label(), plain.label())
        assert np.var(noise) == pytest.approx(0.5, rel=0.15)
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.1  # each case has its own


def test_another_data_set_is_tested_on_its_test_side(study, table):
    ids = {case.id for case in load_data(study, "other").scored}
    tested = set(table[table.condition == "elsewhere"].case) - {"pooled"}
    assert tested == ids
    assert 0 < len(ids) < len(read_manifest(StudyPaths(study).manifest("other"))) == 9


def test_what_a_condition_was_made_from_is_on_record(study):
    files, data = StudyPaths(study).cell(CE, "elsewhere"), load_data(study, "other")
    record = json.loads(files.evaluation.read_text())
    assert record["condition"] == "elsewhere"
    assert record["parts"]["tested_manifest"] == data.manifest_hash
    assert record["parts"]["tested_split"] == data.split_hash
    assert not files.weights.exists()


def test_a_condition_is_explained_and_its_files_are_verified(study):
    files = StudyPaths(study).cell(CE, "elsewhere")
    account = explain(study, files.cases)
    assert "condition elsewhere" in account
    assert "--condition elsewhere" in account
    assert verify_study(study).findings == []
    kept = files.cases.read_text()
    files.cases.write_text(kept.replace("0.", "0.1", 1))
    try:
        assert any("condition=elsewhere/cases.csv: altered" in line for line in verify_study(study).findings)
    finally:
        files.cases.write_text(kept)


def test_a_post_hoc_step_stays_that_of_the_networks_own_validation_cases(study):
    paths = StudyPaths(study)
    own, there = (json.loads(paths.cell(SCALED, name).evaluation.read_text()) for name in (TEST, "elsewhere"))
    assert own["post_hoc"] == there["post_hoc"]


def test_the_validation_side_is_scored_but_for_steps_that_were_fitted_to_it(study, table):
    data = load_data(study, "phantom")
    tested = table[table.condition == "validation"]
    assert set(tested.case) - {"pooled"} == {case.id for case in data.validation}
    assert set(tested.method) == {"ce"}
    with pytest.raises(ConfigError, match="'ce\\+temperature' is fitted to the validation cases"):
        cells.evaluate_cell(study, SCALED, "validation")


def test_a_table_shows_a_condition_and_says_so(study, table):
    made = {}
    for name in ("table2", "noisy"):
        table_step(study, name)
        made[name] = pd.read_csv(StudyPaths(study).table(name)), StudyPaths(study).table(name).with_suffix(".md")
    noisy = table[(table.condition == "noise") & (table.protocol == "paper") & (table.metric == "ECE")]
    expected = noisy.groupby("method").value.mean()
    shown = made["noisy"][0].query("metric == 'ECE' and protocol == 'paper'").set_index("method")["mean"]
    assert len(shown) == 2
    assert (shown / expected).round(6).nunique() == 1  # the ratio is the printed unit
    assert not made["table2"][0]["mean"].equals(made["noisy"][0]["mean"])
    sentence = "Networks are tested under the condition 'noise' (noise@variance=0.5; test cases)."
    assert [sentence in made[name][1].read_text() for name in ("table2", "noisy")] == [False, True]
    assert sentence in StudyPaths(study).table("noisy").with_suffix(".tex").read_text().replace("\\_", "_")
    assert "condition noise" in explain(study, StudyPaths(study).table("noisy"))
    assert verify_study(study).findings == []


def test_a_figure_shows_a_condition_and_says_so(study):
    figure_step(study, "reliability")
    assert "under the condition 'noise'" in StudyPaths(study).figure("reliability").with_suffix(".md").read_text()


def test_results_of_a_condition_are_those_of_its_files(study):
    plain, noisy = Results(study), Results(study).under("noise")
    assert plain.under(None) is plain
    assert noisy.missing("main") == []
    assert noisy.evaluation(CE)["condition"] == "noise"
    assert not np.array_equal(plain.spectra(CE)["psd_max_prob"], noisy.spectra(CE)["psd_max_prob"])
    assert noisy.run(CE) == plain.run(CE)
    assert Results(study, "validation").methods("main") == ["ce"]
    assert Results(study, "validation").side == "validation"


def test_conditions_travel_with_shared_results_in_their_light_form(study, tmp_path):
    index = tmp_path / "study.zip"
    export_study(study, index)
    merged = import_study(index, None, tmp_path / "there")
    assert merged.notes == []
    files = StudyPaths(merged.config).cell(CE, "noise")
    assert files.light.is_file()
    assert not files.cases.exists()
    collect(merged.config)
    here, there = (pd.read_parquet(StudyPaths(config).cases) for config in (study, merged.config))
    pd.testing.assert_frame_equal(here, there)
    assert import_study(index, merged.config, tmp_path).kept
    without = merged.config.evaluation.model_copy(update={"conditions": {"same": study.evaluation.conditions["same"]}})
    few = merged.config.model_copy(
        update={"results_root": tmp_path / "few", "evaluation": without, "tables": {}, "figures": {}}
    )
    notes = import_study(index, few, tmp_path).notes
    assert len(notes) == 5
    assert all("no such condition" in note for note in notes)
    assert StudyPaths(few).cell(CE, "same").light.is_file()


def test_scores_of_another_condition_than_the_record_says_are_refused(study, tmp_path):
    index = tmp_path / "study.zip"
    export_study(study, index)
    with zipfile.ZipFile(index) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    listed = json.loads(content.pop("index.json"))
    moved = {name.replace("condition=noise", "condition=same"): data for name, data in content.items()
             if "condition=same" not in name}  # fmt: skip
    write_archive(index, moved, {key: listed[key] for key in ("study", "spectralcal", "cells")})
    with pytest.raises(DataError, match=r"condition same: evaluation\.json is of the condition noise"):
        import_study(index, None, tmp_path / "there")
    assert not (tmp_path / "there/tiny").exists()


def test_tables_and_figures_read_the_ordinary_test_alone(study, table):
    shown = Results(study).scores("main")
    cases = {case.id for case in load_data(study, "phantom").scored}
    assert set(shown.case) - {POOL} == cases
    assert not shown.duplicated(["method", *KEYS]).any()


def test_a_condition_trains_nothing_and_leaves_the_ordinary_scores_valid(tmp_path):
    plain, more = (parse_config(content(tmp_path, given), "toy") for given in ({}, CONDITIONS))
    assert training_recipe(resolve(plain, CE)) == training_recipe(resolve(more, CE))
    assert evaluation_recipe(resolve(plain, CE)) == evaluation_recipe(resolve(more, CE))
    assert len({evaluation_recipe(resolve(more, CE, name)) for name in (TEST, *CONDITIONS)}) == 5
    assert "conditions" not in plain.evaluation.model_dump()


def test_an_equal_condition_of_another_name_has_the_same_recipe(tmp_path):
    renamed, more = (
        parse_config(content(tmp_path, given), "toy") for given in ({"x": CONDITIONS["noise"]}, CONDITIONS)
    )
    assert evaluation_recipe(resolve(renamed, CE, "x")) == evaluation_recipe(resolve(more, CE, "noise"))


def test_which_networks_a_condition_tests(tmp_path):
    conditions = {**CONDITIONS, "few": {"corrupt": ["blur"], "trained_on": ["other"]}}
    study = parse_config(content(tmp_path, conditions), "toy")
    assert further_conditions(study, CE) == ["noise", "same", "elsewhere", "validation"]
    assert further_conditions(study, SCALED) == ["noise", "same", "elsewhere"]
    assert further_conditions(study, Cell("other", "unet", "ce", 0)) == ["noise", "same", "validation", "few"]


@pytest.mark.parametrize(
    ("name", "condition", "message"),
    [
        ("test", {"corrupt": ["blur"]}, "not 'test'"),
        ("a/b", {"corrupt": ["blur"]}, "found 'a/b'"),
        ("c", {}, "found none of them: that is the ordinary test"),
        ("c", {"corrupt": ["nois"]}, r"evaluation.conditions.c.corrupt: unknown transform 'nois'; expected .*noise"),
        ("c", {"corrupt": ["noise@strength=1"]}, r"evaluation.conditions.c.corrupt: 'noise@strength=1'.*strength"),
        ("c", {"dataset": "brats"}, r"evaluation.conditions.c.dataset: 'brats' is not under `datasets`"),
        ("c", {"dataset": "other", "trained_on": ["x"]}, r"evaluation.conditions.c.trained_on: 'x' is not under"),
    ],
)
def test_bad_conditions_are_refused_in_one_line(tmp_path, name, condition, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_config(content(tmp_path, {name: condition}), "toy")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": {"table2": {"experiment": "main", "condition": "fog"}}}, "tables.table2.condition: 'fog' is not"),
        ({"figures": {"figure2": {"experiment": "main", "condition": "noise"}}},
         r"figures.figure2.condition: 'figure2' shows what the probe '\w+' measures on cases of the ordinary test"),
        ({"tables": {"table2": {"experiment": "main", "condition": "few"}}}, "'few' tests no cell of the experiment"),
        ({"evaluation": {"side": "validation", "conditions": {"x": {"side": "test", "corrupt": ["blur"]}}}},
         "conditions.x.side: expected 'validation' in a study that never reads"),
        ({"evaluation": {"conditions": {"x": {"samples": -1}}}}, "evaluation.conditions.x.samples: .*0"),
    ],
)  # fmt: skip
def test_what_an_output_or_a_study_cannot_show_is_refused(tmp_path, changes, message):
    given = content(tmp_path, {**CONDITIONS, "few": {"corrupt": ["blur"], "trained_on": ["other"]}})
    if "evaluation" in changes:
        given |= {"tables": {}, "figures": {}}
        given["experiments"]["main"]["methods"] = ["ce"]
    with pytest.raises(ConfigError, match=message):
        parse_config({**given, **changes}, "toy")


def test_an_option_out_of_its_range_and_an_unknown_condition_are_one_line(study):
    conditions = {"c": {"corrupt": ["blur@sigma=0"]}}
    changed = study.evaluation.model_validate({"conditions": conditions})
    wrong = study.model_copy(update={"evaluation": changed})
    with pytest.raises(ConfigError, match=r"evaluation.conditions.c.corrupt: sigma must be above 0"):
        under_condition(resolve(wrong, CE, "c"), load_data(study, "phantom"))
    with pytest.raises(ConfigError, match=r"condition 'fog' is not in the study 'tiny'"):
        cells.evaluate_cell(study, CE, "fog")


def test_data_that_the_network_does_not_know_are_refused(tmp_path):
    given = content(tmp_path)
    given["datasets"]["other"]["options"]["channels"] = "per_structure"
    config = parse_config(given, "toy")
    for name in ("phantom", "other"):
        steps.prepare_step(config, name)
        steps.split_step(config, name)
    with pytest.raises(ConfigError, match=r"elsewhere.dataset: 'other': expected the channels .* 1, found 3"):
        under_condition(resolve(config, CE, "elsewhere"), load_data(config, "phantom"))


def test_an_image_without_a_transform_is_itself():
    image = np.arange(8, dtype=np.float16).reshape(1, 2, 4)
    assert np.array_equal(corrupted(image, [], "a"), image.astype(np.float32))
