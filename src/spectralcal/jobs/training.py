"""The training of a cell: network, batches, loss and loop from its configuration, and the record of what was done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spectralcal.base.console import progress, say
from spectralcal.base.digests import package_digest
from spectralcal.base.errors import ResultError
from spectralcal.base.files import atomic_write, move, remove_leftovers, write_json, write_text
from spectralcal.base.integrity import file_hashes, sealed
from spectralcal.jobs.networks import build_loss, build_network, label_facts, network_options
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths
from spectralcal.study.recipe import training_identity, training_settings

if TYPE_CHECKING:
    import torch

    from spectralcal.jobs.cell_data import CellData


def train_network(
    config: StudyConfig, cell: Cell, files: CellPaths, data: CellData, recipe: str, fingerprint: str
) -> None:
    """Train a cell, from its checkpoint if there is one, and leave weights, history and record in its folder."""
    import torch
    from safetensors.torch import save_file

    from spectralcal.base.seeds import stream_seed
    from spectralcal.engine.arithmetic import training_arithmetic
    from spectralcal.engine.history import history_text
    from spectralcal.engine.patches import PatchSampler, check_patch
    from spectralcal.engine.resident import load_into_memory
    from spectralcal.engine.train import train
    from spectralcal.machine.device import choose_device, device_name, set_determinism
    from spectralcal.machine.environment import environment, peak_memory_mb
    from spectralcal.models.padding import parameter_count

    started = datetime.now(UTC).isoformat(timespec="seconds")
    torch.set_num_threads(config.compute.threads)
    settings = config.training_of(cell.dataset, cell.architecture)
    device = choose_device(config.compute.device)
    set_determinism(config.compute.deterministic, device)
    in_channels = data.train[0].image().shape[0]
    model = build_network(config, cell, in_channels)
    inner = getattr(model, "padded_sizes", list)(settings.patch)
    if inner != list(settings.patch):
        say(f"{cell}: '{cell.architecture}' pads patches of {list(settings.patch)} to {inner}, for which you also pay")
    padded = check_patch([*data.train, *data.validation, *data.scored], settings.patch, settings.pad_small)
    if padded:
        say(f"{cell}: {padded} cases are smaller than the patch {list(settings.patch)} along an axis and are padded")
    arithmetic = training_arithmetic(settings, model, in_channels, device, str(cell))
    precision = arithmetic.precision
    stream = (cell.dataset, cell.seed)
    cases, _ = load_into_memory(data.train, config.compute.resident_mb)
    sampler = PatchSampler(cases, settings.patch, settings.batch_size, settings.foreground_share, ("batch", *stream))
    validation = PatchSampler(data.validation, settings.patch, settings.batch_size, 0.5, ("validation", *stream))

    def validation_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for index in range(len(data.validation)):
            images, labels, _ = validation.batch(index)
            yield torch.from_numpy(images), torch.from_numpy(labels)

    def validation_dice(network: torch.nn.Module) -> float:
        from spectralcal.engine.validate import mean_dice

        return mean_dice(network, data.validation, settings.patch, config.inference, device=device, precision=precision)

    files.folder.mkdir(parents=True, exist_ok=True)
    _clear_damage(files, fingerprint)
    with progress(str(cell), settings.steps) as bar:

        def report(step: int, row: dict[str, float]) -> None:
            bar.advance(int(step) + 1 - bar.done, f"loss {row['loss']:.4f}")

        result = train(
            model, build_loss(config, cell.method), sampler, settings,
            stream=stream, device=device, precision=precision, checkpoint=files.checkpoint, fingerprint=fingerprint,
            validation_batches=validation_batches, validation_dice=validation_dice, report=report, notify=say,
        )  # fmt: skip

    with atomic_write(files.weights) as temporary:
        save_file(result.weights, temporary)
    classes, spatial_dims = label_facts(config, cell.dataset)
    network = {
        "architecture": config.network_of(cell.dataset, cell.architecture),
        "options": network_options(config, cell),
        "in_channels": in_channels,
        "num_classes": len(classes) + 1,
        "spatial_dims": spatial_dims,
        "classes": ["background", *classes],
        "parameters": parameter_count(model),
    }
    write_json(files.model, network)
    write_text(files.history, history_text(result.history))
    run = {
        "fingerprint": fingerprint,
        "parts": {"recipe": recipe, "manifest": data.manifest_hash, "split": data.split_hash},
        "identity": training_identity(config, cell),
        "code": package_digest(),
        "cell": asdict(cell),
        "settings": training_settings(config, cell),
        # Batches, augmentations and dropout have one seed a step each, made from these names (base/seeds.py).
        "seeds": {
            "cell": cell.seed,
            "weights": stream_seed(
                "weights", cell.dataset, config.network_of(cell.dataset, cell.architecture), cell.seed
            ),
            "streams": list(stream),
            "split": config.split_of(cell.dataset).seed,
        },
        "validation": result.validation,
        "started": started,
        "seconds": round(result.seconds, 2),
        "resumes": result.resumes,
        "device": device_name(device),
        "precision": precision,
        "arithmetic": arithmetic.record(),
        "threads": config.compute.threads,
        "peak_memory_mb": peak_memory_mb(),
        "environment": environment(),
        "files": file_hashes([files.weights, files.model, files.history]),
    }
    if device.type == "cuda":
        run["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    write_json(files.run, sealed(run))


def _clear_damage(files: CellPaths, fingerprint: str) -> None:
    """Remove half-written files of a killed training, and set a damaged checkpoint aside, so that a cell goes on."""
    from spectralcal.engine.checkpoint import load_checkpoint

    remove_leftovers(files.folder)
    try:
        load_checkpoint(files.checkpoint, fingerprint)
    except ResultError as error:
        kept = files.checkpoint.with_name("checkpoint.damaged.safetensors")
        move(files.checkpoint, kept)
        say(f"warning: {files.checkpoint}: damaged ({error.__cause__}), kept as {kept.name}; training begins at step 0")
