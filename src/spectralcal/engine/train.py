"""The training loop, in the open: one function, from step 0 (or a checkpoint) to the last.

Reproducibility is in the streams (:mod:`spectralcal.base.seeds`): batch, augmentation and dropout of a step depend
on names and the step number only. What cannot be recomputed (weights, optimiser, the loss's own history) is in the
checkpoint, so a killed run that is resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spectralcal.base.errors import SpectralcalError
from spectralcal.base.seeds import stream_seed
from spectralcal.engine.batches import ahead
from spectralcal.engine.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    set_aside,
)
from spectralcal.engine.finite import FiniteWatch
from spectralcal.engine.heads import auxiliary_terms, full_resolution
from spectralcal.engine.optimization import build_optimizer, learning_rate
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.state import load_unique_state, unique_state
from spectralcal.engine.stop import stop_requests
from spectralcal.machine.device import autocast, memory_format
from spectralcal.machine.memory import largest_fitting, out_of_memory, release
from spectralcal.transforms.intensity import apply_augmentation, sample_augmentation

if TYPE_CHECKING:
    from spectralcal.study.config import TrainingConfig


class Interrupted(SpectralcalError):
    """The run was asked to stop; its checkpoint is written and the same command continues it."""


class Diverged(SpectralcalError):
    """The loss became NaN or infinite; the last good checkpoint is kept."""


@dataclass
class TrainingResult:
    """What a run leaves: the selected weights, its history and how it went."""

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    validation: list[dict[str, float]]
    seconds: float
    resumes: int


@dataclass
class _Progress:
    """State of a run that is neither weight nor optimiser."""

    step: int = 0
    seconds: float = 0.0
    resumes: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_dice: float = -1.0

    def state(self) -> dict[str, Any]:
        names = ("seconds", "resumes", "history", "validation", "best_dice")
        return {name: getattr(self, name) for name in names}


def train(
    model: nn.Module,
    loss: nn.Module,
    sampler: PatchSampler,
    settings: TrainingConfig,
    *,
    stream: tuple[str | int, ...],
    device: torch.device,
    precision: str,
    checkpoint: Path,
    fingerprint: str,
    validation_batches: Callable[[], Iterator[tuple[Tensor, Tensor]]] | None = None,
    validation_dice: Callable[[nn.Module], float] | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda step, row: None,
    notify: Callable[[str], None] = lambda message: None,
) -> TrainingResult:
    """Train `model` with `loss` on the batches of `sampler`.

    Args:
        model: maps (B, C_in, *spatial) to logits (B, C, *spatial).
        loss: ``terms(logits, target)`` gives named scalars that add up to the loss (:mod:`spectralcal.losses`).
        sampler: gives batch `step`.
        settings: the configuration's `training` section.
        stream: names of the random streams of augmentation and dropout, for example ``("hippocampus", 0)``.
        device: where to run.
        precision: "bf16" or "fp32"; the loss is always computed in float32.
        checkpoint: file of the rolling checkpoint; deleted by the caller once the results are written.
        fingerprint: a checkpoint of another fingerprint is set aside, not continued.
        validation_batches: patches of validation cases (images, labels), for losses that update multipliers per epoch.
        validation_dice: mean Dice on the validation cases, called every `settings.validation_interval` epochs.
        report: called at each logged step with the row of the history.
        notify: called with what a person should know, in one line.

    Raises:
        Interrupted: SIGTERM or SIGINT arrived; the checkpoint is written.
        Diverged: the loss or its gradient is not finite; the message names step, rate and cases.
        OutOfMemory: a step does not fit on the device; the message says what would.
        ResultError: a checkpoint is damaged or could not be written.
    """
    layout = memory_format(len(settings.patch), settings.channels_last)
    model = model.to(device=device, memory_format=layout)
    loss = loss.to(device)
    optimizer = build_optimizer(model, settings)
    progress = _resume(checkpoint, fingerprint, model, loss, optimizer, notify)
    begun = time.perf_counter() - progress.seconds
    network = torch.compile(model) if settings.compile else model
    watch = FiniteWatch(device, numbers=2)

    def take_step(step: int, images: Tensor, target: Tensor, names: list[str]) -> dict[str, float] | None:
        """One step of the optimiser; at logged steps a row of the history."""
        parameters = sample_augmentation(settings.augmentation, len(names), (*stream, step))
        batch = apply_augmentation(images, parameters).to(memory_format=layout)
        torch.manual_seed(stream_seed("dropout", *stream, step))
        with autocast(device, precision):
            output = network(batch)
        logits = full_resolution(output).float()
        logged = step % settings.log_interval == 0 or step == settings.steps - 1
        loss.monitoring = logged
        terms = _terms(loss, logits, target, where=f"step {step} (cases {', '.join(names)})")
        terms |= auxiliary_terms(output, target)
        total = torch.stack(list(terms.values())).sum()
        rate = learning_rate(settings, step)
        row = _measure(step, rate, total, terms, logits, loss) if logged else None
        total.backward()
        limit = settings.gradient_clip if settings.gradient_clip is not None else float("inf")
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        watch.observe(step, total, norm)
        # A look costs nothing on a CPU; on a GPU it would stall the queue, so there at logged steps.
        if logged or device.type == "cpu":
            ensure_finite()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return None if row is None else row | {"gradient_norm": float(norm)}

    def ensure_finite() -> None:
        found = watch.first_bad()
        if found is None:
            return
        writer.wait()
        step, (value, norm) = found
        raise Diverged(
            f"loss is {value} at step {step} (gradient norm {norm}, learning rate {learning_rate(settings, step):.3g}, "
            f"cases {', '.join(sampler.batch(step)[2])}); lower training.learning_rate or set training.gradient_clip; "
            + (f"last good checkpoint: {checkpoint}" if checkpoint.is_file() else "there is no checkpoint yet")
        )

    def save() -> None:
        progress.seconds = time.perf_counter() - begun
        parts = {"model": unique_state(model), "optimizer": optimizer_tensors(optimizer), "loss": loss.state_dict(),
                 "best": progress.best}  # fmt: skip
        writer.write(Checkpoint(fingerprint, progress.step, parts, progress.state()))

    model.train()
    loss.train()
    with (
        stop_requests() as stop,
        CheckpointWriter(checkpoint) as writer,
        closing(ahead(sampler, progress.step, settings.steps, device)) as batches,
    ):
        for step, images, target, names in batches:
            try:
                row, full = take_step(step, images, target, names), False
            except torch.OutOfMemoryError:
                full = True
            if full:  # outside of the handler, whose traceback keeps the tensors of the failed step
                fits = _what_fits(model, images.shape[1], optimizer, settings, device, precision)
                raise out_of_memory(f"step {step}", device, settings.batch_size, settings.patch, fits)
            progress.step = step + 1
            if row is not None:
                row["seconds"] = round(time.perf_counter() - begun, 3)
                progress.history.append(row)
                report(step, row)
            if progress.step % settings.epoch_steps == 0:
                _end_of_epoch(progress, model, loss, settings, validation_batches, validation_dice, device, precision)
            if stop.requested or progress.step % settings.checkpoint_interval == 0:
                ensure_finite()
                save()
            if stop.requested:
                writer.wait()
                raise Interrupted(f"stopped by {stop.requested} after step {progress.step}; run again to continue")

    seconds = time.perf_counter() - begun
    selected = progress.best if settings.select == "best" and progress.best else unique_state(model)
    weights = {name: value.contiguous().cpu() for name, value in selected.items()}
    return TrainingResult(weights, progress.history, progress.validation, seconds, progress.resumes)


def _what_fits(
    model: nn.Module,
    channels: int,
    optimizer: torch.optim.Optimizer,
    settings: TrainingConfig,
    device: torch.device,
    precision: str,
) -> tuple[int, tuple[int, ...]] | None:
    """A smaller batch and patch with which a step was tried on this device and fits."""
    model.zero_grad(set_to_none=True)
    release()

    def attempt(batch_size: int, patch: tuple[int, ...]) -> None:
        # Before the first step the optimiser has not asked for its two buffers a weight yet.
        reserve = [] if optimizer.state else [torch.empty_like(p) for p in model.parameters() for _ in range(2)]
        images = torch.zeros(batch_size, channels, *patch, device=device)
        target = torch.zeros(batch_size, *patch, dtype=torch.long, device=device)
        try:
            with autocast(device, precision):
                logits = full_resolution(model(images)).float()
            F.cross_entropy(logits, target).backward()
        finally:
            del reserve
            model.zero_grad(set_to_none=True)

    return largest_fitting(attempt, settings.batch_size, settings.patch)


def _terms(loss: nn.Module, logits: Tensor, target: Tensor, where: str) -> dict[str, Tensor]:
    """The loss's terms; its complaint about logits that are not finite is the run's divergence."""
    try:
        return loss.terms(logits, target)
    except ValueError as error:
        if torch.isfinite(logits).all():
            raise
        raise Diverged(
            f"the network's output is not finite at {where}; lower training.learning_rate or set training.gradient_clip"
        ) from error


def _resume(
    path: Path, fingerprint: str, model: nn.Module, loss: nn.Module, optimizer: torch.optim.Optimizer,
    notify: Callable[[str], None],
) -> _Progress:  # fmt: skip
    """Continue from the checkpoint at `path` if it belongs to this run, else begin."""
    found = load_checkpoint(path, fingerprint)
    if found is None:
        if path.is_file():
            path.replace(set_aside(path))
            notify(
                f"{path}: the checkpoint is of other settings, code or data; it is set aside as {set_aside(path).name} "
                "and training starts at step 0"
            )
        return _Progress()
    load_unique_state(model, found.tensors["model"])
    loss.load_state_dict(found.tensors["loss"])
    restore_optimizer(optimizer, found.tensors["optimizer"])
    progress = _Progress(step=found.step, best=found.tensors["best"], **found.state)
    progress.resumes += 1
    return progress


def _measure(
    step: int, rate: float, total: Tensor, terms: dict[str, Tensor], logits: Tensor, loss: nn.Module
) -> dict[str, float]:
    """A row of the history: the loss, its terms, what the loss says of itself, and each term's gradient.

    Gradient norms are taken at the logits, where the terms compete: a backward pass through the network per term would
    cost as much as a step.
    """
    row = {"step": float(step), "learning_rate": rate, "loss": float(total.detach())}
    row |= {f"loss_{name}": float(value.detach()) for name, value in terms.items()}
    row |= {name: float(value) for name, value in getattr(loss, "diagnostics", {}).items()}
    for name, value in terms.items():
        gradient = (
            torch.autograd.grad(value, logits, retain_graph=True, allow_unused=True)[0] if value.requires_grad else None
        )
        row[f"gradient_{name}"] = 0.0 if gradient is None else float(gradient.float().norm())
    return row


def _end_of_epoch(
    progress: _Progress,
    model: nn.Module,
    loss: nn.Module,
    settings: TrainingConfig,
    validation_batches: Callable[[], Iterator[tuple[Tensor, Tensor]]] | None,
    validation_dice: Callable[[nn.Module], float] | None,
    device: torch.device,
    precision: str,
) -> None:
    """Multiplier updates and validation, in evaluation mode and without gradients."""
    epoch = progress.step // settings.epoch_steps
    model.eval()
    with torch.no_grad():
        if hasattr(loss, "update_multipliers") and validation_batches is not None:
            loss.start_epoch_update()
            for images, target in validation_batches():
                with autocast(device, precision):
                    logits = model(images.to(device))
                loss.observe(logits.float(), target.to(device))
            loss.finish_epoch_update()
        if settings.validation_interval and validation_dice is not None and epoch % settings.validation_interval == 0:
            dice = validation_dice(model)
            progress.validation.append({"step": float(progress.step), "epoch": float(epoch), "dice": dice})
            if dice > progress.best_dice:
                progress.best_dice = dice
                progress.best = {name: value.clone().cpu() for name, value in unique_state(model).items()}
    model.train()
