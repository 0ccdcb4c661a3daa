import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from spectralcal.preparation import resample

shapes = st.tuples(*[st.integers(1, 12)] * 3)


def half_pixel_centres(old, new):
    """Input indices of the output centres when both grids share their outer edges."""
    axes = [(np.arange(n) + 0.5) * o / n - 0.5 for o, n in zip(old, new, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


@given(shapes, shapes)
@settings(max_examples=60, deadline=None)
def test_image_agrees_with_scipy(old, new):
    image = np.random.default_rng(0).normal(size=(2, *old)).astype(np.float32)
    found = resample.resample_image(image, new)
    expected = [map_coordinates(channel, half_pixel_centres(old, new), order=1, mode="nearest") for channel in image]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(shapes, shapes)
@settings(max_examples=60, deadline=None)
def test_label_takes_the_voxel_that_holds_the_centre(old, new):
    label = np.random.default_rng(1).integers(0, 5, old).astype(np.uint8)
    found = resample.resample_label(label, new)
    for index in np.ndindex(*new):
        # voxel j covers [j, j + 1) of the extent; exact in integers
        source = tuple((2 * i + 1) * o // (2 * n) for i, o, n in zip(index, old, new, strict=True))
        assert found[index] == label[source]
    assert found.dtype == label.dtype


@given(shapes, shapes)
@settings(max_examples=30, deadline=None)
def test_label_agrees_with_torchs_nearest_away_from_ties(old, new):
    label = np.random.default_rng(1).integers(0, 5, old).astype(np.uint8)
    axes = [(np.arange(n) + 0.5) * o / n for o, n in zip(old, new, strict=True)]
    clear = np.ix_(*[np.abs(axis - np.rint(axis)) > 1e-3 for axis in axes])
    other = torch.nn.functional.interpolate(
        torch.from_numpy(label[None, None].astype(np.float32)), size=new, mode="nearest-exact"
    )[0, 0]
    np.testing.assert_array_equal(resample.resample_label(label, new)[clear], other.numpy()[clear])


def test_a_linear_ramp_keeps_its_position_in_mm():
    # the same physical ramp sampled at 1 mm and resampled to 0.5, 2 and 2.5 mm has the same value at the same place
    positions = np.arange(20) + 0.5
    image = np.broadcast_to(positions[:, None, None], (1, 20, 3, 3)).astype(np.float32)
    for spacing in (0.5, 2.0, 2.5):
        shape = resample.resampled_shape((20, 3, 3), (1, 1, 1), (spacing, 1, 1))
        found = resample.resample_image(image, shape)[0, :, 1, 1]
        expected = (np.arange(shape[0]) + 0.5) * spacing
        inner = slice(1, -1)
        np.testing.assert_allclose(found[inner], expected[inner], atol=1e-5)


@given(shapes, shapes)
@settings(max_examples=60, deadline=None)
def test_probabilities_stay_a_distribution(old, new):
    logits = torch.randn(4, *old, generator=torch.Generator().manual_seed(0))
    found = resample.resample_probabilities(logits.softmax(0), new)
    assert found.shape == (4, *new)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(0), torch.ones(new), atol=1e-5, rtol=0)


@given(shapes, st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_label_round_trip_through_a_finer_grid_is_lossless(shape, factor):
    label = np.random.default_rng(2).integers(0, 4, shape).astype(np.uint8)
    finer = resample.resample_label(label, tuple(size * factor for size in shape))
    np.testing.assert_array_equal(resample.resample_label(finer, shape), label)


def test_probabilities_round_trip_of_a_smooth_map():
    axis = torch.linspace(-2, 2, 24)
    smooth = torch.sigmoid(axis[:, None, None] + axis[:, None] + axis)
    image = torch.stack([1 - smooth, smooth])
    there = resample.resample_image(image.numpy(), (30, 17, 24))
    back = resample.resample_probabilities(torch.from_numpy(there), (24, 24, 24))
    assert (back - image).abs().max() < 0.06  # edge voxels, where linear interpolation has no outer neighbour
    assert (back - image)[:, 2:-2, 2:-2, 2:-2].abs().max() < 0.01


def test_same_shape_returns_the_values_unchanged():
    image = np.random.default_rng(3).normal(size=(1, 4, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(resample.resample_image(image, (4, 5, 6)), image)
    probabilities = torch.rand(2, 4, 5, 6)
    assert resample.resample_probabilities(probabilities, (4, 5, 6)) is probabilities


def test_to_original_grid_fills_background_outside_the_crop():
    probabilities = torch.zeros(3, 4, 4, 4)
    probabilities[2] = 1
    whole = resample.to_original_grid(probabilities, ((1, 3), (0, 5), (2, 4)), (6, 5, 4))
    assert whole.shape == (3, 6, 5, 4)
    torch.testing.assert_close(whole.sum(0), torch.ones(6, 5, 4))
    inside = torch.zeros(6, 5, 4, dtype=torch.bool)
    inside[1:3, 0:5, 2:4] = True
    assert (whole[2] == inside.float()).all()
    assert (whole[0] == (~inside).float()).all()


def test_two_dimensions_work_too():
    image = np.random.default_rng(4).normal(size=(3, 9, 7)).astype(np.float32)
    expected = [map_coordinates(c, half_pixel_centres((9, 7), (5, 11)), order=1, mode="nearest") for c in image]
    np.testing.assert_allclose(resample.resample_image(image, (5, 11)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "old", "new", "expected"),
    [
        ((512, 512, 100), (0.78, 0.78, 2.5), (1.5, 1.5, 1.5), (266, 266, 167)),
        ((10,), (1.0,), (4.0,), (3,)),  # 2.5 rounds up, whatever the parity
        ((14,), (1.0,), (4.0,), (4,)),
        ((3,), (1.0,), (100.0,), (1,)),
    ],
)
def test_resampled_shape(shape, old, new, expected):
    assert resample.resampled_shape(shape, old, new) == expected
    spacing = resample.resampled_spacing(shape, old, expected)
    np.testing.assert_allclose(np.multiply(spacing, expected), np.multiply(shape, old))


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=3), st.lists(st.integers(1, 14), min_size=3, max_size=3),
    st.integers(1, 2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_image_agrees_with_torchs_kernel(old, new, channels):
    image = np.random.default_rng(0).normal(size=(channels, *old)).astype(np.float32)
    size = tuple(new[: len(old)])
    mode = {2: "bilinear", 3: "trilinear"}[len(old)]
    expected = torch.nn.functional.interpolate(torch.from_numpy(image)[None], size=size, mode=mode)[0].numpy()
    found = resample.resample_image(image, size)
    assert (found.shape, found.dtype) == ((channels, *size), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-5)
