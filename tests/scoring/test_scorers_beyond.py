"""Scorers beyond the usual set: predicted regions, floors, and the true error of phantoms, on a calibrated network."""

import numpy as np
import pytest
from calibrated import drawn, network

from spectralcal.datasets import DataFacts
from spectralcal.metrics import CalibrationHistogram, expected_bins, region_mask, score, true_calibration_error
from spectralcal.metrics.distance_bands import band_edges
from spectralcal.scoring.contract import Prediction, ScoredCase
from spectralcal.scoring.gather import ScorerPool
from spectralcal.scoring.load import load_scorers
from spectralcal.study.config import EvaluationConfig

SPACING = (3.5, 3.2, 4.0)


def scored(name, p, labels, posterior=None):
    scorer = load_scorers((name,))[name]
    case = ScoredCase(
        labels, SPACING, DataFacts(("a", "b"), labels.ndim, "mm", ()), EvaluationConfig(), posterior=posterior
    )
    one = scorer.case(Prediction(lambda: p), case)
    pool = ScorerPool(1)
    pool.add(name, one)
    rows = {(r["metric"], r["protocol"]): r["value"] for r in one.rows}
    return rows, scorer.pool(pool.parts, pool.arrays()).arrays


@pytest.fixture(scope="module")
def given():
    p = network(0, 3, 3, (20, 22, 18))
    return p, drawn(p, 1)


def test_predicted_regions_are_counted_as_by_their_own_functions(given):
    p, labels = given
    rows, arrays = scored("predicted", p, labels)
    prediction = p.argmax(0)
    for name in ("predicted_foreground", "predicted_boundary"):
        mask = region_mask(name, labels, prediction, SPACING)
        one = CalibrationHistogram(3).update(p[None], labels[None], mask[None])
        expected = score({name: one}, name)
        assert rows["ECE", name] == expected["ece"]
        assert rows["signed_gap", name] == expected["signed_gap"]
        assert arrays[f"{name}/cases/count"][0, 0].sum() == mask.sum()
        np.testing.assert_array_equal(arrays[f"{name}/pooled/count"], one.arrays()["count"])
    assert arrays["predicted_distance/count"].sum() == labels.size
    np.testing.assert_array_equal(arrays["predicted_distance/edges_mm"], band_edges())


def test_floors_stand_under_the_protocol_of_their_region(given):
    p, labels = given
    rows, _ = scored("floor", p, labels)
    assert rows["ECE_floor", "union"] == expected_bins(p, "union").ece()
    assert rows["signed_gap_floor", "crac-legacy"] == expected_bins(p, "reference").signed_gap()
    assert ("SCE_floor", "crac-legacy") not in rows


def test_the_posterior_is_calibrated_and_a_sharpened_one_is_not(given):
    p, labels = given
    rows, _ = scored("posterior", p, labels, p)
    assert rows["true_ECE", "truth"] == pytest.approx(0, abs=1e-7)
    sharp = (p.astype(float) ** 2 / (p.astype(float) ** 2).sum(0)).astype(np.float32)
    rows, _ = scored("posterior", sharp, labels, p)
    exact = p.astype(float) / p.astype(float).sum(0)
    assert rows["true_SCE", "truth"] == true_calibration_error(sharp, exact) > 0.01
