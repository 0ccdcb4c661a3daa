"""CRaC: penalty and multiplier updates against the Lagrangian written out voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spectralcal.losses import CRaCLoss, CrossEntropyLoss

SHAPES = [(2, 3, 8, 7), (1, 3, 5, 6, 7)]


def batch(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.zeros(shape[0], *shape[2:], dtype=torch.int64)
    for label, part in ((1, slice(0, 4)), (2, slice(5, None))):
        target[:, part, 2:] = label
    return 3 * torch.randn(shape, generator=generator, dtype=torch.float64), target


def slow_constraint(logits, target, margin):
    """h (B, C, *spatial) and boundary mask with explicit windows of zero-padded labels."""
    distances, masks = [], []
    for z, y in zip(logits.detach().numpy(), target.numpy(), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(y, 1), (3,) * y.ndim).reshape(*y.shape, -1)
        mixed = windows.min(-1) != windows.max(-1)
        shares = np.stack([(windows == c).mean(-1) for c in range(len(z))])
        distances.append(np.where(mixed, np.abs(shares - z), np.abs(margin * shares - z)))
        masks.append(mixed)
    return np.stack(distances), np.stack(masks)


def slow_phr(h, multiplier, rho):
    return (np.maximum(0, multiplier + rho * h) ** 2 - multiplier**2) / (2 * rho)


@pytest.mark.parametrize("shape", SHAPES)
def test_penalty_is_the_mean_of_phr_over_voxels_and_both_regions_channels(shape):
    logits, target = batch(shape)
    loss = CRaCLoss(margin=4.0, rho=0.3).double()
    loss(logits, target)
    generator = torch.Generator().manual_seed(1)
    loss.multipliers = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    loss.rho = 0.1 + torch.rand(2, 3, generator=generator, dtype=torch.float64)
    h, mixed = slow_constraint(logits, target, 4.0)
    assert 0 < mixed.mean() < 1
    channels = [
        slow_phr(h[:, c] * region, float(loss.multipliers[r, c]), float(loss.rho[r, c]))
        for r, region in enumerate((mixed, ~mixed))
        for c in range(3)
    ]
    assert loss.penalty(logits, target).item() == pytest.approx(np.mean(channels), rel=1e-10)
    total = loss(logits, target).item()
    assert total == pytest.approx(CrossEntropyLoss()(logits, target).item() + np.mean(channels), rel=1e-10)
    z = logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss.penalty(x, target), z)


def test_a_mask_can_be_given():
    logits, target = batch(SHAPES[0])
    loss = CRaCLoss().double()
    inside = loss.penalty(logits, target, torch.zeros_like(target, dtype=torch.bool))
    outside = loss.penalty(logits, target, torch.ones_like(target, dtype=torch.bool))
    assert len({inside.item(), outside.item(), loss.penalty(logits, target).item()}) == 3


def test_updates_follow_the_rules_written_out():
    """Ten epochs in plain numbers: multipliers grow each epoch, penalty weights only at every third one."""
    loss = CRaCLoss(margin=5.0, gamma=1.5, mu=0.9, rho=0.2, rho_max=0.5, rho_interval=3).double()
    multiplier, rho, previous = np.full((2, 3), 1e-6), np.full((2, 3), 0.2), None
    grown = 0
    for epoch in range(1, 11):
        batches = [batch(SHAPES[0], seed) for seed in (epoch, 100 + epoch)]
        if epoch == 6:  # a real decrease: this time no weight grows
            batches = [(z * 0.01 + 5 * torch.nn.functional.one_hot(y, 3).movedim(-1, 1), y) for z, y in batches]
        loss.update_multipliers(batches)
        parts = [slow_constraint(z, y, 5.0) for z, y in batches]
        h, mixed = (np.concatenate(values) for values in zip(*parts, strict=True))
        v = np.stack([[(h[:, c] * region).mean() for c in range(3)] for region in (mixed, ~mixed)])
        multiplier = np.clip(multiplier + rho * v, 1e-6, 1e6)
        if epoch % 3 == 0 and previous is not None:
            change = v > 0.9 * previous
            grown += change.sum()
            rho = np.where(change, np.clip(1.5 * rho, 0.2, 0.5), rho)
        previous = v
        np.testing.assert_allclose(loss.multipliers.numpy(), multiplier, rtol=1e-9)
        np.testing.assert_allclose(loss.rho.numpy(), rho, rtol=1e-9)
    assert loss.updates == 10
    assert 0 < grown < 18


def test_batches_pool_over_voxels_not_over_images():
    small, large = batch((1, 3, 8, 7), 1), batch((3, 3, 8, 7), 2)
    one, two = CRaCLoss().double(), CRaCLoss().double()
    one.update_multipliers([small, large])
    two.update_multipliers([(torch.cat([small[0], large[0]]), torch.cat([small[1], large[1]]))])
    torch.testing.assert_close(one.multipliers, two.multipliers)


def test_the_first_refresh_never_grows_the_penalty_weight():
    loss = CRaCLoss(rho_interval=1)
    loss.update_multipliers([batch(SHAPES[0])])
    assert (loss.rho == 0.1).all()
    loss.update_multipliers([batch(SHAPES[0])])
    assert (loss.rho > 0.1).all()


def test_training_batches_change_no_multiplier():
    logits, target = batch(SHAPES[0])
    loss = CRaCLoss()
    first = loss(logits, target)
    assert loss(logits, target) == first
    assert (loss.multipliers == 1e-6).all()
    assert loss.updates == 0


def test_state_begun_in_inference_mode_serves_training():
    logits, target = batch(SHAPES[0])
    loss = CRaCLoss()
    with torch.inference_mode():
        loss.update_multipliers([(logits, target)])
    z = logits.requires_grad_()
    loss(z, target).backward()
    assert torch.isfinite(z.grad).all()


def test_errors_are_named():
    loss = CRaCLoss()
    with pytest.raises(ValueError, match="at least one validation batch"):
        loss.update_multipliers([])
    loss(*batch(SHAPES[0]))
    with pytest.raises(ValueError, match="3 classes"):
        loss(torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 8).long())
    for options, words in (
        ({"rho": 1.0, "rho_max": 0.5}, "rho_max"),
        ({"rho_interval": 0}, "rho_interval"),
        ({"margin": -1}, "margin"),
        ({"border": "wrap"}, "border"),
    ):
        with pytest.raises(ValueError, match=words):
            CRaCLoss(**options)
