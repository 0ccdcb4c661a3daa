"""Beta calibration, isotonic regression and histogram binning against scikit-learn and plain counting."""

import numpy as np
import pytest
import torch
from sklearn.isotonic import IsotonicRegression as SklearnIsotonic
from sklearn.linear_model import LogisticRegression
from voxel_samples import nll, voxels

from spectralcal.posthoc._one_vs_rest import log_odds
from spectralcal.posthoc.beta import BetaCalibration
from spectralcal.posthoc.histogram_binning import HistogramBinning
from spectralcal.posthoc.isotonic import IsotonicRegression
from spectralcal.posthoc.vector import VectorScaling


def test_log_odds_are_exact_where_probabilities_round_to_one():
    logits = torch.tensor([[50.0, 0.0, 0.0], [0.3, -0.2, 0.1]], dtype=torch.float64)
    p = logits[1].softmax(0)
    torch.testing.assert_close(log_odds(logits)[1], (p / (1 - p)).log())
    assert log_odds(logits)[0, 0].item() == pytest.approx(50 - np.log(2))


def test_beta_calibration_is_the_logistic_regression_that_scikit_learn_fits():
    logits, labels = voxels(4000, 3, 2.0, background=1.0)
    step = BetaCalibration()
    step.fit(logits, labels)
    p = logits.double().softmax(1).numpy()
    for c in range(3):
        x = np.column_stack([np.log(p[:, c]), -np.log1p(-p[:, c])])
        expected = LogisticRegression(C=1e12, tol=1e-10, max_iter=5000).fit(x, labels.numpy() == c)
        fitted = [step.a[c], step.b[c], step.c[c]]
        np.testing.assert_allclose(fitted, [*expected.coef_[0], expected.intercept_[0]], rtol=2e-3, atol=2e-3)


def test_beta_calibration_of_two_classes_is_vector_scaling():
    logits, labels = voxels(4000, 2, 2.5, background=1.0)
    beta, vector = BetaCalibration(), VectorScaling()
    beta.fit(logits, labels)
    vector.fit(logits, labels)
    torch.testing.assert_close(beta(logits).softmax(1), vector(logits).softmax(1), rtol=0, atol=1e-5)


def test_a_factor_that_would_be_negative_is_zero():
    """High probabilities are all wrong: the class grows likelier up to one half only."""
    p = torch.linspace(0.02, 0.98, 4000)
    frequency = torch.where(p < 0.5, p, 0.5 - 0.8 * (p - 0.5))
    labels = torch.bernoulli(frequency, generator=torch.Generator().manual_seed(0)).long()
    step = BetaCalibration()
    step.fit(torch.stack([torch.zeros_like(p), p.logit()], 1), labels)
    assert step.b[1] == 0
    assert step.a[1] > 0
    assert "b of class 1 is at its limit 0; the validation voxels alone would take it further" in step.limits


def test_isotonic_regression_of_the_bins_is_scikit_learns():
    logits, labels = voxels(30_000, 3, 3.0)
    step = IsotonicRegression()
    step.fit(logits, labels)
    odds = log_odds(logits.double()).numpy()
    inner = np.linspace(-16, 16, 257)
    for c in range(3):
        place = np.digitize(odds[:, c], inner)
        voxels_in = np.bincount(place, minlength=258)
        there = voxels_in > 0
        frequency = np.bincount(place, labels.numpy() == c, minlength=258)[there] / voxels_in[there]
        middle = np.bincount(place, odds[:, c], minlength=258)[there] / voxels_in[there]
        expected = SklearnIsotonic().fit_transform(middle, frequency, sample_weight=voxels_in[there])
        least = 1 / 30_002
        result = np.interp(middle, step.log_odds[c], step.calibrated_log_odds[c])
        np.testing.assert_allclose(1 / (1 + np.exp(-result)), expected.clip(least, 1 - least), atol=1e-7)


def test_bins_cost_isotonic_regression_next_to_no_likelihood():
    logits, labels = voxels(30_000, 2, 3.0)
    step = IsotonicRegression()
    step.fit(logits, labels)
    p = logits.double().softmax(1)[:, 1].numpy()
    without_bins = SklearnIsotonic().fit_transform(p, labels.numpy()).clip(1e-4, 1 - 1e-4)
    most_likely = -np.log(np.where(labels.numpy() == 1, without_bins, 1 - without_bins)).mean()
    assert nll(step(logits), labels) < most_likely + 0.002


def test_the_isotonic_map_never_falls():
    step = IsotonicRegression()
    step.fit(*voxels(3000, 3, 2.0))
    for knots, values in zip(step.log_odds, step.calibrated_log_odds, strict=True):
        assert (np.diff(knots) > 0).all()
        assert (np.diff(values) >= 0).all()
        assert len(knots) < 200, "knots within constant stretches are kept"


@pytest.mark.parametrize("kind", [HistogramBinning, IsotonicRegression])
def test_no_class_becomes_impossible(kind):
    """No voxel of a bin is of the class: it stays as likely as so many voxels can show."""
    logits, labels = voxels(2000, 3, 0.5)
    step = kind()
    step.fit(logits, labels.clamp_max(1))
    least = torch.sigmoid(log_odds(step(logits)).min())
    assert least > 1e-5


def test_a_bin_has_the_frequency_of_its_voxels():
    odds = torch.tensor([-2.5] * 4 + [0.5] * 10)
    labels = torch.tensor([1, 0, 0, 0] + [1] * 7 + [0] * 3)
    step = HistogramBinning()
    step.fit(torch.stack([torch.zeros_like(odds), odds], 1), labels)
    result = step(torch.tensor([[0.0, -2.1], [0.0, 0.9], [0.0, 4.3], [0.0, 60.0]])).softmax(1)[:, 1]
    middles = torch.tensor([4.5, 10.5]).sigmoid()  # of bins without a voxel
    torch.testing.assert_close(result, torch.tensor([0.25, 0.7, *middles]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [HistogramBinning, IsotonicRegression])
@pytest.mark.parametrize("options", [{"bins": 2}, {"limit": 0.0}])
def test_impossible_bins_are_refused(kind, options):
    with pytest.raises(ValueError, match="at least 3 bins and a limit above 0"):
        kind(**options)


def test_a_fit_that_would_be_less_likely_is_left_out():
    """Bins so wide that they lose more than they mend."""
    logits, labels = voxels(5000, 3, 1.0)
    step = HistogramBinning(bins=3, limit=9.0)
    step.fit(logits, labels)
    assert step.limits[0].startswith("left out: the mean log-likelihood")
    assert step.parameters() == {"edges": None, "log_odds": None}
    assert torch.equal(step(logits), logits)
    assert HistogramBinning.from_parameters(step.parameters())(logits) is not None


@pytest.mark.parametrize("kind", [BetaCalibration, HistogramBinning, IsotonicRegression])
def test_other_voxels_become_likelier_too(kind):
    step = kind()
    step.fit(*voxels(20_000, 4, 3.0, background=2.0))
    logits, labels = voxels(20_000, 4, 3.0, background=2.0, seed=9)
    assert nll(step(logits), labels) < 0.8 * nll(logits, labels)
