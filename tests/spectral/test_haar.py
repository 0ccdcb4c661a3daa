"""Haar bands: PyWavelets' signs, exact inverse, kept energy, odd sides."""

from __future__ import annotations

import pytest
import torch

from spectralcal.spectral import haar, inverse_haar


def test_bands_are_half_the_signed_sums_of_each_block():
    a, b, c, d = (torch.randn(2, 3, 4, 5, dtype=torch.float64) for _ in range(4))
    field = torch.empty(2, 3, 8, 10, dtype=torch.float64)
    field[..., 0::2, 0::2], field[..., 0::2, 1::2], field[..., 1::2, 0::2], field[..., 1::2, 1::2] = a, b, c, d
    expected = ((a + b + c + d) / 2, (a + b - c - d) / 2, (a + c - b - d) / 2, (a + d - b - c) / 2)
    for band, right in zip(haar(field), expected, strict=True):
        torch.testing.assert_close(band, right, rtol=0, atol=1e-15)


def test_they_are_those_of_pywavelets():
    pywt = pytest.importorskip("pywt")
    field = torch.randn(1, 1, 12, 8, dtype=torch.float64)
    total, (rows, columns, diagonal) = pywt.dwt2(field[0, 0].numpy(), "haar")
    for band, right in zip(haar(field), (total, rows, columns, diagonal), strict=True):
        torch.testing.assert_close(band[0, 0], torch.from_numpy(right), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (7, 8), (9, 5), (2, 3)])
def test_the_inverse_is_exact_on_any_size(size):
    field = torch.randn(2, 2, *size, dtype=torch.float64)
    bands = haar(field)
    assert all(band.shape[2:] == tuple(-(-side // 2) for side in size) for band in bands)
    torch.testing.assert_close(inverse_haar(bands, size), field, rtol=0, atol=1e-14)


def test_energy_is_kept_and_the_mean_of_the_field_is_in_the_first_band_alone():
    field = torch.randn(1, 4, 16, 16, dtype=torch.float64)
    total, *details = haar(field)
    assert sum(band.square().sum() for band in (total, *details)) == pytest.approx(field.square().sum().item())
    torch.testing.assert_close(inverse_haar((total, *details)).mean((2, 3)), total.mean((2, 3)) / 2)
    without = inverse_haar((torch.zeros_like(total), *details))
    torch.testing.assert_close(without.mean((2, 3)), torch.zeros(1, 4, dtype=torch.float64), rtol=0, atol=1e-14)


def test_gradients_flow_both_ways():
    field = torch.randn(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: inverse_haar(haar(x), (5, 6)), (field,))


@pytest.mark.parametrize("field", [torch.zeros(2, 8, 8), torch.zeros(1, 1, 1, 8), torch.zeros(1, 1, 4, 4).long()])
def test_other_fields_are_refused(field):
    with pytest.raises(ValueError, match="field: expected floating point"):
        haar(field)


def test_a_size_of_other_bands_is_refused():
    with pytest.raises(ValueError, match=r"size: expected \(8 or 7, 8 or 7\), received \(6, 8\)"):
        inverse_haar(haar(torch.zeros(1, 1, 8, 8)), (6, 8))
