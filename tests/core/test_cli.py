"""The command line as a user meets it: real processes; a mistake is one line on standard error and a non-zero exit."""

import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from studies import tiny

ROOT = Path(__file__).parents[2]


def run(*arguments, cwd, **environment):
    found = subprocess.run(
        [sys.executable, "-m", "spectralcal", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return found.returncode, found.stdout, found.stderr


def hippocampus(folder, cases=6):
    """A tiny data set in the Decathlon's layout."""
    root = folder / "raw/Task04_Hippocampus"
    random = np.random.default_rng(0)
    for kind in ("imagesTr", "labelsTr"):
        (root / kind).mkdir(parents=True)
    for index in range(cases):
        label = np.zeros((12, 14, 10), np.uint8)
        label[3:7, 4:9, 2:6] = 1
        label[7:9, 4:9, 2:6] = 2
        image = (label * 50 + random.normal(100, 10, label.shape)).astype(np.float32)
        for kind, array in (("imagesTr", image), ("labelsTr", label)):
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), root / kind / f"hippocampus_{index:03d}.nii.gz")
    return root


@pytest.fixture
def study(tmp_path):
    content = tiny(".", datasets={"hippocampus": {}}, compute={"device": "cpu"})
    content["experiments"]["main"]["datasets"] = ["hippocampus"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def test_prepare_and_split_then_train_without_snakemake(study):
    hippocampus(study)
    for verb in (["prepare"], ["split"]):
        code, _, err = run(*verb, "--dataset", "hippocampus", cwd=study)
        assert code == 0, err
    cell = ("--dataset", "hippocampus", "--arch", "unet", "--method", "spectral@window=2", "--seed", "3")
    for verb in ("train", "evaluate"):
        code, _, err = run(verb, *cell, cwd=study)
        assert code == 0, err
    cases = study / "results/tiny/cells/dataset=hippocampus/arch=unet/method=spectral@window=2/seed=3/cases.csv"
    assert cases.is_file()


def truncate(path):
    path.write_bytes(path.read_bytes()[:300])


def reshape(path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((12, 14, 9), np.uint8), np.eye(4)), path)


def relabel(path):
    array = np.zeros((12, 14, 10), np.uint8)
    array[5, 5, 5] = 7
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


def shift(path):
    affine = np.eye(4)
    affine[0, 3] = 40
    nibabel.save(nibabel.Nifti1Image(np.ones((12, 14, 10), np.uint8), affine), path)


def poison(path):
    array = np.asanyarray(nibabel.load(path).dataobj).copy()
    array[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("imagesTr/hippocampus_002.nii.gz", Path.unlink, ["hippocampus_002", "missing"]),
        ("imagesTr/hippocampus_002.nii.gz", truncate, ["imagesTr/hippocampus_002.nii.gz"]),
        ("labelsTr/hippocampus_002.nii.gz", reshape, ["(12, 14, 9)", "(12, 14, 10)"]),
        ("labelsTr/hippocampus_002.nii.gz", shift, ["hippocampus_002"]),
        ("labelsTr/hippocampus_002.nii.gz", relabel, ["7", "labelsTr/hippocampus_002.nii.gz"]),
        ("imagesTr/hippocampus_002.nii.gz", poison, ["hippocampus_002", "finite"]),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(study, name, damage, words):
    root = hippocampus(study)
    damage(root / name)
    code, out, err = run("prepare", "--dataset", "hippocampus", cwd=study)
    complaint = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 1
    assert out == ""
    assert len(complaint) == 1
    assert "Traceback" not in err
    for word in words:
        assert word in complaint[0]
    assert not (study / "prepared/tiny/hippocampus/manifest.csv").exists()


def test_an_empty_folder(study):
    (study / "raw/Task04_Hippocampus").mkdir(parents=True)
    code, _, err = run("prepare", "--dataset", "hippocampus", cwd=study)
    assert code == 1
    assert err.splitlines()[-1].startswith("error: hippocampus: ")


def test_a_patch_larger_than_the_volumes_when_padding_is_off(study):
    hippocampus(study)
    content = yaml.safe_load((study / "config.yaml").read_text())
    content["training"]["pad_small"] = False
    (study / "config.yaml").write_text(yaml.safe_dump(content))
    run("prepare", "--dataset", "hippocampus", cwd=study)
    run("split", "--dataset", "hippocampus", cwd=study)
    code, _, err = run(
        "train", "--dataset", "hippocampus", "--arch", "unet", "--method", "ce", "--seed", "0", cwd=study
    )
    assert code == 1
    assert "training.patch: [16, 16, 16] is larger than the prepared volume of case 'hippocampus_000'" in err


def test_a_split_with_a_patient_on_two_sides(study):
    hippocampus(study)
    run("prepare", "--dataset", "hippocampus", cwd=study)
    run("split", "--dataset", "hippocampus", cwd=study)
    path = study / "results/tiny/splits/hippocampus.json"
    path.write_text(path.read_text().replace('"test": [', '"test": ["hippocampus_000", "hippocampus_001", ', 1))
    code, _, err = run(
        "train", "--dataset", "hippocampus", "--arch", "unet", "--method", "ce", "--seed", "0", cwd=study
    )
    assert code == 1
    assert "results/tiny/splits/hippocampus.json" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "--dataset", "liver"], "liver"),
        (
            ["train", "--dataset", "hippocampus", "--arch", "net", "--method", "ce", "--seed", "0"],
            "--arch: 'net' is not",
        ),
        (["table", "table7"], "tables: 'table7' is not in the study"),
        (["config", "check", "nowhere.yaml"], "nowhere.yaml: cannot read the configuration"),
        (["collect"], "cell is not scored"),
        (["evaluate", "--dataset", "hippocampus", "--arch", "unet", "--method", "ce", "--seed", "0"], "manifest.csv"),
    ],
)
def test_wrong_requests(study, arguments, message):
    code, _, err = run(*arguments, cwd=study)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_debug_shows_where_an_error_came_from(study):
    code, _, err = run("collect", "--debug", cwd=study)
    assert code == 1
    assert "Traceback" in err


def test_doctor_and_data_set_list(study):
    hippocampus(study)
    code, out, err = run("doctor", cwd=study)
    assert code == 0, err
    assert "raw/Task04_Hippocampus" in out
    assert "brats2020" in out
    code, out, _ = run("datasets", "check", "hippocampus", cwd=study)
    assert code == 0
    assert "6 cases (expected 260)" in out
    assert "2 (posterior) in 6 cases" in out


def test_start_up_is_light(study):
    code = "import sys, spectralcal.cli.main; print(sorted({'torch', 'monai', 'pandas', 'scipy'} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=study, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
