"""The training loop, in the open: from step 0 (or a checkpoint) to the last, one method for each thing that it does.

Reproducibility is in the streams (:mod:`spectralcal.base.seeds`): batch, augmentation and dropout of a step depend on
names and the step number only. What cannot be recomputed (weights, optimiser, the objective's own history) is in the
checkpoint, so a killed run that is resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from spectralcal.base.files import move
from spectralcal.base.seeds import stream_seed
from spectralcal.engine.batches import prefetched
from spectralcal.engine.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
)
from spectralcal.engine.finite import FiniteWatch
from spectralcal.engine.objective import Batch, NotFinite, Objective, Step
from spectralcal.engine.optimization import build_optimizer, learning_rate
from spectralcal.engine.outcome import Diverged, Interrupted, Progress, TrainingResult
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.run import Hooks, Run
from spectralcal.engine.set_aside import set_aside
from spectralcal.engine.state import load_unique_state, unique_state
from spectralcal.engine.stop import stop_requests
from spectralcal.machine.device import autocast, in_layout, memory_format
from spectralcal.machine.memory import out_of_memory
from spectralcal.transforms.augmentation import Augmenter

if TYPE_CHECKING:
    from spectralcal.study.config import TrainingConfig


class Trainer:
    """Trains one network.

    Args:
        model: maps (B, C_in, *spatial) to logits (B, C, *spatial).
        objective: what is minimised.
        sampler: gives batch `step`.
        settings: the configuration's `training` section.
        run: device, streams and checkpoint.
        hooks: what is called meanwhile.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        sampler: PatchSampler,
        settings: TrainingConfig,
        run: Run,
        hooks: Hooks,
    ) -> None:
        self.settings, self.sampler, self.run, self.hooks = settings, sampler, run, hooks
        self.augment = Augmenter(settings.augmentation)
        self.layout = memory_format(len(settings.patch), settings.channels_last)
        self.model = in_layout(model, run.device, self.layout)
        self.objective = objective.to(run.device)
        self.optimizer = build_optimizer(self.model, settings)
        self.progress = self._resumed()
        self.begun = time.perf_counter() - self.progress.seconds
        self.compiled = torch.compile(self.model) if settings.compile else self.model
        self.watch = FiniteWatch(run.device, numbers=2)

    def fit(self) -> TrainingResult:
        """Train to the last step.

        Raises:
            Interrupted: SIGTERM or SIGINT arrived; the checkpoint is written.
            Diverged: the loss or its gradient is not finite; the message names step, rate and cases.
            OutOfMemory: a step does not fit on the device; the message says what to lower.
            ResultError: a checkpoint is damaged or could not be written.
        """
        self.model.train()
        self.objective.train()
        start, stop = self.progress.step, self.settings.steps
        with (
            stop_requests() as asked,
            CheckpointWriter(self.run.checkpoint) as self.writer,
            closing(prefetched(self.sampler, start, stop, self.run.device)) as batches,
        ):
            for step, images, target, names in batches:
                self._step(step, images, target, names)
                if self.progress.step % self.settings.epoch_steps == 0:
                    self._end_of_epoch()
                if asked.requested or self.progress.step % self.settings.checkpoint_interval == 0:
                    self._ensure_finite()
                    self._save()
                if asked.requested:
                    self.writer.wait()
                    raise Interrupted(
                        f"stopped by {asked.requested} after step {self.progress.step}; run again to continue"
                    )
        return self._result()

    def _step(self, step: int, images: Tensor, target: Tensor, names: list[str]) -> None:
        """One step of the optimiser, and its row of the history if it is logged."""
        try:
            row = self._optimise(step, images, target, names)
        except torch.OutOfMemoryError as error:
            settings = self.settings
            raise out_of_memory(f"step {step}", self.run.device, settings.batch_size, settings.patch) from error
        self.progress.step = step + 1
        if row is not None:
            row["seconds"] = round(time.perf_counter() - self.begun, 3)
            self.progress.history.append(row)
            self.hooks.report(step, row)

    def _optimise(self, step: int, images: Tensor, target: Tensor, names: list[str]) -> dict[str, float] | None:
        batch = self._augmented(step, images, target, names)
        logged = step % self.settings.log_interval == 0 or step == self.settings.steps - 1
        self.objective.monitor(logged)
        torch.manual_seed(stream_seed("dropout", *self.run.stream, step))
        taken = self._taken(step, batch)
        total = torch.stack(list(taken.terms.values())).sum()
        rate = learning_rate(self.settings, step)
        row = _measured(step, rate, total, taken, self.objective.diagnostics) if logged else None
        total.backward()
        limit = self.settings.gradient_clip if self.settings.gradient_clip is not None else float("inf")
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.watch.observe(step, total, norm)
        # A look costs nothing on a CPU; on a GPU it would stall the queue, so there at logged steps.
        if logged or self.run.device.type == "cpu":
            self._ensure_finite()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return None if row is None else row | {"gradient_norm": float(norm)}

    def _augmented(self, step: int, images: Tensor, target: Tensor, names: list[str]) -> Batch:
        images, target = self.augment(images, target, (*self.run.stream, step))
        return Batch(images.to(memory_format=self.layout), target, tuple(names))

    def _taken(self, step: int, batch: Batch) -> Step:
        try:
            return self.objective.step(self._forward, batch)
        except NotFinite as error:
            raise Diverged(
                f"{error} at step {step} (cases {', '.join(batch.names)}); lower training.learning_rate or set "
                "training.gradient_clip"
            ) from error

    def _forward(self, images: Tensor) -> Tensor | Sequence[Tensor]:
        with autocast(self.run.device, self.run.precision):
            return self.compiled(images)

    def _ensure_finite(self) -> None:
        bad = self.watch.first_bad()
        if bad is None:
            return
        self.writer.wait()
        step, (value, norm) = bad
        checkpoint = self.run.checkpoint
        raise Diverged(
            f"loss is {value} at step {step} (gradient norm {norm}, learning rate "
            f"{learning_rate(self.settings, step):.3g}, cases {', '.join(self.sampler.batch(step)[2])}); lower "
            "training.learning_rate or set training.gradient_clip; "
            + (f"last good checkpoint: {checkpoint}" if checkpoint.is_file() else "there is no checkpoint yet")
        )

    def _end_of_epoch(self) -> None:
        """What the objective learns from validation cases, and validation, without gradients."""
        epoch, progress = self.progress.step // self.settings.epoch_steps, self.progress
        self.model.eval()
        with torch.no_grad():
            if self.hooks.validation_batches is not None:
                self.objective.end_of_epoch(self._evaluated, self._validation_batches)
            interval = self.settings.validation_interval
            if interval and self.hooks.validation_dice is not None and epoch % interval == 0:
                dice = self.hooks.validation_dice(self.model)
                progress.validation.append({"step": float(progress.step), "epoch": float(epoch), "dice": dice})
                if dice > progress.best_dice:
                    progress.best_dice = dice
                    progress.best = {name: value.clone().cpu() for name, value in unique_state(self.model).items()}
        self.model.train()

    def _evaluated(self, images: Tensor) -> Tensor:
        with autocast(self.run.device, self.run.precision):
            return self.model(images)

    def _validation_batches(self) -> Iterator[Batch]:
        for images, target in self.hooks.validation_batches():
            yield Batch(images.to(self.run.device), target.to(self.run.device), ())

    def _resumed(self) -> Progress:
        """Continue from the checkpoint if it belongs to this run, else begin."""
        path = self.run.checkpoint
        checkpoint = load_checkpoint(path, self.run.fingerprint)
        if checkpoint is None:
            if path.is_file():
                move(path, set_aside(path))
                self.hooks.notify(
                    f"{path}: the checkpoint is of other settings, code or data; it is set aside as "
                    f"{set_aside(path).name} and training starts at step 0"
                )
            return Progress()
        load_unique_state(self.model, checkpoint.tensors["model"])
        self.objective.load_state_dict(checkpoint.tensors["objective"])
        restore_optimizer(self.optimizer, checkpoint.tensors["optimizer"])
        progress = Progress(step=checkpoint.step, best=checkpoint.tensors["best"], **checkpoint.state)
        progress.resumes += 1
        return progress

    def _save(self) -> None:
        progress = self.progress
        progress.seconds = time.perf_counter() - self.begun
        parts = {
            "model": unique_state(self.model),
            "optimizer": optimizer_tensors(self.optimizer),
            "objective": self.objective.state_dict(),
            "best": progress.best,
        }
        self.writer.write(Checkpoint(self.run.fingerprint, progress.step, parts, progress.state()))

    def _result(self) -> TrainingResult:
        progress, seconds = self.progress, time.perf_counter() - self.begun
        best = self.settings.select == "best" and progress.best
        selected = progress.best if best else unique_state(self.model)
        weights = {name: value.contiguous().cpu() for name, value in selected.items()}
        return TrainingResult(weights, progress.history, progress.validation, seconds, progress.resumes)


def _measured(step: int, rate: float, total: Tensor, taken: Step, diagnostics: dict[str, Tensor]) -> dict[str, float]:
    """A row of the history: the loss, its terms, what the objective says of itself, and each term's gradient.

    Gradient norms are taken at the logits, where the terms compete: a backward pass through the network per term would
    cost as much as a step.
    """
    row = {"step": float(step), "learning_rate": rate, "loss": float(total.detach())}
    row |= {f"loss_{name}": float(value.detach()) for name, value in taken.terms.items()}
    row |= {name: float(value) for name, value in diagnostics.items()}
    for name, value in taken.terms.items():
        gradient = None
        if value.requires_grad:
            gradient = torch.autograd.grad(value, taken.logits, retain_graph=True, allow_unused=True)[0]
        row[f"gradient_{name}"] = 0.0 if gradient is None else float(gradient.float().norm())
    return row
