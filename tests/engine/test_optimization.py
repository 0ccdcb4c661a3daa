"""The optimisers: torch's arithmetic to the bit. That they do without its compiler: tests/core/test_imports.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spectralcal.engine.checkpoint import optimizer_tensors, restore_optimizer
from spectralcal.engine.optimization import build_optimizer
from spectralcal.study.config import TrainingConfig

ADAMW = TrainingConfig(optimizer="adamw", learning_rate=0.01, weight_decay=0.1)
SGD = TrainingConfig(optimizer="sgd", learning_rate=0.01, weight_decay=0.1, momentum=0.9)
TORCHS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(
        parameters, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1, fused=True
    ),
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


def steps(model, optimizer, indices):
    for index in indices:
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(index))
        model(x).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("settings", [ADAMW, SGD], ids=["adamw", "sgd"])
def test_weights_are_those_of_torchs_own_class_to_the_bit_before_and_after_a_checkpoint(settings):
    ours, theirs = network(), network()
    optimizer = build_optimizer(ours, settings)
    reference = TORCHS[settings.optimizer](theirs.parameters())
    steps(ours, optimizer, range(3))
    again = build_optimizer(ours, settings)
    restore_optimizer(again, optimizer_tensors(optimizer))
    steps(ours, again, range(3, 6))
    steps(theirs, reference, range(6))
    assert torch.is_grad_enabled()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert mine.requires_grad
        assert mine.grad_fn is None


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_torchs_own_classes_stay_as_they_are(kind):
    before = dict(vars(kind)), dict(vars(torch.optim.Optimizer))
    settings = ADAMW if kind is torch.optim.AdamW else SGD
    model = network()
    optimizer = build_optimizer(model, settings)
    steps(model, optimizer, range(1))
    assert isinstance(optimizer, kind)
    assert (dict(vars(kind)), dict(vars(torch.optim.Optimizer))) == before
