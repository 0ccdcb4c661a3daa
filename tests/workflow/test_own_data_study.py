"""A study of the user's own data through its configuration alone, from the raw folder to a table and a figure."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from studies import minimal, tiny

from spectralcal.base.errors import ConfigError, DataError
from spectralcal.doctor.diagnose import check_dataset, dataset_lines, fetch_dataset
from spectralcal.jobs import cells, steps
from spectralcal.report import steps as reporting
from spectralcal.report.results import Results
from spectralcal.study.config import parse_config
from spectralcal.study.grid import study_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import preparation_recipe, split_recipe

ROOT = Path(__file__).parents[2]
NAME = "mykidney"


def write_raw(root, count=7):
    """An nnU-Net raw folder: two channels, label values 1 and 5, two scans of the first patient."""
    random = np.random.default_rng(1)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in (18, 17, 16)], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    label = np.where(radius < 0.35, 5, np.where(radius < 0.7, 1, 0)).astype(np.uint8)
    for index in range(count):
        patient = max(index, 1)
        case, parts = f"p{patient}_{index}", {f"labelsTr/p{patient}_{index}": label}
        for channel in range(2):
            image = 100 + 40 * channel + 20 * label + random.normal(0, 10, label.shape)
            parts[f"imagesTr/{case}_{channel:04d}"] = image.astype(np.float32)
        for name, array in parts.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 1.5, 1.0])), root / f"{name}.nii.gz")
    described = {"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "kidney": 1, "cyst": 5}}
    (root / "dataset.json").write_text(json.dumps({**described, "numTraining": count, "file_ending": ".nii.gz"}))
    return root


def content(root, **dataset):
    entry = {"kind": "nnunet_raw", "path": f"{root}/Dataset001_Kidney", "options": {"patient": r"(p\d+)_"}, **dataset}
    grid = {**minimal()["experiments"]["main"], "datasets": [NAME]}
    return tiny(
        root, datasets={NAME: entry}, experiments={"main": grid}, tables={"table1": {"experiment": "main"}},
        figures={"figure2": {"experiment": "main"}},
    )  # fmt: skip


def study(root, **dataset):
    return parse_config(content(root, **dataset), "own")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Prepared, split, trained and scored; the raw folder is gone once the cases are prepared."""
    root = tmp_path_factory.mktemp("own")
    raw = write_raw(root / "Dataset001_Kidney")
    config = study(root)
    assert steps.missing_data(config, [NAME]) is None
    steps.prepare_step(config, NAME)
    steps.split_step(config, NAME)
    shutil.move(raw, root / "elsewhere")
    for cell in study_cells(config):
        cells.train_cell(config, cell, then_evaluate=True)
        cells.evaluate_cell(config, cell)
    steps.collect_step(config)
    return config


def test_prepared_and_split_by_patient(finished):
    paths = StudyPaths(finished)
    split = json.loads(paths.split(NAME).read_text())
    sides = [side for side in ("train", "val", "test") if {"p1_0", "p1_1"} & set(split[side])]
    assert len(sides) == 1
    assert {"p1_0", "p1_1"} <= set(split[sides[0]])
    assert steps.missing_data(finished, [NAME]) is None  # prepared data need no raw folder


def test_scores_carry_the_names_of_the_description(finished):
    scores = pd.read_parquet(StudyPaths(finished).cases)
    assert set(scores.dataset) == {NAME}
    assert set(scores[scores.metric == "DSC"]["class"]) == {"kidney", "cyst"}
    model = json.loads(StudyPaths(finished).cell(study_cells(finished)[0]).model.read_text())
    assert (model["classes"], model["in_channels"]) == (["background", "kidney", "cyst"], 2)


def test_tables_and_figures_say_its_name(finished):
    reporting.table_step(finished, "table1")
    text = StudyPaths(finished).table("table1").with_suffix(".md").read_text()
    assert NAME in text
    assert "Rows 'paper'" not in text
    results = Results(finished)
    assert (results.title(NAME), results.paper_dataset(NAME), results.classes(NAME)) == (NAME, None, ("kidney", "cyst"))
    reporting.figure_step(finished, "figure2")
    assert NAME in StudyPaths(finished).figure("figure2").with_suffix(".md").read_text()


def test_the_survey_and_the_listing_know_it(finished, tmp_path):
    write_raw(tmp_path / "Dataset001_Kidney", 2)
    report = check_dataset(study(tmp_path), NAME, workers=1)
    assert report.errors == ()
    assert f"{NAME}: 2 cases" in report.text
    assert any(NAME in line and "Dataset001_Kidney" in line for line in dataset_lines(study(tmp_path)))
    with pytest.raises(DataError, match=rf"^{NAME}: expected a folder .* cannot be downloaded"):
        fetch_dataset(study(tmp_path), NAME)


def test_a_missing_folder_is_one_line(tmp_path):
    config = study(tmp_path)
    message = steps.missing_data(config, [NAME])
    assert message == (
        f"datasets.{NAME}.path: expected a folder with dataset.json, imagesTr and labelsTr at "
        f"{tmp_path}/Dataset001_Kidney, found nothing; correct the path"
    )
    with pytest.raises(DataError, match=rf"^{NAME}: expected a folder with dataset\.json"):
        steps.prepare_step(config, NAME)


def test_a_registered_set_may_stand_under_two_names():
    datasets = {"phantom": {}, "noisy": {"kind": "phantom", "options": {"noise": 0.5, "cases": 3}}}
    config = parse_config(minimal(datasets=datasets), "two")
    built = steps.build_dataset(config, "noisy")
    assert (built.name, built.title, built.folder, built.expected_cases) == ("noisy", "noisy", "Phantom", 3)
    assert steps.build_dataset(config, "phantom").title == "Phantom"
    assert Results(config).classes("noisy") == ("organ", "lesion", "vessel")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kidney": {}}, r"datasets\.kidney: unknown data set 'kidney'; .* or `kind` and `path` for data of your own"),
        ({"kidney": {"kind": "nnunet"}}, r"datasets\.kidney\.kind: unknown data set 'nnunet'; expected 'acdc'"),
        ({"kidney": {"kind": "nnunet_raw"}}, r"datasets\.kidney\.path: expected the place of the 'nnunet_raw' data"),
        ({"datalist": {}}, r"datasets\.datalist\.path: expected the place of the 'datalist' data"),
        ({"acdc": {"path": "x"}}, r"datasets\.acdc\.path: .* 'acdc', which is looked for under data_root"),
        (
            {"kidney": {"kind": "decathlon", "path": "x", "options": {"path": "y"}}},
            r"datasets\.kidney\.path: .*found options\.path too",
        ),
        ({"../kidney": {"kind": "decathlon", "path": "x"}}, r"datasets\.\.\./kidney: expected a name of letters"),
        ({"a b": {"kind": "decathlon", "path": "x"}}, r"datasets\.a b: expected a name of letters"),
        ({"kidney": {"kind": "decathlon", "path": "x", "options": {"patent": "p"}}}, "did you mean 'patient'"),
        ({"kidney": {"kind": "decathlon", "path": "x", "split": {"fil": "p"}}}, "did you mean 'file'"),
    ],
)
def test_mistakes_in_a_configuration_are_named(entry, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(minimal(datasets=entry), "own")


def test_recipes_follow_the_place_of_the_data(tmp_path):
    config = study(tmp_path)
    moved = study(tmp_path, path=f"{tmp_path}/Dataset002_Kidney")
    assert preparation_recipe(config, NAME) != preparation_recipe(moved, NAME)
    assert preparation_recipe(config, NAME) == preparation_recipe(study(tmp_path), NAME)


def test_fewer_training_patients_leave_the_other_parts_alone(finished, tmp_path, capsys):
    split = finished.datasets[NAME].model_copy(update={"split": {"train_patients": 2}})
    config = finished.model_copy(update={"results_root": tmp_path, "datasets": {NAME: split}})
    steps.split_step(config, NAME)
    assert "left out" in capsys.readouterr().err
    few, all_of_them = cells.load_data(config, NAME), cells.load_data(finished, NAME)
    assert len({case.patient for case in few.train}) == 2
    assert {case.id for case in few.train} < {case.id for case in all_of_them.train}
    assert [c.id for c in few.validation + few.scored] == [c.id for c in all_of_them.validation + all_of_them.scored]
    assert few.split_hash != all_of_them.split_hash
    assert split_recipe(config, NAME) != split_recipe(finished, NAME)
    split = finished.datasets[NAME].model_copy(update={"split": {"train_patients": 9}})
    config = finished.model_copy(update={"results_root": tmp_path / "many", "datasets": {NAME: split}})
    with pytest.raises(DataError, match=r"expected at most the . patients of the training part, found 9"):
        steps.split_step(config, NAME)
    assert not StudyPaths(config).split(NAME).exists()


def folds(config):
    ids = [f"p{max(index, 1)}_{index}" for index in range(7)]
    return [{"train": ids[2:], "val": ids[:2]}, {"train": ids[:5], "val": ids[5:]}]


def test_a_fold_of_nnunet_is_the_split(finished, tmp_path):
    file = tmp_path / "splits_final.json"
    file.write_text(json.dumps(folds(finished)))
    config = finished.model_copy(
        update={
            "results_root": tmp_path,
            "datasets": {
                NAME: finished.datasets[NAME].model_copy(update={"split": {"file": str(file), "fold": 1}}),
            },
        }
    )
    steps.split_step(config, NAME)
    data = cells.load_data(config, NAME)
    assert [case.id for case in data.scored] == ["p5_5", "p6_6"]
    assert len(data.validation) == 1
    assert {case.id for case in [*data.train, *data.validation]} == {f"p{max(i, 1)}_{i}" for i in range(5)}
    origin = json.loads(StudyPaths(config).split(NAME).read_text())["origin"]
    assert (origin["file"], origin["fold"]) == (str(file), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fold: fold["val"].append("p9_9"), "'val' names p9_9, which is no case or patient of the manifest"),
        (lambda fold: fold["train"].append(fold["val"].pop(0)), "patient p1 is in"),
        (lambda fold: fold["train"].pop(), "in no part"),
    ],
)
def test_a_published_split_that_leaks_or_names_others_is_refused(finished, tmp_path, change, message):
    (fold, _), file = folds(finished), tmp_path / "splits_final.json"
    change(fold)
    file.write_text(json.dumps([fold]))
    config = finished.model_copy(
        update={"results_root": tmp_path, "split": finished.split.model_copy(update={"file": file})}
    )
    with pytest.raises(DataError, match=message):
        steps.split_step(config, NAME)
    assert not StudyPaths(config).split(NAME).exists()


def test_the_recipe_of_a_split_is_the_content_of_its_file(tmp_path):
    plain = split_recipe(study(tmp_path), NAME)
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for file in files:
        file.write_text("{}")
    first, second = (split_recipe(study(tmp_path, split={"file": str(file)}), NAME) for file in files)
    assert first == second != plain
    files[0].write_text('{"train": []}')
    assert split_recipe(study(tmp_path, split={"file": str(files[0])}), NAME) != first
    assert split_recipe(study(tmp_path, split={"file": str(files[1]), "fold": 1}), NAME) != second
    assert split_recipe(study(tmp_path, split={"seed": 1}), NAME) != plain


def test_a_split_file_for_several_data_sets(tmp_path):
    datasets = {"phantom": {}, "acdc": {}}
    with pytest.raises(ConfigError, match=r"one file for 2 data sets; put '\{dataset\}' in its name or set"):
        parse_config(minimal(datasets=datasets, split={"file": "split.json"}), "two")
    config = parse_config(minimal(datasets=datasets, split={"file": "splits/{dataset}.json"}), "two")
    assert config.split_of("acdc").file == Path("splits/acdc.json")
    datasets["acdc"] = {"split": {"file": None}}
    config = parse_config(minimal(datasets=datasets, split={"file": "split.json"}), "two")
    assert (config.split_of("phantom").file, config.split_of("acdc").file) == (Path("split.json"), None)
    message = steps.missing_data(config, ["phantom"])
    assert message == "split.file of phantom: expected a split at split.json, found nothing; correct the path"


@pytest.mark.slow
def test_snakemake_plans_it_and_says_in_one_line_what_is_wrong(tmp_path):
    for part in ("Snakefile", "workflow", "src", "profiles", "config.yaml", "environment.yml", "notebooks"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tmp_path / part, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(source, tmp_path / part)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(content(".")))

    def plan():
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPECTRALCAL_DATA")}
        command = [sys.executable, "-m", "snakemake", "--configfile", "own.yaml", "--cores", "1", "-n"]
        found = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return found.returncode, found.stdout + found.stderr

    code, text = plan()
    assert code != 0
    assert f"datasets.{NAME}.path: expected a folder with dataset.json" in text
    assert "Traceback" not in text
    raw = write_raw(tmp_path / "Dataset001_Kidney", 3)
    code, text = plan()
    assert code == 0, text
    assert f"preparing {NAME}" in text
    (raw / "dataset.json").write_text('{"labels": {"background": 0}}')
    code, text = plan()
    assert code != 0
    assert "expected channel_names" in text
    assert "Traceback" not in text
