"""Scores as arrays: means over classes and seeds, holes, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from known_scores import known_study

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.report.figures import case_scores as _case_scores
from spectralcal.report.figures.case_scores import case_scores
from spectralcal.report.figures.compared import the_two


def test_mean_over_classes_then_seeds_in_printed_units(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1), only_scores=True)
    found = case_scores(results, "main", "phantom", "unet", "DSC", "paper")
    scores = results.scores("main")
    for method in ("ce", "spectral"):
        for index, case in enumerate(found.cases):
            expected = [
                np.mean(scores[(scores.method == method) & (scores.seed == seed) & (scores.case == case)
                               & (scores.metric == "DSC")].value) for seed in (0, 1)
            ]  # fmt: skip
            np.testing.assert_allclose(found.values[found.methods.index(method), index], 100 * np.array(expected))
            assert found.of(method)[index] == pytest.approx(100 * np.mean(expected))
    assert found.patients == tuple(f"patient_{index:03d}" for index in range(5))


def test_pairs_use_the_seeds_that_both_have(tmp_path):
    def value(cell, metric, index):
        if (cell.method, cell.seed) == ("spectral", 1):
            return None
        return 0.5 + 0.1 * cell.seed + (0.01 if cell.method == "spectral" else 0.0)

    results = known_study(tmp_path, value, seeds=(0, 1))
    found = case_scores(results, "main", "phantom", "unet", "DSC", "paper")
    assert found.status == {"ce": "ok", "spectral": "incomplete"}
    base, ours = found.by_seed("ce", "spectral")
    assert base.shape == (1, 8)
    np.testing.assert_allclose(ours - base, 1.0)  # seed 1 of cross-entropy, 10 points higher, has no partner
    difference = found.difference("spectral", "ce")
    assert (difference.estimate, difference.seeds, difference.over) == (pytest.approx(1.0), 1, "patients")
    assert found.mean("ce").seeds == 2
    np.testing.assert_allclose(found.of("ce"), 55.0)


def test_statuses_tell_missing_from_undefined(tmp_path):
    kinds = {"ce": 0.5, "focal": None, "spectral": np.nan}
    results = known_study(tmp_path, lambda cell, *_: kinds[cell.method], methods=tuple(kinds), status="undefined")
    found = case_scores(results, "main", "phantom", "unet", "ECE", "paper")
    assert found.status == {"ce": "ok", "focal": "missing", "spectral": "undefined"}
    said = _case_scores.hole_sentences(found.status, {"ce": "CE", "focal": "FL", "spectral": "Spectral"})
    assert said == " Without results: FL. Without a value in any case: Spectral."


def test_pooled_protocol_is_refused(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), only_scores=True)
    with pytest.raises(ResultError, match="expected one score per case, but protocol 'nixon' pools all voxels"):
        case_scores(results, "main", "phantom", "unet", "ECE", "nixon")


def test_hand_edited_scores_are_refused(study):
    broken = study(seeds=(0,), only_scores=True, edit=lambda frame: pd.concat([frame, frame.head(1)]))
    with pytest.raises(ResultError, match="expected one score per case and class, found two"):
        case_scores(broken, "main", "phantom", "unet", "DSC", "paper")
    missing = study(seeds=(0,), only_scores=True, edit=lambda frame: frame.drop(columns="patient"))
    with pytest.raises(ResultError, match="column 'patient' is missing"):
        case_scores(missing, "main", "phantom", "unet", "DSC", "paper")


def test_unknown_metrics_and_methods_list_the_valid_ones(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), only_scores=True)
    with pytest.raises(ConfigError, match=r"metric: expected 'DSC', .* received 'IOU'"):
        case_scores(results, "main", "phantom", "unet", "IOU", "paper")
    with pytest.raises(ConfigError, match="baseline 'focal' is not in it; expected 'ce' or 'spectral'"):
        the_two(results, "main", "focal", "spectral")
    with pytest.raises(ConfigError, match="expected two methods, received 'spectral' twice"):
        the_two(results, "main", "spectral@window=50", "spectral")


def test_mean_of_nothing_is_nothing():
    found = _case_scores.nan_mean(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]))
    assert found[0] == 2.0
    assert np.isnan(found[1])
