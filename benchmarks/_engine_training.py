"""Contestants of the engine's benchmark: the same training step bare, in the project's loop and from MONAI's pieces.

Every contestant trains with cross-entropy and the spectral term on batches of random patches with block labels. A call
takes a number of steps and gives seconds a step.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from losses import SampleBySample
from spectralcal.base import registry
from spectralcal.doctor.timing import RandomCase
from spectralcal.engine.optimization import build_optimizer
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.train import train
from spectralcal.losses import SpectralEntropyCELoss
from spectralcal.machine.device import autocast, memory_format
from spectralcal.models import build_model
from spectralcal.study.config import TrainingConfig

#: the study's network for a CPU
SMALL: dict[str, dict[str, Any]] = {"unet": {"channels": (8, 16, 32, 64)}}


@dataclass(frozen=True)
class MappedCase:
    """A volume on disk, opened by memory map, as a prepared case is."""

    id: str
    shape: tuple[int, ...]
    folder: Path

    @classmethod
    def written(cls, case: RandomCase, folder: Path) -> MappedCase:
        """The arrays of a case, saved."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("image", "label", "foreground"):
            np.save(folder / f"{name}.npy", getattr(case, name)())
        return cls(case.id, case.shape, folder)

    def image(self) -> np.ndarray:
        return np.load(self.folder / "image.npy", mmap_mode="r")

    def label(self) -> np.ndarray:
        return np.load(self.folder / "label.npy", mmap_mode="r")

    def foreground(self) -> np.ndarray:
        return np.load(self.folder / "foreground.npy", mmap_mode="r")


@dataclass
class Work:
    """What all contestants do.

    Attributes:
        folder: where volumes are written.
        patch: patch size in voxels.
        device: "cpu" or "cuda".
        architecture: registered name.
        options: keyword options of the network.
        precision: of everything but the row that compares precisions.
        workers: processes of MONAI's loader.
        processor: seconds of processor time of what was timed last, of all threads of this process.
    """

    folder: Path
    patch: tuple[int, ...] = (48, 64, 48)
    device: str = "cpu"
    architecture: str = "unet"
    options: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "bf16"
    classes: int = 4
    batch: int = 2
    volumes: int = 6
    workers: int = 0
    processor: float = 0.0

    @cached_property
    def cases(self) -> list[MappedCase]:
        shape = tuple(3 * size // 2 for size in self.patch)
        case = RandomCase("noise", shape, channels=1, classes=self.classes)
        return [MappedCase.written(case, self.folder / f"case{number}") for number in range(self.volumes)]

    @cached_property
    def settings(self) -> TrainingConfig:
        """The study's settings but for the length."""
        return TrainingConfig(patch=self.patch, batch_size=self.batch, checkpoint_interval=10**9)

    @cached_property
    def sampler(self) -> PatchSampler:
        return PatchSampler(self.cases, self.patch, self.batch, 0.5, ("batch", "benchmark", 0))

    def fixed_batch(self, layout: torch.memory_format) -> tuple[Tensor, Tensor]:
        """Images (B, 1, *patch) and labels (B, *patch) that stay on the device."""
        images, labels, _ = self.sampler.batch(0)
        return torch.from_numpy(images).to(self.device, memory_format=layout), torch.from_numpy(labels).to(self.device)

    def network(self, layout: torch.memory_format) -> nn.Module:
        options = dict(self.options)
        if "patch" in registry.defaults("models", self.architecture):
            options.setdefault("patch", self.patch)
        torch.manual_seed(0)
        model = build_model(self.architecture, 1, self.classes, spatial_dims=len(self.patch), **options)
        return model.train().to(self.device, memory_format=layout)

    def timed(self, work: Callable[[], None]) -> float:
        """Wall seconds, device included."""
        self.wait()
        begun, processor = time.perf_counter(), time.process_time()
        work()
        self.wait()
        self.processor = time.process_time() - processor
        return time.perf_counter() - begun

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def bare(work: Work, *, fast: bool = True, loss: bool = True, compiled: bool = False) -> Callable[[int], float]:
    """Forward, backward and optimiser on a batch that stays on the device.

    Args:
        work: what to do.
        fast: bf16 autocast and channels-last; else float32 and contiguous memory.
        loss: with the loss; else backward starts from a gradient at the logits that is always the same.
        compiled: the network by ``torch.compile``.
    """
    layout = memory_format(len(work.patch), channels_last=fast)
    model, device = work.network(layout), torch.device(work.device)
    network = torch.compile(model) if compiled else model
    images, target = work.fixed_batch(layout)
    optimizer, criterion = build_optimizer(model, work.settings), SpectralEntropyCELoss().to(device)
    criterion.monitoring = False
    gradient = 1e-6 * torch.randn((work.batch, work.classes, *work.patch), device=device)

    def steps(count: int) -> None:
        for _ in range(count):
            with autocast(device, work.precision if fast else "fp32"):
                logits = network(images)
            if loss:
                criterion(logits.float(), target).backward()
            else:
                logits.float().backward(gradient)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return lambda count: work.timed(lambda: steps(count)) / count


def loop(work: Work, *, compiled: bool = False) -> Callable[[int], float]:
    """The training loop: batches read ahead, augmentation, loss, clipping, checks, and the log every ten steps."""
    model, device = work.network(memory_format(len(work.patch), channels_last=True)), torch.device(work.device)
    loss = SpectralEntropyCELoss()

    def steps(count: int) -> None:
        settings = work.settings.model_copy(update={"steps": count, "compile": compiled})
        with tempfile.TemporaryDirectory() as folder:
            train(
                model, loss, work.sampler, settings, stream=("benchmark", 0), device=device, precision=work.precision,
                checkpoint=Path(folder) / "checkpoint", fingerprint="benchmark",
            )  # fmt: skip

    return lambda count: work.timed(lambda: steps(count)) / count


def monai(work: Work, *, fast: bool = True) -> Callable[[int], float]:
    """CacheDataset, dictionary transforms, DataLoader and Algorithm 1 as printed, with the same network.

    Args:
        work: what to do.
        fast: bf16 autocast; else float32, as in MONAI's tutorials without AMP.
    """
    from monai.data import CacheDataset, DataLoader, MetaTensor
    from monai.transforms import (
        Compose,
        RandAdjustContrastd,
        RandCropByPosNegLabeld,
        RandGaussianNoised,
        RandGaussianSmoothd,
        RandScaleIntensityd,
    )

    settings = work.settings.augmentation
    transforms = Compose([
        RandCropByPosNegLabeld(["image", "label"], "label", work.patch, pos=1, neg=1, num_samples=1),
        RandGaussianNoised("image", prob=settings.noise_probability, std=settings.noise_variance[1] ** 0.5),
        RandGaussianSmoothd("image", *[settings.blur_sigma] * 3, prob=settings.blur_probability),
        RandScaleIntensityd("image", factors=0.25, prob=settings.brightness_probability),
        RandAdjustContrastd("image", prob=settings.gamma_probability, gamma=settings.gamma_exponent),
    ])  # fmt: skip
    data = [
        {"image": MetaTensor(np.array(case.image())), "label": MetaTensor(np.array(case.label())[None])}
        for case in work.cases
    ]
    cached = CacheDataset(data, transforms, progress=False)
    model, device = work.network(torch.contiguous_format), torch.device(work.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)
    cross_entropy, term = nn.CrossEntropyLoss(), SampleBySample()

    def batches(count: int) -> Iterator[dict[str, Tensor]]:
        drawn = torch.utils.data.RandomSampler(cached, replacement=True, num_samples=count * work.batch)
        return iter(DataLoader(cached, batch_size=work.batch, sampler=drawn, num_workers=work.workers))

    def steps(given: Iterator[dict[str, Tensor]]) -> None:
        for batch in given:
            images, target = batch["image"].to(device), batch["label"][:, 0].long().to(device)
            optimizer.zero_grad()
            with autocast(device, work.precision if fast else "fp32"):
                logits = model(images).as_tensor().float()
                loss = cross_entropy(logits, target.as_tensor()) + 0.01 * term(logits)
            loss.backward()
            optimizer.step()
            loss.item()  # the running loss of a progress bar

    def run(count: int) -> float:
        # Workers start once an epoch of hundreds of steps: starting them is not counted.
        given = batches(count + 1)
        steps(iter([next(given)]))
        return work.timed(lambda: steps(given)) / count

    return run


def captured(work: Work) -> Callable[[int], float]:
    """The bare step of :func:`bare`, replayed from a CUDA graph.

    Raises:
        RuntimeError: the network or the loss cannot be captured.
    """
    layout = memory_format(len(work.patch), channels_last=True)
    model, device = work.network(layout), torch.device(work.device)
    images, target = work.fixed_batch(layout)
    optimizer, criterion = build_optimizer(model, work.settings), SpectralEntropyCELoss().to(device)
    criterion.monitoring = False

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, work.precision):
            logits = model(images)
        criterion(logits.float(), target).backward()
        optimizer.step()

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return lambda count: work.timed(lambda: [graph.replay() for _ in range(count)]) / count
