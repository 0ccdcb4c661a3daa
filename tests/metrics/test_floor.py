"""Labels that are drawn from a network's own probabilities: what is 0 then, and what is not."""

import numpy as np
import pytest
from calibrated import drawn, network
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import REGIONS, CalibrationHistogram, expected_bins, region_mask, score
from spectralcal.metrics.distance_bands import BANDS, band_sums, boundary_distance, signed_bands
from spectralcal.metrics.floor import WITH_FLOOR
from spectralcal.metrics.regions import CHOSEN_BY_LABELS, CHOSEN_BY_PREDICTION

HEADLINE = ("paper", "predicted_foreground", "predicted_boundary")
#: coarse, so that a band is the boundary's voxels alone: labels drawn voxel by voxel have boundaries in many places
SPACING = {2: (3.5, 3.2), 3: (3.5, 3.2, 4.0)}


def histograms(probabilities, labels, spacing):
    prediction = probabilities.argmax(0).astype(np.uint8)
    out = {}
    for region in REGIONS:
        mask = region_mask(region, labels, prediction, spacing)
        out[region] = CalibrationHistogram(len(probabilities)).update(probabilities[None], labels[None], mask[None])
    return out


def noise(probabilities, mask, bins=15):
    """Bounds of |gap| and ECE that one draw of calibrated labels passes once in a million: 5 standard deviations of
    sums of independent hits with variance p (1 - p), in all voxels and in each bin."""
    top = probabilities.max(0)[mask].astype(float)
    place = np.minimum(np.ceil(top * bins).astype(int) - 1, bins - 1)
    variance = np.bincount(place, top * (1 - top), bins)
    gap = 5 * np.sqrt(variance.sum())
    ece = np.sqrt(2 / np.pi * variance).sum() + 5 * np.sqrt((1 - 2 / np.pi) * variance.sum())
    return gap / top.size, ece / top.size


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_calibrated_network_scores_0_where_the_prediction_chooses_and_not_where_labels_do(ndim, classes, seed):
    p = network(seed, ndim, classes)
    labels = drawn(p, 100 + seed)
    found = histograms(p, labels, SPACING[ndim])
    prediction = p.argmax(0)
    for protocol in HEADLINE:
        region = "all" if protocol == "paper" else protocol
        gap, ece = noise(p, region_mask(region, labels, prediction, SPACING[ndim]))
        one = score(found, protocol)
        assert abs(one["signed_gap"]) < gap, protocol
        assert one["ece"] < ece, protocol
    for protocol, region in (("union", "union"), ("crac-legacy", "reference"), ("boundary", "boundary")):
        gap, ece = noise(p, region_mask(region, labels, prediction, SPACING[ndim]))
        one = score(found, protocol)
        assert one["signed_gap"] > gap, protocol
        assert one["ece"] > 2 * ece, protocol


def test_every_region_is_chosen_by_one_of_the_two():
    assert set(REGIONS) == {"all"} | CHOSEN_BY_LABELS | CHOSEN_BY_PREDICTION
    assert set(WITH_FLOOR) < CHOSEN_BY_LABELS


def test_bands_by_the_predicted_boundary_have_no_gap_and_those_by_the_references_have():
    p = network(2, 3, 3)
    labels, prediction = drawn(p, 3), p.argmax(0).astype(np.uint8)

    def gaps(of):
        bands = signed_bands(of, boundary_distance(of, SPACING[3]))
        sums = band_sums(p, prediction, labels, bands)
        excess = (sums["confidence"] - sums["hits"]).sum(1)
        top = p.max(0).astype(float)
        variance = np.bincount(bands.ravel(), (top * (1 - top)).ravel(), BANDS)
        return excess / np.maximum(5 * np.sqrt(variance), 1e-9)

    assert (np.abs(gaps(prediction)) < 1).all()
    assert (np.abs(gaps(labels)) > 2).sum() >= 2


@pytest.mark.parametrize("region", WITH_FLOOR)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_many_draws_tend_to_the_floor(region, classes):
    p = network(5, 2, classes, (60, 50))
    prediction = p.argmax(0)
    pool, gaps = CalibrationHistogram(classes), []
    for seed in range(200):
        labels = drawn(p, seed)
        one = CalibrationHistogram(classes).update(
            p[None], labels[None], region_mask(region, labels, prediction, (1, 1))[None]
        )
        gaps.append(one.over_under().signed)
        pool.merge(one)
    floor = expected_bins(p, region)
    error = 5 * np.std(gaps) / np.sqrt(len(gaps))
    assert floor.signed_gap() == pytest.approx(pool.over_under().signed, abs=error)
    assert error < 0.1 * floor.signed_gap()
    # Absolute values keep some noise of 15 bins, of each of which at most all draws' voxels are wrong.
    rest = 5 * np.sqrt(15 / pool.count)
    assert floor.ece() == pytest.approx(pool.ece(), abs=rest)
    assert floor.sce() == pytest.approx(pool.sce(), abs=rest)
    assert floor.count[0].sum() * 200 == pytest.approx(pool.count, rel=0.01)


@given(st.integers(0, 10**6), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_closed_forms(seed, classes):
    p = network(seed, 2, classes, (12, 13)).astype(float)
    prediction, background = p.argmax(0), p[0]
    missed = (background * (1 - background))[prediction == 0].sum()
    union = expected_bins(p.astype(np.float32), "union")
    voxels = (prediction != 0).sum() + (1 - background)[prediction == 0].sum()
    assert union.signed_gap() == pytest.approx(missed / voxels, rel=1e-4)
    assert union.ece() == pytest.approx(missed / voxels, rel=1e-4)  # every bin's gap is an excess
    reference = expected_bins(p.astype(np.float32), "reference")
    shown = (background * p.max(0))[prediction != 0].sum()
    assert reference.signed_gap() == pytest.approx((missed - shown) / (1 - background).sum(), rel=1e-3, abs=1e-5)
    for one in (union, reference):
        assert one.scores() == {"ece": one.ece(), "sce": one.sce(), "signed_gap": one.signed_gap()}
        # All rows count the same voxels, and no bin has more hits than voxels.
        np.testing.assert_allclose(one.count.sum(1), one.count[0].sum())
        assert (one.hits <= one.count * (1 + 1e-5) + 1e-5).all()


def test_a_network_that_is_certain_has_no_floor():
    p = np.zeros((3, 6, 7), np.float32)
    p[0], p[0, 2:4, 2:5], p[1, 2:4, 2:5] = 1, 0, 1
    for region in WITH_FLOOR:
        found = expected_bins(p, region)
        assert found.count[0].sum() == 6
        assert found.scores() == {"ece": 0, "sce": 0, "signed_gap": 0}
    p[0], p[1] = 1, 0
    assert np.isnan([*expected_bins(p, "union").scores().values()]).all()


def test_bad_input_is_refused():
    p = network(0, 2, 2, (5, 5))
    with pytest.raises(ValueError, match="expected one of reference, union"):
        expected_bins(p, "boundary")
    with pytest.raises(ValueError, match="two or more classes"):
        expected_bins(p[:1], "union")
