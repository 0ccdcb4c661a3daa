"""Focal, label smoothing, margin, SVLS and NACL at their limits and against slow definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.losses import (
    CrossEntropyLoss,
    FocalLoss,
    LabelSmoothingLoss,
    MarginLabelSmoothingLoss,
    NACLLoss,
    SVLSLoss,
)
from spectralcal.losses._neighbourhood import class_counts, heterogeneous

SHAPES = [(2, 3, 7, 9), (2, 4, 5, 6, 7)]


def batch(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)


def assert_same(loss, other, logits, target):
    """Same value and same gradient."""
    a, b = loss(logits, target), other(logits, target)
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(torch.autograd.grad(a, logits)[0], torch.autograd.grad(b, logits)[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "loss",
    [
        FocalLoss(gamma=0),
        LabelSmoothingLoss(alpha=0),
        MarginLabelSmoothingLoss(margin=1e3),
        MarginLabelSmoothingLoss(weight=0),
        NACLLoss(weight=0),
    ],
)
def test_limits_are_cross_entropy(shape, loss):
    assert_same(loss, CrossEntropyLoss(), *batch(shape))


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]], [[0.0, 0.0]]]])
    target = torch.tensor([[[1, 0]]])
    assert CrossEntropyLoss()(logits, target).item() == pytest.approx((math.log(2) - math.log(0.75)) / 2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.7, 1.0])
def test_label_smoothing_is_torchs(shape, alpha):
    assert_same(LabelSmoothingLoss(alpha), lambda z, y: F.cross_entropy(z, y, label_smoothing=alpha), *batch(shape))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.0])
def test_focal_matches_its_formula_and_its_gradient_is_exact(gamma):
    logits, target = batch((1, 3, 3, 4))
    p = logits.softmax(1).gather(1, target[:, None])
    torch.testing.assert_close(FocalLoss(gamma)(logits, target), (-((1 - p) ** gamma) * p.log()).mean())
    assert torch.autograd.gradcheck(lambda z: FocalLoss(gamma)(z, target), logits)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_focal_gradient_is_finite_where_the_prediction_is_certain(gamma):
    logits = torch.tensor([[[[200.0, -200.0]], [[-200.0, 200.0]]]], requires_grad=True)
    FocalLoss(gamma)(logits, torch.tensor([[[0, 0]]])).backward()
    assert torch.isfinite(logits.grad).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 5), st.floats(0.1, 5), st.integers(0, 1000))
def test_focal_falls_with_gamma(gamma, more, seed):
    logits, target = batch((1, 3, 4, 4), seed)
    assert FocalLoss(gamma + more)(logits, target) <= FocalLoss(gamma)(logits, target)


@pytest.mark.parametrize("shape", SHAPES)
def test_margin_penalty_counts_gaps_to_the_largest_logit(shape):
    logits, target = batch(shape)
    z = logits.detach().numpy()
    excess = np.maximum(z.max(axis=1, keepdims=True) - z - 1.5, 0)
    for reduction, expected in (("mean", excess.mean()), ("sum", excess.sum(axis=1).mean())):
        loss = MarginLabelSmoothingLoss(margin=1.5, weight=0.3, class_reduction=reduction)
        assert loss.terms(logits, target)["margin"].item() == pytest.approx(0.3 * expected)
        assert loss.diagnostics["beyond_margin"].item() == pytest.approx((excess > 0).mean())
    assert torch.autograd.gradcheck(lambda x: loss.terms(x, target[:1])["margin"], logits[:1].detach().requires_grad_())


def test_margin_gradient_goes_to_one_of_tied_maxima():
    logits = torch.tensor([4.0, 4.0, -4.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2).clone().requires_grad_()
    term = MarginLabelSmoothingLoss(margin=5, weight=1).terms(logits, torch.zeros(1, 2, 2).long())["margin"]
    gradient = torch.autograd.grad(term, logits)[0][0, :, 0, 0] * 3 * 4
    assert gradient.tolist() == pytest.approx([1, 0, -1])


def slow_svls(target, classes, sigma):
    """The published kernel, voxel by voxel, on edge-padded labels."""
    dims = target.ndim
    offsets = list(itertools.product((-1, 0, 1), repeat=dims))
    weights = np.array([math.exp(-sum(o * o for o in offset) / (2 * sigma**2)) for offset in offsets])
    weights /= weights.sum()
    middle = offsets.index((0,) * dims)
    weights[middle] = weights.sum() - weights[middle]
    weights /= weights[middle]
    weights /= weights.sum()
    padded = np.pad(target, 1, mode="edge")
    soft = np.zeros((classes, *target.shape))
    for index in np.ndindex(*target.shape):
        for offset, weight in zip(offsets, weights, strict=True):
            soft[(padded[tuple(i + 1 + o for i, o in zip(index, offset, strict=True))], *index)] += weight
    return soft


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_svls_labels_match_the_kernel_written_out(shape, sigma):
    logits, target = batch(shape)
    soft = SVLSLoss(sigma).soft_labels(target, shape[1], torch.float64)
    for ours, labels in zip(soft, target.numpy(), strict=True):
        np.testing.assert_allclose(ours.numpy(), slow_svls(labels, shape[1], sigma), atol=1e-12)
    torch.testing.assert_close(soft.sum(1), torch.ones_like(soft[:, 0]))
    expected = -(soft * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(SVLSLoss(sigma)(logits, target), expected)


def test_svls_weights_in_3d_with_sigma_1():
    target = torch.zeros(1, 5, 5, 5).long()
    target[0, 2, 2, 2] = 1
    soft = SVLSLoss(1.0).soft_labels(target, 2, torch.float64)[0, 1]
    found = [soft[2, 2, 2], soft[1, 2, 2], soft[1, 1, 2], soft[1, 1, 1]]
    assert [round(float(v), 6) for v in found] == [0.5, 0.030823, 0.018695, 0.011339]


@pytest.mark.parametrize("shape", SHAPES)
def test_svls_of_a_constant_label_map_is_cross_entropy(shape):
    logits, target = batch(shape)
    assert_same(SVLSLoss(), CrossEntropyLoss(), logits, torch.full_like(target, 2))


def slow_shares(target, classes, border):
    pad = {"background": {"constant_values": 0}, "zero": {"constant_values": -1}, "replicate": {"mode": "edge"}}[border]
    padded = np.pad(target, 1, **pad)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3,) * target.ndim)
    windows = windows.reshape(*target.shape, -1)
    return np.stack([(windows == c).mean(axis=-1) for c in range(classes)]), windows.min(-1) != windows.max(-1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("border", ["background", "zero", "replicate"])
def test_class_counts_and_boundaries_match_windows_written_out(shape, border):
    _, target = batch(shape)
    target[0] = target[0] * (torch.rand(target[0].shape, generator=torch.Generator().manual_seed(3)) < 0.05)
    counts = class_counts(target, shape[1], border)
    for ours, labels in zip(counts, target.numpy(), strict=True):
        expected, mixed = slow_shares(labels, shape[1], border)
        np.testing.assert_array_equal(ours.numpy(), np.rint(expected * 3 ** (len(shape) - 2)))
        np.testing.assert_array_equal(heterogeneous(ours[None])[0].numpy(), mixed)
        assert 0 < mixed.mean() <= 1


def test_nacl_matches_its_formula():
    logits, target = batch((2, 3, 7, 9))
    shares = np.stack([slow_shares(labels, 3, "background")[0] for labels in target.numpy()])
    expected = 0.1 * np.abs(shares - logits.detach().numpy()).mean()
    terms = NACLLoss().terms(logits, target)
    assert terms["neighbour"].item() == pytest.approx(expected)
    assert NACLLoss(border="zero")(logits, target) != NACLLoss(border="background")(logits, target)
    assert torch.autograd.gradcheck(lambda z: NACLLoss().terms(z, target)["neighbour"], logits)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FocalLoss(gamma=-1), "gamma"),
        (lambda: LabelSmoothingLoss(alpha=1.5), "alpha"),
        (lambda: MarginLabelSmoothingLoss(margin=-1), "margin"),
        (lambda: MarginLabelSmoothingLoss(weight=-1), "weight"),
        (lambda: MarginLabelSmoothingLoss(class_reduction="max"), "class_reduction"),
        (lambda: SVLSLoss(sigma=0), "sigma"),
        (lambda: NACLLoss(weight=-1), "weight"),
        (lambda: NACLLoss(border="wrap"), "border"),
    ],
)
def test_bad_options_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
