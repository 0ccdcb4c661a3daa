"""A paper of one method, one table, one figure and one claim, in a folder of its own: from its files to its ledger."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from studies import tiny

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/support/toy_paper"

pytestmark = pytest.mark.slow


class Study:
    """A study of the toy paper, which lies outside the package, by the repository's Snakefile."""

    def __init__(self, folder):
        self.folder = folder
        self.paper = folder / "toy_paper"
        shutil.copytree(TOY, self.paper, ignore=shutil.ignore_patterns("__pycache__"))
        grid = {"datasets": ["phantom"], "architectures": ["unet"], "methods": ["own", "ce"], "seeds": [0]}
        content = tiny(
            ".", paper="toy_paper", experiments={"both": grid}, tables={"overlap": {"experiment": "both"}},
            figures={"means": {"experiment": "both"}}, claims={"duel": "both"},
        )  # fmt: skip
        (folder / "toy.yaml").write_text(yaml.safe_dump(content))

    def snakemake(self, *arguments):
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPECTRALCAL_DATA")}
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--configfile",
            "toy.yaml",
        ]
        done = subprocess.run(
            [*command, "--cores", "1", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self):
        """Job messages of a dry run."""
        return set(re.findall(r"^Job \d+: (.*)$", self.snakemake("-n"), re.M))

    def planned_after(self, name, old, new):
        """What a change of one of the paper's files plans; the file is then as before."""
        file = self.paper / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        try:
            return self.planned()
        finally:
            file.write_text(text)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = Study(tmp_path_factory.mktemp("toy"))
    made.snakemake()
    return made


def test_its_table_has_its_names_order_and_printed_numbers(study):
    frame = pd.read_csv(study.folder / "results/tiny/tables/overlap.csv")
    assert list(frame.method) == ["ce", "own"]  # the paper's order, not the configuration's
    assert list(frame.label) == ["Plain", "Toy"]
    assert frame["mean"].between(0, 100).all()
    assert list(frame.paper_status) == ["printed", "lost"]
    assert frame.paper_value[0] == 81.5
    text = (study.folder / "results/tiny/tables/overlap.md").read_text()
    assert text.startswith("# Overlap of the toy\n")
    assert "| *paper* | 81.5 | lost<sup>a</sup> |" in text
    assert (study.folder / "results/tiny/tables/overlap.tex").stat().st_size


def test_its_figure_has_its_looks(study):
    frame = pd.read_csv(study.folder / "figures/tiny/means.csv")
    assert dict(zip(frame.method, frame.color, strict=True))["own"] == "#c01020"
    assert frame.color.nunique() == 2
    assert (study.folder / "figures/tiny/means.md").read_text() == "Calibration error of the toy.\n"
    assert (study.folder / "figures/tiny/means.pdf").read_bytes().startswith(b"%PDF")
    assert (study.folder / "figures/tiny/means.png").read_bytes().startswith(b"\x89PNG")


def test_its_ledger_has_its_claim_and_what_its_paper_states(study):
    frame = pd.read_csv(study.folder / "results/tiny/claims.csv")
    assert list(frame.id) == ["A1", "A1"]
    assert list(frame["where"]) == ["claim", "phantom"]
    assert set(frame.verdict) == {"inconclusive"}  # one seed decides nothing
    gain = frame.value[1]
    tables = pd.read_csv(study.folder / "figures/tiny/means.csv").set_index("method")["mean"]
    assert gain == pytest.approx(tables["ce"] - tables["own"])
    text = (study.folder / "results/tiny/claims.md").read_text()
    assert "1 claim of the paper" in text
    assert "phantom: steps 6 (1000)" in text


def test_nothing_is_predicted_that_it_does_not_ask_for(study):
    made = {path.name for path in (study.folder / "results/tiny").iterdir()}
    assert not {"maps", "hotspots"} & made


def test_a_second_run_has_nothing_to_do(study):
    assert "Nothing to be done" in study.snakemake()
    assert study.planned() == set()


def test_a_changed_line_of_its_loss_trains_that_method_again_and_no_other(study):
    jobs = study.planned_after("losses/own.py", "logits.square().mean()", "logits.abs().mean()")
    assert {job for job in jobs if "training" in job} == {"training own on phantom (unet, seed 0)"}
    assert "scoring own on phantom (unet, seed 0)" in jobs
    assert "making overlap" in jobs


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("paper.yaml", "label: Toy", "label: Mine"), ("printed/overlap.csv", "81.5", "82.5")],
)
def test_a_changed_name_or_printed_number_trains_nothing(study, file, old, new):
    jobs = study.planned_after(file, old, new)
    assert {"making overlap", "drawing means", "deciding the paper's claims"} <= jobs
    assert not any("training" in job or "scoring" in job for job in jobs)
