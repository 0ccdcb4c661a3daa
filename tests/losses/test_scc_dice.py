"""Spectral correlation and squared Dice: the identity between them, bands, and definitions by full transforms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spectralcal.losses import SpectralCorrelationLoss, SquaredDiceLoss
from spectralcal.losses._base import one_hot

SHAPES = [(2, 3, 12, 9), (2, 4, 7, 8, 10)]


def batch(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduce", ["case", "batch"])
@pytest.mark.parametrize("base", ["ce", "ce_dice", "none"])
@pytest.mark.parametrize("include_background", [False, True])
def test_over_the_full_spectrum_it_is_squared_dice_in_value_and_gradient(shape, reduce, base, include_background):
    logits, target = batch(shape)
    options = {"weight": 0.7, "reduce": reduce, "base": base, "include_background": include_background}
    a, b = SpectralCorrelationLoss(**options)(logits, target), SquaredDiceLoss(**options)(logits, target)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        torch.autograd.grad(a, logits)[0], torch.autograd.grad(b, logits)[0], rtol=1e-10, atol=1e-14
    )


def printed_scc(p, y, reduce, eps):
    """Eq. 2 over all frequencies of full complex transforms, differentiable: (B, C, *spatial) twice -> scalar."""
    axes = tuple(range(2, p.ndim))
    fp, fy = torch.fft.fftn(p, dim=axes, norm="ortho"), torch.fft.fftn(y, dim=axes, norm="ortho")
    over = (0, *axes) if reduce == "batch" else axes
    cross, power = (fy * fp.conj()).real.sum(over), (fp.abs() ** 2 + fy.abs() ** 2).sum(over)
    return ((2 * cross + eps) / (power + eps)).mean()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduce", ["case", "batch"])
@pytest.mark.parametrize("include_background", [False, True])
@pytest.mark.parametrize("loss", [SpectralCorrelationLoss, SquaredDiceLoss])
def test_both_are_the_printed_equation_over_the_full_spectrum(shape, reduce, include_background, loss):
    logits, target = batch(shape)
    first = 0 if include_background else 1
    p, y = (t[:, first:] for t in (logits.softmax(1), one_hot(target, shape[1], torch.float64)))
    expected = 0.7 * (1 - printed_scc(p, y, reduce, 1e-6))
    found = loss(weight=0.7, reduce=reduce, include_background=include_background, base="none")(logits, target)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        torch.autograd.grad(found, logits)[0], torch.autograd.grad(expected, logits)[0], rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize("include_background", [False, True])
def test_the_dice_of_the_base_is_the_plain_one(include_background):
    logits, target = batch(SHAPES[1])
    first = 0 if include_background else 1
    p, y = (t[:, first:].flatten(2) for t in (logits.softmax(1), one_hot(target, 4, torch.float64)))
    expected = 1 - ((2 * (p * y).sum(2) + 1e-6) / (p.sum(2) + y.sum(2) + 1e-6)).mean()
    found = SquaredDiceLoss(base="ce_dice", include_background=include_background).terms(logits, target)["dice"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(found, logits)[0], torch.autograd.grad(expected, logits)[0], rtol=1e-9, atol=1e-14
    )


def slow_scc(p, y, band):
    """Eq. 2 on the full complex spectrum of one class, the band by radius in cycles per voxel."""
    grids = np.meshgrid(*(np.fft.fftfreq(size) for size in p.shape), indexing="ij")
    radius = np.sqrt(sum(grid**2 for grid in grids))
    third = radius.max() / 3
    low = radius <= third + 1e-12
    high = radius > 2 * third + 1e-12
    keep = {"all": radius >= 0, "low": low, "mid": ~low & ~high, "high": high}[band]
    fp, fy = np.fft.fftn(p)[keep], np.fft.fftn(y)[keep]
    cross = fy.real * fp.real + fy.imag * fp.imag
    return 2 * cross.sum() / (np.abs(fp) ** 2 + np.abs(fy) ** 2).sum()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("band", ["all", "low", "mid", "high"])
def test_each_band_matches_the_printed_equation(shape, band):
    logits, target = batch(shape)
    p, y = logits.softmax(1).detach(), one_hot(target, shape[1], torch.float64)
    expected = np.mean(
        [slow_scc(p[b, c].numpy(), y[b, c].numpy(), band) for b in range(shape[0]) for c in range(shape[1])]
    )
    loss = SpectralCorrelationLoss(weight=1, band=band, include_background=True, base="none", eps=0)
    assert loss(logits, target).item() == pytest.approx(1 - expected, rel=1e-10)


@pytest.mark.parametrize("band", ["all", "mid"])
def test_gradient_is_exact(band):
    logits, target = batch((1, 2, 6, 7))
    loss = SpectralCorrelationLoss(band=band)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)


def test_forms_differ_by_sign_and_constant():
    logits, target = batch(SHAPES[0])
    value = {
        form: SpectralCorrelationLoss(weight=1, form=form, base="none")(logits, target).item()
        for form in ("one_minus", "neg", "raw")
    }
    assert value["raw"] == pytest.approx(-value["neg"])
    assert value["one_minus"] == pytest.approx(1 + value["neg"])


def test_perfect_prediction_and_absent_class_cost_nothing():
    target = torch.zeros(1, 8, 8).long()
    target[0, 2:5, 3:7] = 1  # class 2 is absent
    logits = 200 * one_hot(target, 3)
    for loss in (SpectralCorrelationLoss(weight=1, base="none"), SquaredDiceLoss(weight=1, base="none")):
        assert loss(logits, target).item() == pytest.approx(0, abs=1e-6)


def test_squared_dice_by_hand():
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 0.0]]]])  # p = 1/2
    loss = SquaredDiceLoss(weight=1, base="none", eps=0)
    assert loss(logits, torch.tensor([[[1, 0]]])).item() == pytest.approx(1 - 2 * 0.5 / (0.5 + 1))


@pytest.mark.parametrize("reduce", ["case", "batch"])
def test_squared_dice_reductions_written_out(reduce):
    logits, target = batch((3, 3, 6, 7))
    p, y = (t.numpy() for t in (logits.softmax(1).detach(), one_hot(target, 3, torch.float64)))
    axes = (0, 2, 3) if reduce == "batch" else (2, 3)
    dice = 2 * (p * y).sum(axes) / ((p**2).sum(axes) + (y**2).sum(axes))
    loss = SquaredDiceLoss(weight=1, base="none", reduce=reduce, eps=0)
    assert loss(logits, target).item() == pytest.approx(1 - dice[..., 1:].mean())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": -1}, "weight"),
        ({"band": "top"}, "band"),
        ({"form": "sum"}, "form"),
        ({"reduce": "none"}, "reduce"),
        ({"base": "bce"}, "base"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        SpectralCorrelationLoss(**options)


def test_a_band_of_a_tiny_image_is_refused():
    with pytest.raises(ValueError, match="band='all'"):
        SpectralCorrelationLoss(band="mid")(torch.zeros(1, 2, 4, 8), torch.zeros(1, 4, 8).long())
