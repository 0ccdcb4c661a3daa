"""Results that travel, and names that bite: a study of files called after shell commands, in folders called likewise,
run by real Snakemake, exported, and taken up by another machine that has neither data nor weights."""

import json
import os
import re
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

from spectralcal.base.digests import file_digest
from spectralcal.base.integrity import seal_holds
from spectralcal.records.light.files import read_text
from spectralcal.study.recipe import cell_fingerprint

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "profiles", "config", "environment.yml", "notebooks")
EVIL = "a b; touch hacked; 'q' \"d\" $(touch hacked) `touch hacked` & é 患"
NAME = "own"


def write_raw(root, count=6):
    """An nnU-Net raw folder whose cases have the strangest names."""
    random = np.random.default_rng(1)
    label = np.zeros((16, 16, 16), np.uint8)
    label[4:12, 5:11, 4:10] = 1
    for index in range(count):
        image = (100 + 20 * label + random.normal(0, 10, label.shape)).astype(np.float32)
        for name, array in ((f"imagesTr/{EVIL} {index}_0000", image), (f"labelsTr/{EVIL} {index}", label)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), root / f"{name}.nii.gz")
    described = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "organ": 1}}
    (root / "dataset.json").write_text(json.dumps({**described, "numTraining": count, "file_ending": ".nii.gz"}))


class Place:
    """A machine: a copy of the project in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for part in PARTS:
            source, ignored = ROOT / part, shutil.ignore_patterns("*.egg-info")
            shutil.copytree(source, folder / part, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
        self.write()

    def write(self, seeds=(0,), **changes):
        entry = {"kind": "nnunet_raw", "path": f"raw {EVIL}"}
        grid = {**minimal()["experiments"]["main"], "methods": ["ce", "ce+temperature", "spectral@window=2"]}
        grid |= {"datasets": [NAME], "seeds": list(seeds)}
        content = tiny(
            ".",
            datasets={NAME: entry},
            results_root=f"results {EVIL}",
            figures_root=f"figures {EVIL}",
            experiments={"main": grid},
            description=EVIL,
            tables={"table1": {"experiment": "main"}},
            figures={"figure2": {"experiment": "main"}},
            **changes,
        )
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))

    def call(self, *command):
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPECTRALCAL_DATA")}
        found = subprocess.run(
            [sys.executable, "-m", *command], cwd=self.folder, env={**environment, "PYTHONPATH": "src"},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert not (self.folder / "hacked").exists()
        return found.returncode, found.stdout + found.stderr

    def snakemake(self, *arguments):
        return self.call("snakemake", "--configfile", "tiny.yaml", "--cores", "2", *arguments)

    def spectralcal(self, *arguments):
        code, text = self.call("spectralcal", *arguments)
        assert code == 0, text
        return text

    @property
    def results(self):
        return self.folder / f"results {EVIL}" / "tiny"

    def planned(self):
        code, text = self.snakemake("-n")
        assert code == 0, text
        return set(re.findall(r"^Job \d+: (.*)$", text, re.M))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("home") / "project of mine; touch hacked; 'é'")
    write_raw(place.folder / f"raw {EVIL}")
    code, text = place.snakemake()
    assert code == 0, text
    return place


@pytest.fixture(scope="module")
def archive(home):
    home.spectralcal("export", "--out", "x y.zip", "tiny.yaml")
    return home.folder / "x y.zip"


@pytest.fixture
def away(tmp_path):
    return Place(tmp_path / "away")


@pytest.fixture(scope="module")
def tree(home):
    home.spectralcal("export", "--folder", "public; touch hacked/tiny", "tiny.yaml")
    return home.folder / "public; touch hacked/tiny"


@pytest.fixture
def clone(away, tree):
    """A clone of a repository that holds the results as plain files, whose dates mean nothing."""
    shutil.copytree(tree, away.results)
    files = [file for file in away.results.rglob("*") if file.is_file()]
    for file, when in zip(files, np.random.default_rng(0).permutation(len(files)), strict=True):
        os.utime(file, (1_700_000_000 + when, 1_700_000_000 + when))
    return away


def names_in(folder):
    return {file.name for file in folder.iterdir() if file.is_file()}


def content_of(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_names_that_are_commands_are_names(home):
    split = json.loads((home.results / f"splits/{NAME}.json").read_text())
    scores = pd.read_csv(home.results / f"cells/dataset={NAME}/arch=unet/method=ce/seed=0/cases.csv")
    assert set(scores.case) == {*split["test"], "pooled"}
    assert all(case.startswith(EVIL) for case in split["test"])
    assert list(home.folder.parent.rglob("hacked")) == []
    code, text = home.snakemake()
    assert code == 0
    assert "Nothing to be done" in text


def test_a_finished_study_is_as_it_was_recorded(home):
    assert "3 cells checked: nothing altered" in home.spectralcal("verify", "--config", "tiny.yaml", "--data")
    crate = json.loads((home.results / "provenance.json").read_text())
    made = next(e for e in crate["@graph"] if e["@id"] == "#make/tables/table1")
    assert len(made["object"]) == 3


def test_a_cell_says_what_it_was_made_of_and_what_it_cost(home):
    cell = home.results / f"cells/dataset={NAME}/arch=unet/method=ce/seed=0"
    manifest = home.folder / f"prepared/tiny/{NAME}/manifest.csv"
    split = json.loads((home.results / f"splits/{NAME}.json").read_text())
    run, scores = (json.loads((cell / name).read_text()) for name in ("run.json", "evaluation.json"))
    for record in (run, scores):
        assert record["fingerprint"] == cell_fingerprint(*record["parts"].values())
        assert record["parts"]["manifest"] == file_digest(manifest)
        assert record["parts"]["split"] == split["hash"]
        assert re.fullmatch("[0-9a-f]{16}", record["parts"]["recipe"])
        assert record["device"].startswith("cpu")
        assert record["precision"] in ("fp32", "bf16")
        assert record["seconds"] > 0
        assert record["peak_memory_mb"] > 50
        made = record["environment"]
        assert {"commit", "dirty", "python", "platform", "spectralcal"} <= set(made)
        assert {"torch", "monai", "numpy", "scipy"} <= set(made["packages"])
        assert all(file_digest(cell / name) == found for name, found in record["files"].items())
        assert seal_holds(record)
    assert set(run["files"]) == {"weights.safetensors", "model.json", "history.csv"}
    assert set(scores["files"]) == {"cases.csv", "calibration.npz", "spectra.npz"}
    assert scores["weights"] == run["files"]["weights.safetensors"]
    assert run["resumes"] == 0
    assert run["seeds"]["cell"] == 0
    assert run["seeds"]["streams"] == [NAME, 0]
    assert {"weights", "split"} <= set(run["seeds"])
    assert run["settings"]["loss"] == "ce"


def test_explain_finds_what_it_is_given(home):
    text = home.spectralcal("explain", f"results {EVIL}/tiny/tables/table1.csv")
    assert "3 of 3 complete" in text
    text = home.spectralcal("explain", f"figures {EVIL}/tiny/figure2.png", "--config", "tiny.yaml")
    assert "figure 'figure2'" in text


def test_another_machine_neither_trains_nor_asks_for_data(home, archive, away):
    assert "3 cells taken" in away.spectralcal("import", str(archive), "--config", "tiny.yaml")
    assert not list(away.folder.rglob("*.safetensors"))
    jobs = away.planned()
    assert not [
        job for job in jobs if "training" in job or "scoring" in job or "preparing" in job or "splitting" in job
    ]
    code, text = away.snakemake()
    assert code == 0, text
    tables = [pd.read_csv(place.results / "tables/table1.csv") for place in (home, away)]
    pd.testing.assert_frame_equal(*tables)


def test_another_machine_fills_the_rest_of_the_grid_only(archive, away):
    away.spectralcal("import", str(archive), "--config", "tiny.yaml")
    write_raw(away.folder / f"raw {EVIL}")
    away.write(seeds=(0, 1))
    assert "missing: 3 of 6 cells" in away.spectralcal("report", "--config", "tiny.yaml")  # must not pass for the whole
    trained = {job for job in away.planned() if "training" in job or "scoring" in job}
    assert trained == {
        f"{work} on {NAME} (unet, seed 1)"
        for work in ("training ce", "training spectral@window=2", "scoring ce", "scoring ce+temperature",
                     "scoring spectral@window=2")
    }  # fmt: skip


def test_changed_settings_train_shared_cells_again(archive, away):
    away.spectralcal("import", str(archive), "--config", "tiny.yaml")
    write_raw(away.folder / f"raw {EVIL}")
    away.write(methods={"spectral": {"weight": 0.5}})
    jobs = away.planned()
    assert f"training spectral@window=2 on {NAME} (unet, seed 0)" in jobs
    assert f"training ce on {NAME} (unet, seed 0)" not in jobs


def test_report_needs_one_command(archive, away):
    away.spectralcal("import", str(archive), "--config", "tiny.yaml")
    text = away.spectralcal("report", "--config", "tiny.yaml")
    assert "missing: 1 of 1 files of maps for the figure figure2" in text
    assert "3 made, 0 failed" in text


def test_an_altered_score_stops_a_report(archive, away):
    away.spectralcal("import", str(archive), "--config", "tiny.yaml")
    path = away.results / f"cells/dataset={NAME}/arch=unet/method=ce/seed=0/cases.csv"
    scores = read_text(path).decode()
    path.write_text(scores.replace("0.", "0.9", 1))  # a file that lies there comes before the light one
    code, text = away.call("spectralcal", "verify", "--config", "tiny.yaml")
    assert code == 1
    assert "cases.csv: altered since evaluation.json was written" in text
    code, text = away.call("spectralcal", "collect", "--config", "tiny.yaml")
    assert code == 1
    expected = r"cases\.csv: expected the bytes that evaluation\.json lists .* found others; put the file back"
    assert re.search(expected, text)
    path.unlink()
    light = path.with_name("light.zip")
    light.write_bytes(light.read_bytes()[:-100])
    for command in (("spectralcal", "verify", "--config", "tiny.yaml"),
                    ("spectralcal", "collect", "--config", "tiny.yaml"),
                    ("snakemake", "--configfile", "tiny.yaml", "-n")):  # fmt: skip
        code, text = away.call(*command)
        assert code == 1
        assert "light.zip: damaged (" in text
        assert "Traceback" not in text


def test_a_clone_without_data_makes_the_same_report(tree, clone):
    assert not [job for job in clone.planned() if re.match("(training|scoring|preparing|splitting)", job)]
    published = content_of(tree)
    for file in clone.results.glob("tables/*"):
        file.unlink()
    assert "3 made, 0 failed" in clone.spectralcal("report", "--config", "tiny.yaml")
    found = content_of(clone.results)
    changed = {str(name) for name, content in published.items() if found.get(name) != content}
    assert changed <= {"config.json"}  # its folders are this test's, not the default ones
    assert not [job for job in clone.planned() if re.match("(training|scoring|preparing|splitting)", job)]


def test_a_clone_with_data_reruns_any_cell_alone(tree, clone):
    write_raw(clone.folder / f"raw {EVIL}")
    assert not [job for job in clone.planned() if re.match("(training|scoring|preparing|splitting)", job)]
    cell = Path(f"cells/dataset={NAME}/arch=unet/method=spectral@window=2/seed=0")
    assert names_in(clone.results / cell) == {"light.zip", "run.json", "evaluation.json"}
    code, text = clone.snakemake(str((clone.results / cell / "cases.csv").relative_to(clone.folder)))
    assert code == 0, text
    made = {job for job in re.findall(r"^Job \d+: (.*)$", text, re.M) if re.match("(training|scoring)", job)}
    assert made == {f"{work} spectral@window=2 on {NAME} (unet, seed 0)" for work in ("training", "scoring")}
    published, found = content_of(tree), content_of(clone.results)
    own = {name for name in published if cell in name.parents}
    # The same numbers, byte for byte, also those of which the light form keeps less; records say when and where they
    # were made.
    assert {name.name for name in own if found[name] != published[name]} <= {"run.json", "evaluation.json"}
    before, after = (json.loads(content[cell / "evaluation.json"])["files"] for content in (published, found))
    assert before == after
    assert set(before) == {"cases.csv", "calibration.npz", "spectra.npz"} <= names_in(clone.results / cell)
    assert {str(name) for name in published.keys() - own if found.get(name) != published[name]} <= {"config.json"}
    text = clone.spectralcal("verify", "--config", "tiny.yaml")
    assert "3 cells checked: nothing altered" in text
    assert not [job for job in clone.planned() if re.match("(training|scoring|preparing|splitting)", job)]
    shutil.rmtree(clone.results / cell)
    jobs = {job for job in clone.planned() if re.match("(training|scoring)", job)}
    assert jobs == {f"{work} spectral@window=2 on {NAME} (unet, seed 0)" for work in ("training", "scoring")}
