import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spectralcal.preparation.intensity import normalize

volumes = arrays(np.float32, (1, 4, 3, 5), elements=st.floats(-2000, 3000, width=32)).filter(
    lambda image: image.std() > 1 and image[image != 0].size > 1 and image[image != 0].std() > 1
)


@given(volumes)
@settings(max_examples=50, deadline=None)
def test_zscore_of_ct_has_mean_0_and_deviation_1(image):
    found = normalize(image, "ct", ct_clip=(-2000, 3000)).astype(np.float64)
    assert found.mean() == pytest.approx(0, abs=1e-4)
    assert found.std() == pytest.approx(1, abs=1e-4)


@given(volumes)
@settings(max_examples=50, deadline=None)
def test_zscore_of_mr_counts_non_zero_voxels_and_keeps_order(image):
    found = normalize(image, "mr")
    body = image != 0
    assert found[body].mean(dtype=np.float64) == pytest.approx(0, abs=1e-4)
    assert found[body].std(dtype=np.float64) == pytest.approx(1, abs=1e-4)
    order = np.argsort(image, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()


def test_background_zeros_do_not_change_an_mr():
    brain = np.random.default_rng(0).uniform(50, 200, (1, 6, 6, 6)).astype(np.float32)
    padded = np.pad(brain, ((0, 0), (4, 4), (4, 4), (4, 4)))
    np.testing.assert_allclose(normalize(padded, "mr")[:, 4:-4, 4:-4, 4:-4], normalize(brain, "mr"), atol=1e-5)
    assert normalize(padded, "mr").min() == normalize(padded, "mr")[0, 0, 0, 0]


def test_ct_is_clipped_before_its_statistics():
    image = np.array([[[[-3000.0, -1000.0, 0.0, 400.0, 3000.0]]]])
    found = normalize(image, "ct")
    clipped = np.array([-1000, -1000, 0, 400, 400.0])
    np.testing.assert_allclose(found.ravel(), (clipped - clipped.mean()) / clipped.std(), rtol=1e-6)


def test_channels_are_normalised_apart():
    image = np.random.default_rng(1).uniform(1, 2, (2, 5, 5, 5)).astype(np.float32)
    image[1] *= 1000
    found = normalize(image, "mr")
    np.testing.assert_allclose(found[1], normalize(image[1:], "mr")[0])
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0, atol=1e-5)


def test_minmax_is_the_range_0_to_1_and_equals_minmax_of_the_zscore():
    image = np.random.default_rng(2).normal(500, 90, (1, 5, 6, 7)).astype(np.float32)
    found = normalize(image, "mr", "minmax")
    assert (found.min(), found.max()) == (0, 1)
    np.testing.assert_allclose(normalize(normalize(image, "mr"), "mr", "minmax"), found, atol=1e-6)


def test_a_large_offset_costs_no_digits():
    random = np.random.default_rng(3).integers(0, 100, (1, 8, 8, 8))
    np.testing.assert_allclose(
        normalize((random + 30_000.0).astype(np.float32), "mr"), normalize(random + 1.0, "mr"), atol=1e-5
    )


def test_none_changes_nothing_but_clips_ct():
    image = np.array([[[[-2000.0, 5.0, 900.0]]]])
    np.testing.assert_array_equal(normalize(image, "mr", "none"), image)
    np.testing.assert_array_equal(normalize(image, "ct", "none").ravel(), [-1000, 5, 400])


@pytest.mark.parametrize("value", [0.0, 7.0])
@pytest.mark.parametrize("modality", ["mr", "ct"])
def test_a_constant_image_is_refused(value, modality):
    with pytest.raises(ValueError, match="constant"):
        normalize(np.full((1, 3, 3, 3), value), modality)


def test_bad_options_are_refused():
    image = np.random.default_rng(4).normal(size=(1, 3, 3, 3))
    with pytest.raises(ValueError, match="'zscore', 'minmax' or 'none', got 'z'"):
        normalize(image, "mr", "z")
    with pytest.raises(ValueError, match="low < high"):
        normalize(image, "ct", ct_clip=(400, -1000))
