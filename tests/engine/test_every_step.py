"""Stopped after any step, and after two: a resumed run ends with the bits of one that was not.

The loop is that of the study, with a real network, dropout, augmentation, SGD's momentum and the losses that carry
state.
"""

from __future__ import annotations

import itertools
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from spectralcal.base import registry
from spectralcal.doctor.timing import RandomCase
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.train import Interrupted, train
from spectralcal.machine.device import set_determinism
from spectralcal.models import build_model
from spectralcal.study.config import TrainingConfig

STEPS, CLASSES = 8, 3
SETTINGS = TrainingConfig(steps=STEPS, epoch_steps=3, patch=(12, 12, 12), precision="bf16", learning_rate=0.05,
                          log_interval=3, checkpoint_interval=10**6)  # fmt: skip


class Dropped(nn.Sequential):
    """A U-Net behind dropout, whose masks must be those of the step."""

    def __init__(self):
        torch.manual_seed(3)
        super().__init__(nn.Dropout3d(0.3), build_model("unet", 2, CLASSES, channels=(4, 4, 8)))


def stop_at(steps):
    """What makes a loss ask its process to stop in each of these calls, counted over all runs."""
    calls = itertools.count(1)

    def wrap(terms):
        def wrapped(logits, target):
            if next(calls) in steps:
                os.kill(os.getpid(), signal.SIGTERM)
            return terms(logits, target)

        return wrapped

    return wrap


def run(folder, name, wrap=lambda terms: terms, device="cpu"):
    loss = registry.load("losses", name)()
    loss.terms = wrap(loss.terms)
    cases = [RandomCase(f"noise {index}", (14, 13, 12), 2, CLASSES) for index in range(3)]
    sampler = PatchSampler(cases, SETTINGS.patch, 2, 0.5, ("batch", "toy", 0))

    def validation_batches():
        for index in range(2):
            images, labels, _ = sampler.batch(1000 + index)
            yield torch.from_numpy(images), torch.from_numpy(labels)

    return train(
        Dropped(), loss, sampler, SETTINGS, stream=("toy", 0), device=torch.device(device), precision="bf16",
        checkpoint=folder / "checkpoint.safetensors", fingerprint="f", validation_batches=validation_batches,
    )  # fmt: skip


def resumed(folder, name, stops, device="cpu"):
    """Runs one after the other, each stopped after one of these steps (counted from the very first), and a last one."""
    folder.mkdir()
    wrap = stop_at(stops)
    for _ in stops:
        with pytest.raises(Interrupted):
            run(folder, name, wrap, device)
    return run(folder, name, wrap, device)


def bits(result):
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in result.history]
    return {key: value.numpy().tobytes() for key, value in result.weights.items()}, rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed run gives, by loss."""
    found = {}

    def of(name):
        if name not in found:
            found[name] = bits(run(tmp_path_factory.mktemp("whole"), name))
        return found[name]

    return of


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_after_any_step_of_the_spectral_loss(tmp_path, whole, step):
    found = resumed(tmp_path / "cut", "spectral", [step])
    assert found.resumes == 1
    assert bits(found) == whole("spectral")


@pytest.mark.parametrize("name", registry.names("losses"))
def test_after_two_steps_of_every_loss(tmp_path, whole, name):
    first, second = sorted(np.random.default_rng(len(name)).choice(np.arange(1, STEPS + 1), 2, replace=False))
    found = resumed(tmp_path / "cut", name, [int(first), int(second)])
    assert found.resumes == 2
    assert bits(found) == whole(name)


def test_another_stream_gives_other_bits(tmp_path, whole, monkeypatch):
    """The comparison above can fail."""
    monkeypatch.setattr("spectralcal.engine.trainer.stream_seed", lambda *names: 0)
    assert bits(run(tmp_path, "spectral"))[0] != whole("spectral")[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", registry.names("losses"))
def test_on_cuda_in_deterministic_mode(tmp_path, name):
    before = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    set_determinism(True, torch.device("cuda"))
    try:
        whole, again = (bits(run(tmp_path / side, name, device="cuda")) for side in ("whole", "again"))
        assert again == whole
        assert bits(resumed(tmp_path / "cut", name, [2, 7], "cuda")) == whole
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
