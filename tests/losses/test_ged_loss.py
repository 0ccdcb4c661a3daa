"""The energy distance as a loss: limit cases, the metric on hard masks, what blur costs, finite gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spectralcal.losses import GEDLoss
from spectralcal.metrics.sets import set_distances

forms = pytest.mark.parametrize("form", ["product", "minmax"])


def masks(batch=2, raters=4, size=12, seed=0):
    random = torch.Generator().manual_seed(seed)
    drawn = (torch.rand(batch, raters, size, size, generator=random) < 0.4).double()
    drawn[..., 5, 5] = 1  # nobody drew nothing: the epsilon plays no part
    return drawn


@forms
def test_of_hard_masks_it_is_the_metric_without_the_raters_own_distance(form):
    samples, drawn = masks(seed=1, raters=5), masks()
    expected = []
    for s, m in zip(samples.numpy(), drawn.numpy(), strict=True):
        parts = set_distances(s, m)
        expected.append(2 * parts.cross.mean() - parts.diversity(unbiased=True))
    assert GEDLoss(form)(samples, drawn).item() == pytest.approx(np.mean(expected), abs=1e-6)


@forms
def test_equal_hard_samples_cost_twice_their_mean_distance(form):
    drawn = masks(batch=1)
    samples = drawn[:, :1].expand(-1, 3, -1, -1)
    parts = set_distances(samples[0].numpy(), drawn[0].numpy())
    assert GEDLoss(form)(samples, drawn).item() == pytest.approx(2 * parts.cross.mean(), abs=1e-6)


@forms
def test_the_raters_themselves_cost_what_they_differ(form):
    drawn = masks(batch=1)
    n = drawn.shape[1]
    among = set_distances(drawn[0].numpy(), drawn[0].numpy()).diversity(unbiased=True)
    assert GEDLoss(form)(drawn, drawn).item() == pytest.approx((1 - 2 / n) * among, abs=1e-6)


@forms
def test_order_of_samples_and_raters_does_not_matter(form):
    samples, drawn = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(3)), masks(size=6)
    loss = GEDLoss(form)
    torch.testing.assert_close(loss(samples[:, [2, 0, 3, 1]], drawn[:, [1, 0, 3, 2]]), loss(samples, drawn))


@pytest.mark.parametrize(("form", "blur_pays"), [("product", False), ("minmax", True)])
def test_whether_blur_pays_hangs_on_the_form_of_the_overlap(form, blur_pays):
    """A sure core and a small zone that half of the raters draw: blurred copies against different masks."""
    core, zone, raters = 4000, 20, 20
    drawn = torch.zeros(1, raters, core + zone, dtype=torch.float64)
    drawn[..., :core] = 1
    drawn[:, : raters // 2, core:] = 1
    blurred = drawn.mean(1, keepdim=True).expand(-1, raters, -1)
    loss = GEDLoss(form)
    ratio = (loss(blurred, drawn) / loss(drawn, drawn)).item()
    assert ratio > 1.5 if blur_pays else ratio < 1.15


@forms
@pytest.mark.parametrize("fill", [0.0, 1.0, 0.3])
def test_gradients_are_finite_for_empty_masks_and_extreme_samples(form, fill):
    samples = torch.full((1, 3, 8, 8), fill, requires_grad=True)
    GEDLoss(form)(samples, torch.zeros(1, 4, 8, 8)).backward()
    assert torch.isfinite(samples.grad).all()


@forms
def test_it_stays_in_float32_under_autocast(form):
    samples, drawn = torch.rand(1, 4, 64, 64), masks(batch=1, size=64).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = GEDLoss(form)(samples, drawn)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, GEDLoss(form)(samples, drawn), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("samples", "drawn", "message"),
    [
        ((2, 1, 4, 4), (2, 4, 4, 4), "at least two samples"),
        ((2, 3, 4, 4), (1, 4, 4, 4), "one batch"),
        ((2, 3, 4, 4), (2, 4, 4, 5), "of one shape S"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(samples, drawn, message):
    with pytest.raises(ValueError, match=message):
        GEDLoss()(torch.rand(samples), torch.zeros(drawn))


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="soft_iou: expected one of"):
        GEDLoss("dice")
