"""A volume one voxel thick is a picture: its spectrum, entropy and loss are those of the picture, along every axis."""

from __future__ import annotations

import pytest
import torch

from spectralcal.losses import SpectralEntropyCELoss, SpectralEntropyLoss
from spectralcal.spectral import band_power, radial_psd
from spectralcal.spectral.filters import high_pass

axes = pytest.mark.parametrize("axis", [1, 2, 3])


def field(seed=0):
    return torch.randn(2, 20, 28, generator=torch.Generator().manual_seed(seed))


@axes
def test_powers_and_densities_are_those_of_the_picture(axis):
    picture = field()
    flat = picture.unsqueeze(axis)
    torch.testing.assert_close(band_power(flat), band_power(picture), rtol=0, atol=0)
    for found, expected in zip(radial_psd(flat), radial_psd(picture), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@axes
def test_a_filter_keeps_the_axis(axis):
    found = high_pass(field().unsqueeze(axis))
    torch.testing.assert_close(found, high_pass(field()).unsqueeze(axis), rtol=0, atol=0)


@axes
@pytest.mark.parametrize("taper", [None, "hamming"])
def test_the_loss_and_its_gradient_are_those_of_the_picture(axis, taper):
    logits = torch.randn(2, 3, 20, 28, generator=torch.Generator().manual_seed(1))
    values, gradients = [], []
    for shape in (logits.shape, logits.unsqueeze(axis + 1).shape):
        loss = SpectralEntropyLoss(taper=taper)
        here = logits.reshape(shape).clone().requires_grad_()
        loss(here.detach() * 2)  # a step of history
        value = loss(here)
        value.backward()
        values.append(value.detach())
        gradients.append(here.grad.reshape(logits.shape))
    torch.testing.assert_close(values[1], values[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-9)
    assert values[0] > 0


def test_the_full_loss_takes_slices_of_volumes():
    logits = torch.randn(4, 3, 16, 16, 1, requires_grad=True)
    SpectralEntropyCELoss(weight=1.0)(logits, torch.randint(0, 3, (4, 16, 16, 1))).backward()
    assert torch.isfinite(logits.grad).all()


def test_a_line_is_still_refused():
    with pytest.raises(ValueError, match="sides >= 2"):
        band_power(torch.randn(1, 1, 1, 8))
