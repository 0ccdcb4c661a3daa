"""What surrounds a step: reading ahead, memory, numbers that are not finite, volumes held in memory."""

import os
import threading

import numpy as np
import pytest
import torch

from spectralcal.engine.batches import prefetched
from spectralcal.engine.finite import FiniteWatch
from spectralcal.engine.optimization import build_optimizer
from spectralcal.engine.resident import load_into_memory
from spectralcal.machine.device import set_determinism
from spectralcal.machine.memory import smaller_steps
from spectralcal.study.config import TrainingConfig

CPU = torch.device("cpu")


class Numbered:
    """Batch `step` holds the number of the step."""

    def __init__(self, broken=None):
        self.read, self.broken = [], broken

    def batch(self, step):
        if step == self.broken:
            raise OSError("the disk is gone")
        self.read.append(step)
        return np.full((2, 1, 4), step, np.float32), np.full((2, 4), step, np.int64), [f"case{step}"]


def test_batches_come_in_order_each_once_and_one_ahead():
    sampler, seen = Numbered(), []
    for step, images, labels, names in prefetched(sampler, 3, 8, CPU):
        assert float(images.unique()) == int(labels.unique()) == step
        assert names == [f"case{step}"]
        assert max(sampler.read) <= step + 1
        seen.append(step)
    assert seen == sampler.read == [3, 4, 5, 6, 7]
    assert list(prefetched(sampler, 5, 5, CPU)) == []


def test_an_error_while_reading_surfaces_at_its_own_step():
    batches = prefetched(Numbered(broken=2), 0, 5, CPU)
    assert [next(batches)[0], next(batches)[0]] == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_closing_early_ends_the_thread():
    before = threading.active_count()
    batches = prefetched(Numbered(), 0, 100, CPU)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before


def test_smaller_steps_halve_the_batch_and_then_shrink_the_longest_axis():
    assert list(smaller_steps(4, (64, 40, 96))) == [
        (2, (64, 40, 96)),
        (1, (64, 40, 96)),
        (1, (64, 40, 80)),
        (1, (64, 40, 64)),
        (1, (48, 40, 64)),
        (1, (48, 40, 48)),
        (1, (32, 40, 48)),
        (1, (32, 40, 32)),
        (1, (32, 32, 32)),
    ]
    assert list(smaller_steps(1, (16, 16))) == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_number_that_is_not_finite_is_remembered(bad):
    watch = FiniteWatch(CPU, numbers=2)
    watch.observe(4, torch.tensor(1.0), torch.tensor(2.0))
    assert watch.first_bad() is None
    watch.observe(5, torch.tensor(1.5), torch.tensor(bad))
    watch.observe(6, torch.tensor(float("nan")), torch.tensor(7.0))
    step, values = watch.first_bad()
    assert step == 5
    np.testing.assert_array_equal(values, [1.5, bad])


class Case:
    id, shape = "a", (4, 4)

    def __init__(self):
        self.opened = 0

    def image(self):
        self.opened += 1
        return np.zeros((2, 4, 4), np.float16)  # 64 bytes

    def label(self):
        return np.ones((4, 4), np.uint8)  # 16 bytes

    def foreground(self):
        return np.zeros((5, 3), np.int32)  # 60 bytes


def test_volumes_are_held_in_memory_only_if_all_fit():
    cases = [Case() for _ in range(2**20 // 140 + 1)]  # one more than a MiB takes
    assert load_into_memory(cases, 0) == (cases, False)
    assert load_into_memory(cases, 1) == (cases, False)
    held, resident = load_into_memory(cases[:-1], 1)
    assert resident
    opened = cases[0].opened
    assert held[0].id == "a"
    assert held[0].shape == (4, 4)
    assert held[0].image().dtype == np.float16
    np.testing.assert_array_equal(held[0].label(), cases[0].label())
    np.testing.assert_array_equal(held[0].foreground(), cases[0].foreground())
    assert cases[0].opened == opened


def test_determinism_is_switched_on_for_cuda_alone(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    try:
        set_determinism(True, CPU)
        assert not torch.are_deterministic_algorithms_enabled()
        set_determinism(True, torch.device("cuda"))
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)
        set_determinism(False, torch.device("cuda"))
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_fused_optimiser_computes_what_the_plain_one_does(kind):
    settings = TrainingConfig(optimizer=kind, learning_rate=0.05, weight_decay=0.01, momentum=0.9)

    def trained(plain):
        torch.manual_seed(0)
        layers = [torch.nn.Conv3d(2, 4, 3), torch.nn.Tanh(), torch.nn.Conv3d(4, 3, 2)]
        model = torch.nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)
        optimizer = build_optimizer(model, settings)
        if plain:
            optimizer.param_groups[0]["fused"] = optimizer.defaults["fused"] = None
            rebuilt = {k: v for k, v in optimizer.defaults.items() if k != "decoupled_weight_decay"}
            optimizer = type(optimizer)(model.parameters(), **rebuilt)
        images = torch.randn(2, 2, 5, 6, 7, generator=torch.Generator().manual_seed(1))
        for _ in range(20):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.testing.assert_close(trained(plain=False), trained(plain=True), rtol=1e-5, atol=1e-6)
