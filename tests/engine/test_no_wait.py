"""A step that is not logged reads no number back from the device: on a GPU each would stall the queue.

The same operations run on a CPU, where a dispatch mode sees those that would wait.
"""

from __future__ import annotations

import pytest
import torch
from waits import Waits

from spectralcal.base import registry
from spectralcal.doctor.timing import RandomCase
from spectralcal.engine.finite import FiniteWatch
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.train import train
from spectralcal.losses.targets import checked_target
from spectralcal.models import build_model
from spectralcal.spectral.power import _masked_sums
from spectralcal.study.config import AugmentationConfig, TrainingConfig

LOGGED = 4


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_step_without_log_never_waits(name, tmp_path, monkeypatch):
    always = dict.fromkeys(("noise", "blur", "brightness", "gamma"), 1.0)
    settings = TrainingConfig(
        steps=LOGGED + 2, epoch_steps=100, patch=(16, 16, 16), log_interval=LOGGED, gradient_clip=1.0,
        augmentation=AugmentationConfig(**{f"{key}_probability": value for key, value in always.items()}),
    )  # fmt: skip
    cases = [RandomCase("noise", (20, 20, 20), 1, 3)]
    sampler = PatchSampler(cases, settings.patch, 2, 0.5, ("batch", "toy", 0))
    loss, waits = registry.load("losses", name)(), Waits()
    # Two looks at numbers are for CPUs alone, where they are free: at the watch after every step, and at the labels.
    monkeypatch.setattr(FiniteWatch, "first_bad", lambda self: None)

    def unwatched(*arguments):
        before, waits.watching = waits.watching, False
        try:
            return checked_target(*arguments)
        finally:
            waits.watching = before

    monkeypatch.setattr("spectralcal.losses.targets.checked_target", unwatched)
    monkeypatch.setattr("spectralcal.spectral.power._group_sums", _masked_sums)  # as on a GPU
    logged = []

    class Watched(torch.nn.Module):
        """The network; what it and all after it does is watched from step 1 to the loss of step 4, which is logged."""

        def __init__(self):
            super().__init__()
            self.network, self.step = build_model("unet", 1, 3, channels=(4, 4, 8)), -1

        def forward(self, x):
            self.step += 1
            waits.watching = 0 < self.step < LOGGED
            return self.network(x)

    with waits:
        train(
            Watched(), loss, sampler, settings, stream=("toy", 0), device=torch.device("cpu"), precision="bf16",
            checkpoint=tmp_path / "checkpoint.safetensors", fingerprint="f",
            report=lambda step, row: logged.append(step),
        )  # fmt: skip
    assert logged == [0, LOGGED, LOGGED + 1]
    assert waits.found == []


def test_the_mode_sees_what_waits():
    waits, x = Waits(), torch.arange(4.0)
    with waits:
        waits.watching = True
        for reading in (lambda: float(x.sum()), lambda: bool((x > 1).any()), lambda: x[x > 1], x.nonzero):
            waits.found.clear()
            reading()
            assert waits.found
