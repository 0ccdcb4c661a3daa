"""Somebody who installed the package with pip, has no clone, and trains a loss of a package of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from studies import tiny

ROOT = Path(__file__).parents[2]
LOSS = """
from torch import nn
import torch.nn.functional as F


class Sharpened(nn.Module):
    '''Cross-entropy of logits that are scaled; no class of spectralcal is needed.'''

    LABEL = "Sharpened"

    def __init__(self, scale: float = 2.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, logits, target):
        return F.cross_entropy(self.scale * logits, target)  # why
"""
TABLE = """
import pandas as pd
from spectralcal.report.tables.render import Table


def seeds(results, experiment, places: int = 2):
    scores = results.scores(experiment)
    frame = scores[scores.metric == "DSC"].groupby("method", as_index=False).value.mean().round(places)
    return Table(frame, frame.to_string(), "")
"""
ENTRY_POINTS = """
[spectralcal.losses]
sharpened = own_package.losses:Sharpened
"""
METHODS = ["sharpened", "own_package.losses:Sharpened@scale=3.0", "torch.nn:CrossEntropyLoss@label_smoothing=0.1"]

pytestmark = pytest.mark.slow


class Installed:
    """An environment with the package and one of somebody's own, and a folder with a configuration."""

    def __init__(self, root, methods=METHODS, **changes):
        self.site, self.folder = root / "site", root / "work"
        package, info = self.site / "own_package", self.site / "own_package-1.0.dist-info"
        for folder in (package, info, self.folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("__init__", ""), ("losses", LOSS), ("tables", TABLE)):
            (package / f"{name}.py").write_text(text, encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own_package\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
        self.losses = package / "losses.py"
        content = tiny(".", **{"compute": {"device": "cpu"}, **changes})
        content["experiments"]["main"]["methods"] = methods
        content["tables"] = {"seeds": {"source": "own_package.tables:seeds", "experiment": "main"}}
        content["training"]["precision"] = "fp32"
        (self.folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self, *arguments):
        path = os.pathsep.join([str(ROOT / "src"), str(self.site)])
        environment = {**os.environ, "PYTHONPATH": path, "SPECTRALCAL_CONFIG": "study.yaml", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "spectralcal", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def done(self, *arguments):
        found = self.run(*arguments)
        assert found.returncode == 0, found.stderr[-2000:]
        return found

    def cell(self, method):
        return self.folder / "results/tiny/cells/dataset=phantom/arch=unet" / f"method={method}/seed=0"


def options(method):
    return ["--dataset", "phantom", "--arch", "unet", "--method", method, "--seed", "0"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    study = Installed(tmp_path_factory.mktemp("pip"))
    study.done("prepare", "--dataset", "phantom")
    study.done("split", "--dataset", "phantom")
    for method in METHODS:
        study.done("train", *options(method), "--then-evaluate")
        study.done("evaluate", *options(method))
    study.done("collect")
    return study


def test_losses_of_ones_own_and_of_others_are_trained_and_scored(installed):
    for method in METHODS:
        run = json.loads((installed.cell(method) / "run.json").read_text(encoding="utf-8"))
        assert set(run["identity"]["loss"]) == {"name", "options", "source"}
        history = (installed.cell(method) / "history.csv").read_text(encoding="utf-8")
        assert "gradient_loss" in history.splitlines()[0]
    default, scaled = (
        (installed.cell(method) / "history.csv").read_text(encoding="utf-8").splitlines()[1] for method in METHODS[:2]
    )
    assert default != scaled


def test_a_table_of_ones_own_is_made_and_labels_come_from_the_class(installed):
    installed.done("table", "seeds")
    text = (installed.folder / "results/tiny/tables/seeds.csv").read_text(encoding="utf-8")
    assert all(method in text for method in METHODS)
    code = (
        "from pathlib import Path; from spectralcal.study.config import load_config; "
        "from spectralcal.report.results import Results; results = Results(load_config(Path('study.yaml'))); "
        "print([results.label(method) for method in results.methods('main')])"
    )
    path = os.pathsep.join([str(ROOT / "src"), str(installed.site)])
    found = subprocess.run([sys.executable, "-c", code], cwd=installed.folder, capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": path}, check=True)  # fmt: skip
    assert found.stdout.strip() == str(["Sharpened", "Sharpened (scale=3.0)", "CrossEntropyLoss (label_smoothing=0.1)"])


def test_a_changed_loss_is_trained_again_and_a_changed_comment_is_not(installed):
    text = installed.losses.read_text(encoding="utf-8")
    try:
        installed.losses.write_text(text.replace("# why", "# another reason"), encoding="utf-8")
        assert "weights are up to date" in installed.done("train", *options("sharpened")).stderr
        installed.losses.write_text(text.replace("self.scale * logits", "self.scale * logits + 0"), encoding="utf-8")
        again = installed.done("train", *options("sharpened"))
        assert "weights are up to date" not in again.stderr
    finally:
        installed.losses.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("own_package.losses:Sharpened@sale=3", r"sale: unknown key; did you mean 'scale'\?"),
        ("own_package.losses:Sharpened@scale=big", r"scale: input should be a valid number.*found 'big'"),
        ("own_package.gone:Sharpened", r"unknown|no module 'own_package\.gone' is installed"),
        ("absent_package.losses:L", r"cannot find 'absent_package\.losses'"),
        ("sharpend", r"unknown method 'sharpend'; expected .*'sharpened'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, method, message):
    found = Installed(tmp_path, methods=[method]).run("config", "check", "study.yaml")
    assert found.returncode == 1
    assert len(found.stderr.strip().splitlines()) == 1, found.stderr
    assert re.search(message, found.stderr), found.stderr


def test_what_cannot_be_imported_is_one_line(tmp_path):
    study = Installed(tmp_path, methods=["own_package.losses:Sharpened"])
    study.losses.write_text("import not_installed_at_all\n" + LOSS, encoding="utf-8")
    study.done("prepare", "--dataset", "phantom")
    study.done("split", "--dataset", "phantom")
    found = study.run("train", *options("own_package.losses:Sharpened"))
    assert found.returncode == 1
    assert (
        "error: method 'own_package.losses:Sharpened': cannot import Sharpened from own_package.losses" in found.stderr
    )
    assert "not_installed_at_all" in found.stderr
    assert "Traceback" not in found.stderr
