"""The training loop, in the open: from step 0 (or a checkpoint) to the last, one method for each thing that it does.

Reproducibility is in the streams (:mod:`spectralcal.base.seeds`): batch, augmentation and dropout of a step depend on
names and the step number only. What cannot be recomputed (weights, optimiser, the objective's own history) is in the
checkpoint, so a killed run that is resumed ends with the same weights as one that was not.

A step that is not finite in bfloat16 is made once more in float32 before the run counts as diverged: kernels that are
wrong (:mod:`spectralcal.engine.arithmetic`) are not the training's fault. On a CPU that happens on the spot. On a GPU,
where nobody looks until the next logged step, the run goes back to its last checkpoint and takes that step in float32.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
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
from spectralcal.engine.second_try import Before, NotFiniteInBfloat16, reload_memory
from spectralcal.engine.set_aside import set_aside
from spectralcal.engine.state import load_unique_state, unique_state
from spectralcal.engine.stop import Stop, stop_requests
from spectralcal.machine.device import autocast, in_layout, memory_format
from spectralcal.machine.memory import out_of_memory
from spectralcal.transforms.augmentation import Augmenter

if TYPE_CHECKING:
    from spectralcal.study.config import TrainingConfig

#: steps made again in float32 that are said in a line each; run.json lists all
SAID = 3


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
        self.watch = self._new_watch()
        #: whether every step is looked at: that costs nothing on a CPU, on a GPU it would stall the queue
        self.looks = run.device.type == "cpu"

    def fit(self) -> TrainingResult:
        """Train to the last step.

        Raises:
            Interrupted: SIGTERM or SIGINT arrived; the checkpoint is written.
            Diverged: the loss or its gradient is not finite, in float32 either; the message names step, rate and cases.
            OutOfMemory: a step does not fit on the device; the message says what to lower.
            ResultError: a checkpoint is damaged or could not be written.
        """
        self.model.train()
        self.objective.train()
        with stop_requests() as asked, CheckpointWriter(self.run.checkpoint) as self.writer:
            self.beginning = None if self.looks or self.run.precision == "fp32" else self._checkpoint().snapshot()
            finished = False
            while not finished:
                try:
                    self._steps(asked)
                    finished = True
                except NotFiniteInBfloat16 as wrong:
                    self._go_back(wrong.step)
        return self._result()

    def _steps(self, asked: Stop) -> None:
        """All steps that are left."""
        start, stop = self.progress.step, self.settings.steps
        with closing(prefetched(self.sampler, start, stop, self.run.device)) as batches:
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
        norm, row = self._gradients(step, batch, logged)
        if logged or self.looks:
            self._ensure_finite()
        rate = learning_rate(self.settings, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return None if row is None else row | {"gradient_norm": float(norm)}

    def _gradients(self, step: int, batch: Batch, logged: bool) -> tuple[Tensor, dict[str, float] | None]:
        """Compute the gradients of a step, in float32 if they are not finite in bfloat16; their norm, and the row."""
        if self._precision(step) == "fp32":
            return self._attempt(step, batch, logged, "fp32")
        before = Before(self.model, self.objective) if self.looks else None
        with suppress(NotFinite):
            result = self._attempt(step, batch, logged, self.run.precision)
            if before is None or self.watch.first_bad() is None:
                return result
        if before is None:
            self._ensure_finite()  # an earlier step may be the cause
            raise NotFiniteInBfloat16(step)
        before.restore()
        self._forget_step(step)
        result = self._attempt(step, batch, logged, "fp32")
        if self.watch.first_bad() is None:
            self._say_second_try(step, f"it was made again in float32 (cases {', '.join(batch.names)})")
        return result

    def _attempt(self, step: int, batch: Batch, logged: bool, precision: str) -> tuple[Tensor, dict[str, float] | None]:
        """The gradients of a step in an arithmetic: their norm before clipping, and the row of a logged step.

        Raises:
            NotFinite: the loss refuses the network's output, in bfloat16.
            Diverged: as :meth:`fit`; the same in float32.
        """
        torch.manual_seed(stream_seed("dropout", *self.run.stream, step))
        try:
            taken = self.objective.step(partial(self._forward, precision), batch)
        except NotFinite as error:
            if precision != "fp32":
                raise
            self._ensure_finite()  # an earlier step may be the cause
            raise Diverged(
                f"{error} at step {step} ({self._tries(step)}cases {', '.join(batch.names)}); lower "
                "training.learning_rate or set training.gradient_clip"
            ) from error
        total = torch.stack(list(taken.terms.values())).sum()
        rate = learning_rate(self.settings, step)
        row = _measured(step, rate, total, taken, self.objective.diagnostics) if logged else None
        total.backward()
        limit = self.settings.gradient_clip if self.settings.gradient_clip is not None else float("inf")
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.watch.observe(step, total, norm)
        return norm, row

    def _augmented(self, step: int, images: Tensor, target: Tensor, names: list[str]) -> Batch:
        images, target = self.augment(images, target, (*self.run.stream, step))
        return Batch(images.to(memory_format=self.layout), target, tuple(names))

    def _forward(self, precision: str, images: Tensor) -> Tensor | Sequence[Tensor]:
        with autocast(self.run.device, precision):
            return self.compiled(images)

    def _precision(self, step: int) -> str:
        """What a step is computed in."""
        return "fp32" if step in self.progress.in_float32 else self.run.precision

    def _tries(self, step: int) -> str:
        """For the message about a step that is not finite."""
        return "in bfloat16 and in float32, " if step in self.progress.in_float32 else ""

    def _ensure_finite(self) -> None:
        bad = self.watch.first_bad()
        if bad is None:
            return
        self.writer.wait()
        step, (value, norm) = bad
        if self._precision(step) != "fp32":
            raise NotFiniteInBfloat16(step)
        checkpoint = self.run.checkpoint
        raise Diverged(
            f"loss is {value} at step {step} ({self._tries(step)}gradient norm {norm}, learning rate "
            f"{learning_rate(self.settings, step):.3g}, cases {', '.join(self.sampler.batch(step)[2])}); lower "
            "training.learning_rate or set training.gradient_clip; "
            + (f"last good checkpoint: {checkpoint}" if checkpoint.is_file() else "there is no checkpoint yet")
        )

    def _new_watch(self) -> FiniteWatch:
        return FiniteWatch(self.run.device, numbers=2)

    def _forget_step(self, step: int) -> None:
        """Have nothing left of a step that went wrong, and note that it is made in float32."""
        self.optimizer.zero_grad(set_to_none=True)
        self.watch = self._new_watch()
        self.progress.in_float32.append(step)

    def _say_second_try(self, step: int, done: str) -> None:
        count = len(self.progress.in_float32)
        if count <= SAID:
            rest = "; run.json lists further ones" if count == SAID else ""
            self.hooks.notify(
                f"step {step} is not finite in bfloat16: {done}; where it happens again and again, set "
                f"training.precision: fp32{rest}"
            )

    def _go_back(self, step: int) -> None:
        """Return to the last checkpoint, or to where this run began, to make a step in float32."""
        self.writer.wait()
        before = self.progress
        checkpoint = load_checkpoint(self.run.checkpoint, self.run.fingerprint) or self.beginning.snapshot()
        reload_memory(self.objective, checkpoint.tensors["objective"])
        self.progress = self._restored(checkpoint)
        self.progress.in_float32, self.progress.resumes = before.in_float32, before.resumes
        self._forget_step(step)
        self._say_second_try(step, f"going back to step {self.progress.step}, to make it in float32")

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
        self.objective.load_state_dict(checkpoint.tensors["objective"])
        progress = self._restored(checkpoint)
        progress.resumes += 1
        return progress

    def _restored(self, checkpoint: Checkpoint) -> Progress:
        """Put weights and optimiser of a checkpoint in place, and return the rest of the run's state."""
        load_unique_state(self.model, checkpoint.tensors["model"])
        restore_optimizer(self.optimizer, checkpoint.tensors["optimizer"])
        return Progress(step=checkpoint.step, best=checkpoint.tensors["best"], **checkpoint.state)

    def _save(self) -> None:
        self.progress.seconds = time.perf_counter() - self.begun
        self.writer.write(self._checkpoint())

    def _checkpoint(self) -> Checkpoint:
        parts = {
            "model": unique_state(self.model),
            "optimizer": optimizer_tensors(self.optimizer),
            "objective": self.objective.state_dict(),
            "best": self.progress.best,
        }
        return Checkpoint(self.run.fingerprint, self.progress.step, parts, self.progress.state())

    def _result(self) -> TrainingResult:
        progress, seconds = self.progress, time.perf_counter() - self.begun
        best = self.settings.select == "best" and progress.best
        selected = progress.best if best else unique_state(self.model)
        weights = {name: value.contiguous().cpu() for name, value in selected.items()}
        limits = self.objective.limits
        return TrainingResult(
            weights, progress.history, progress.validation, seconds, progress.resumes, progress.in_float32, limits
        )


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
