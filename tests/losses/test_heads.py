"""Deep supervision and validation loops of other people: small heads, histories, wrappers of MONAI and nnU-Net."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch

from spectralcal.base import registry
from spectralcal.losses import SpectralEntropyCELoss, SpectralEntropyLoss


def maps(*shape, seed=0):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def labels(*shape, classes=3, seed=0):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


class NnunetDeepSupervision(torch.nn.Module):
    """What nnU-Net's DeepSupervisionWrapper is documented to do: each argument is a list with an entry per head, from
    the finest to the coarsest, the losses are summed with weights, and heads of weight 0 are not looked at."""

    def __init__(self, loss, weight_factors):
        super().__init__()
        self.loss, self.weight_factors = loss, weight_factors

    def forward(self, *arguments):
        heads = zip(self.weight_factors, *arguments, strict=True)
        return sum(weight * self.loss(*head) for weight, *head in heads if weight != 0)


@pytest.mark.parametrize("name", registry.names("losses"))
@pytest.mark.parametrize("kind", [torch.int16, torch.uint8, torch.float32])
def test_inside_the_wrapper_of_nnunet(name, kind):
    loss = NnunetDeepSupervision(registry.load("losses", name)(), (0.57, 0.29, 0.14, 0.0))
    sizes = [(12, 20, 24), (12, 10, 12), (6, 5, 6), (3, 2, 3)]
    heads = [maps(2, 3, *size).requires_grad_() for size in sizes]
    targets = [labels(2, 1, *size).to(kind) for size in sizes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        value = loss(heads, targets)
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(head.grad).all() and head.grad.abs().sum() > 0 for head in heads[:3])
    assert heads[3].grad is None


def test_small_heads_get_fewer_bands_with_one_warning():
    loss = SpectralEntropyLoss(target="maximum", window=1)
    loss(maps(2, 3, 12, 12, 12))
    with pytest.warns(UserWarning, match=r"bands: maps of \(7, 8, 8\) have room for 3 of 5"):
        value = loss(maps(2, 3, 7, 8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one warning is enough
        loss(maps(2, 3, 4, 4, 4))
        loss(maps(2, 3, 7, 8, 8))
    assert value == SpectralEntropyLoss(bands=3, target="maximum", window=1)(maps(2, 3, 7, 8, 8))
    assert loss(maps(2, 3, 1, 9, 8)) == SpectralEntropyLoss(bands=4, target="maximum")(maps(2, 3, 1, 9, 8))
    tiny = maps(2, 3, 2, 1, 1).requires_grad_()
    value = loss(tiny)
    assert value == 0
    assert (torch.autograd.grad(value, tiny)[0] == 0).all()


def test_a_first_map_without_room_is_still_an_error():
    """A cube of 9 has nothing between 0 and 0.9, the first of its five shells."""
    with pytest.raises(ValueError, match=r"from 1 to 4.*\(shell 1 of 5 has no frequency\); use fewer bands or larger"):
        SpectralEntropyLoss()(maps(1, 2, 9, 9, 9))


@pytest.mark.parametrize("size", [(9, 11, 13), (8, 9, 10), (1, 9, 12)])
def test_five_bands_run_wherever_no_shell_is_empty(size):
    """The shortest side is below ten, and longer ones fill the gap."""
    loss, field = SpectralEntropyCELoss(weight=1.0), maps(2, 3, *size).requires_grad_()
    loss(field, labels(2, *size)).backward()
    assert torch.isfinite(field.grad).all()
    power = loss.spectral.power(field.detach().amax(1))
    assert power.shape == (2, 5)
    assert (power > 0).all()
    assert not any("shells" in line or "room" in line for line in loss.limits_reached)


def test_histories_of_small_heads_travel_in_checkpoints():
    whole, first, second = (SpectralEntropyCELoss(window=3) for _ in range(3))
    steps = [[(maps(2, 3, n, n, seed=10 * step + n), labels(2, n, n)) for n in (16, 8, 6)] for step in range(6)]

    def run(loss, step):
        return [loss(*head).item() for head in steps[step]]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = [run(whole, step) for step in range(6)]
        for step in range(3):
            run(first, step)
        second.load_state_dict(first.state_dict())
        assert second.spectral.history.sizes["6x6"].values.shape == (3, 3)
        assert [run(second, step) for step in range(3, 6)] == expected[3:]


@pytest.mark.parametrize("options", [{}, {"history": "ema"}, {"warmup_steps": 5}])
@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_validation_without_eval_leaves_the_history_alone(options, guard):
    loss = SpectralEntropyCELoss(**options)
    loss(maps(2, 3, 12, 12), labels(2, 12, 12))
    before = copy.deepcopy(loss.state_dict())
    with guard():
        for seed in range(3):
            loss(maps(2, 3, 12, 12, seed=seed), labels(2, 12, 12))
            loss(maps(2, 3, 14, 12, seed=seed), labels(2, 14, 12))  # a size that training has not seen
    after = loss.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    loss(maps(2, 3, 12, 12), labels(2, 12, 12))
    assert loss.spectral.history.sizes["12x12"].count == 2


def test_a_batch_of_ignored_voxels_is_never_kept():
    loss = SpectralEntropyCELoss(ignore_index=255)
    good = maps(2, 3, 12, 12), labels(2, 12, 12)
    loss(*good)
    before = loss.spectral.history.sizes["12x12"].values.clone()
    logits = maps(2, 3, 12, 12).requires_grad_()
    value = loss(logits, torch.full((2, 12, 12), 255))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()
    assert torch.equal(loss.spectral.history.sizes["12x12"].values, before)
    half = good[1].clone()
    half[1] = 255  # a sample without labels beside one with: the other alone is in the history
    loss(good[0], half)
    expected = loss.spectral.power(good[0][:1].amax(1))[0]
    torch.testing.assert_close(loss.spectral.history.sizes["12x12"].values[-1], expected)
