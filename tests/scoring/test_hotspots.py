import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr

from spectralcal.scoring import hotspots as hot

SHAPE = (24, 20, 22)


def ball(shape=SHAPE, radius=6.0):
    grid = np.indices(shape) - (np.array(shape) / 2).reshape(-1, *[1] * len(shape))
    return (np.sqrt((grid**2).sum(0)) <= radius).astype(np.uint8)


def logits(label, noise=0.3, seed=0):
    """Confident logits of two classes with noise on each."""
    random = np.random.default_rng(seed)
    values = np.stack([np.where(label == c, 2.0, -2.0) for c in (0, 1)]) + noise * random.standard_normal(
        (2, *label.shape)
    )
    return torch.from_numpy(values.astype(np.float32))[None]


@pytest.fixture(scope="module")
def base():
    label = ball()
    return hot.baseline_of(logits(label), label, np.ones(label.shape, bool), (1.0, 1.0, 1.0))


def test_the_field_splits_into_low_and_high_frequencies(base):
    spectrum = np.abs(np.fft.fftn(base.hotspots.astype(np.float64)))
    radius = np.sqrt(sum(np.square(a) for a in np.meshgrid(*map(np.fft.fftfreq, SHAPE), indexing="ij")))
    whole = np.abs(np.fft.fftn(base.field.astype(np.float64)))
    assert spectrum[radius <= 0.3 - 1e-6].max() < 1e-4 * spectrum.max()
    np.testing.assert_allclose(spectrum[radius > 0.3 + 1e-6], whole[radius > 0.3 + 1e-6], rtol=1e-3, atol=1e-2)


def test_a_difference_that_is_the_hotspots_correlates_exactly(base):
    for sign in (1, -1):
        found = hot.correlations(base, sign * 0.01 * base.hotspots)
        np.testing.assert_allclose(found[0, :, 0], sign, atol=1e-6)
        assert np.abs(found[0, :, 1]).max() < 0.1
    magnitude = hot.correlations(base, np.abs(base.hotspots))
    np.testing.assert_allclose(magnitude[1, :, 0], 1, atol=1e-6)


def test_maps_of_the_distance_alone_are_the_null(base):
    """The difference depends on side and distance only: nothing is left beyond the null."""
    difference = np.zeros(SHAPE)
    difference[base.counted] = np.exp(-base.strata / 3.0)
    found = hot.correlations(base, difference)
    np.testing.assert_allclose(found[..., 0], found[..., 1], atol=1e-9)
    observed, expected = hot.profile(base, difference)
    np.testing.assert_allclose(observed, expected, rtol=1e-9)


def test_strata_are_one_voxel_wide_and_one_sided(base):
    label = ball()[base.counted]
    for stratum in np.unique(base.strata):
        mine = base.strata == stratum
        assert np.ptp(base.distance_mm[mine]) <= 1 + 1e-9
        assert np.unique(label[mine]).size == 1


def test_faces_and_padding_do_not_count():
    label = ball()
    real = np.ones(SHAPE, bool)
    real[:, :7] = False
    found = hot.baseline_of(logits(label), label, real, (1.0, 1.0, 1.0))
    assert not found.counted[:, :7].any()
    assert not found.counted[:4].any()
    assert not found.counted[..., -4:].any()
    assert found.counted.sum() == (24 - 8) * (20 - 4 - 7) * (22 - 8)
    assert found.strata.size == found.distance_mm.size == found.counted.sum()


def test_a_short_axis_keeps_half_of_its_voxels():
    label = ball((24, 24, 8), 5.0)
    found = hot.baseline_of(logits(label), label, np.ones(label.shape, bool), (1.0, 1.0, 5.0))
    assert found.counted.any(axis=(0, 1)).sum() == 4


def test_a_patch_without_a_boundary_has_no_numbers():
    label = np.zeros(SHAPE, np.uint8)
    found = hot.baseline_of(logits(label), label, np.ones(SHAPE, bool), (1.0, 1.0, 1.0))
    assert not found.counted.any()
    assert np.isnan(hot.correlations(found, found.confidence)).all()
    assert np.isnan(hot.distance_correlation(found))
    assert hot.profile(found, found.confidence).sum() == 0
    assert hot.joint_histogram(found, found.confidence).sum() == 0


def test_no_high_frequencies_no_correlation():
    label = ball()
    found = hot.baseline_of(torch.zeros(1, 2, *SHAPE), label, np.ones(SHAPE, bool), (1.0, 1.0, 1.0))
    assert np.isnan(hot.correlations(found, np.random.default_rng(0).random(SHAPE))).all()
    assert hot.joint_histogram(found, np.zeros(SHAPE)).sum() == found.counted.sum()


def test_bins_hold_every_counted_voxel(base):
    difference = np.random.default_rng(2).uniform(-1, 1, SHAPE)
    histogram = hot.joint_histogram(base, difference)
    assert histogram.sum() == base.counted.sum()
    zero = len(hot.DIFFERENCE_EDGES) // 2 - 1
    assert hot.joint_histogram(base, np.zeros(SHAPE))[:, zero].sum() == base.counted.sum()
    observed, expected = hot.profile(base, difference)
    assert observed.sum() == pytest.approx(difference[base.counted].sum())
    assert expected.sum() == pytest.approx(observed.sum())


def test_noise_at_the_boundary_falls_with_distance():
    """Against scipy: distances to the voxels with a face neighbour of the other label, and its rank correlation."""
    label = ball()
    border = label != np.roll(label, 1, 0)
    for axis in range(3):
        for shift in (1, -1):
            border |= label != np.roll(label, shift, axis)
    away = distance_transform_edt(~border)
    noise = 4 * np.random.default_rng(0).standard_normal((2, *SHAPE)) * np.exp(-away / 2)
    noisy = logits(label, noise=0) + torch.from_numpy(noise.astype(np.float32))
    found = hot.baseline_of(noisy, label, np.ones(SHAPE, bool), (1.0, 1.0, 1.0))
    expected = spearmanr(np.abs(found.hotspots[found.counted]), away[found.counted]).statistic
    assert hot.distance_correlation(found) == pytest.approx(expected)
    assert expected < 0
    assert found.wrong.sum() > 0


def test_images_work_too():
    label = ball((40, 40), 10.0)
    found = hot.baseline_of(logits(label), label, np.ones(label.shape, bool), (1.0, 1.0))
    assert hot.correlations(found, found.hotspots)[0, 0, 0] == pytest.approx(1)
    assert hot.spectrum_section(found.field).shape == (40, 40)
    assert hot.shown_slice(label) == 0


def test_the_section_of_the_spectrum_is_that_of_the_volume():
    field = np.random.default_rng(0).standard_normal((8, 9, 10))
    whole = np.abs(np.fft.fftn(field - field.mean())) ** 2 / field.size
    np.testing.assert_allclose(hot.spectrum_section(field), np.fft.fftshift(whole[..., 0]), atol=1e-9)
    assert hot.spectrum_section(field)[4, 4] == pytest.approx(0, abs=1e-20)


def test_the_slice_with_the_largest_structure_is_shown():
    label = np.zeros((6, 6, 6), np.uint8)
    label[2, 2, 1] = 1
    label[2:4, 2:4, 3:5] = 2
    assert hot.shown_slice(label) == 3
