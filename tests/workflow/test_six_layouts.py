"""The paper's six data sets as they ship, tiny and synthetic, from raw files to tables in real Snakemake runs."""

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
import SimpleITK
import yaml

from spectralcal.study.config import load_config
from spectralcal.study.grid import study_cells, trained_cells

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "profiles", "config", "config.yaml", "environment.yml", "notebooks")
SETS = ("brats2020", "iseg2017", "flare2021", "acdc", "atlas2023", "promise12")
PATIENTS = 4

pytestmark = pytest.mark.slow


def volume(seed, shape, values, offset=0, channels=1):
    """A body of nested ellipsoids with these stored label values: `channels` int16 images and the label."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    radius = np.sqrt(sum((axis * random.uniform(0.9, 1.1)) ** 2 for axis in axes))
    label = np.zeros(shape, np.uint8)
    for limit, value in zip(np.linspace(0.85, 0.35, len(values)), values, strict=True):
        label[radius < limit] = value
    body = radius < 0.95
    images = []
    for channel in range(channels):
        tissue = 200 + 40 * (channel + 1) * np.searchsorted(sorted(values), label, "right")
        noisy = tissue + random.normal(0, 15, shape)
        images.append((np.where(body, noisy, 0) + offset).astype(np.int16))
    return images, label


def nifti(path, array, spacing, image=nibabel.Nifti1Image):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.eye(4) if image is nibabel.AnalyzeImage else np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    nibabel.save(image(array, affine), path)


def brats2020(root):
    for number in (1, 2, 3, 355):
        name = f"BraTS20_Training_{number:03d}"
        folder = root / "BraTS2020/MICCAI_BraTS2020_TrainingData" / name
        images, label = volume(number, (20, 20, 18), (2, 1, 4), channels=4)
        for channel, image in zip(("flair", "t1", "t1ce", "t2"), images, strict=True):
            nifti(folder / f"{name}_{channel}.nii.gz", image, (1, 1, 1))
        mask = "W39_1998.09.19_Segm.nii" if number == 355 else f"{name}_seg.nii.gz"
        nifti(folder / mask, label, (1, 1, 1))


def iseg2017(root):
    folder = root / "iSeg2017/iSeg-2017-Training"
    for number in (1, 2, 3, 10):
        images, label = volume(100 + number, (16, 18, 20), (10, 150, 250), channels=2)
        for part, array in (("T1", images[0]), ("T2", images[1]), ("label", label)):
            nifti(folder / f"subject-{number}-{part}.hdr", array[..., None], (1, 1, 1), nibabel.AnalyzeImage)
    nifti(root / "iSeg2017/iSeg-2017-Testing/subject-11-T1.hdr", images[0], (1, 1, 1), nibabel.AnalyzeImage)


def flare2021(root):
    for number in range(PATIENTS):
        (image,), label = volume(200 + number, (20, 20, 8), (1, 2, 3, 4), offset=-300)
        nifti(root / f"FLARE2021/TrainingImg/train_{number:03d}_0000.nii.gz", image, (0.8, 0.8, 2.0))
        nifti(root / f"FLARE2021/TrainingMask/train_{number:03d}.nii.gz", label, (0.8, 0.8, 2.0))
    nifti(root / "FLARE2021/ValidationImg/validation_001_0000.nii.gz", image, (0.8, 0.8, 2.0))


def acdc(root):
    for number in range(1, PATIENTS + 1):
        name = f"patient{number:03d}"
        folder = root / "ACDC/database/training" / name
        for frame in ("01", "12"):
            (image,), label = volume(300 + 20 * number + int(frame), (18, 20, 6), (1, 2, 3))
            nifti(folder / f"{name}_frame{frame}.nii.gz", image, (1.5, 1.5, 5.0))
            nifti(folder / f"{name}_frame{frame}_gt.nii.gz", label, (1.5, 1.5, 5.0))
        nifti(folder / f"{name}_4d.nii.gz", np.stack([image] * 3, -1), (1.5, 1.5, 5.0))
        (folder / "Info.cfg").write_text(f"ED: 1\nES: 12\nGroup: {'DCM' if number % 2 else 'NOR'}\nNbFrame: 30\n")


def atlas2023(root):
    folder = root / "ATLAS2023/atlas-train-dataset-1.0.1/train"
    for number in (0, 2, 10, 59):
        (image,), label = volume(400 + number, (18, 16, 10), (1, 2))
        nifti(folder / f"imagesTr/im{number}.nii.gz", image, (1.0, 1.0, 2.0))
        nifti(folder / f"labelsTr/lb{number}.nii.gz", label, (1.0, 1.0, 2.0))


def promise12(root):
    folder = root / "PROMISE12/training_data"
    folder.mkdir(parents=True)
    for number in (0, 1, 13, 26):
        (image,), label = volume(500 + number, (18, 18, 7), (1,))
        for suffix, array in (("", image), ("_segmentation", label.astype(np.int8))):
            stored = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0))
            stored.SetSpacing((0.6, 0.6, 2.4))
            SimpleITK.WriteImage(stored, str(folder / f"Case{number:02d}{suffix}.mhd"))


WRITERS = (brats2020, iseg2017, flare2021, acdc, atlas2023, promise12)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project beside a data root with all six layouts."""
    folder = tmp_path_factory.mktemp("six")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / part)
    for write in WRITERS:
        write(folder / "raw")
    return folder


def snakemake(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SPECTRALCAL_DATA")}
    found = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


def test_the_full_study_of_the_paper_is_planned(project):
    content = yaml.safe_load((project / "config.yaml").read_text())
    (project / "planned.yaml").write_text(yaml.safe_dump({**content, "data_root": "raw"}))
    jobs = re.findall(r"^Job \d+: (.*)$", snakemake(project, "--configfile", "planned.yaml", "-n"), re.M)
    study = load_config(project / "planned.yaml")
    cells = study_cells(study)
    assert set(study.datasets) == set(SETS)
    assert {f"preparing {name}" for name in SETS} <= set(jobs)
    for word, count in (("training", len(trained_cells(study, cells))), ("scoring", len(cells))):
        # a job that waits for another's output is printed again when its reason changes: names count once
        named = {job for job in jobs if re.match(rf"{word} \S+ on \w+ \(\w+, seed \d\)", job)}
        assert len(named) == count
    assert len(cells) > 100


def test_all_six_sets_go_through_to_tables(project):
    grid = {"architectures": ["unet"], "seeds": [0]}
    content = {
        "study": "six",
        "data_root": "raw",
        "datasets": {name: {} for name in SETS},
        "architectures": {"unet": {"options": {"channels": [4, 8, 8]}}},
        "training": {"steps": 3, "epoch_steps": 3, "patch": [16, 16, 16], "log_interval": 1},
        "experiments": {
            "main": {**grid, "datasets": list(SETS), "methods": ["ce"]},
            "pairs": {**grid, "datasets": ["brats2020", "acdc"], "methods": ["ce", "spectral"]},
        },
        "tables": {
            "table1": {"experiment": "main"},
            "table2": {"experiment": "main"},
            "table2_pairs": {"experiment": "pairs", "source": "table2"},
        },
    }
    (project / "six.yaml").write_text(yaml.safe_dump(content))
    assert "The study 'six' is complete." in snakemake(project, "--configfile", "six.yaml")

    scores = pd.read_parquet(project / "results/six/cases.parquet")
    trained = set(map(tuple, scores[["dataset", "method"]].drop_duplicates().to_numpy()))
    assert trained == {(name, "ce") for name in SETS} | {("brats2020", "spectral"), ("acdc", "spectral")}
    disjoint = scores[(scores.metric == "DSC") & (scores.protocol != "nested")]
    classes = disjoint.groupby("dataset")["class"].nunique()
    assert classes.to_dict() == {
        "brats2020": 3, "iseg2017": 3, "flare2021": 4, "acdc": 3, "atlas2023": 2, "promise12": 1,
    }  # fmt: skip
    tested = scores[(scores.case != "pooled") & (scores.method == "ce")].groupby("dataset")["case"].nunique()
    assert tested.to_dict() == {name: 2 if name == "acdc" else 1 for name in SETS}  # both frames of one patient
    assert set(pd.read_csv(project / "results/six/cells.csv").status) == {"complete"}
    assert all((project / f"results/six/tables/{name}.csv").stat().st_size for name in content["tables"])
    text = (project / "results/six/tables/table1.md").read_text()
    for title in ("BraTS 2020", "iSeg-2017", "FLARE 2021", "ACDC", "ATLAS 2023", "PROMISE12"):
        assert title in text
