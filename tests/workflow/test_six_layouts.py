"""The paper's six data sets as they ship, tiny and synthetic, from raw files to tables in real Snakemake runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from raw_layouts import WRITERS

from spectralcal.study.config import load_config
from spectralcal.study.grid import study_cells, trained_cells

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "profiles", "config", "config.yaml", "environment.yml", "notebooks")
SETS = ("brats2020", "iseg2017", "flare2021", "acdc", "atlas2023", "promise12")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project beside a data root with all six layouts."""
    folder = tmp_path_factory.mktemp("six")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(source, folder / part)
    for name in SETS:
        WRITERS[name](folder / "raw")
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
        "paper": "spectral_entropy",
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
