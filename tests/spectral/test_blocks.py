"""Portions cover every voxel once, and no loss depends on how they are cut."""

from __future__ import annotations

import pytest
import torch

from spectralcal.base import registry
from spectralcal.spectral import blocks as _blocks


@pytest.mark.parametrize("shape", [(1, 2, 5), (2, 3, 1024), (3, 4, 3001)])
def test_each_voxel_is_in_one_portion_with_all_its_channels(monkeypatch, shape):
    monkeypatch.setattr(_blocks, "PORTION", 1)
    visits = torch.zeros(shape)
    for here in _blocks.blocks(visits):
        assert visits[here].shape[:2] == (1, shape[1])
        visits[here] += 1
    assert (visits == 1).all()


@pytest.mark.parametrize("name", registry.names("losses"))
def test_losses_do_not_depend_on_the_portions(monkeypatch, name):
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(2, 3, 50, 53, generator=generator, dtype=torch.float64)).requires_grad_()
    target = torch.randint(0, 3, (2, 50, 53), generator=generator)
    found = []
    for portion in (1, 2**20):
        monkeypatch.setattr(_blocks, "PORTION", portion)
        value = registry.load("losses", name)().double()(logits, target)
        found.append((value, torch.autograd.grad(value, logits)[0]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-15)
