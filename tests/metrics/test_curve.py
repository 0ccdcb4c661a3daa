"""The published curve: bins to the last bit, and measures without bins against the voxels themselves."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from voxels import VOXELS, points_of, volume

from spectralcal.metrics import CalibrationHistogram
from spectralcal.metrics.cells import THRESHOLDS, cell_grid
from spectralcal.metrics.curve import CurveHistogram, curve_arrays
from spectralcal.metrics.groups import HEAVY, OCTAVES, WIDTH, coarse_starts, divided_starts, group_grid

#: how far a measure of the curve is from that of the voxels, at most
BOUNDS = {
    "Kolmogorov-Smirnov": 3e-5,
    "smooth, sigma 0.01": 1e-5,
    "smooth, sigma 0.05": 1e-5,
    "miscalibration (CORP)": 2e-5,
    "discrimination (CORP)": 2e-5,
    "Brier": 2e-6,
    "debiased ECE": 1e-5,
    "AURC": 3e-5,
    "AUGRC": 1e-5,
    **{f"ECE of {bins} bins": 8e-5 for bins in (10, 20, 30, 50, 100)},
    **{f"equal-count ECE of {bins} bins": 8e-5 for bins in (10, 15, 30)},
}


@pytest.fixture(scope="module", params=[(1.6, 1.0), (0.7, 1.0), (1.0, 1.0), (1.3, 0.97)], ids=str)
def case(request):
    """Probabilities, labels, their histogram and its curve."""
    probabilities, labels = volume(*request.param)
    histogram = CalibrationHistogram(3).update(probabilities, labels)
    return probabilities, labels, histogram, CurveHistogram.from_arrays(curve_arrays(histogram))


def smooth(points, sigma, grid=4000):
    """Smooth ECE at a bandwidth: mean of |residuals, convolved with a Gaussian that is reflected at 0 and 1|."""
    values, count, sums, hits = points
    mass, place = np.zeros(grid + 1), values * grid
    low = np.minimum(place.astype(int), grid - 1)
    for at, share in ((low, low + 1 - place), (low + 1, place - low)):
        np.add.at(mass, at, (hits - sums) * share)
    reach = int(5 * sigma * grid)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / grid / sigma) ** 2)
    mirrored = np.concatenate([mass[:0:-1], mass, mass[-2::-1]])
    return np.abs(np.convolve(mirrored, kernel / kernel.sum(), "same")[grid : 2 * grid + 1]).sum() / count.sum()


def corp(points):
    """Miscalibration and discrimination of the Brier score of one class, by isotonic regression (Dimitriadis 2021)."""
    values, count, _, hits = points
    total, rate = count.sum(), hits / count
    fitted = IsotonicRegression().fit_transform(values, rate, sample_weight=count)
    variance = (count * rate * (1 - rate)).sum()
    recalibrated = (variance + (count * (fitted - rate) ** 2).sum()) / total
    base = hits.sum() / total
    return brier(points) - recalibrated, base * (1 - base) - recalibrated


def brier(points):
    values, count, _, hits = points
    return (count * values**2 - 2 * values * hits + hits).sum() / count.sum()


def risk_coverage(points):
    """AURC and AUGRC: selective and generalised risk over the coverage, ties in random order."""
    count, wrong = points[1][::-1].astype(float), (points[1] - points[3])[::-1]
    before, errors = np.cumsum(count) - count, np.cumsum(wrong) - wrong
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = errors - wrong * before / count
        risk = wrong + np.where(before > 0, slope * np.log1p(count / before), 0.0)
    return risk.sum() / count.sum(), (count * (errors + wrong / 2)).sum() / count.sum() ** 2


def binned(values, count, sums, hits, bins):
    edges = (np.arange(bins + 1) / bins).astype(np.float32).astype(np.float64)
    place = np.searchsorted(edges[1:-1], values, side="left")
    return [np.bincount(place, x, bins) for x in (count, sums, hits)]


def debiased(count, sums, hits):
    """Squared ECE less what chance adds to it (Broecker 2012, Ferro and Fricker 2012)."""
    filled = count > 1
    count, mean, rate = count[filled], (sums / np.maximum(count, 1))[filled], (hits / np.maximum(count, 1))[filled]
    return (count / count.sum() * ((mean - rate) ** 2 - rate * (1 - rate) / (count - 1))).sum()


def equal_count(cells, bins):
    """By a sort of all voxels, ties in proportion."""
    _, count, sums, hits = cells
    ends = np.arange(bins + 1) * count.sum() / bins
    rank = np.concatenate([[0], np.cumsum(count)])
    share = [np.diff(np.interp(ends, rank, np.concatenate([[0], np.cumsum(x)]))) for x in (sums, hits)]
    return np.mean(np.abs(share[1] - share[0]) / np.diff(ends))


def shared_out(curve, bins):
    """ECE of other bins than the histogram's: a group over an end of a bin is shared out by width."""
    residual = np.cumsum(curve.hits - curve.confidence)
    ends = np.stack([curve.lower, curve.upper], axis=1).ravel()
    at = np.stack([residual - (curve.hits - curve.confidence), residual], axis=1).ravel()
    inner = np.interp(np.arange(1, bins) / bins, ends, at)
    return np.abs(np.diff(np.concatenate([[0.0], inner, residual[-1:]]))).sum() / curve.count.sum()


def measures(points, label):
    """What needs no bins of the histogram, of distinct values or of groups at their mean."""
    _, count, sums, hits = points
    found = {"Kolmogorov-Smirnov": np.abs(np.cumsum(hits - sums)).max() / count.sum(), "Brier": brier(points)}
    found |= {f"smooth, sigma {sigma}": smooth(points, sigma) for sigma in (0.01, 0.05)}
    found |= {f"equal-count ECE of {bins} bins": equal_count(points, bins) for bins in (10, 15, 30)}
    found |= dict(zip(("miscalibration (CORP)", "discrimination (CORP)"), corp(points), strict=True))
    found["debiased ECE"] = debiased(*binned(*points, 20))
    if label is None:  # confidence orders voxels by how much they are trusted; a class's probability does not
        found |= dict(zip(("AURC", "AUGRC"), risk_coverage(points), strict=True))
    return found


@pytest.mark.parametrize("label", [None, 0, 1])
def test_measures_without_bins_are_those_of_the_voxels(case, label):
    probabilities, labels, _, curve = case
    voxels, found = points_of(probabilities, labels, label), curve.curve(label)
    groups = (found.confidence / found.count, found.count, found.confidence, found.hits)
    truth, ours = measures(voxels, label), measures(groups, label)
    for bins in (10, 20, 30, 50, 100):
        count, sums, hits = binned(*voxels, bins)
        truth[f"ECE of {bins} bins"] = np.abs(hits - sums).sum() / count.sum()
        ours[f"ECE of {bins} bins"] = shared_out(found, bins)
    assert set(truth) == set(BOUNDS) - (set() if label is None else {"AURC", "AUGRC"})
    off = {name: abs(value - ours[name]) for name, value in truth.items()}
    assert {name: value for name, value in off.items() if not value <= BOUNDS[name]} == {}


@pytest.mark.parametrize("label", [None, 0, 1, 2])
def test_the_kolmogorov_smirnov_error_is_within_what_one_group_can_hide(case, label):
    """Between the ends of a group the sum of residuals cannot go further than its hits, misses and probabilities."""
    probabilities, labels, _, histogram = case
    voxels, curve = points_of(probabilities, labels, label), histogram.curve(label)
    truth = np.abs(np.cumsum(voxels[3] - voxels[2])).max() / VOXELS
    found = np.abs(np.cumsum(curve.hits - curve.confidence)).max() / VOXELS
    hidden = np.minimum(
        np.maximum(curve.hits, curve.confidence),
        np.maximum(curve.count - curve.hits, curve.count - curve.confidence),
    ).max()
    assert found - 1e-12 <= truth <= found + hidden / VOXELS


def test_what_is_binned_is_the_histograms_to_the_last_bit(case):
    _, _, histogram, curve = case
    for label in (None, 0, 1, 2):
        for a, b in zip(histogram.reliability(label), curve.reliability(label), strict=True):
            np.testing.assert_array_equal(a[1:], b[1:])  # sums of the first bin are longer than 53 bits
            np.testing.assert_allclose(a[0], b[0], rtol=1e-14)
    for name in ("count", "ece", "mce", "brier", "nll", "over_under"):
        a, b = (getattr(h, name) for h in (histogram, curve))
        assert a == b if name == "count" else a() == b()
    np.testing.assert_array_equal(histogram.label_counts(), curve.label_counts())
    np.testing.assert_allclose(histogram.classwise_ece(), curve.classwise_ece(), rtol=1e-13)
    for threshold in THRESHOLDS:
        np.testing.assert_allclose(
            histogram.classwise_tace_equal_width(threshold), curve.classwise_tace_equal_width(threshold), rtol=1e-12
        )


def test_tace_is_within_its_bound_of_a_sort(case):
    probabilities, labels, _, curve = case
    for label in range(3):
        values, count, sums, hits = points_of(probabilities, labels, label)
        above = values > np.float32(1e-3)
        truth = equal_count([x[above] for x in (values, count, sums, hits)], 15)
        assert abs(curve.classwise_tace()[label] - truth) < 8e-5
    assert 0 < curve.tace_bound() < 0.05


def test_means_lie_in_their_groups_where_the_histogram_has_them(case):
    _, _, histogram, curve = case
    starts = divided_starts([histogram])
    for label in (None, 0, 1, 2):
        found, row = curve.curve(label), -1 if label is None else label
        means = found.confidence / found.count
        assert (means > found.lower - 1e-9).all()
        assert (means < found.upper + 1e-9).all()
        sums, count = (np.add.reduceat(x[row], starts) for x in (histogram._cells.confidence, histogram._cells.count))
        exact = sums[count > 0] / count[count > 0]
        assert (np.abs(means - exact) <= (found.upper - found.lower) / 32 + 1e-9).all()


@pytest.mark.parametrize("bins", [1, 2, 7, 10, 15, 20, 64, 100])
def test_groups_are_narrow_and_end_where_bins_and_thresholds_do(bins):
    fine, starts = cell_grid(bins), coarse_starts(bins)
    grid = group_grid(bins, starts)
    assert starts[0] == 0
    assert len(grid) < 800
    assert set(fine.bin_starts) <= set(starts)
    np.testing.assert_array_equal(fine.edges[1:], grid.top[np.append(grid.bin_starts[1:], len(grid)) - 1])
    for threshold in THRESHOLDS:
        assert starts[grid.first_above(threshold)] == fine.first_above(threshold)
    lower = grid.top - grid.width
    several = np.diff(np.append(starts, len(fine))) > 1
    # The lowest value of a group is above its lower end, so one spacing of float32 may be missing.
    assert (grid.width[several] <= WIDTH).all()
    near = np.minimum(lower, 1 - grid.top) + 2.0**-24
    outer = several & (lower > 0)
    assert (grid.width[outer] <= OCTAVES * near[outer] * (1 + 1e-3)).all()


def test_a_group_that_holds_many_voxels_keeps_its_cells():
    probabilities, labels = volume(1.3, 0.97, voxels=200_000)
    histogram = CalibrationHistogram(3).update(probabilities, labels)
    starts, divided = coarse_starts(15), divided_starts([histogram])
    share = np.add.reduceat(histogram._cells.count[-1], starts) / histogram.count
    for start, end, part in zip(starts, [*starts[1:], len(cell_grid(15))], share, strict=True):
        inside = np.isin(np.arange(start, end), divided)
        assert inside[0]
        assert inside.all() == (part > HEAVY or end - start == 1)
    assert (share > HEAVY).sum() >= 3


def test_curves_of_other_groups_merge_in_the_groups_of_both():
    parts = [CalibrationHistogram(3).update(*volume(*shape, voxels=100_000, seed=i))
             for i, shape in enumerate([(1.6, 1.0), (1.3, 0.97)])]  # fmt: skip
    curves = [CurveHistogram.from_arrays(curve_arrays(part)) for part in parts]
    assert len(curves[0].curve().count) != len(curves[1].curve().count)
    merged, whole = curves[0].merge(curves[1]), parts[0].merge(parts[1])
    assert merged.ece() == whole.ece()
    assert merged.count == whole.count == 200_000
    np.testing.assert_array_equal(merged.reliability().confidence, whole.reliability().confidence)
    assert abs(merged.tace() - whole.tace()) < 2e-4
    assert merged.nll() == whole.nll()


def test_a_curve_comes_back_from_arrays_and_between_processes(case):
    curve = case[3]
    for copy in (pickle.loads(pickle.dumps(curve)), CurveHistogram.from_arrays(curve_arrays(case[2]))):
        for a, b in zip(curve.curve(1), copy.curve(1), strict=True):
            np.testing.assert_array_equal(a, b)
        assert copy.tace() == curve.tace()
    again = CurveHistogram.from_arrays(curve.arrays())
    assert again.ece() == curve.ece()
    np.testing.assert_allclose(again.curve(0).confidence, curve.curve(0).confidence, rtol=2e-3)


@given(st.integers(2, 5), st.sampled_from([1, 5, 10, 15, 40]), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_any_histogram_has_a_curve_with_its_bins(classes, bins, voxels, seed):
    random = np.random.default_rng(seed)
    histogram = CalibrationHistogram(classes, bins)
    if voxels:
        shares = random.dirichlet(np.full(classes, random.choice([0.01, 0.3, 3.0])), voxels).T.astype(np.float32)
        shares[:, random.random(voxels) < 0.2] = np.eye(classes, dtype=np.float32)[:, [0]]
        histogram.update(shares[None], random.integers(0, classes, (1, voxels)))
    curve = CurveHistogram.from_arrays(curve_arrays(histogram))
    for label in (None, *range(classes)):
        for a, b in zip(histogram.reliability(label), curve.reliability(label), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
        found = curve.curve(label)
        assert found.count.sum() == voxels
        assert (found.confidence >= found.lower * found.count - 1e-6).all()
        assert (found.confidence <= found.upper * found.count + 1e-6).all()


def test_a_curve_neither_counts_nor_takes_a_histogram(case):
    probabilities, labels, histogram, curve = case
    with pytest.raises(ValueError, match="received them for a curve, which cannot count"):
        curve.update(probabilities, labels)
    with pytest.raises(ValueError, match="expected a curve to merge with a curve"):
        curve.merge(histogram)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": None}, "got no 'count'"),
        ({"layout": np.array([1, 3, 15, 9235])}, "expected a curve of layout 2, got layout 1"),
        ({"hits": np.zeros((4, 9), np.int64)}, r"expected 'hits' of a curve as .* got \(4, 9\)"),
        ({"starts": np.array([0, 5, 4])}, "expected increasing first cells of groups"),
        ({"starts": np.arange(5)}, "expected increasing first cells of groups"),
    ],
)
def test_arrays_of_another_kind_are_refused(case, change, message):
    arrays = {**curve_arrays(case[2]), **change}
    with pytest.raises(ValueError, match=message):
        CurveHistogram.from_arrays({name: array for name, array in arrays.items() if array is not None})
