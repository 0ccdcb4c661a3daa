"""Confidence maps, their gradients at ties and their invariances; entropy at its limits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.spectral import band_power, confidence, confidence_map, spectral_entropy
from spectralcal.spectral.confidence import KINDS

INVARIANT = [kind for kind in KINDS if kind != "max_logit"]


def test_each_kind_matches_its_definition():
    logits = torch.randn(2, 5, 4, 6, 3, dtype=torch.float64)
    p = logits.softmax(1)
    ordered = logits.sort(1, descending=True).values
    expected = {
        "max_logit": ordered[:, 0],
        "max_log_prob": p.amax(1).log(),
        "max_prob": p.amax(1),
        "margin": ordered[:, 0] - ordered[:, 1],
        "entropy": -(p * p.log()).sum(1),
    }
    for kind in KINDS:
        torch.testing.assert_close(confidence_map(logits, kind), expected[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 2, 3, 4), (1, 4, 3, 2, 3)])
def test_gradients(kind, shape):
    logits = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: confidence_map(z, kind), logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ties_give_the_gradient_to_one_class_as_torch_max_does(dtype):
    logits = torch.randint(0, 3, (3, 4, 9, 7, 5), generator=torch.Generator().manual_seed(0)).to(dtype)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    weight = torch.randn(3, 9, 7, 5).to(dtype)
    (confidence_map(ours).to(dtype) * weight).sum().backward()
    (theirs.max(1).values * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)
    assert ((ours.grad != 0).sum(1) <= 1).all()


@pytest.mark.parametrize("kind", INVARIANT)
def test_class_common_shift_changes_nothing_but_the_max_logit(kind):
    logits = torch.randn(1, 3, 12, 12, dtype=torch.float64)
    shift = torch.randn(1, 1, 12, 12, dtype=torch.float64)
    torch.testing.assert_close(confidence_map(logits + shift, kind), confidence_map(logits, kind))
    torch.testing.assert_close(confidence_map(logits + shift), confidence_map(logits) + shift[:, 0])


def test_null_space_noise_common_to_all_classes_raises_the_entropy_and_leaves_the_softmax():
    x = torch.linspace(-1, 1, 32, dtype=torch.float64)
    distance = 0.5 - (x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2).sqrt()
    logits = torch.stack([-4 * torch.tanh(6 * distance), 4 * torch.tanh(6 * distance)])[None]
    noise = torch.randn(1, 1, 32, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved = logits + 0.5 * noise

    def entropy(z, kind):
        return float(spectral_entropy(band_power(confidence_map(z, kind))))

    torch.testing.assert_close(moved.softmax(1), logits.softmax(1))
    assert entropy(moved, "max_logit") > entropy(logits, "max_logit") + 0.2
    for kind in INVARIANT:
        assert entropy(moved, kind) == pytest.approx(entropy(logits, kind), abs=1e-9)


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[[[1e4, -1e4]], [[-1e4, 1e4]]]], requires_grad=True)
    for kind in KINDS:
        value = confidence_map(logits, kind)
        assert torch.isfinite(value).all()
        assert torch.isfinite(torch.autograd.grad(value.sum(), logits)[0]).all()


def test_half_precision_logits_give_float32_maps_and_half_gradients():
    for kind in KINDS:
        logits = torch.randn(1, 3, 6, 6).bfloat16().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            field = confidence_map(logits, kind)
        assert field.dtype == torch.float32
        field.sum().backward()
        assert logits.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["max_logit", "max_prob"])
def test_maps_are_computed_with_autocast_off(monkeypatch, kind):
    seen = []
    monkeypatch.setattr(confidence, "class_max", lambda z: seen.append(torch.is_autocast_enabled("cpu")) or z.amax(1))
    with torch.autocast("cpu", torch.bfloat16):
        confidence_map(torch.randn(1, 3, 6, 6), kind)
    assert seen == [False]


def test_entropy_limits():
    assert spectral_entropy(torch.ones(1, 7)).item() == pytest.approx(math.log(7), abs=1e-4)
    assert spectral_entropy(torch.tensor([[3.0e9, 0, 0, 0, 0]])).item() == pytest.approx(-1e-6, abs=2e-7)
    assert spectral_entropy(torch.zeros(2, 5)).tolist() == [0, 0]
    power = torch.zeros(2, 5, requires_grad=True)
    spectral_entropy(power).sum().backward()
    assert torch.isfinite(power.grad).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=8).filter(lambda s: sum(s) > 1))
def test_entropy_lies_between_zero_and_log_k_and_ignores_order(powers):
    power = torch.tensor([powers], dtype=torch.float64)
    entropy = spectral_entropy(power)
    assert -1e-5 <= entropy.item() <= math.log(len(powers)) + 1e-9
    torch.testing.assert_close(spectral_entropy(power.flip(1)), entropy)


@pytest.mark.parametrize(
    ("logits", "kind", "words"),
    [
        (torch.zeros(2, 1, 4, 4), "max_logit", "C >= 2"),
        (torch.zeros(2, 4, 4), "max_logit", r"\(B, C, H, W\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.int32), "max_logit", "floating"),
        (torch.zeros(2, 3, 4, 4), "softmax", "max_prob"),
    ],
)
def test_bad_logits_are_named(logits, kind, words):
    with pytest.raises(ValueError, match=words):
        confidence_map(logits, kind)


def test_bad_entropy_arguments_are_named():
    with pytest.raises(ValueError, match="power"):
        spectral_entropy(torch.ones(2, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="eps"):
        spectral_entropy(torch.ones(2, 5), eps=0)
