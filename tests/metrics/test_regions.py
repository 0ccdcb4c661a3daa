import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import REGIONS, boundary_band, region_mask

TARGET = np.zeros((9, 10), np.uint8)
TARGET[3:6, 3:7] = 2
PREDICTION = np.roll(TARGET, 2, axis=1)


def test_regions_by_definition():
    masks = {name: region_mask(name, TARGET, PREDICTION, (1.0, 1.0)) for name in REGIONS}
    assert masks["all"].all()
    assert masks["reference"].sum() == 12
    assert masks["union"].sum() == 12 + 6
    np.testing.assert_array_equal(masks["predicted_foreground"], PREDICTION != 0)
    np.testing.assert_array_equal(masks["predicted_boundary"], boundary_band(PREDICTION, TARGET, (1.0, 1.0)))
    np.testing.assert_array_equal(masks["boundary"], boundary_band(TARGET, PREDICTION, (1.0, 1.0)))
    assert not (masks["reference"] & ~masks["union"]).any()
    assert all(mask.dtype == bool and mask.shape == TARGET.shape for mask in masks.values())


@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.sampled_from([0.0, 1.0, 1.5, 2.0, 4.5]))
@settings(max_examples=40, deadline=None)
def test_boundary_band_against_all_pairs(seed, ndim, radius_mm):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(rng.integers(1, 8, ndim)), rng.choice([0.5, 1.0, 1.5, 2.5], ndim)
    target = rng.choice(3, shape, p=[0.9, 0.05, 0.05])
    voxels = np.argwhere(np.ones(shape, bool))
    steps = np.abs(voxels[:, None] - voxels[None]).sum(-1)
    labels = target.ravel()
    edge = ((steps == 1) & (labels[:, None] != labels[None])).any(1)
    apart = np.linalg.norm((voxels[:, None] - voxels[None]) * spacing, axis=-1)
    expected = (apart[:, edge] <= radius_mm + 1e-9).any(1).reshape(shape)
    np.testing.assert_array_equal(boundary_band(target, target, spacing, radius_mm), expected)


def test_boundary_band_measures_millimetres():
    target = np.zeros((20, 20), int)
    target[:10] = 1
    assert boundary_band(target, target, (1.0, 1.0), 3.0).sum() == 20 * 8
    assert boundary_band(target, target, (3.0, 1.0), 3.0).sum() == 20 * 4
    assert not boundary_band(np.ones((4, 4), int), target, (1.0, 1.0)).any()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="region must be one of all, reference, union, boundary"):
        region_mask("edge", TARGET, PREDICTION, (1, 1))
    with pytest.raises(ValueError, match="one shape"):
        region_mask("all", TARGET, PREDICTION[1:], (1, 1))
    for name in REGIONS:
        with pytest.raises(ValueError, match="at least one voxel"):
            region_mask(name, TARGET[:0], PREDICTION[:0], (1, 1))
    for spacing in ((1, 0), (1, -2), (1, np.inf)):
        with pytest.raises(ValueError, match="spacing_mm"):
            region_mask("boundary", TARGET, PREDICTION, spacing)
    with pytest.raises(ValueError, match="integer label maps"):
        region_mask("all", TARGET, PREDICTION.astype(float), (1, 1))
    with pytest.raises(ValueError, match="whole values"):
        region_mask("all", TARGET + 0.5, PREDICTION, (1, 1))
    with pytest.raises(ValueError, match="spacing_mm"):
        region_mask("boundary", TARGET, PREDICTION, (1,))
    with pytest.raises(ValueError, match="radius_mm"):
        boundary_band(TARGET, PREDICTION, (1, 1), -1)
