"""One cell, from prepared arrays to weights and from weights to scores: the steps behind `train` and `evaluate`.

Training may score in the same process (starting torch and MONAI costs more than scoring a small data set): the scores
are staged in the cell's folder with the fingerprint that they belong to, and the evaluation step adopts them if it
would compute the same. If anything differs, it computes them itself.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal import registry
from spectralcal.config import StudyConfig
from spectralcal.console import progress, say
from spectralcal.errors import ConfigError, ResultError
from spectralcal.fingerprint import file_digest
from spectralcal.grid import Cell, loss_options, parse_method, trained_cell
from spectralcal.paths import CellPaths, StudyPaths
from spectralcal.recipe import cell_fingerprint, evaluation_recipe, training_recipe, training_settings

if TYPE_CHECKING:
    import torch

    from spectralcal.preparation.manifest import PreparedCase

CASE_COLUMNS = ("dataset", "architecture", "method", "seed", "case", "patient", "class", "metric", "protocol", "value",
                "status")  # fmt: skip


@dataclass(frozen=True)
class CellData:
    """Prepared cases of a cell by side of the split, and the hashes that tie a result to them."""

    train: list[PreparedCase]
    validation: list[PreparedCase]
    test: list[PreparedCase]
    manifest_hash: str
    split_hash: str


def load_data(config: StudyConfig, dataset: str) -> CellData:
    """Prepared cases of a data set, by side of the split."""
    from spectralcal.preparation.manifest import manifest_hash, read_manifest
    from spectralcal.preparation.splits import read_split

    paths = StudyPaths(config)
    cases = {case.id: case for case in read_manifest(paths.manifest(dataset))}
    split = read_split(paths.split(dataset), list(cases.values()))
    sides = [[cases[name] for name in split[side]] for side in ("train", "val", "test")]
    return CellData(*sides, manifest_hash(paths.manifest(dataset)), split["hash"])


def train_cell(config: StudyConfig, cell: Cell, *, then_evaluate: bool = False, force: bool = False) -> None:
    """Train one cell unless its weights are already those of this configuration, code and data.

    Args:
        config: the study.
        cell: which cell; a post-hoc step in its method is ignored here.
        then_evaluate: also score it, staged for the evaluation step.
        force: train even if the weights are up to date.
    """
    cell = trained_cell(config, cell)
    files = StudyPaths(config).cell(cell)
    data = load_data(config, cell.dataset)
    recipe = training_recipe(config, cell)
    fingerprint = cell_fingerprint(recipe, data.manifest_hash, data.split_hash)
    if not force and files.weights.is_file() and _fingerprint_of(files.run) == fingerprint:
        say(f"{cell}: weights are up to date")
    else:
        _train(config, cell, files, data, recipe, fingerprint)
    if then_evaluate:
        try:
            evaluate_cell(config, cell, stage=True)
        except Exception as error:
            # The training is done and must not be lost with the scores: the evaluation step will meet the error itself.
            say(f"{cell}: trained, but not scored here ({type(error).__name__}: {error})")


def evaluate_cell(config: StudyConfig, cell: Cell, *, stage: bool = False) -> None:
    """Score one cell with the weights of its training.

    Args:
        config: the study.
        cell: which cell.
        stage: leave the scores for a later evaluation step instead of making them final.
    """
    source = StudyPaths(config).cell(trained_cell(config, cell))
    files = StudyPaths(config).cell(cell)
    data = load_data(config, cell.dataset)
    trained = cell_fingerprint(training_recipe(config, trained_cell(config, cell)), data.manifest_hash, data.split_hash)
    if _fingerprint_of(source.run) != trained:
        raise ResultError(
            f"{source.weights}: the weights are missing or of another configuration, code or data; train the cell first"
        )
    recipe = evaluation_recipe(config, cell)
    fingerprint = cell_fingerprint(recipe, data.manifest_hash, data.split_hash)
    stamp = {"fingerprint": fingerprint, "recipe": recipe, "weights": file_digest(source.weights)}
    if not stage and _adopt(files, stamp):
        say(f"{cell}: scored in the training process")
        return
    folder = files.staged if stage else files.folder
    if stage:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    _evaluate(config, cell, source, data, stamp, folder)


def build_network(config: StudyConfig, cell: Cell, in_channels: int) -> torch.nn.Module:
    """The untrained network of a cell; equal for all methods of one data set, architecture and seed."""
    import torch

    from spectralcal.models import build_model
    from spectralcal.training.seeds import stream_seed

    dataset = registry.load("datasets", cell.dataset)
    torch.manual_seed(stream_seed("weights", cell.dataset, cell.architecture, cell.seed))
    options = config.architectures[cell.architecture].options
    classes = len(dataset.classes) + 1
    try:
        return build_model(cell.architecture, in_channels, classes, spatial_dims=dataset.spatial_dims, **options)
    except ValueError as error:
        raise ConfigError(f"architectures.{cell.architecture}.options: {error}") from error


def load_network(config: StudyConfig, cell: Cell, in_channels: int) -> torch.nn.Module:
    """The trained network of a cell."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from spectralcal.training.state import load_unique_state

    files = StudyPaths(config).cell(trained_cell(config, cell))
    model = build_network(config, cell, in_channels)
    try:
        load_unique_state(model, load_file(files.weights))
    except (OSError, ValueError, SafetensorError) as error:
        raise ResultError(f"{files.weights}: cannot be loaded into '{cell.architecture}': {error}") from error
    return model


def build_loss(config: StudyConfig, method: str) -> torch.nn.Module:
    """The training loss of a method.

    Raises:
        ConfigError: an option is out of its range.
    """
    loss = registry.load("losses", parse_method(method, config.methods).loss)
    try:
        return loss(**loss_options(config, method))
    except ValueError as error:
        raise ConfigError(f"method '{method}': {error}") from error


def _train(config: StudyConfig, cell: Cell, files: CellPaths, data: CellData, recipe: str, fingerprint: str) -> None:
    import torch
    from safetensors.torch import save_file

    from spectralcal.models._padding import parameter_count
    from spectralcal.provenance import environment, peak_memory_mb
    from spectralcal.training.device import choose_device, choose_precision, device_name
    from spectralcal.training.history import history_text
    from spectralcal.training.patches import PatchSampler, check_patch
    from spectralcal.training.train import train

    started = datetime.now(UTC).isoformat(timespec="seconds")
    torch.set_num_threads(config.compute.threads)
    settings = config.training_of(cell.dataset, cell.architecture)
    device = choose_device(config.compute.device)
    precision = choose_precision(settings.precision, device)
    padded = check_patch([*data.train, *data.validation, *data.test], settings.patch, settings.pad_small)
    if padded:
        say(f"{cell}: {padded} cases are smaller than the patch {list(settings.patch)} along an axis and are padded")
    in_channels = data.train[0].image().shape[0]
    model = build_network(config, cell, in_channels)
    stream = (cell.dataset, cell.seed)
    sampler = PatchSampler(
        data.train, settings.patch, settings.batch_size, settings.foreground_share, ("batch", *stream)
    )
    validation = PatchSampler(data.validation, settings.patch, settings.batch_size, 0.5, ("validation", *stream))

    def validation_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for index in range(len(data.validation)):
            images, labels, _ = validation.batch(index)
            yield torch.from_numpy(images), torch.from_numpy(labels)

    def validation_dice(network: torch.nn.Module) -> float:
        from spectralcal.evaluation.validate import mean_dice

        return mean_dice(network, data.validation, settings.patch, config.inference, device=device, precision=precision)

    files.folder.mkdir(parents=True, exist_ok=True)
    with progress(str(cell), settings.steps) as bar:

        def report(step: int, row: dict[str, float]) -> None:
            bar.advance(int(step) + 1 - bar.done, f"loss {row['loss']:.4f}")

        result = train(
            model, build_loss(config, cell.method), sampler, settings,
            stream=stream, device=device, precision=precision, checkpoint=files.checkpoint, fingerprint=fingerprint,
            validation_batches=validation_batches, validation_dice=validation_dice, report=report,
        )  # fmt: skip

    save_file(result.weights, _temporary(files.weights))
    os.replace(_temporary(files.weights), files.weights)
    dataset = registry.load("datasets", cell.dataset)
    network = {
        "architecture": cell.architecture,
        "options": config.architectures[cell.architecture].options,
        "in_channels": in_channels,
        "num_classes": len(dataset.classes) + 1,
        "spatial_dims": dataset.spatial_dims,
        "classes": ["background", *dataset.classes],
        "parameters": parameter_count(model),
    }
    write_json(files.model, network)
    write_text(files.history, history_text(result.history))
    run = {
        "fingerprint": fingerprint,
        "parts": {"recipe": recipe, "manifest": data.manifest_hash, "split": data.split_hash},
        "cell": asdict(cell),
        "settings": training_settings(config, cell),
        "validation": result.validation,
        "started": started,
        "seconds": round(result.seconds, 2),
        "resumes": result.resumes,
        "device": device_name(device),
        "precision": precision,
        "threads": config.compute.threads,
        "peak_memory_mb": peak_memory_mb(),
        "environment": environment(),
    }
    if device.type == "cuda":
        run["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    write_json(files.run, run)
    files.checkpoint.unlink(missing_ok=True)


def _evaluate(
    config: StudyConfig, cell: Cell, source: CellPaths, data: CellData, stamp: dict[str, str], folder: Path
) -> None:
    import torch

    from spectralcal.evaluation.calibrate import fit_post_hoc
    from spectralcal.evaluation.evaluate import evaluate_cases
    from spectralcal.training.device import choose_device, choose_precision, device_name

    begun = time.perf_counter()
    torch.set_num_threads(config.compute.threads)
    settings = config.training_of(cell.dataset, cell.architecture)
    device = choose_device(config.compute.device)
    precision = choose_precision(settings.precision, device)
    model = load_network(config, cell, data.test[0].image().shape[0])
    dataset = registry.load("datasets", cell.dataset)
    name = parse_method(cell.method, config.methods).post_hoc
    options = {}
    if name is not None:
        step = registry.load("posthoc", name)()
        fit_post_hoc(step, model, data.validation, settings.patch, device=device, precision=precision)
        options["transform"] = step
        stamp = {**stamp, "post_hoc": {name: step.parameters()}}
    with progress(f"{cell}: scoring", len(data.test)) as bar:
        scores = evaluate_cases(
            model, data.test, dataset.classes, settings.patch, config.inference, config.evaluation,
            device=device, precision=precision, advance=lambda case: bar.advance(1, case), **options,
        )  # fmt: skip
    files = CellPaths(folder)
    write_text(files.cases, cases_text(cell, scores.rows))
    write_arrays(files.calibration, scores.calibration)
    write_arrays(files.spectra, scores.spectra)
    cost = {"seconds": round(time.perf_counter() - begun, 2), "device": device_name(device), "precision": precision}
    write_json(files.evaluation, {**stamp, "cases": len(data.test), **cost})


def _adopt(files: CellPaths, stamp: dict[str, str]) -> bool:
    """Make staged scores final if they carry the same stamp; drop them otherwise."""
    staged = CellPaths(files.staged)
    if not staged.evaluation.is_file():
        return False
    found = json.loads(staged.evaluation.read_text())
    matches = all(found.get(key) == value for key, value in stamp.items())
    if matches:
        for name in ("cases", "calibration", "spectra", "evaluation"):
            os.replace(getattr(staged, name), getattr(files, name))
    shutil.rmtree(files.staged, ignore_errors=True)
    return matches


def cases_text(cell: Cell, rows: list[dict[str, Any]]) -> str:
    """Scores of a cell as the text of cases.csv."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CASE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        value = row["value"]
        number = "" if np.isnan(value) else repr(float(value))
        writer.writerow({**asdict(cell), **row, "value": number})
    return buffer.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a file in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.write_text(text)
    os.replace(temporary, path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file in one atomic step."""
    write_text(path, json.dumps(content, indent=2, default=str) + "\n")


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed npz in one atomic step."""
    temporary = _temporary(path)
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    os.replace(temporary, path)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _fingerprint_of(path: Path) -> str | None:
    try:
        return json.loads(path.read_text()).get("fingerprint")
    except (OSError, ValueError):
        return None
