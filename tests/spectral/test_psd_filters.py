"""Radial spectra on a shared axis, tapers and the high-pass filter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spectralcal.spectral import high_pass, radial_psd
from spectralcal.spectral.taper import taper_window, tapered


@pytest.mark.parametrize("shape", [(64, 48), (48, 50, 51)])
@pytest.mark.parametrize("taper", [None, "hamming"])
def test_white_noise_has_the_density_of_its_variance_at_every_size(shape, taper):
    field = 3 * torch.randn(64 if len(shape) == 2 else 16, *shape, generator=torch.Generator().manual_seed(1)) + 100
    frequencies, density = radial_psd(field, bins=12, taper=taper)
    assert frequencies.shape == (12,)
    torch.testing.assert_close(frequencies, (torch.arange(12) + 0.5) / 24)
    np.testing.assert_allclose(density[:, 1:].mean(0).numpy(), 9, rtol=0.15)


@pytest.mark.parametrize("shape", [(20, 31), (13, 16, 10)])
def test_matches_a_full_transform_binned_by_hand(shape):
    field = np.random.default_rng(0).normal(size=shape)
    window = np.ones(shape)
    for axis, size in enumerate(shape):
        window = window * np.hamming(size).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    power = np.abs(np.fft.fftn((field - field.mean()) * window)) ** 2 / (window**2).sum()
    grids = np.meshgrid(*(np.fft.fftfreq(size) for size in shape), indexing="ij")
    distance = np.sqrt(sum(grid**2 for grid in grids))
    bins = 7
    expected = [
        power[(distance > k / (2 * bins) + 1e-12) & (distance <= (k + 1) / (2 * bins) + 1e-12)].mean()
        for k in range(bins)
    ]
    density = radial_psd(torch.from_numpy(field)[None], bins=bins)[1][0]
    np.testing.assert_allclose(density.numpy(), expected, rtol=1e-10)


def test_an_interval_without_a_frequency_is_nan_and_the_default_has_none_from_48_voxels():
    assert torch.isnan(radial_psd(torch.randn(1, 16, 16), bins=48)[1]).any()
    for shape in ((48, 48), (48, 20, 10), (49, 30, 30), (240, 11, 16)):
        assert torch.isfinite(radial_psd(torch.randn(1, *shape))[1]).all()


def test_the_mean_leaks_through_the_taper_unless_it_is_removed():
    field = torch.full((1, 48, 48), 10.0, dtype=torch.float64)
    assert radial_psd(field)[1].max() < 1e-12
    assert radial_psd(field, demean=False)[1][0, 0] > 1


def test_taper_is_the_product_of_symmetric_windows():
    window = taper_window((5, 4))
    np.testing.assert_allclose(window.numpy(), np.outer(np.hamming(5), np.hamming(4)), atol=1e-12)
    field = torch.randn(2, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(tapered(field), (field - field.mean((1, 2), keepdim=True)) * window)


@pytest.mark.parametrize("shape", [(40, 40), (40, 21, 20)])
def test_high_pass_keeps_what_lies_above_the_cutoff(shape):
    x = torch.arange(shape[0], dtype=torch.float64).reshape(-1, *[1] * (len(shape) - 1))
    slow, fast = (torch.cos(2 * math.pi * f * x).expand(shape)[None] for f in (0.1, 0.4))
    torch.testing.assert_close(high_pass(5 + slow + fast, 0.3), fast)
    torch.testing.assert_close(high_pass(5 + slow + fast, 0.1), fast)  # a frequency on the cut-off goes
    torch.testing.assert_close(high_pass(5 + slow + fast, 0), slow + fast)
    assert high_pass(5 + slow, 0.3).abs().max() < 1e-12


def test_high_pass_is_a_projection_and_differentiable():
    field = torch.randn(2, 7, 10, 9, dtype=torch.float64)
    once = high_pass(field, 0.2)
    torch.testing.assert_close(high_pass(once, 0.2), once)
    small = torch.randn(1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(high_pass, small)


def test_bad_input_is_named():
    field = torch.zeros(1, 8, 8)
    with pytest.raises(ValueError, match="bins"):
        radial_psd(field, bins=0)
    with pytest.raises(ValueError, match="taper"):
        radial_psd(field, taper="hann")
    with pytest.raises(ValueError, match="cutoff"):
        high_pass(field, -0.1)
