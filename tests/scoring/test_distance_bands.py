import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import CalibrationHistogram, region_mask
from spectralcal.metrics.distance_bands import BANDS, ENDS_MM, band_edges, band_sums, boundary_distance, signed_bands
from spectralcal.scoring.score import score_case
from spectralcal.study.config import EvaluationConfig


def slow_bands(reference, spacing):
    """Band of each voxel from all pairs of voxels."""
    shape = np.array(reference.shape)
    voxels = np.argwhere(np.ones(shape, bool))
    steps = [sign * row for row in np.eye(reference.ndim, dtype=int) for sign in (-1, 1)]
    edge = [
        v
        for v in voxels
        if any(
            (w >= 0).all() and (w < shape).all() and reference[tuple(w)] != reference[tuple(v)]
            for w in (v + s for s in steps)
        )
    ]
    found = np.full(reference.shape, -1)
    if not edge:
        return found
    for v in voxels:
        distance = np.sqrt((((np.array(edge) - v) * spacing) ** 2).sum(1)).min()
        step = sum(distance > end * (1 + 1e-9) for end in ENDS_MM)
        found[tuple(v)] = BANDS // 2 + step if reference[tuple(v)] else BANDS // 2 - 1 - step
    return found


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from([(7, 6, 5), (9, 11), (1, 6, 6)]),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (0.7, 2.5, 1.0), (3.0, 3.0, 6.0)]),
    seed=st.integers(0, 1000),
)
def test_bands_equal_those_of_all_pairs(shape, spacing, seed):
    random = np.random.default_rng(seed)
    reference = (random.random(shape) < 0.08).astype(np.uint8) * random.integers(1, 3, shape).astype(np.uint8)
    mm = spacing[: len(shape)]
    np.testing.assert_array_equal(signed_bands(reference, boundary_distance(reference, mm)), slow_bands(reference, mm))


def test_a_wall_by_hand():
    """Structure from index 12 on, 1 mm voxels: boundary voxels are 11 and 12, at distance 0."""
    reference = np.repeat((np.arange(24) >= 12).astype(np.uint8)[:, None], 4, 1)
    bands = signed_bands(reference, boundary_distance(reference, (1.0, 1.0)))[:, 0]
    assert list(bands) == [0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 8, 8, 8, 9, 9, 9]


def test_edges_are_signed_and_touch():
    edges = band_edges()
    assert edges.shape == (BANDS, 2)
    assert edges[0, 0] == -np.inf
    assert edges[-1, 1] == np.inf
    np.testing.assert_array_equal(edges[1:, 0], edges[:-1, 1])
    np.testing.assert_array_equal(edges[BANDS // 2], [0, 1])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.5, 3.0), (4.0, 1.0, 1.0)])
def test_the_mask_of_the_boundary_region_is_the_regions_own(spacing):
    random = np.random.default_rng(3)
    reference = np.kron((random.random((4, 5, 4)) < 0.2).astype(np.uint8), np.ones((3, 3, 3), np.uint8))
    found = boundary_distance(reference, spacing).within(3.0, reference.shape)
    np.testing.assert_array_equal(found, region_mask("boundary", reference, reference, spacing))


def probabilities(shape, seed=0, classes=3):
    logits = 3 * np.random.default_rng(seed).standard_normal((classes, *shape))
    shares = np.exp(logits - logits.max(0))
    return (shares / shares.sum(0)).astype(np.float32)


def test_each_band_is_the_histogram_of_its_voxels(monkeypatch):
    monkeypatch.setattr("spectralcal.metrics.distance_bands._SLAB", 200)
    shape, spacing = (14, 13, 12), (1.0, 1.2, 2.0)
    reference = np.zeros(shape, np.uint8)
    reference[4:10, 3:9, 3:8] = 1
    reference[5:8, 4:7, 4:7] = 2
    p = probabilities(shape)
    bands = signed_bands(reference, boundary_distance(reference, spacing))
    sums = band_sums(p, p.argmax(0), reference, bands)
    for band in range(BANDS):
        diagram = CalibrationHistogram(3).update(p[None], reference[None], (bands == band)[None]).reliability()
        np.testing.assert_array_equal(sums["count"][band], diagram.count)
        np.testing.assert_array_equal(sums["hits"][band], np.round(np.nan_to_num(diagram.accuracy) * diagram.count))
        np.testing.assert_allclose(sums["confidence"][band], np.nan_to_num(diagram.confidence) * diagram.count)
    assert sums["count"].sum() == reference.size


@pytest.mark.parametrize("value", [1 / 3, 0.4, 0.6, 1.0])
def test_confidence_on_an_edge_falls_in_the_bin_of_the_histogram(value):
    p = np.stack([np.full((4, 4), value), np.full((4, 4), (1 - value) / 2), np.full((4, 4), (1 - value) / 2)])
    p = p.astype(np.float32)
    reference = np.pad(np.ones((2, 2), np.uint8), 1)
    bands = signed_bands(reference, boundary_distance(reference, (1.0, 1.0)))
    sums = band_sums(p, p.argmax(0), reference, bands)
    diagram = CalibrationHistogram(3).update(p[None], reference[None]).reliability()
    np.testing.assert_array_equal(sums["count"].sum(0), diagram.count)


def test_a_calibrated_band_has_no_gap():
    """Confidence 0.75 and three of four voxels right, in every row across the wall."""
    reference = np.repeat((np.arange(24) >= 12).astype(np.uint8)[:, None], 8, 1)
    wrong = np.broadcast_to(np.arange(8) % 4 == 0, reference.shape)
    top = np.where(wrong, 1 - reference, reference)
    p = np.stack([np.where(top == label, 0.75, 0.25) for label in (0, 1)]).astype(np.float32)
    scores = score_case(p, reference, (1.0, 1.0), ("a",), EvaluationConfig())
    bands = scores.by_scorer["distance"].arrays
    count = bands["count"].sum(1)
    assert (count > 0).all()
    np.testing.assert_allclose(bands["confidence"].sum(1), bands["hits"].sum(1))


def test_a_reference_of_one_label_has_no_bands():
    reference = np.zeros((6, 6, 6), np.uint8)
    p = probabilities(reference.shape, classes=2)
    scores = score_case(p, reference, (1, 1, 1), ("a",), EvaluationConfig())
    assert scores.by_scorer["distance"].arrays["count"].sum() == 0
    assert scores.by_scorer["calibration"].parts["all"].count == reference.size
    assert scores.by_scorer["calibration"].parts["boundary"].count == 0


def test_spacing_of_other_dimension_is_refused():
    with pytest.raises(ValueError, match=r"spacing_mm must be 3 positive numbers, one an axis, got \(1.0, 1.0\)"):
        boundary_distance(np.zeros((3, 3, 3), np.uint8), (1.0, 1.0))
