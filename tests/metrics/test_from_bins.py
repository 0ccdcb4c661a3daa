"""What follows from stored bins of label-chosen regions, against the same numbers counted from voxels."""

import numpy as np
import pytest
from calibrated import drawn, network
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import CalibrationHistogram, expected_bins, region_mask, score
from spectralcal.metrics.between import Between, exactly
from spectralcal.metrics.curve import CurveHistogram, curve_arrays
from spectralcal.metrics.from_bins import NEEDS, derive

SHAPE = (70, 60)


def scored(seed, classes, sharpness, cases=3):
    """Bins by region and curves of cases of an over- or underconfident network, and the counted values."""
    arrays = {region: {"count": [], "confidence": [], "accuracy": []} for region in NEEDS}
    pools = {region: CalibrationHistogram(classes) for region in NEEDS}
    counted = {"foreground_gap": [], "foreground_ece": [], "union_floor": [], "reference_floor_gap": [],
               "reference_floor_ece": []}  # fmt: skip
    for case in range(cases):
        truth = network(seed + case, 2, classes, SHAPE).astype(float)
        labels = drawn(truth, seed + case)
        p = truth**sharpness
        p = (p / p.sum(0)).astype(np.float32)
        prediction = p.argmax(0).astype(np.uint8)

        def histogram(region, p=p, labels=labels, prediction=prediction):
            mask = region_mask(region, labels, prediction, (1, 1))
            return CalibrationHistogram(classes).update(p[None], labels[None], mask[None])

        for region in NEEDS:
            one = histogram(region)
            pools[region].merge(one)
            rows = [one.reliability(label) for label in (None, *range(classes))]
            for name in arrays[region]:
                arrays[region][name].append([getattr(row, name) for row in rows])
        found = score({"predicted_foreground": histogram("predicted_foreground")}, "predicted_foreground")
        union, reference = (expected_bins(p, region) for region in ("union", "reference"))
        values = (found["signed_gap"], found["ece"], union.signed_gap(), reference.signed_gap(), reference.ece())
        for name, value in zip(counted, values, strict=True):
            counted[name].append(value)
    bins = {region: {name: np.array(values) for name, values in one.items()} for region, one in arrays.items()}
    curves = {region: CurveHistogram.from_arrays(curve_arrays(pool)) for region, pool in pools.items()}
    return bins, curves, {name: np.array(values) for name, values in counted.items()}


@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from([0.5, 1.0, 2.0]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_intervals_have_the_counted_values_in_them(seed, classes, sharpness, with_curves):
    bins, curves, counted = scored(seed, classes, sharpness)
    derived = derive(bins, curves if with_curves else None)
    for name, values in counted.items():
        found = getattr(derived, name)
        slack = 1e-5  # float32 rounding of the sums of classes
        assert (found.low <= values + slack).all(), name
        assert (values <= found.high + slack).all(), name
        assert (found.low <= found.value + 1e-12).all(), name
        assert (found.value <= found.high + 1e-12).all(), name
        np.testing.assert_allclose(found.error, np.maximum(found.high - found.value, found.value - found.low))


@pytest.mark.parametrize("sharpness", [0.7, 2.0])
def test_two_classes_are_nearly_exact(sharpness):
    bins, curves, counted = scored(3, 2, sharpness)
    derived = derive(bins, curves)
    for name, values in counted.items():
        np.testing.assert_allclose(getattr(derived, name).value, values, atol=4e-3, err_msg=name)
        if "reference" not in name:
            assert getattr(derived, name).error.max() < 0.01, name


def test_a_case_without_foreground_has_no_number():
    p = np.zeros((3, 8, 8), np.float32)
    p[0] = 1
    bins = {}
    for region in NEEDS:
        mask = region_mask(region, np.zeros((8, 8), int), np.zeros((8, 8), int), (1, 1))
        one = CalibrationHistogram(3).update(p[None], np.zeros((1, 8, 8), int), mask[None])
        rows = [one.reliability(label) for label in (None, 0, 1, 2)]
        bins[region] = {n: np.array([[getattr(r, n) for r in rows]]) for n in ("count", "confidence", "accuracy")}
    derived = derive(bins)
    for name in ("foreground_gap", "foreground_ece", "union_floor"):
        assert np.isnan(getattr(derived, name)).all()


def test_a_missing_region_is_named():
    bins, _, _ = scored(0, 2, 1.0, 1)
    with pytest.raises(ValueError, match="found none of 'union'"):
        derive({name: bins[name] for name in ("all", "reference")})


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.lists(st.floats(0.1, 5), min_size=2, max_size=2))
def test_intervals_enclose_what_they_are_made_of(ends, positive):
    a, b = (Between(*(np.array([x]) for x in (min(pair), sum(pair) / 2, max(pair)))) for pair in (ends[:2], ends[2:]))
    d = Between(*(np.array([x]) for x in (min(positive), sum(positive) / 2, max(positive))))
    for x in (a.low, a.value, a.high):
        for y in (b.low, b.value, b.high):
            for found, value in ((a + b, x + y), (a - b, x - y), (abs(a), np.abs(x))):
                assert found.low <= value + 1e-12
                assert value <= found.high + 1e-12
        for z in (d.low, d.value, d.high):
            assert (a / d).low <= x / z + 1e-12
            assert x / z <= (a / d).high + 1e-12
    assert np.isnan(a / exactly(np.zeros(1))).all()
