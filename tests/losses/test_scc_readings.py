"""Every reading of the spectral correlation: against full complex transforms, and what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spectralcal.base import registry
from spectralcal.losses import CrossEntropyDiceLoss, SpectralCorrelationLoss, SquaredDiceLoss
from spectralcal.losses._base import one_hot
from spectralcal.study.methods import canonical_method

SHAPES = [(2, 3, 12, 9), (2, 3, 7, 8, 10)]
EPS = 1e-6


def batch(shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)


def third(shape, band):
    """Which frequencies of a full transform are in a third of the radii."""
    radius = np.sqrt(sum(grid**2 for grid in np.meshgrid(*(np.fft.fftfreq(s) for s in shape), indexing="ij")))
    edge = radius.max() / 3
    low, high = radius <= edge + 1e-12, radius > 2 * edge + 1e-12
    return {"all": radius >= 0, "low": low, "mid": ~low & ~high, "high": high}[band]


def literal(p, y, *, band="all", spectrum="complex", onesided=False, reduce="case"):
    """The printed equation on full complex transforms: (B, C, *spatial) twice -> scalar."""
    axes = tuple(range(2, p.ndim))
    keep = torch.from_numpy(third(p.shape[2:], band))
    if onesided:  # the last axis's frequencies 0 .. n / 2 alone
        keep = keep & (torch.arange(p.shape[-1]) <= p.shape[-1] // 2)
    fp, fy = torch.fft.fftn(p, dim=axes), torch.fft.fftn(y, dim=axes)
    if spectrum == "complex":
        cross, power = fp.real * fy.real + fp.imag * fy.imag, fp.abs() ** 2 + fy.abs() ** 2
    else:
        fp, fy = fp.abs(), fy.abs()
        if spectrum == "log_amplitude":
            fp, fy = torch.log(1 + fp), torch.log(1 + fy)
        cross, power = fp * fy, fp**2 + fy**2
    over = {"case": axes, "batch": (0, *axes), "all": (0, 1, *axes)}[reduce]
    n = math.prod(p.shape[2:])
    return ((2 * (keep * cross).sum(over) / n + EPS) / ((keep * power).sum(over) / n + EPS)).mean()


READINGS = [
    {},
    {"reduce": "all"},
    {"band": "mid", "reduce": "all"},
    {"spectrum": "amplitude"},
    {"spectrum": "log_amplitude", "reduce": "batch"},
    {"spectrum": "amplitude", "band": "high"},
    {"onesided": True},
    {"onesided": True, "band": "low", "reduce": "batch"},
    {"onesided": True, "spectrum": "log_amplitude"},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", READINGS, ids=str)
@pytest.mark.parametrize("source", ["probabilities", "logits"])
def test_value_and_gradient_are_those_of_the_literal_form(shape, options, source):
    logits, target = batch(shape)
    p = (logits.softmax(1) if source == "probabilities" else logits)[:, 1:]
    expected = 0.3 * (1 - literal(p, one_hot(target, 3, torch.float64)[:, 1:], **options))
    found = SpectralCorrelationLoss(weight=0.3, base="none", input=source, **options)(logits, target)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("reduce", ["case", "batch", "all"])
def test_in_single_precision_the_short_form_is_within_a_millionth_of_the_literal_one(reduce):
    """The full spectrum goes without a transform: the value is that of the transforms all the same."""
    logits, target = batch((4, 3, 48, 40), dtype=torch.float32)
    p, y = logits.softmax(1)[:, 1:], one_hot(target, 3)[:, 1:]
    found = SpectralCorrelationLoss(weight=1, base="none", reduce=reduce)(logits, target)
    expected = 1 - literal(p, y, reduce=reduce)
    assert abs(found.item() - expected.item()) < 1e-6
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (found, expected))
    assert (ours - theirs).abs().max() < 1e-6 * theirs.abs().max() + 1e-9


def test_of_the_half_spectrum_only_the_weights_make_a_difference():
    """With mirrored frequencies counted twice, half a spectrum is the whole; without, it is not."""
    logits, target = batch(SHAPES[0])
    whole = SpectralCorrelationLoss(base="none")(logits, target)
    half = SpectralCorrelationLoss(base="none", onesided=True)(logits, target)
    assert abs(whole.item() - half.item()) > 1e-4


def test_amplitudes_ignore_a_shift_that_the_complex_spectrum_sees():
    target = torch.zeros(1, 24, 24).long()
    target[0, 4:9, 5:12] = 1
    moved = 200 * one_hot(target.roll((7, 3), (1, 2)), 2)
    value = {
        spectrum: SpectralCorrelationLoss(weight=1, base="none", spectrum=spectrum)(moved, target).item()
        for spectrum in ("complex", "amplitude", "log_amplitude")
    }
    assert value["amplitude"] == pytest.approx(0, abs=1e-5)
    assert value["log_amplitude"] == pytest.approx(0, abs=1e-5)
    assert value["complex"] > 0.9


def test_a_thresholded_prediction_has_the_score_of_its_mask_and_no_gradient():
    logits, target = batch(SHAPES[0])
    masks = one_hot(logits.argmax(1), 3, torch.float64)[:, 1:].flatten(2)
    labels = one_hot(target, 3, torch.float64)[:, 1:].flatten(2)
    dice = (2 * (masks * labels).sum(2) + EPS) / (masks.sum(2) + labels.sum(2) + EPS)
    loss = SpectralCorrelationLoss(weight=1, input="thresholded")
    terms = loss.terms(logits, target)
    assert terms["scc"].item() == pytest.approx(1 - dice.mean().item(), rel=1e-12)
    assert torch.autograd.grad(terms["scc"], logits, retain_graph=True)[0].abs().max() == 0
    plain = torch.autograd.grad(F.cross_entropy(logits, target), logits)[0]
    assert torch.equal(torch.autograd.grad(sum(terms.values()), logits)[0], plain)


def test_interpolation_weighs_the_base_by_what_is_left():
    logits, target = batch(SHAPES[0])
    added = SpectralCorrelationLoss(weight=0.3, base="ce_dice").terms(logits, target)
    between = SpectralCorrelationLoss(weight=0.3, base="ce_dice", combine="interpolate").terms(logits, target)
    for name, factor in {"ce": 0.7, "dice": 0.7, "scc": 1.0}.items():
        torch.testing.assert_close(between[name], factor * added[name], rtol=1e-12, atol=0)
    alone = SpectralCorrelationLoss(weight=1, combine="interpolate")(logits, target)
    torch.testing.assert_close(alone, SpectralCorrelationLoss(weight=1, base="none")(logits, target))


@pytest.mark.parametrize("options", [{}, {"band": "mid"}, {"spectrum": "amplitude"}, {"onesided": True}], ids=str)
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_a_volume_of_one_slice_is_a_picture(options, axis):
    logits, target = batch(SHAPES[0])
    loss = SpectralCorrelationLoss(**options)
    picture, slab = loss(logits, target), loss(logits.unsqueeze(axis), target.unsqueeze(axis - 1))
    torch.testing.assert_close(slab, picture, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(slab, logits)[0], torch.autograd.grad(picture, logits)[0], rtol=1e-10, atol=1e-15
    )


@pytest.mark.parametrize("options", [{"spectrum": "log_amplitude"}, {"onesided": True, "band": "mid"}], ids=str)
def test_gradients_of_transforms_are_exact(options):
    logits, target = batch((1, 2, 6, 7))
    loss = SpectralCorrelationLoss(**options)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"combine": "mean"}, "combine"),
        ({"combine": "interpolate", "weight": 1.5}, "interpolate.*from 0 to 1, received 1.5"),
        ({"spectrum": "phase"}, "spectrum"),
        ({"input": "masks"}, "input"),
        ({"reduce": "class"}, "reduce"),
        ({"eps": -1e-6}, "eps"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        SpectralCorrelationLoss(**options)


def test_every_reading_is_a_method_of_a_study():
    method = "scc@base=ce_dice,combine=interpolate,reduce=batch,weight=0.9"
    assert canonical_method("scc@reduce=batch,weight=0.9,base=ce_dice,combine=interpolate,form=one_minus") == method
    assert registry.options_model("losses", "scc")(input="thresholded", spectrum="amplitude", onesided=True)


# ---- cross-entropy and Dice -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("reduce", ["case", "batch", "all"])
@pytest.mark.parametrize("include_background", [False, True])
def test_dice_in_every_form_written_out(shape, squared, reduce, include_background):
    logits, target = batch(shape)
    first = 0 if include_background else 1
    p, y = (t[:, first:].flatten(2) for t in (logits.softmax(1), one_hot(target, 3, torch.float64)))
    over = {"case": (2,), "batch": (0, 2), "all": (0, 1, 2)}[reduce]
    size = p**2 + y**2 if squared else p + y
    expected = 1.2 * (1 - ((2 * (p * y).sum(over) + EPS) / (size.sum(over) + EPS)).mean())
    loss = CrossEntropyDiceLoss(weight=1.2, squared=squared, reduce=reduce, include_background=include_background)
    terms = loss.terms(logits, target)
    torch.testing.assert_close(terms["dice"], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(terms["ce"], F.cross_entropy(logits, target), rtol=1e-12, atol=0)
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (terms["dice"], expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-15)


def test_it_is_the_base_of_the_spectral_term_and_squared_the_term_itself():
    logits, target = batch(SHAPES[1])
    base = SpectralCorrelationLoss(weight=0, base="ce_dice")(logits, target)
    torch.testing.assert_close(CrossEntropyDiceLoss()(logits, target), base, rtol=1e-12, atol=0)
    assert torch.equal(
        CrossEntropyDiceLoss(weight=0.2, squared=True)(logits, target), SquaredDiceLoss()(logits, target)
    )
    alone = CrossEntropyDiceLoss(base="none", squared=True, reduce="batch")(logits, target)
    term = SpectralCorrelationLoss(weight=1, base="none", reduce="batch")(logits, target)
    torch.testing.assert_close(alone, term, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "words"), [({"weight": -1}, "weight"), ({"reduce": "none"}, "reduce"), ({"base": "ce_dice"}, "base")]
)
def test_bad_options_of_dice_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        CrossEntropyDiceLoss(**options)
