"""The training of a cell: network, batches, loss and loop from its configuration, and the record of what was done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spectralcal.base.console import progress, say
from spectralcal.base.digests import package_digest
from spectralcal.base.errors import ResultError
from spectralcal.base.files import atomic_write, move, remove_leftovers, write_json, write_text
from spectralcal.base.integrity import file_hashes, sealed
from spectralcal.base.seeds import stream_seed
from spectralcal.engine.arithmetic import training_arithmetic
from spectralcal.engine.checkpoint import load_checkpoint
from spectralcal.engine.history import history_text
from spectralcal.engine.outcome import TrainingResult
from spectralcal.engine.patches import PatchSampler, check_patch
from spectralcal.engine.resident import load_into_memory
from spectralcal.engine.train import train
from spectralcal.engine.validate import mean_dice
from spectralcal.jobs.cell_data import CellData
from spectralcal.jobs.limits import say_limits
from spectralcal.jobs.networks import build_loss, build_network, network_facts, network_options
from spectralcal.machine.device import choose_device, device_name, set_determinism
from spectralcal.machine.environment import environment, peak_memory_mb
from spectralcal.models.padding import parameter_count
from spectralcal.study.paths import CellPaths
from spectralcal.study.recipe import cell_fingerprint, training_identity, training_recipe, training_settings
from spectralcal.study.resolved import ResolvedCell


def train_network(cell: ResolvedCell, data: CellData) -> None:
    """Train a cell, from its checkpoint if there is one, and leave weights, history and record in its folder."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    training = Training(cell, data)
    training.say_padding()
    result = training.run()
    training.write_network(result)
    training.write_record(result, started)


class Training:
    """What one training works with.

    Args:
        cell: which cell; it has a training of its own.
        data: prepared cases.

    Attributes:
        recipe, fingerprint: what the weights will be identified by.
        stream: names of the random streams of batches, augmentations and dropout.
        model: the network, untrained.
        arithmetic: what it trains in, and why.
    """

    def __init__(self, cell: ResolvedCell, data: CellData) -> None:
        compute = cell.study.compute
        torch.set_num_threads(compute.threads)
        self.cell, self.data = cell, data
        self.recipe = training_recipe(cell)
        self.fingerprint = cell_fingerprint(self.recipe, *data.hashes)
        self.stream = (cell.dataset, cell.seed)
        self.device = choose_device(compute.device)
        set_determinism(compute.deterministic, self.device)
        self.model = build_network(cell, data.in_channels)
        self.arithmetic = training_arithmetic(cell.training, self.model, data.in_channels, self.device, str(cell))

    def say_padding(self) -> None:
        """Say what is padded: patches by the network, small cases to the patch.

        Raises:
            DataError: a case is smaller than the patch, and the configuration does not allow padding.
        """
        patch, data = list(self.cell.patch), self.data
        inner = getattr(self.model, "padded_sizes", list)(patch)
        if inner != patch:
            name = self.cell.key.architecture
            say(f"{self.cell}: '{name}' pads patches of {patch} to {inner}, for which you also pay")
        cases = [*data.train, *data.validation, *data.scored]
        if padded := check_patch(cases, patch, self.cell.training.pad_small):
            say(f"{self.cell}: {padded} cases are smaller than the patch {patch} along an axis and are padded")

    def run(self) -> TrainingResult:
        """Train to the last step, from the checkpoint if there is one; errors as of
        :meth:`spectralcal.engine.trainer.Trainer.fit`."""
        cell, files = self.cell, self.cell.files
        files.folder.mkdir(parents=True, exist_ok=True)
        _clear_damage(files, self.fingerprint)
        with progress(str(cell), cell.training.steps) as bar:
            return train(
                self.model,
                build_loss(cell),
                self._batches(),
                cell.training,
                stream=self.stream,
                device=self.device,
                precision=self.arithmetic.precision,
                checkpoint=files.checkpoint,
                fingerprint=self.fingerprint,
                validation_batches=self._validation_batches,
                validation_dice=self._validation_dice,
                report=lambda step, row: bar.advance(int(step) + 1 - bar.done, f"loss {row['loss']:.4f}"),
                notify=lambda line: say(f"{cell}: {line}"),
            )

    def write_network(self, result: TrainingResult) -> None:
        """Write weights, what is needed to build their network, and the history."""
        cell, files = self.cell, self.cell.files
        with atomic_write(files.weights) as temporary:
            save_file(result.weights, temporary)
        network = {
            **network_facts(cell, self.data.in_channels),
            "options": network_options(cell),
            "classes": ["background", *self.data.facts.classes],
            "parameters": parameter_count(self.model),
        }
        write_json(files.model, network)
        write_text(files.history, history_text(result.history))

    def write_record(self, result: TrainingResult, started: str) -> None:
        """Write what the weights were made from and what it took; `started` is a time in ISO form."""
        cell, files, data = self.cell, self.cell.files, self.data
        record = {
            "fingerprint": self.fingerprint,
            "parts": {"recipe": self.recipe, "manifest": data.manifest_hash, "split": data.split_hash},
            "identity": training_identity(cell),
            "code": package_digest(),
            "cell": asdict(cell.key),
            "settings": training_settings(cell),
            "seeds": self._seeds(),
            "validation": result.validation,
            "started": started,
            "seconds": round(result.seconds, 2),
            "resumes": result.resumes,
            "device": device_name(self.device),
            "precision": self.arithmetic.precision,
            "arithmetic": {**self.arithmetic.record(), "in_float32": _steps(result.in_float32)},
            "limits": say_limits(str(cell), result.limits),
            "threads": cell.study.compute.threads,
            "peak_memory_mb": peak_memory_mb(),
            "environment": environment(),
            "files": file_hashes([files.weights, files.model, files.history]),
        }
        if self.device.type == "cuda":
            record["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(self.device) / 2**20, 1)
        write_json(files.run, sealed(record))

    def _seeds(self) -> dict[str, object]:
        """Batches, augmentations and dropout have one seed per step each, made from the streams' names."""
        cell = self.cell
        return {
            "cell": cell.seed,
            "weights": stream_seed("weights", cell.dataset, cell.network, cell.seed),
            "streams": list(self.stream),
            "split": cell.study.split_of(cell.dataset).seed,
        }

    def _batches(self) -> PatchSampler:
        settings = self.cell.training
        cases, _ = load_into_memory(self.data.train, self.cell.study.compute.resident_mb)
        stream = ("batch", *self.stream)
        return PatchSampler(cases, settings.patch, settings.batch_size, settings.foreground_share, stream)

    def _validation_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One batch for each validation case, half of its patches around foreground: for losses that learn from
        them."""
        settings, cases = self.cell.training, self.data.validation
        sampler = PatchSampler(cases, settings.patch, settings.batch_size, 0.5, ("validation", *self.stream))
        for index in range(len(cases)):
            images, labels, _ = sampler.batch(index)
            yield torch.from_numpy(images), torch.from_numpy(labels)

    def _validation_dice(self, network: nn.Module) -> float:
        place = {"device": self.device, "precision": self.arithmetic.precision}
        return mean_dice(network, self.data.validation, self.cell.patch, self.cell.inference, **place)


def _steps(in_float32: list[int]) -> dict[str, object]:
    """For the record: how many steps were made again in float32, and which."""
    return {"count": len(in_float32), "steps": in_float32}


def _clear_damage(files: CellPaths, fingerprint: str) -> None:
    """Remove half-written files of a killed training, and set a damaged checkpoint aside, so that a cell goes on."""
    remove_leftovers(files.folder)
    try:
        load_checkpoint(files.checkpoint, fingerprint)
    except ResultError as error:
        kept = files.checkpoint.with_name("checkpoint.damaged.safetensors")
        move(files.checkpoint, kept)
        say(f"warning: {files.checkpoint}: damaged ({error.__cause__}), kept as {kept.name}; training begins at step 0")
