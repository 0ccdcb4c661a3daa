"""On CUDA: the same numbers as on the CPU, and no wait for the device within a training step."""

from __future__ import annotations

import pytest
import torch

from spectralcal.base import registry

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 4, 20, 18, 21, generator=generator)
    return logits, torch.randint(0, 4, (2, 20, 18, 21), generator=generator)


def gradient(loss, logits, target):
    logits = logits.detach().requires_grad_()
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]


@pytest.mark.parametrize("name", registry.names("losses"))
def test_values_and_gradients_agree_with_the_cpu_over_a_stream(name):
    here, there = registry.load("losses", name)(), registry.load("losses", name)().cuda()
    for seed in range(3):
        logits, target = batch(seed)
        expected = gradient(here, logits, target)
        found = gradient(there, logits.cuda(), target.cuda())
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-7)
        if hasattr(here, "update_multipliers"):
            here.update_multipliers([(logits, target)])
            there.update_multipliers([(logits.cuda(), target.cuda())])
            torch.testing.assert_close(there.multipliers.cpu(), here.multipliers, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_step_does_not_wait_for_the_device(name):
    loss = registry.load("losses", name)().cuda()
    logits, target = (tensor.cuda() for tensor in batch())
    gradient(loss, logits, target)  # tables and transform plans
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        gradient(loss, logits, target)
    finally:
        torch.cuda.set_sync_debug_mode("default")
