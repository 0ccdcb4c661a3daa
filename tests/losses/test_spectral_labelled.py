"""The spectral term on maps made with the labels: against NumPy, what it sees and what it must not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from spectralcal.losses import LabelledSpectralEntropyCELoss, LabelledSpectralEntropyLoss, SpectralEntropyLoss
from spectralcal.losses.spectral_labelled import near_boundary
from spectralcal.spectral import band_power, spectral_entropy


def batch(shape=(2, 3, 16, 14, 15), seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator, dtype=dtype)
    target = torch.zeros(shape[0], *shape[2:], dtype=torch.long)
    target[:, 4:10, 3:9] = 1
    target[:, 6:12, 8:12] = 2
    return logits.requires_grad_(), target


@pytest.mark.parametrize("shape", [(2, 3, 17, 14), (2, 3, 12, 14, 15)])
@pytest.mark.parametrize("width", [1, 3])
def test_near_boundary_is_where_a_box_holds_two_labels(shape, width):
    _, target = batch(shape)
    size = 2 * width + 1
    expected = [
        ndimage.maximum_filter(labels, size, mode="nearest") != ndimage.minimum_filter(labels, size, mode="nearest")
        for labels in target.numpy()
    ]
    assert 0 < np.mean(expected) < 1
    np.testing.assert_array_equal(near_boundary(target, width).numpy(), np.array(expected, float))


def test_the_residual_is_confidence_minus_correctness():
    logits, target = batch()
    confidence, predicted = logits.detach().softmax(1).max(1)
    residual = confidence - (predicted == target).double()
    entropy = spectral_entropy(band_power(residual, bands=5), 1e-6)
    reference = spectral_entropy(torch.ones(5, dtype=torch.float64), 1e-6)
    loss = LabelledSpectralEntropyLoss(target="maximum").relate(logits, target)(logits)
    torch.testing.assert_close(loss, (reference - entropy).clamp_min(0).square().mean())


def test_a_right_and_sure_network_has_no_residual_and_a_finite_gradient():
    _, target = batch()
    logits = (60.0 * torch.nn.functional.one_hot(target, 3).movedim(-1, 1).double()).requires_grad_()
    value = LabelledSpectralEntropyCELoss()(logits, target)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_doubt_far_from_a_boundary_does_not_count():
    logits, target = batch()
    far = near_boundary(target, 2) == 0
    assert far.any()
    other = logits.detach().clone()
    other.movedim(1, -1)[far] *= 0.3
    loss = LabelledSpectralEntropyLoss(map="boundary", width=2, target="maximum")
    first, second = (loss.relate(x, target)(x) for x in (logits, other))
    torch.testing.assert_close(first, second)
    plain = SpectralEntropyLoss(confidence="max_prob", target="maximum")
    assert not torch.isclose(plain(logits), plain(other))


def test_a_common_shift_of_the_logits_changes_nothing():
    logits, target = batch()
    shift = torch.randn(logits.shape[0], 1, *logits.shape[2:], dtype=logits.dtype)
    for kind in ("residual", "boundary"):
        loss = LabelledSpectralEntropyLoss(map=kind, target="maximum")
        torch.testing.assert_close(
            loss.relate(logits, target)(logits), loss.relate(logits + shift, target)(logits + shift)
        )


def test_descent_moves_the_residual_s_power_to_higher_frequencies():
    """Confidence that is too high over one half and too low over the other is evened out."""
    target = torch.zeros(1, 16, 16, 16, dtype=torch.long)
    generator = torch.Generator().manual_seed(1)
    wrong = torch.rand(target.shape, generator=generator) < 0.3
    target[wrong] = 1
    lean = torch.where(torch.arange(16) < 8, 0.3, 4.0)[None, :, None, None].expand(target.shape).double()
    logits = torch.stack([lean, torch.zeros_like(lean)], 1).requires_grad_()
    loss = LabelledSpectralEntropyLoss(target="maximum", reduce="mean")
    optimizer = torch.optim.Adam([logits], 0.05)

    def local_bias():
        with torch.no_grad():
            confidence, predicted = logits.softmax(1).max(1)
            residual = confidence - (predicted == target).double()
        halves = residual.unflatten(1, (2, 8)).mean((0, 2, 3, 4))
        return (halves - halves.mean()).abs().max()

    before = local_bias()
    for _ in range(60):
        optimizer.zero_grad()
        loss.relate(logits, target)(logits).backward()
        optimizer.step()
    assert local_bias() < 0.5 * before


def test_gradient_is_that_of_finite_differences():
    logits, target = batch((1, 3, 6, 6, 6))
    for kind in ("residual", "boundary"):
        loss = LabelledSpectralEntropyLoss(map=kind, width=1, bands=2, target="maximum").eval()
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss.relate(logits, target)(x), logits, atol=1e-6)


def test_without_labels_it_says_what_is_missing():
    logits, _ = batch()
    with pytest.raises(ValueError, match="relate"):
        LabelledSpectralEntropyLoss()(logits)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="map"):
        LabelledSpectralEntropyLoss(map="edges")
    with pytest.raises(ValueError, match="width"):
        LabelledSpectralEntropyLoss(width=0)
