"""From trained cells to the file of Figure 8, on a phantom that takes seconds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from studies import experiment, tiny

from spectralcal.jobs import steps
from spectralcal.jobs.cells import evaluate_cell, train_cell
from spectralcal.jobs.probe import probe_step
from spectralcal.report.results import Results
from spectralcal.scoring.probe import median_case
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell, other_seed, study_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import probe_recipe

CE = Cell("phantom", "unet", "ce", 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Cross-entropy and the spectral loss with two seeds; of the second seed, cross-entropy alone is trained."""
    experiments = experiment(seeds=[0, 1])["experiments"]
    config = parse_config(tiny(tmp_path_factory.mktemp("study"), experiments=experiments), "tiny")
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    for cell in study_cells(config):
        if cell != Cell("phantom", "unet", "spectral", 1):
            train_cell(config, cell, then_evaluate=True)
            evaluate_cell(config, cell)
    return config


def test_the_file_of_a_seed(finished):
    probe_step(finished, "hotspots", "phantom", "unet", 0)
    found = Results(finished).probe("hotspots", "phantom", "unet", 0)
    assert list(found["methods"]) == ["spectral", "ce"]
    cases = len(found["cases"])
    assert found["difference"].shape == (2, cases, 2, 2, 3)
    assert found["error"].shape == (cases, 2, 2, 3)
    assert np.nanmax(np.abs(found["difference"][..., 0])) <= 1
    assert found["voxels"].sum() == found["histogram"][0].sum() == found["histogram"][1].sum() > 0
    scores = pd.read_csv(StudyPaths(finished).cell(CE).cases, dtype={"case": str})
    assert str(found["shown_case"]) == median_case(scores)
    assert found["shown_confidence"].shape == (2, 16, 16, 1)
    assert 0.25 <= found["shown_baseline"].min() <= found["shown_baseline"].max() <= 1


def test_methods_of_the_next_seed(finished):
    """Of the second seed, cross-entropy alone is trained: its following seed is the first, which has both."""
    probe_step(finished, "hotspots", "phantom", "unet", 0)
    first = Results(finished).probe("hotspots", "phantom", "unet", 0)
    assert first["following_methods"].size == 0
    assert first["following"].shape == (0, len(first["cases"]), 2, 2, 3)
    weights = StudyPaths(finished).cell(Cell("phantom", "unet", "spectral", 1)).weights
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(StudyPaths(finished).cell(replace(CE, seed=1)).weights.read_bytes())
    try:
        probe_step(finished, "hotspots", "phantom", "unet", 0)
    finally:
        weights.unlink()
    found = Results(finished).probe("hotspots", "phantom", "unet", 0)
    assert list(found["following_methods"]) == ["spectral"]
    # These are the weights of cross-entropy's next seed, so the numbers are its.
    np.testing.assert_array_equal(found["following"][0], found["difference"][list(found["methods"]).index("ce")])


def test_the_same_input_gives_the_same_bytes(finished):
    path = StudyPaths(finished).probe("hotspots", "phantom", "unet", 0)
    probe_step(finished, "hotspots", "phantom", "unet", 0)
    before = path.read_bytes()
    probe_step(finished, "hotspots", "phantom", "unet", 0)
    assert path.read_bytes() == before


def test_a_seed_without_other_methods_is_a_hole(finished):
    probe_step(finished, "hotspots", "phantom", "unet", 1)
    found = Results(finished).probe("hotspots", "phantom", "unet", 1)
    assert found["methods"].size == 0
    assert "difference" not in found


def test_other_seeds_go_round(finished):
    assert other_seed(finished, CE) == replace(CE, seed=1)
    assert other_seed(finished, replace(CE, seed=1)) == CE
    assert other_seed(parse_config(tiny("."), "one seed"), CE) is None


def test_the_recipe_follows_weights_and_seed(finished):
    here = probe_recipe(finished, "hotspots", "phantom", "unet", 0)
    assert here == probe_recipe(finished, "hotspots", "phantom", "unet", 0)
    assert here != probe_recipe(finished, "hotspots", "phantom", "unet", 1)
    longer = finished.model_copy(update={"training": finished.training.model_copy(update={"steps": 7})})
    assert here != probe_recipe(longer, "hotspots", "phantom", "unet", 0)
