"""Errors without bins of histograms and of published curves against the voxels themselves: the bounds in docstrings."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from sklearn.isotonic import IsotonicRegression
from voxels import points_of, volume

from spectralcal.metrics import (
    CalibrationHistogram,
    corp,
    isotonic_error,
    ks_error,
    ks_error_bound,
    risk_coverage,
    smooth_ece_at,
)
from spectralcal.metrics.curve import CurveHistogram, curve_arrays

#: how far a value is from that of a million voxels, at most, as docstrings say
BOUNDS = {"KS": 3e-5, "smooth": 1e-5, "isotonic": 5e-5, "score": 2e-6, "miscalibration": 2e-5, "aurc": 3e-5,
          "augrc": 1e-5}  # fmt: skip


@pytest.fixture(scope="module", params=[(1.6, 1.0), (0.7, 1.0), (1.3, 0.97)], ids=str)
def case(request):
    probabilities, labels = volume(*request.param)
    histogram = CalibrationHistogram(3).update(probabilities, labels)
    return probabilities, labels, histogram, CurveHistogram.from_arrays(curve_arrays(histogram))


@pytest.mark.parametrize("label", [None, 1])
def test_every_value_is_that_of_the_voxels_within_its_bound(case, label):
    probabilities, labels, histogram, curve = case
    values, count, sums, hits = points_of(probabilities, labels, label)
    total, rate = count.sum(), hits / count
    fitted = IsotonicRegression().fit_transform(values, rate, sample_weight=count)
    score = (count * values**2 - 2 * values * hits + hits).sum() / total
    again = (count * fitted**2 - 2 * fitted * hits + hits).sum() / total
    truth = {"KS": np.abs(np.cumsum(hits - sums)).max() / total, "score": score, "miscalibration": score - again,
             "isotonic": np.abs(sums - count * fitted).sum() / total}  # fmt: skip
    if label is None:
        wrong = np.repeat(((count - hits) / count)[::-1], count[::-1])  # ties share their errors
        accepted, errors = np.arange(1, total + 1), np.cumsum(wrong)
        truth |= {"aurc": np.mean(errors / accepted), "augrc": (errors.sum() - errors[-1] / 2) / total**2}
    for found in (histogram, curve):
        parts = corp(found, label)
        ours = {"KS": ks_error(found, label), "score": parts.score, "miscalibration": parts.miscalibration,
                "isotonic": isotonic_error(found, label)}  # fmt: skip
        if label is None:
            ours |= {"aurc": risk_coverage(found).aurc(), "augrc": risk_coverage(found).augrc()}
        off = {name: abs(value - ours[name]) for name, value in truth.items()}
        assert {name: value for name, value in off.items() if not value <= BOUNDS[name]} == {}
        assert off["KS"] <= ks_error_bound(found, label)


@pytest.mark.parametrize("bandwidth", [0.005, 0.02])
@pytest.mark.parametrize("label", [None, 1])
def test_the_smooth_error_is_that_of_the_voxels_within_its_bound(case, label, bandwidth):
    probabilities, labels, histogram, curve = case
    values, count, sums, hits = points_of(probabilities, labels, label)
    steps = 20_000
    mass, place = np.zeros(steps + 1), values * steps
    low = np.minimum(place.astype(int), steps - 1)
    for at, share in ((low, low + 1 - place), (low + 1, place - low)):
        np.add.at(mass, at, (hits - sums) * share / count.sum())
    mass[[0, -1]] *= 2  # an end is its own mirror image
    smoothed = np.abs(gaussian_filter1d(mass, bandwidth * steps, mode="mirror", truncate=8))
    truth = smoothed.sum() - (smoothed[0] + smoothed[-1]) / 2
    for found in (histogram, curve):
        assert smooth_ece_at(found, bandwidth, label) == pytest.approx(truth, abs=BOUNDS["smooth"])
