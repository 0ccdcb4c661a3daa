"""Every post-hoc step after every loss: the method's name, and cells of a phantom that takes seconds."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from studies import tiny

from spectralcal.base import registry
from spectralcal.jobs import steps
from spectralcal.jobs.cells import evaluate_cell, train_cell
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.methods import canonical_method, parse_method
from spectralcal.study.paths import StudyPaths

LOSSES, STEPS = registry.names("losses"), registry.names("posthoc")
#: every loss and every step at least once, and two that were asked for by name
METHODS = sorted(
    {f"{loss}+{step}" for loss, step in zip(LOSSES, itertools.cycle(STEPS), strict=False)}
    | {"spectral+temperature", "spectral+classwise_temperature", "ls+isotonic"}
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study whose cells are trained for two steps when they are asked for."""
    content = tiny(tmp_path_factory.mktemp("study"))
    content["experiments"]["main"]["methods"] = [*LOSSES, *METHODS]
    content["training"] |= {"steps": 2, "epoch_steps": 2, "checkpoint_interval": 2}
    config = parse_config(content, "tiny")
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    return config


def scores_of(study, method):
    cell = Cell("phantom", "unet", method, 0)
    files = StudyPaths(study).cell(cell)
    if not files.cases.exists():
        if not parse_method(method).post_hoc:
            train_cell(study, cell)
        evaluate_cell(study, cell)
    return files, pd.read_csv(files.cases)


@pytest.mark.parametrize("method", [f"{loss}+{step}" for loss, step in itertools.product(LOSSES, STEPS)])
def test_a_step_after_a_loss_is_a_method(method):
    parsed = parse_method(method)
    assert (parsed.loss, parsed.post_hoc) == tuple(method.split("+"))
    assert canonical_method(method) == method


def test_no_loss_and_no_step_is_left_out():
    parsed = [parse_method(method) for method in METHODS]
    assert {each.loss for each in parsed} == set(LOSSES)
    assert {each.post_hoc for each in parsed} == set(STEPS)


@pytest.mark.parametrize("method", METHODS)
def test_a_cell_is_scored_with_its_losss_weights(study, method):
    parsed = parse_method(method)
    _, before = scores_of(study, str(parsed.trained))
    files, after = scores_of(study, method)
    assert not files.weights.exists()
    record = json.loads(files.evaluation.read_text())["post_hoc"]
    kind = registry.load("posthoc", parsed.post_hoc)
    step = kind.from_parameters(record[parsed.post_hoc])
    assert step.fitted
    assert torch.equal(step(torch.zeros(1, 4, 3, 3, 3)).isfinite(), torch.ones(1, 4, 3, 3, 3, dtype=torch.bool))
    key = ["case", "class", "metric", "protocol"]
    assert before[key].equals(after[key])
    nll = before.metric == "NLL"
    assert nll.any()
    assert not np.allclose(before.value[nll], after.value[nll])
    if kind.preserves_argmax:
        overlap = before.metric == "DSC"
        np.testing.assert_allclose(before.value[overlap], after.value[overlap], atol=0.05)
