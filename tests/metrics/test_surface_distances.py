"""Against MONAI, against all pairs of boundary voxels, and against values worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import compiled, surface_distances, surface_distances_by_label

NUMBERS = ("hd95", "asd", "assd", "hd", "hd95_pooled")


@pytest.fixture(params=["numpy", "compiled"], autouse=True, scope="module")
def loops(request):
    """Every test of this file runs on both implementations."""
    with pytest.MonkeyPatch.context() as patch:
        limit = 0 if request.param == "compiled" else 1 << 62
        patch.setattr(compiled, "PAYS_FROM", limit)
        patch.setattr(compiled, "PAYS_TO_COMPILE_FROM", limit)
        yield


def ball(shape, centre, radius, spacing=None):
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    spacing = spacing or (1,) * len(shape)
    return sum(((a - c) * s) ** 2 for a, c, s in zip(axes, centre, spacing, strict=True)) <= radius**2


def slow(prediction, reference, spacing):
    """Distances over all pairs of boundary voxels, boundaries voxel by voxel."""

    def boundary(mask):
        points = []
        for index in np.argwhere(mask):
            for axis in range(mask.ndim):
                for step in (-1, 1):
                    other = index.copy()
                    other[axis] += step
                    if not 0 <= other[axis] < mask.shape[axis] or not mask[tuple(other)]:
                        points.append(index)
                        break
                else:
                    continue
                break
        return np.array(points) * np.asarray(spacing)

    p, r = boundary(prediction), boundary(reference)
    pairs = np.linalg.norm(p[:, None] - r[None], axis=-1)
    to_r, to_p = pairs.min(1), pairs.min(0)
    return {
        "hd95": max(np.percentile(to_r, 95), np.percentile(to_p, 95)),
        "hd": max(to_r.max(), to_p.max()),
        "asd": to_r.mean(),
        "assd": np.concatenate([to_r, to_p]).mean(),
        "hd95_pooled": np.percentile(np.concatenate([to_r, to_p]), 95),
    }


@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_random_masks_against_all_pairs(seed, ndim, density):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(rng.integers(1, 9, ndim)), tuple(rng.uniform(0.4, 4, ndim))
    p, r = rng.random(shape) < density, rng.random(shape) < density
    p.flat[0] = r.flat[-1] = True
    d = surface_distances(p, r, spacing)
    for name, value in slow(p, r, spacing).items():
        assert getattr(d, name) == pytest.approx(value, abs=1e-9), name


def pairs_of_masks():
    shape, spacing = (40, 36, 20), (0.8, 0.8, 2.5)
    base = ball(shape, (18, 17, 9), 11, spacing)
    hole = base & ~ball(shape, (18, 17, 9), 4, spacing)
    islands = ball(shape, (19, 16, 10), 10, spacing)
    islands[0, 0, 0] = islands[39, 35, 19] = True
    at_border = np.zeros(shape, bool)
    at_border[:9, :, :5] = True
    one = np.zeros(shape, bool)
    one[3, 4, 5] = True
    full = np.ones(shape, bool)
    flat = ball(shape[:2], (20, 18), 9), ball(shape[:2], (17, 20), 10)
    return {
        "shifted": (ball(shape, (20, 18, 9), 10, spacing), base, spacing),
        "hole": (hole, base, spacing),
        "islands": (islands, base, spacing),
        "border": (at_border, base, spacing),
        "one voxel": (one, base, spacing),
        "full volume": (full, base, spacing),
        "two dimensions": (*flat, (1.5, 0.7)),
    }


@pytest.mark.parametrize("name", pairs_of_masks())
def test_against_monai(name):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    p, r, spacing = pairs_of_masks()[name]
    tensors = [torch.from_numpy(m)[None, None].float() for m in (p, r)]
    options = {"include_background": True, "spacing": list(spacing)}
    d, tolerance = surface_distances(p, r, spacing), {"abs": 1e-4}
    assert d.hd95 == pytest.approx(compute_hausdorff_distance(*tensors, percentile=95, **options).item(), **tolerance)
    assert d.hd == pytest.approx(compute_hausdorff_distance(*tensors, **options).item(), **tolerance)
    assert d.asd == pytest.approx(compute_average_surface_distance(*tensors, **options).item(), **tolerance)
    symmetric = compute_average_surface_distance(*tensors, symmetric=True, **options).item()
    assert d.assd == pytest.approx(symmetric, **tolerance)


def test_nsd_against_monai():
    import torch
    from monai.metrics import compute_surface_dice

    p, r, spacing = pairs_of_masks()["shifted"]
    one_hot = [torch.from_numpy(np.stack([~m, m]))[None] for m in (p, r)]
    for tolerance_mm in (0.0, 1.0, 2.0):
        expected = compute_surface_dice(*one_hot, [tolerance_mm], spacing=list(spacing)).item()
        assert surface_distances(p, r, spacing).nsd(tolerance_mm) == pytest.approx(expected, abs=1e-6)


def test_shifted_square_by_hand():
    p, r = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    r[2:6, 2:6] = True
    p[2:6, 5:9] = True  # three columns of 2 mm further
    d = surface_distances(p, r, (1.0, 2.0))
    assert d.hd == 6
    # Both boundaries have 12 voxels; the predicted columns 5, 6, 7, 8 are 0, 2, 4 and 6 mm from column 5.
    assert d.asd == pytest.approx((4 * 0 + 2 * 2 + 2 * 4 + 4 * 6) / 12)
    assert d.nsd(0) == pytest.approx(8 / 24)
    assert d.nsd(6) == 1
    assert surface_distances(p, p, (1.0, 2.0)).hd == 0


def test_a_missed_structure_has_a_price():
    full, empty = np.ones((3, 4, 12), bool), np.zeros((3, 4, 12), bool)
    missed = surface_distances(empty, full, (1, 1, 1))
    assert missed.status == "missed"
    assert {getattr(missed, name) for name in NUMBERS} == {13.0}  # 3^2 + 4^2 + 12^2 = 13^2
    assert missed.penalty_mm == surface_distances(full, full, (1, 1, 1)).penalty_mm == 13
    assert missed.nsd(100) == 0


def test_without_a_reference_there_is_no_distance():
    full, empty = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    for p, expected in ((full, "spurious"), (empty, "absent")):
        d = surface_distances(p, empty, (1, 1))
        assert d.status == expected
        assert all(math.isnan(getattr(d, name)) for name in NUMBERS)
        assert math.isnan(d.nsd(1))


@pytest.mark.parametrize("by_label", [False, True])
def test_a_false_structure_costs_what_a_missed_one_does_if_asked(by_label):
    full, empty = np.ones((240, 240, 1), np.uint8), np.zeros((240, 240, 1), np.uint8)

    def distances(p, r):
        found = (
            surface_distances_by_label(p, r, [1], (1, 1, 155))[1] if by_label else surface_distances(p, r, (1, 1, 155))
        )
        return replace(found, price_spurious=True)

    spurious, missed, absent = distances(full, empty), distances(empty, full), distances(empty, empty)
    assert [d.status for d in (spurious, missed, absent)] == ["spurious", "missed", "absent"]
    for name in NUMBERS:
        assert getattr(spurious, name) == getattr(missed, name) == pytest.approx(373.13, abs=0.01)  # as BraTS prints it
        assert math.isnan(getattr(absent, name))
    assert spurious.nsd(100) == missed.nsd(100) == 0
    assert distances(full, full).hd95 == surface_distances(full, full, (1, 1, 155)).hd95 == 0


def test_the_penalty_is_above_every_distance_in_the_image():
    p, r = np.zeros((6, 7, 8), bool), np.zeros((6, 7, 8), bool)
    p[0, 0, 0] = r[-1, -1, -1] = True
    d = surface_distances(p, r, (1, 2, 3))
    assert d.hd == pytest.approx(math.sqrt(5**2 + 12**2 + 21**2))
    assert d.hd < d.penalty_mm


def test_directions():
    p, r, spacing = pairs_of_masks()["islands"]
    there, back = surface_distances(p, r, spacing), surface_distances(r, p, spacing)
    np.testing.assert_array_equal(there.prediction_to_reference_mm, back.reference_to_prediction_mm)
    assert there.hd95 == back.hd95
    assert there.asd != back.asd


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, 1, -1), (1, 1, math.nan), (1, 1, math.inf), 1.0])
def test_bad_spacing_is_refused(spacing):
    mask = np.ones((3, 3, 3), bool)
    with pytest.raises(ValueError, match="spacing_mm must be 3 positive numbers"):
        surface_distances(mask, mask, spacing)
    with pytest.raises(ValueError, match="spacing_mm must be 3 positive numbers"):
        surface_distances_by_label(mask.astype(np.uint8), mask.astype(np.uint8), [1], spacing)


@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.sampled_from([np.uint8, np.int64, np.int16]))
@settings(max_examples=30, deadline=None)
def test_label_maps_give_what_masks_give(seed, ndim, dtype):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(rng.integers(1, 12, ndim)), tuple(rng.choice([0.5, 0.8, 2.5], ndim))
    p, r = (rng.choice([0, 0, 0, 1, 2, 200], shape).astype(dtype) for _ in range(2))
    results = surface_distances_by_label(p, r, [1, 2, 7, 200], spacing)
    assert results[7].status == "absent"
    for label, ours in results.items():
        one = surface_distances(p == label, r == label, spacing)
        assert (ours.status, ours.penalty_mm) == (one.status, one.penalty_mm)
        np.testing.assert_array_equal(ours.prediction_to_reference_mm, one.prediction_to_reference_mm)
        np.testing.assert_array_equal(ours.reference_to_prediction_mm, one.reference_to_prediction_mm)


def test_labels_that_are_no_bytes():
    p = np.zeros((6, 7), np.int64)
    p[1:3], p[4:] = -255, 300  # as bytes: 1 and 44
    results = surface_distances_by_label(p, np.roll(p, 1, 1), [1, 44, 300], (1, 1))
    assert [d.status for d in results.values()] == ["absent", "absent", "ok"]
    with pytest.raises(ValueError, match="integer label maps of one shape"):
        surface_distances_by_label(p, p[1:], [1], (1, 1))
    with pytest.raises(ValueError, match="integer label maps of one shape"):
        surface_distances_by_label(p * 1.0, p, [1], (1, 1))


def test_a_tolerance_of_whole_voxels_includes_them():
    p, r = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    r[5:10, 5:10], p[8:13, 5:10] = True, True  # 3 x 0.8 is 2.4000000000000004 in floating point
    assert surface_distances(p, r, (0.8, 0.8)).hd <= 2.4


def test_bad_input_is_refused():
    mask = np.ones((3, 3), bool)
    with pytest.raises(ValueError, match="one shape"):
        surface_distances(mask, mask[:2], (1, 1))
    with pytest.raises(ValueError, match="must be a mask"):
        surface_distances(mask * 2, mask, (1, 1))
    with pytest.raises(ValueError, match="must be a mask"):
        surface_distances(np.where(mask, np.nan, 0), mask, (1, 1))
    with pytest.raises(ValueError, match="at least one voxel"):
        surface_distances(mask[:0], mask[:0], (1, 1))
    labels = mask.astype(np.uint8)
    with pytest.raises(ValueError, match="integer label maps of one shape"):
        surface_distances_by_label(labels[:0], labels[:0], [1], (1, 1))
    with pytest.raises(ValueError, match="tolerance_mm"):
        surface_distances(mask, mask, (1, 1)).nsd(-1)
