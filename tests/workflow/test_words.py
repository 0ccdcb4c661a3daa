"""A study whose folders, cases, patients, classes and own names are words that readers take for something else."""

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import matplotlib
import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from studies import minimal, tiny

from spectralcal.base.errors import ConfigError
from spectralcal.report.steps import claims_step, figure_step, table_step
from spectralcal.study.config import load_config, parse_config
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[2]
LONG = "sehr_" * 39 + "lang!"  # 200 characters
CASES = ("NA", "nan", "pooled", "1e5", "Fälle $x_1$ & 数%", "a  b;#'\"", LONG)
PATIENTS = ("null", "NaN", "pooled", "0007", "Müller, $HOME", "患者 \\alpha", LONG)
CLASSES = ("NA", "$x^{2}_", "Größe 数 & 50 % #~\\", LONG)
#: outputs that draw every case, class or patient of one experiment; the others ask for further experiments
TABLES = ("table1", "table2", "protocols", "unbinned", "efficiency", "cost")
FIGURES = ("figure2", "figure5", "figure6", "figure7", "reliability", "corp", "risk_coverage", "boundary_distance",
           "reliability_histograms", "training_curves", "critical_difference", "pareto")  # fmt: skip


def write_raw(folder):
    """One case a patient. Names of files are in the decomposed form in which macOS keeps them, the list's are not."""
    folder.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    entries = []
    for case, patient in zip(CASES, PATIENTS, strict=True):
        label = np.zeros((16, 16, 16), np.uint8)
        for value in range(1, len(CLASSES) + 1):
            label[4 * value - 4 : 4 * value - 1, 3:13, 4:12] = value
        image = (label * 20 + drawn.normal(0, 9, label.shape)).astype(np.float32)
        for kind, array in (("image", image), ("label", label)):
            (folder / kind).mkdir(exist_ok=True)
            place = folder / kind / unicodedata.normalize("NFD", f"{case}.nii.gz")
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), place)
        paths = {kind: f"{kind}/{case}.nii.gz" for kind in ("image", "label")}
        entries.append({**paths, "patient": patient, "stratum": "NA"})
    (folder / "list.json").write_text(json.dumps({"training": entries}, ensure_ascii=False), encoding="utf-8")


def content():
    """The study, seen from its folder."""
    own = {"kind": "datalist", "path": "raw Größe 数/it's $HOME/list.json",
           "options": {"classes": [unicodedata.normalize("NFD", name) for name in CLASSES]}}  # fmt: skip
    grid = {**minimal()["experiments"]["main"], "datasets": ["nan"], "description": "Größe 数 $x_1$ & <b>"}
    return tiny(
        ".", study="NA", description="$ & 数 _{", datasets={"nan": own}, experiments={"pooled": grid},
        tables={"table1": {"experiment": "pooled"}}, figures={"figure2": {"experiment": "pooled"}},
        compute={"device": "cpu"},
        training={**tiny(".")["training"], "precision": "fp32"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study after `snakemake`, in a folder whose own name is as odd; the package is where it is."""
    folder = tmp_path_factory.mktemp("words") / "mein Ordner 数"
    write_raw(folder / "raw Größe 数" / "it's $HOME")
    (folder / "study.yaml").write_text(yaml.safe_dump(content(), allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml",
               "--cores", "2", "--workflow-profile", "none"]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPECTRALCAL_DATA")}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "Traceback" not in run.stdout + run.stderr
    return folder


@pytest.fixture
def study(finished, monkeypatch):
    monkeypatch.chdir(finished)
    return load_config("results/NA/config.json")


@pytest.mark.slow
def test_names_are_the_same_from_raw_files_to_scores(study):
    split = json.loads(StudyPaths(study).split("nan").read_text(encoding="utf-8"))
    assert sorted(case for part in ("train", "val", "test") for case in split[part]) == sorted(CASES)
    manifest = pd.read_csv(StudyPaths(study).manifest("nan"), keep_default_na=False, dtype=str)
    assert dict(zip(manifest.id, manifest.patient, strict=True)) == dict(zip(CASES, PATIENTS, strict=True))
    scores = pd.read_parquet(StudyPaths(study).cases)
    tested = set(split["test"])
    assert tested <= set(scores.case) <= tested | {"pooled"}
    assert set(scores[scores.metric == "DSC"]["class"]) == set(CLASSES)
    assert not scores.drop(columns="value").isna().any().any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Glyph")  # which scripts can be drawn is the machine's fonts' affair
def test_every_table_figure_and_claim_is_made(study):
    outputs = {"tables": {name: {"experiment": "pooled"} for name in TABLES},
               "figures": {name: {"experiment": "pooled"} for name in FIGURES}}  # fmt: skip
    further = {**outputs, "claims": {"main": "pooled"}}
    study = parse_config({**study.model_dump(mode="json"), **further}, "words")
    paths = StudyPaths(study)
    with matplotlib.rc_context({"savefig.dpi": 30}):
        for name in TABLES:
            table_step(study, name)
        for name in FIGURES:
            figure_step(study, name)
    claims_step(study)
    for name in TABLES:
        page = paths.table(name).with_suffix(".md").read_text(encoding="utf-8")
        latex = paths.table(name).with_suffix(".tex").read_text(encoding="utf-8")
        assert "nan" in page, name  # the data set is called so
        assert LONG not in latex or latex.count("\\begin") == latex.count("\\end"), name
    data = pd.read_csv(paths.table("table1").with_suffix(".csv"), keep_default_na=False)
    assert set(data.dataset) == {"nan"}


@pytest.mark.parametrize("name", ["Größe", "a b", "数", "$x", "../x", "x/y", "", "-x", "a" * 300])
@pytest.mark.parametrize("key", ["study", "datasets"])
def test_names_of_folders_and_wildcards_are_plain_words_or_refused_in_a_line(key, name):
    changed = minimal()
    changed[key] = name if key == "study" else {name: next(iter(changed[key].values()))}
    with pytest.raises(ConfigError) as error:
        parse_config(changed, "words")
    parse_config({**minimal(), "study": "a" * 200}, "words")
    assert "\n" not in str(error.value)
    assert key.rstrip("s") in str(error.value) or name in str(error.value)


@pytest.mark.parametrize("text", ["NaN: .nan", "no", "null", "2026-01-01", "0x10", "[a]"])
def test_a_study_whose_name_yaml_reads_as_something_else_is_told_so(tmp_path, text):
    (tmp_path / "study.yaml").write_text(f"study: {text.partition(': ')[2] or text}\n")
    with pytest.raises(ConfigError, match="study"):
        load_config(tmp_path / "study.yaml")
