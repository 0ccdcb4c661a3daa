"""Figure 4 in small: cross-entropy and the spectral loss on all six architectures, from the phantom to the drawing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from studies import minimal, tiny

from spectralcal.base import registry
from spectralcal.jobs import steps
from spectralcal.jobs.cells import evaluate_cell, train_cell
from spectralcal.report import steps as reporting
from spectralcal.study.config import parse_config
from spectralcal.study.grid import study_cells
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[2]
STEPS = 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The networks that the open study trains, three steps each on patches of 32 x 32 x 16."""
    entries = yaml.safe_load((ROOT / "config/open.yaml").read_text())["architectures"]
    # The networks as they are, but no other recipe for one of them.
    architectures = {
        name: {key: value for key, value in entries[name].items() if key != "training"}
        for name in registry.names("models")
        if name in entries
    }
    base = tiny(tmp_path_factory.mktemp("six"))
    grid = {**minimal()["experiments"]["main"], "architectures": list(architectures)}
    content = {
        **base,
        "datasets": {"phantom": {"options": {"cases": 8, "shape": [32, 32, 16]}}},
        "architectures": architectures,
        "training": {**base["training"], "steps": STEPS, "patch": [32, 32, 16]},
        "experiments": {"main": grid},
        "tables": {"table1": {"experiment": "main"}},
        "figures": {"figure4": {"experiment": "main"}},
    }
    config = parse_config(content, "six")
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    for cell in study_cells(config):
        train_cell(config, cell, then_evaluate=True)
        evaluate_cell(config, cell)
    steps.collect_step(config)
    return config


def test_every_architecture_is_trained_and_scored(finished):
    assert set(finished.architectures) == {
        "unet", "nnunet", "swin_unetr", "unetpp", "attention_unet", "transunet",
    }  # fmt: skip
    cells = pd.read_csv(StudyPaths(finished).cells)
    assert len(cells) == 2 * len(finished.architectures)
    assert set(cells.status) == {"complete"}
    for cell in study_cells(finished):
        history = pd.read_csv(StudyPaths(finished).cell(cell).history)
        assert history.step.iloc[-1] == STEPS - 1
        assert np.isfinite(history.loss).all()
        assert (history.gradient_norm > 0).all()


def test_the_methods_of_an_architecture_start_from_the_same_weights_and_data(finished):
    """What both methods have in common, the cross-entropy of the first batch, is equal; between networks it is not."""
    first = {}
    for cell in study_cells(finished):
        history = pd.read_csv(StudyPaths(finished).cell(cell).history)
        first.setdefault(cell.architecture, {})[cell.method] = history.loss_ce.iloc[0]
    assert all(values["ce"] == values["spectral"] for values in first.values())
    assert len({values["ce"] for values in first.values()}) == len(first)


def test_the_figure_shows_all_six(finished):
    reporting.table_step(finished, "table1")
    reporting.figure_step(finished, "figure4")
    drawn = StudyPaths(finished).figure("figure4")
    table = pd.read_csv(drawn.with_suffix(".csv"))
    assert set(table.architecture) == set(finished.architectures)
    means = table[table.level == "mean"]
    assert set(means.status) == {"ok"}
    assert means.value.notna().all()
    assert drawn.with_suffix(".png").stat().st_size > 0
    printed = pd.read_csv(StudyPaths(finished).table("table1"))
    assert set(printed.architecture) == set(finished.architectures)
