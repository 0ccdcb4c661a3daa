"""Somebody who installed the package with pip, has no clone, and trains a loss of a package of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
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
SCORER = """
import numpy as np
from spectralcal.scoring import Scored, Scorer, row


class Extent:
    '''Largest confidence, summed over the cases.'''

    def __init__(self, total):
        self.total = total

    def merge(self, other):
        self.total += other.total


class Foreground(Scorer):
    needs = frozenset({"probabilities", "patch_logits"})

    def case(self, prediction, case):
        share = float((prediction.label > 0).mean())
        logits = prediction.patch_logits[0].amax(0)
        arrays = {"top": np.array(float(logits.max()))}  # why
        return Scored([row("all", "share", "foreground", share)], arrays, {"share": Extent(share)})

    def pool(self, parts, arrays):
        return Scored([row("all", "share", "foreground", parts["share"].total)], arrays)
"""
SCORERS = ["segmentation", "calibration", "own_package.scorers:Foreground"]
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
        for name, text in (("__init__", ""), ("losses", LOSS), ("tables", TABLE), ("scorers", SCORER)):
            (package / f"{name}.py").write_text(text, encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own_package\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
        self.losses, self.scorers = package / "losses.py", package / "scorers.py"
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
    assert found.stdout.strip() == str(["Sharpened", "Sharpened, scale 3", "CrossEntropyLoss, label smoothing 0.1"])


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


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A study that names a scorer of somebody's own and leaves three of the default ones out."""
    study = Installed(tmp_path_factory.mktemp("scorer"), methods=["ce"], evaluation={"scorers": SCORERS})
    study.done("prepare", "--dataset", "phantom")
    study.done("split", "--dataset", "phantom")
    study.done("train", *options("ce"), "--then-evaluate")
    assert "scored in the training process" in study.done("evaluate", *options("ce")).stderr
    return study


def test_a_scorer_of_ones_own_gives_rows_arrays_and_a_pool(scored):
    cell = scored.cell("ce")
    rows = pd.read_csv(cell / "cases.csv")
    assert set(rows.metric) & {"DSC", "ECE", "share"} == {"DSC", "ECE", "share"}
    assert not set(rows.protocol) & {"truth", "nested"}
    share = rows[rows.metric == "share"]
    by_case, pooled = share[share.case != "pooled"], share[share.case == "pooled"]
    assert list(rows.metric[rows.case == rows.case[0]])[-1] == "share"  # after the default ones
    assert pooled.value.item() == pytest.approx(by_case.value.sum())
    with np.load(cell / "scorers.npz") as arrays:
        assert set(arrays.files) == {"cases", "own_package.scorers:Foreground/top"}
        assert list(arrays["cases"]) == list(by_case.case)
        assert arrays["own_package.scorers:Foreground/top"].shape == (len(by_case),)
    record = json.loads((cell / "evaluation.json").read_text(encoding="utf-8"))
    assert record["identity"]["scorers"]["without"] == ["nested", "truth", "distance", "spectra"]
    assert set(record["identity"]["scorers"]["further"]["own_package.scorers:Foreground"]) == {"source"}
    assert "scorers.npz" in record["files"]
    assert (
        "share"
        in str(scored.done("collect").stderr)
        + pd.read_parquet(scored.folder / "results/tiny/cases.parquet").to_string()
    )


def test_an_archive_has_the_arrays_of_a_scorer_of_ones_own(scored):
    scored.done("export", "study.yaml", "--out", "shared.zip")
    scored.done("import", "shared.zip", "--results", "elsewhere")
    code = (
        "from pathlib import Path; from spectralcal.records.light.files import read_arrays; "
        "print(list(read_arrays(next(Path('elsewhere').rglob('light.zip')).with_name('scorers.npz'))))"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=scored.folder, capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True)  # fmt: skip
    assert shown.stdout.strip() == "['cases', 'own_package.scorers:Foreground/top']"


def test_a_changed_scorer_scores_again_and_trains_nothing(scored):
    code = (
        "from pathlib import Path; from spectralcal.study.config import load_config; "
        "from spectralcal.study.grid import study_cells; from spectralcal.study import recipe; "
        "from spectralcal.study.resolved import resolve; "
        "config = load_config(Path('study.yaml')); cell = study_cells(config)[0]; one = resolve(config, cell); "
        "print(recipe.training_recipe(one), recipe.evaluation_recipe(one), "
        "recipe.probe_recipe(config, 'maps', cell.dataset, cell.architecture, 0))"
    )
    path = os.pathsep.join([str(ROOT / "src"), str(scored.site)])

    def recipes():
        shown = subprocess.run([sys.executable, "-c", code], cwd=scored.folder, capture_output=True, text=True,
                               env={**os.environ, "PYTHONPATH": path}, check=True)  # fmt: skip
        return shown.stdout.split()

    text = scored.scorers.read_text(encoding="utf-8")
    before = recipes()
    try:
        scored.scorers.write_text(text.replace("# why", "# another reason"), encoding="utf-8")
        assert recipes() == before
        scored.scorers.write_text(text.replace("> 0", "> 1"), encoding="utf-8")
        assert [a == b for a, b in zip(recipes(), before, strict=True)] == [True, False, True]
    finally:
        scored.scorers.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("import numpy", "import not_installed_at_all\nimport numpy", r"cannot import Foreground from own_package"),
        ('"patch_logits"}', '"raters"}', r"needs raters, which this version gives to no scorer"),
        ('"patch_logits"}', '"logits"}', r"needs 'logits'; expected .*'patch_logits'"),
        ("Scorer):", "object):", r"subclass of spectralcal\.scoring\.Scorer, found Foreground"),
        ("return Scored([row", "return ([row", r"expected Scored, returned tuple"),
        ('"foreground", share)]', '"paper", share), row("a", "DSC", "paper", 1)] * 2', r"give two scores of one name"),
        ("float(logits.max())", "float(logits.nothing)", r"failed \(AttributeError: .*'nothing'\); --debug"),
    ],
)  # fmt: skip
def test_a_scorer_that_is_not_right_is_one_line(scored, old, new, message):
    text = scored.scorers.read_text(encoding="utf-8")
    assert old in text
    try:
        scored.scorers.write_text(text.replace(old, new), encoding="utf-8")
        failed = scored.run("evaluate", *options("ce"))
    finally:
        scored.scorers.write_text(text, encoding="utf-8")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert re.search(f"^error: .*{message}", failed.stderr, re.M), failed.stderr


def test_a_scorer_that_nobody_has_is_one_line(tmp_path):
    failed = Installed(tmp_path, methods=["ce"], evaluation={"scorers": ["segmentaton"]}).run(
        "config", "check", "study.yaml"
    )
    assert failed.returncode == 1
    assert re.match(
        r"error: .*evaluation\.scorers: unknown scorer 'segmentaton'; expected .*'segmentation'", failed.stderr
    )
