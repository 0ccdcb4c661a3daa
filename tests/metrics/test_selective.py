"""Selective prediction against brute force: every order of ties, a sort of all voxels, areas under ROC curves."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from spectralcal.metrics import CalibrationHistogram, RiskCoverage, risk_coverage
from spectralcal.metrics.curve import CurveHistogram, curve_arrays


def counted(p, y, classes=2):
    """Histogram of voxels whose class 1 has probability p and whose reference is y."""
    return CalibrationHistogram(classes).update(np.stack([1 - p, p])[:, None].astype(np.float32), np.asarray(y)[None])


def by_sort(wrong):
    """AURC and AUGRC of voxels in falling confidence, step by step."""
    accepted, errors = np.arange(1, len(wrong) + 1), np.cumsum(wrong)
    generalised = np.concatenate([[0.0], errors / len(wrong)])
    return np.mean(errors / accepted), np.mean((generalised[1:] + generalised[:-1]) / 2)


@pytest.mark.parametrize("groups", [[(2, 1), (3, 1)], [(1, 1), (4, 2), (2, 0)], [(3, 3), (3, 0)], [(6, 2)]])
def test_ties_are_the_mean_over_every_order_of_them(groups):
    orders = [sorted(set(permutations([1] * w + [0] * (n - w)))) for n, w in groups]
    lines = [[]]
    for choices in orders:
        lines = [line + list(choice) for line in lines for choice in choices]
    expected = np.mean([by_sort(line) for line in lines], axis=0)
    ours = RiskCoverage(*np.array(groups).T)
    assert (ours.aurc(), ours.augrc()) == pytest.approx(tuple(expected), abs=1e-12)
    for n in range(1, sum(n for n, _ in groups) + 1):
        risk = np.mean([np.sum(line[:n]) / n for line in lines])
        assert ours.risk_at(n / len(lines[0])) == pytest.approx(risk, abs=1e-12)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_no_tie_needs_a_rule(groups):
    """Groups of one voxel: the areas of a sort; the largest coverage within a risk, by trying every one."""
    wrong = np.array([int(w > 5) for _, w in groups])
    ours = RiskCoverage(np.ones_like(wrong), wrong)
    assert (ours.aurc(), ours.augrc()) == pytest.approx(by_sort(wrong), abs=1e-12)
    risks = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    for risk in (0.0, 0.1, 0.25, 0.5, 1.0):
        within = np.flatnonzero(risks <= risk + 1e-12)
        at_ends = (within[-1] + 1) / len(wrong) if within.size else 0.0
        found = ours.coverage_at(risk)
        assert at_ends - 1e-9 <= found < at_ends + 1 / len(wrong)  # one more voxel would be too many
        assert found == 0 or ours.risk_at(found) <= risk + 1e-9


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=20), st.floats(0.0, 1.0))
def test_coverage_and_risk_are_inverse(groups, risk):
    count, wrong = np.array([(n, min(n, w)) for n, w in groups]).T
    ours = RiskCoverage(count, wrong)
    found = ours.coverage_at(risk)
    assert found == 0 or ours.risk_at(found) <= risk + 1e-9
    for more in np.linspace(found, 1, 40)[1:] if found < 1 else []:
        assert ours.risk_at(more) > risk - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_areas_are_those_of_a_sort_and_of_the_roc_curve(seed):
    random = np.random.default_rng(seed)
    p = random.beta(1.5, 1.0, 3000).astype(np.float32)
    y = (random.random(3000) < p**1.7).astype(int)
    confidence = np.maximum(p, np.float32(1) - p)
    wrong = ((p > 0.5).astype(int) != y).astype(int)
    histogram = counted(p, y)
    exact = by_sort(wrong[np.argsort(-confidence, kind="stable")])
    ours, best, worst = (risk_coverage(histogram, order) for order in ("random", "best", "worst"))
    for name, value in zip(("aurc", "augrc"), exact, strict=True):
        low, found, high = (getattr(each, name)() for each in (best, ours, worst))
        assert low - 1e-12 <= value <= high + 1e-12
        assert found == pytest.approx(value, abs=2e-4)
        assert high - low < 4e-3
    error = wrong.mean()
    area = roc_auc_score(1 - wrong, confidence)
    assert exact[1] == pytest.approx(error**2 / 2 + error * (1 - error) * (1 - area), abs=1e-6)
    for other in (0.6, 0.9):
        kept = np.sort(-confidence)[int(other * 3000) - 1]
        assert ours.risk_at(other) == pytest.approx(wrong[-confidence <= kept].mean(), abs=2e-3)


def test_limits():
    always = RiskCoverage(np.array([5, 5]), np.array([0, 0]))
    never = RiskCoverage(np.array([5, 5]), np.array([5, 5]))
    assert (always.aurc(), always.augrc(), always.coverage_at(0.0)) == (0, 0, 1)
    assert (never.aurc(), never.augrc(), never.coverage_at(0.5)) == (1, 0.5, 0)
    random = RiskCoverage(np.array([1000]), np.array([70]))
    assert random.aurc() == pytest.approx(0.07)  # one confidence for all: nothing can be left out sensibly
    assert random.augrc() == pytest.approx(0.035)
    nothing = risk_coverage(CalibrationHistogram(3))
    assert np.isnan([nothing.aurc(), nothing.augrc(), nothing.risk_at(0.5), nothing.coverage_at(0.1)]).all()


def test_no_increasing_map_of_confidence_changes_the_ranking():
    """A temperature on two classes: calibration changes, the areas do not."""
    random = np.random.default_rng(4)
    logit = random.normal(0, 3, 2000).round(1)  # ties, which a temperature keeps
    y = (random.random(2000) < 1 / (1 + np.exp(-logit))).astype(int)
    areas = []
    for temperature in (0.5, 1.0, 2.0):
        histogram = counted(1 / (1 + np.exp(-logit / temperature)), y)
        areas.append(risk_coverage(histogram).aurc())
    assert areas == pytest.approx([areas[0]] * 3, rel=2e-2)


def test_a_published_curve_has_the_areas_within_its_bounds():
    random = np.random.default_rng(0)
    p = random.beta(0.3, 0.3, 200_000)
    histogram = counted(p, (random.random(p.size) < p**1.3).astype(int))
    curve = CurveHistogram.from_arrays(curve_arrays(histogram))
    low, value, high = (risk_coverage(curve, order).aurc() for order in ("best", "random", "worst"))
    assert low <= risk_coverage(histogram, "best").aurc() <= risk_coverage(histogram, "worst").aurc() <= high
    assert value == pytest.approx(risk_coverage(histogram).aurc(), abs=3e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda curve: curve.risk_at(0.0), r"coverage must be in \(0, 1\], got 0.0"),
    (lambda curve: curve.coverage_at(1.5), r"risk must be in \[0, 1\], got 1.5"),
    (lambda _: risk_coverage(counted(np.array([0.9]), [1]), "mean"), "order must be random, best or worst, got 'mean'"),
])  # fmt: skip
def test_what_is_no_share_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(RiskCoverage(np.array([4]), np.array([1])))
