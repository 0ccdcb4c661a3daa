"""Times a few training steps and a window of every kind of cell of a study, on this machine.

Steps go through the training loop itself, with its augmentation, loss and optimiser, on random volumes in place of the
prepared ones: what is timed needs no data.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.base.console import progress
from spectralcal.base.errors import SpectralcalError
from spectralcal.base.files import write_json
from spectralcal.doctor.timing_scores import scoring_seconds
from spectralcal.jobs.data_sets import build_dataset
from spectralcal.jobs.networks import build_loss, build_network
from spectralcal.records.costs import Kind, pace_digest
from spectralcal.study.config import StudyConfig, TrainingConfig
from spectralcal.study.grid import Cell, study_cells, trained_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve

if TYPE_CHECKING:
    import torch

#: steps that are timed at first, and seconds for which more are timed if these were short
FEW, ENOUGH = 2, 3.0
#: longer than any timing: an interval that never comes
NEVER = 10**9


@dataclass(frozen=True)
class RandomCase:
    """A volume of noise with block labels, in place of a prepared case."""

    id: str
    shape: tuple[int, ...]
    channels: int
    classes: int

    def image(self) -> np.ndarray:
        """(C, *shape) float32."""
        return np.random.default_rng(0).normal(size=(self.channels, *self.shape)).astype(np.float32)

    def label(self) -> np.ndarray:
        """(*shape) uint8, blocks of every class."""
        coarse = np.random.default_rng(1).integers(0, self.classes, [-(-n // 8) for n in self.shape], np.uint8)
        for axis, size in enumerate(self.shape):
            coarse = coarse.repeat(8, axis).take(range(size), axis)
        return coarse

    def foreground(self) -> np.ndarray:
        """(N, 1 + spatial dims) int32: class and index of some foreground voxels."""
        label = self.label()
        voxels = np.argwhere(label > 0)[:: max(label.size // 10_000, 1)]
        return np.concatenate([label[tuple(voxels.T)][:, None], voxels], axis=1).astype(np.int32)


def time_study(config: StudyConfig) -> tuple[dict[str, Any], dict[Kind, str]]:
    """Time every kind of cell and keep the numbers in the study's ``timings.json``.

    Returns:
        what was written; and for kinds that cannot be timed, why, in a line each.
    """
    import torch

    from spectralcal.engine.train import Interrupted
    from spectralcal.machine.device import choose_device, device_name

    device = choose_device(config.compute.device)
    torch.set_num_threads(config.compute.threads)
    kinds = list(dict.fromkeys((cell.dataset, cell.architecture) for cell in study_cells(config)))
    timed, failed = [], {}
    with progress("timing", len(kinds)) as bar:
        for kind in kinds:
            try:
                timed.append(time_kind(config, kind, device))
            except Interrupted:
                raise
            except SpectralcalError as error:
                failed[kind] = str(error)
            bar.advance(1, " with ".join(kind))
    content = {
        "device": device_name(device),
        "gpu": device.type == "cuda",
        "threads": config.compute.threads,
        "torch": torch.__version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "kinds": timed,
    }
    write_json(StudyPaths(config).timings, content)
    return content, failed


def time_kind(config: StudyConfig, kind: Kind, device: torch.device) -> dict[str, Any]:
    """Seconds of a step, of what each method adds to it, of a window and of scoring; an entry of ``timings.json``."""
    import torch

    from spectralcal.engine.arithmetic import training_arithmetic
    from spectralcal.machine.device import set_determinism

    dataset = build_dataset(config, kind[0])
    settings = config.training_of(*kind)
    set_determinism(config.compute.deterministic, device)
    channels, classes = len(dataset.channels), len(dataset.classes) + 1
    shape = tuple(size + 16 for size in settings.patch)
    cases = [RandomCase(f"noise {index}", shape, channels, classes) for index in range(2)]
    baseline = config.baseline_among(_methods(config, kind))
    cell = resolve(config, Cell(*kind, baseline, 0))
    model = build_network(cell, channels)
    precision = training_arithmetic(settings, model, channels, device, " with ".join(kind)).precision
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step, count = step_seconds(model, build_loss(cell), cases, settings, device, precision)
    peak = round(torch.cuda.max_memory_allocated(device) / 2**20) if device.type == "cuda" else None
    window = window_seconds(config, model, settings, channels, device, precision)
    return {
        "dataset": kind[0],
        "architecture": kind[1],
        "pace": pace_digest(config, kind),
        "precision": precision,
        "steps_timed": count,
        "step_seconds": step,
        "extra_seconds": extra_seconds(config, kind, settings, classes, device),
        "window_seconds": window,
        "scoring_seconds": scoring_seconds(config, kind, model, window, device, precision),
        "peak_gpu_memory_mb": peak,
    }


def step_seconds(
    model: torch.nn.Module,
    loss: torch.nn.Module,
    cases: Sequence[RandomCase],
    settings: TrainingConfig,
    device: torch.device,
    precision: str,
) -> tuple[float, int]:
    """Seconds of a step of the training loop, and the number of steps that they were taken from.

    The first steps are not counted: they compile, choose convolutions and fill caches.
    """
    from spectralcal.engine.patches import PatchSampler
    from spectralcal.engine.resident import ResidentCase

    resident = [ResidentCase(case) for case in cases]
    sampler = PatchSampler(resident, settings.patch, settings.batch_size, settings.foreground_share, ("timing",))
    seconds, count = _timed_steps(model, loss, sampler, settings, device, precision, FEW), FEW
    if (more := int(ENOUGH / seconds)) > FEW:
        count = min(more, 200)
        seconds = _timed_steps(model, loss, sampler, settings, device, precision, count)
    return seconds, count


def window_seconds(
    config: StudyConfig, model: torch.nn.Module, settings: TrainingConfig, channels: int, device: torch.device,
    precision: str,
) -> float:  # fmt: skip
    """Seconds of predicting one window, the second time."""
    from spectralcal.engine.predict import predict_probabilities

    image = np.random.default_rng(0).normal(size=(channels, *settings.patch)).astype(np.float32)
    model = model.to(device).eval()

    def predict() -> None:
        predict_probabilities(model, image, settings.patch, config.inference, device=device, precision=precision)

    predict()
    return _seconds(predict, device)


def extra_seconds(
    config: StudyConfig, kind: Kind, settings: TrainingConfig, classes: int, device: torch.device
) -> dict[str, float]:
    """Seconds a step that each trained method's loss takes longer than the baseline, forward and backward."""
    import torch

    shape = (settings.batch_size, classes, *settings.patch)
    logits = torch.randn(shape, device=device, requires_grad=True)
    target = torch.randint(0, classes, (shape[0], *shape[2:]), device=device)
    methods = _methods(config, kind)
    baseline = config.baseline_among(methods)
    taken: dict[str, float] = {}
    for method in dict.fromkeys((baseline, *methods)):
        loss = build_loss(resolve(config, Cell(*kind, method, 0))).to(device)

        def work(loss: torch.nn.Module = loss) -> None:
            loss(logits, target).backward()
            logits.grad = None

        work()
        taken[method] = min(_seconds(work, device) for _ in range(3))
    return {method: taken[method] - taken[baseline] for method in methods}


def _methods(config: StudyConfig, kind: Kind) -> list[str]:
    """Trained methods of a kind of cell."""
    cells = trained_cells(config, study_cells(config))
    return [cell.method for cell in cells if (cell.dataset, cell.architecture) == kind]


def _timed_steps(
    model: torch.nn.Module,
    loss: torch.nn.Module,
    sampler: Any,
    settings: TrainingConfig,
    device: torch.device,
    precision: str,
    count: int,
) -> float:
    """Seconds a step, from the second step's loss to the loss `count` steps later."""
    from spectralcal.engine.train import train

    # The first and the last step are logged, which costs backward passes; none of what is counted is.
    changes = dict.fromkeys(("epoch_steps", "log_interval", "checkpoint_interval"), NEVER)
    short = settings.model_copy(update={**changes, "steps": count + 2, "validation_interval": 0, "select": "last"})
    terms, called, stamps = loss.terms, [], []

    def stamped(logits: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        if len(called) in (1, count + 1):
            _wait(device)
            stamps.append(time.perf_counter())
        called.append(None)
        return terms(logits, target)

    loss.terms = stamped
    try:
        with tempfile.TemporaryDirectory() as folder:
            train(
                model, loss, sampler, short, stream=("timing",), device=device, precision=precision,
                checkpoint=Path(folder) / "checkpoint.safetensors", fingerprint="timing",
            )  # fmt: skip
    finally:
        loss.terms = terms
    return (stamps[1] - stamps[0]) / count


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    _wait(device)
    begun = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
