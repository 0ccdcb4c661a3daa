"""Against torchmetrics and MedPy, whose code is not ours, and where their definitions part from ours."""

from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from medpy.metric import binary

from spectralcal.metrics import CalibrationHistogram, compiled, dice, surface_distances


@pytest.fixture(params=["numpy", "compiled"], autouse=True, scope="module")
def loops(request):
    """Every test of this file runs on both implementations."""
    with pytest.MonkeyPatch.context() as patch:
        limit = 0 if request.param == "compiled" else 1 << 62
        patch.setattr(compiled, "PAYS_FROM", limit)
        patch.setattr(compiled, "PAYS_TO_COMPILE_FROM", limit)
        yield


def torchmetrics_error(confidence, hit, norm="l1", bins=15):
    """Calibration error by torchmetrics' own binning. Its public functions cast to float32 and would lose digits."""
    module = import_module("torchmetrics.functional.classification.calibration_error")
    tensors = (torch.from_numpy(np.ravel(a).astype(np.float64)) for a in (confidence, hit))
    return float(module._ce_compute(*tensors, bins, norm))


def probabilities(shape, classes, scale, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(classes, *shape)) * scale
    e = np.exp(logits - logits.max(0))
    p = (e / e.sum(0)).astype(np.float32)
    return p, np.where(rng.random(shape) < 0.8, p.argmax(0), rng.integers(0, classes, shape))


@pytest.mark.parametrize("bins", [10, 15])
@pytest.mark.parametrize(("classes", "scale"), [(2, 1.0), (4, 0.3), (5, 2.5)])
def test_calibration_errors_of_torchmetrics(classes, scale, bins):
    p, y = probabilities((40, 36, 30), classes, scale, seed=1)
    h = CalibrationHistogram(classes, bins).update(p, y)
    best, right = p.max(0), p.argmax(0) == y
    assert h.ece() == pytest.approx(torchmetrics_error(best, right, bins=bins), abs=1e-12)
    assert h.mce() == pytest.approx(torchmetrics_error(best, right, "max", bins), abs=1e-12)
    each = [torchmetrics_error(p[c], y == c, bins=bins) for c in range(classes)]
    assert h.classwise_ece() == pytest.approx(each, abs=1e-11)
    assert h.sce() == pytest.approx(np.mean(each), abs=1e-11)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_certain_voxels_of_torchmetrics(share):
    """Probabilities of exactly 0 and 1, alone and among others; no probability in between is an edge."""
    p, y = probabilities((20, 18, 16), 4, 2.0, seed=4)
    certain = np.random.default_rng(5).random(y.shape) < share
    p[:, certain] = np.eye(4, dtype=np.float32)[:, p.argmax(0)[certain]]
    h = CalibrationHistogram(4).update(p, y)
    assert h.ece() == pytest.approx(torchmetrics_error(p.max(0), p.argmax(0) == y), abs=1e-12)
    assert h.sce() == pytest.approx(np.mean([torchmetrics_error(p[c], y == c) for c in range(4)]), abs=1e-11)


def test_one_voxel_of_torchmetrics():
    p = np.array([0.3, 0.6, 0.1], np.float32)[:, None]
    for label in range(3):
        h = CalibrationHistogram(3).update(p, np.array([label]))
        assert h.ece() == pytest.approx(torchmetrics_error(p.max(0), [label == 1]), abs=1e-12)


def test_a_small_volume_by_the_public_function_of_torchmetrics():
    from torchmetrics.functional.classification import multiclass_calibration_error

    p, y = probabilities((9, 8, 7), 3, 2.0, seed=2)
    rows = torch.from_numpy(p).reshape(3, -1).T
    theirs = multiclass_calibration_error(rows, torch.from_numpy(y).ravel(), num_classes=3, n_bins=15)
    assert CalibrationHistogram(3).update(p, y).ece() == pytest.approx(float(theirs), abs=1e-6)


def test_torchmetrics_puts_an_edge_into_the_bin_above():
    best, y = np.array([0.625, 0.6875, 1.0], np.float32), np.array([0, 1, 0])  # of eight bins, 0.625 is an edge
    h = CalibrationHistogram(2, 8).update(np.stack([best, 1 - best]), y)
    assert h.reliability().count.tolist() == [0, 0, 0, 0, 1, 1, 0, 1]
    assert h.ece() == pytest.approx(((1 - 0.625) + 0.6875) / 3)
    assert torchmetrics_error(best, y == 0, bins=8) == pytest.approx((0.625 + 0.6875 - 1) / 3)


def pairs_of_masks():
    shape, spacing = (30, 28, 12), (0.8, 0.8, 2.5)
    grid = np.ogrid[tuple(slice(n) for n in shape)]

    def ball(*centre, radius):
        return sum(((a - c) * s) ** 2 for a, c, s in zip(grid, centre, spacing, strict=True)) <= radius**2

    reference, prediction = ball(14, 13, 5, radius=9), ball(15, 12, 6, radius=8)
    islands = prediction.copy()
    islands[0, 0, 0] = islands[29, 27, 11] = True
    border, one = np.zeros(shape, bool), np.zeros(shape, bool)
    border[:8, :, :4] = one[3, 4, 5] = True
    return {
        "shifted": (prediction, reference, spacing),
        "islands": (islands, reference, spacing),
        "hole": (reference & ~ball(14, 13, 5, radius=4), reference, spacing),
        "border": (border, reference, spacing),
        "one voxel": (one, reference, spacing),
        "full volume": (np.ones(shape, bool), reference, spacing),
        "same": (reference, reference, spacing),
        "image": (prediction[:, :, 6], reference[:, :, 5], (1.5, 0.7)),
    }


def assert_medpy_agrees(p, r, spacing):
    d = surface_distances(p, r, spacing)
    # MedPy's HD95 is the percentile over both directions together, ours the larger of the two directed percentiles.
    theirs = {"asd": binary.asd, "assd": binary.assd, "hd": binary.hd, "hd95_pooled": binary.hd95}
    for name, function in theirs.items():
        assert getattr(d, name) == pytest.approx(function(p, r, voxelspacing=spacing), abs=1e-9), name
    assert dice(p, r) == pytest.approx(binary.dc(p, r), abs=1e-12)


@pytest.mark.parametrize("name", pairs_of_masks())
def test_distances_and_overlap_of_medpy(name):
    assert_medpy_agrees(*pairs_of_masks()[name])


@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.floats(0.02, 0.98))
@settings(max_examples=25, deadline=None)
def test_random_masks_of_medpy(seed, ndim, density):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(rng.integers(1, 12, ndim)), tuple(rng.choice([0.5, 0.8, 2.5], ndim))
    p, r = rng.random(shape) < density, rng.random(shape) < density
    p.flat[0] = r.flat[-1] = True
    assert_medpy_agrees(p, r, spacing)


def test_where_a_far_island_parts_the_two_definitions_of_hd95():
    p, r, spacing = pairs_of_masks()["islands"]
    few = surface_distances(p, r, spacing)
    assert few.hd95 == pytest.approx(few.hd95_pooled, abs=2)  # two voxels are below five per cent either way
    p[:4, :4, :3] = True
    many = surface_distances(p, r, spacing)
    assert many.hd95 > many.hd95_pooled + 1
    assert many.hd95_pooled == pytest.approx(binary.hd95(p, r, voxelspacing=spacing), abs=1e-9)


def test_medpy_has_no_value_where_ours_has_a_status():
    full, empty = np.ones((4, 5, 6), bool), np.zeros((4, 5, 6), bool)
    for p, r, status in ((empty, full, "missed"), (full, empty, "spurious")):
        with pytest.raises(RuntimeError):
            binary.hd95(p, r)
        assert surface_distances(p, r, (1, 1, 1)).status == status
