"""A step that is not finite in bfloat16 is made once in float32, as if it had been in float32 from the start."""

from __future__ import annotations

import json
import os
import signal
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from spectralcal.doctor.timing import RandomCase
from spectralcal.engine import trainer as engine
from spectralcal.engine.checkpoint import load_checkpoint
from spectralcal.engine.objective import Objective
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.run import Hooks, Run
from spectralcal.engine.second_try import Before
from spectralcal.engine.train import Diverged, Interrupted
from spectralcal.losses import SegmentationLoss, SpectralEntropyCELoss
from spectralcal.study.config import TrainingConfig

CPU = torch.device("cpu")


def settings(**changes):
    """Of a short run that saves and logs often."""
    base = {"steps": 12, "epoch_steps": 4, "patch": (8, 8, 8), "optimizer": "adamw", "learning_rate": 0.01}
    return TrainingConfig(**{**base, "log_interval": 4, "checkpoint_interval": 5, **changes})


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def numbers(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


class Wrong(torch.autograd.Function):
    """The identity, whose gradient is not finite."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("inf")


class Network(nn.Module):
    """Running averages and dropout; in bfloat16 the gradient of some steps is wrong, as on broken kernels.

    Args:
        wrong: steps that go wrong in bfloat16.
        never: steps that are computed in float32 whatever is asked for, to compare with.
        always: steps that go wrong in float32 too.
    """

    def __init__(self, wrong=(), never=(), always=()):
        super().__init__()
        torch.manual_seed(5)
        self.body = nn.Sequential(
            nn.Conv3d(1, 4, 3, padding=1),
            nn.BatchNorm3d(4),
            nn.ReLU(),
            nn.Dropout3d(0.2),
            nn.Conv3d(4, 2, 3, padding=1),
        )
        self.wrong, self.never, self.always, self.step = wrong, never, always, None

    def forward(self, x):
        reduced = torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu", enabled=False) if self.step in self.never else nullcontext():
            logits = self.body(x)
        if (reduced and self.step in self.wrong) or self.step in self.always:
            logits = Wrong.apply(logits)
        return logits


class Told(engine.Trainer):
    """Tells its network which step it is, and looks at every step or not."""

    def _optimise(self, step, *arguments):
        self.model.step = step
        return super()._optimise(step, *arguments)


def trainer(folder, network, loss=None, looks=True, said=None):
    config = settings()
    sampler = PatchSampler(
        [RandomCase(f"noise {i}", (12, 12, 12), 1, 2) for i in range(4)], config.patch, 2, 0.5, ("batch", "toy", 0)
    )
    run = Run(("toy", 0), CPU, "bf16", folder / "checkpoint.safetensors", "f")
    hooks = Hooks(notify=[].append if said is None else said.append)
    objective = Objective(loss or SpectralEntropyCELoss(weight=1.0, window=4, bands=3, warmup_steps=8))
    made = Told(network, objective, sampler, config, run, hooks)
    made.looks = looks
    return made


@pytest.mark.parametrize("wrong", [(0,), (7,), (3, 4)])
@pytest.mark.parametrize("looks", [True, False])
def test_the_run_is_the_one_that_had_these_steps_in_float32(tmp_path, wrong, looks):
    """Weights, running averages, the loss's memory and the history, to the last bit; at once as on a CPU, or by going
    back as on a GPU, which sees step 0 with its log and the others with a later one."""
    expected = trainer(tmp_path / "never", Network(never=wrong), looks=looks)
    whole = expected.fit()
    said = []
    tried = trainer(tmp_path / "tried", Network(wrong=wrong), looks=looks, said=said)
    result = tried.fit()
    assert whole.in_float32 == []
    assert result.in_float32 == list(wrong)
    assert same(result.weights, whole.weights)
    assert same(tried.objective.state_dict(), expected.objective.state_dict())
    assert numbers(result.history) == numbers(whole.history)
    assert result.resumes == 0
    assert len(said) == len(wrong)
    for step, line in zip(wrong, said, strict=True):
        assert line.startswith(f"step {step} is not finite in bfloat16: ")
        assert "set training.precision: fp32" in line


def test_the_comparison_can_fail(tmp_path):
    one, other = (trainer(tmp_path / str(never), Network(never=never)).fit() for never in ((), (7,)))
    assert not same(one.weights, other.weights)


@pytest.mark.parametrize("looks", [True, False])
def test_what_is_not_finite_in_float32_either_has_diverged(tmp_path, looks):
    network = Network(wrong=(6,), always=(6,))
    with pytest.raises(Diverged, match=r"at step 6 \(in bfloat16 and in float32, gradient norm .*last good checkpoint"):
        trainer(tmp_path, network, looks=looks).fit()
    assert all(weight.isfinite().all() for weight in network.parameters()) or not looks


@pytest.mark.parametrize("looks", [True, False])
def test_a_loss_that_refuses_the_output_counts_alike(tmp_path, looks):
    class Refusing(SegmentationLoss):
        def terms(self, logits, target):
            if not logits.isfinite().all():
                raise ValueError("logits: expected finite numbers")
            return {"ce": nn.functional.cross_entropy(logits, target)}

    class Infinite(Network):
        def forward(self, x):
            logits = super().forward(x)
            reduced = torch.is_autocast_enabled("cpu")
            return logits * float("inf") if reduced and self.step == 6 else logits

    assert trainer(tmp_path, Infinite(), Refusing(), looks=looks).fit().in_float32 == [6]


@pytest.mark.parametrize("looks", [True, False])
def test_steps_survive_an_interruption(tmp_path, looks):
    """On a GPU, the first look after the resume sends the run back to the checkpoint of the run before."""

    class Stopping(Network):
        def forward(self, x):
            if self.step == 8:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().forward(x)

    whole = trainer(tmp_path / "whole", Network(wrong=(2, 10)), looks=looks).fit()
    with pytest.raises(Interrupted):
        trainer(tmp_path / "cut", Stopping(wrong=(2, 10)), looks=looks).fit()
    assert load_checkpoint(tmp_path / "cut/checkpoint.safetensors", "f").state["in_float32"] == [2]
    result = trainer(tmp_path / "cut", Network(wrong=(2, 10)), looks=looks).fit()
    assert result.resumes == 1
    assert result.in_float32 == whole.in_float32 == [2, 10]
    assert same(result.weights, whole.weights)
    json.dumps(result.in_float32)


def test_a_log_is_not_flooded(tmp_path):
    said = []
    result = trainer(tmp_path, Network(wrong=range(12)), said=said).fit()
    assert result.in_float32 == list(range(12))
    assert len(said) == engine.SAID
    assert said[-1].endswith("; run.json lists further ones")


def test_float32_is_tried_once_only(tmp_path):
    made = trainer(tmp_path, Network(always=(3,)))
    made.run = Run(("toy", 0), CPU, "fp32", tmp_path / "checkpoint.safetensors", "f")
    with pytest.raises(Diverged, match=r"at step 3 \(gradient norm"):
        made.fit()
    assert made.progress.in_float32 == []


def test_what_a_forward_pass_left_is_undone():
    network, objective = Network(), Objective(SpectralEntropyCELoss(window=3, bands=3, warmup_steps=2))
    objective.loss.train()
    images, labels = torch.randn(2, 1, 8, 8, 8), torch.zeros(2, 8, 8, 8, dtype=torch.long)
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    before = Before(network, objective)
    objective.loss(network(images), labels)
    assert objective.loss.spectral.history.sizes["8x8x8"].count == 1
    assert objective.loss.steps == 1
    before.restore()
    assert all(torch.equal(value, buffers[name]) for name, value in network.named_buffers())
    assert objective.loss.steps == 0
    history = objective.loss.spectral.history.sizes["8x8x8"]
    assert history.count == 0
    assert (history.values == 0).all()
