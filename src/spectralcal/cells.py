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
from spectralcal.errors import ResultError
from spectralcal.fingerprint import file_digest
from spectralcal.grid import Cell, parse_method, trained_cell
from spectralcal.integrity import altered, file_hashes, sealed
from spectralcal.networks import build_loss, build_network, label_facts, load_network, network_options
from spectralcal.paths import CellPaths, StudyPaths
from spectralcal.recipe import cell_fingerprint, evaluation_recipe, training_recipe, training_settings
from spectralcal.whole_files import read_json, whole, write_arrays, write_json, write_text

if TYPE_CHECKING:
    import torch

    from spectralcal.preparation.manifest import PreparedCase

CASE_COLUMNS = ("dataset", "architecture", "method", "seed", "case", "patient", "class", "metric", "protocol", "value",
                "status")  # fmt: skip


@dataclass(frozen=True)
class CellData:
    """Prepared cases of a cell by side of the split, and the hashes that tie a result to them.

    `scored` are those on which cells are scored: the test cases, or the validation cases if the configuration says so.
    """

    train: list[PreparedCase]
    validation: list[PreparedCase]
    scored: list[PreparedCase]
    manifest_hash: str
    split_hash: str


def load_data(config: StudyConfig, dataset: str) -> CellData:
    """Prepared cases of a data set, by side of the split."""
    from spectralcal.preparation.manifest import manifest_hash, read_manifest
    from spectralcal.preparation.splits import read_split

    paths = StudyPaths(config)
    cases = {case.id: case for case in read_manifest(paths.manifest(dataset))}
    split = read_split(paths.split(dataset), list(cases.values()))
    scored = {"test": "test", "validation": "val"}[config.evaluation.side]
    sides = [[cases[name] for name in split[side]] for side in ("train", "val", scored)]
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
    finished = files.weights.is_file() and _fingerprint_of(files.run) == fingerprint
    if finished and not force:
        say(f"{cell}: weights are up to date")
    else:
        if finished:
            files.checkpoint.unlink(missing_ok=True)  # of the finished training: to go on from it would train nothing
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
    from spectralcal.training.checkpoint import set_aside

    source = StudyPaths(config).cell(trained_cell(config, cell))
    files = StudyPaths(config).cell(cell)
    data = load_data(config, cell.dataset)
    trained = cell_fingerprint(training_recipe(config, trained_cell(config, cell)), data.manifest_hash, data.split_hash)
    if _fingerprint_of(source.run) != trained:
        raise ResultError(
            f"{source.weights}: the weights are missing or of another configuration, code or data; train the cell first"
        )
    _check_weights(source)
    recipe = evaluation_recipe(config, cell)
    fingerprint = cell_fingerprint(recipe, data.manifest_hash, data.split_hash)
    stamp = {"fingerprint": fingerprint, "recipe": recipe, "weights": file_digest(source.weights)}
    if not stage and _adopt(files, stamp):
        say(f"{cell}: scored in the training process")
    else:
        folder = files.staged if stage else files.folder
        if stage:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _evaluate(config, cell, source, data, stamp, folder)
    if not stage:
        # Until a cell is scored, its workflow may die and delete the weights with the other outputs of an unfinished
        # job; the checkpoint then gives them back in a moment.
        for file in (source.checkpoint, set_aside(source.checkpoint)):
            file.unlink(missing_ok=True)


def _train(config: StudyConfig, cell: Cell, files: CellPaths, data: CellData, recipe: str, fingerprint: str) -> None:
    import torch
    from safetensors.torch import save_file

    from spectralcal.energy import EnergyMeter
    from spectralcal.models._padding import parameter_count
    from spectralcal.provenance import environment, peak_memory_mb
    from spectralcal.training.device import choose_device, choose_precision, device_name, set_determinism
    from spectralcal.training.history import history_text
    from spectralcal.training.patches import PatchSampler, check_patch
    from spectralcal.training.resident import hold
    from spectralcal.training.seeds import stream_seed
    from spectralcal.training.train import train

    started = datetime.now(UTC).isoformat(timespec="seconds")
    torch.set_num_threads(config.compute.threads)
    settings = config.training_of(cell.dataset, cell.architecture)
    device = choose_device(config.compute.device)
    set_determinism(config.compute.deterministic, device)
    precision = choose_precision(settings.precision, device)
    in_channels = data.train[0].image().shape[0]
    model = build_network(config, cell, in_channels)
    inner = getattr(model, "padded_sizes", list)(settings.patch)
    if inner != list(settings.patch):
        say(f"{cell}: '{cell.architecture}' pads patches of {list(settings.patch)} to {inner}, for which you also pay")
    padded = check_patch([*data.train, *data.validation, *data.scored], settings.patch, settings.pad_small)
    if padded:
        say(f"{cell}: {padded} cases are smaller than the patch {list(settings.patch)} along an axis and are padded")
    stream = (cell.dataset, cell.seed)
    cases, _ = hold(data.train, config.compute.resident_mb)
    sampler = PatchSampler(cases, settings.patch, settings.batch_size, settings.foreground_share, ("batch", *stream))
    validation = PatchSampler(data.validation, settings.patch, settings.batch_size, 0.5, ("validation", *stream))

    def validation_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for index in range(len(data.validation)):
            images, labels, _ = validation.batch(index)
            yield torch.from_numpy(images), torch.from_numpy(labels)

    def validation_dice(network: torch.nn.Module) -> float:
        from spectralcal.evaluation.validate import mean_dice

        return mean_dice(network, data.validation, settings.patch, config.inference, device=device, precision=precision)

    files.folder.mkdir(parents=True, exist_ok=True)
    _clear_damage(files, fingerprint)
    meter = EnergyMeter(_bus(device))
    with progress(str(cell), settings.steps) as bar:

        def report(step: int, row: dict[str, float]) -> None:
            bar.advance(int(step) + 1 - bar.done, f"loss {row['loss']:.4f}")

        result = train(
            model, build_loss(config, cell.method), sampler, settings,
            stream=stream, device=device, precision=precision, checkpoint=files.checkpoint, fingerprint=fingerprint,
            validation_batches=validation_batches, validation_dice=validation_dice, report=report, notify=say,
        )  # fmt: skip

    with whole(files.weights) as temporary:
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
        "cell": asdict(cell),
        "settings": training_settings(config, cell),
        # Batches, augmentations and dropout have one seed a step each, made from these names (training/seeds.py).
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
        "threads": config.compute.threads,
        "peak_memory_mb": peak_memory_mb(),
        "energy": meter.read(),
        "environment": environment(),
        "files": file_hashes([files.weights, files.model, files.history]),
    }
    if device.type == "cuda":
        run["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    write_json(files.run, sealed(run))


def _clear_damage(files: CellPaths, fingerprint: str) -> None:
    """Remove half-written files of a killed training, and set a damaged checkpoint aside, so that a cell goes on."""
    from spectralcal.training.checkpoint import load_checkpoint

    for leftover in files.folder.glob("*.tmp"):
        leftover.unlink(missing_ok=True)
    try:
        load_checkpoint(files.checkpoint, fingerprint)
    except ResultError as error:
        kept = files.checkpoint.with_name("checkpoint.damaged.safetensors")
        os.replace(files.checkpoint, kept)
        say(f"warning: {files.checkpoint}: damaged ({error.__cause__}), kept as {kept.name}; training begins at step 0")


def _check_weights(files: CellPaths) -> None:
    """Refuse weights that are not those that the training wrote; records of earlier versions have no hash of them.

    Raises:
        ResultError: a byte changed since.
    """
    recorded = json.loads(files.run.read_text()).get("files", {})
    if changed := altered(files.folder, {name: recorded[name] for name in [files.weights.name] if name in recorded}):
        raise ResultError(
            f"{files.folder / changed[0]}: expected the bytes that the training wrote (SHA-256 in {files.run.name}), "
            "found others; delete it and run again"
        )


def _evaluate(
    config: StudyConfig, cell: Cell, source: CellPaths, data: CellData, stamp: dict[str, str], folder: Path
) -> None:
    import torch

    from spectralcal.evaluation.calibrate import fit_post_hoc
    from spectralcal.evaluation.evaluate import evaluate_cases
    from spectralcal.provenance import environment, peak_memory_mb
    from spectralcal.training.device import choose_device, choose_precision, device_name

    begun = time.perf_counter()
    torch.set_num_threads(config.compute.threads)
    settings = config.training_of(cell.dataset, cell.architecture)
    device = choose_device(config.compute.device)
    precision = choose_precision(settings.precision, device)
    model = load_network(config, cell, data.scored[0].image().shape[0])
    classes, _ = label_facts(config, cell.dataset)
    name = parse_method(cell.method, config.methods).post_hoc
    # Few data sets have regions; what the others would inherit would make their prepared data obsolete.
    options = {"nested": getattr(registry.load("datasets", config.kind_of(cell.dataset)), "nested", None)}
    if name is not None:
        step = registry.load("posthoc", name)()
        fit_post_hoc(step, model, data.validation, settings.patch, device=device, precision=precision)
        options["transform"] = step
        stamp = {**stamp, "post_hoc": {name: step.parameters()}}
    with progress(f"{cell}: scoring", len(data.scored)) as bar:
        scores = evaluate_cases(
            model, data.scored, classes, settings.patch, config.inference, config.evaluation,
            device=device, precision=precision, advance=lambda case: bar.advance(1, case), **options,
        )  # fmt: skip
    files = CellPaths(folder)
    write_text(files.cases, cases_text(cell, scores.rows))
    write_arrays(files.calibration, scores.calibration)
    write_arrays(files.spectra, scores.spectra)
    cost = {
        "seconds": round(time.perf_counter() - begun, 2),
        "device": device_name(device),
        "precision": precision,
        "peak_memory_mb": peak_memory_mb(),
    }
    made = {
        "cell": asdict(cell),
        "parts": {"recipe": stamp["recipe"], "manifest": data.manifest_hash, "split": data.split_hash},
        "environment": environment(),
        "files": file_hashes([files.cases, files.calibration, files.spectra]),
    }
    write_json(files.evaluation, sealed({**stamp, "cases": len(data.scored), **cost, **made}))


def _adopt(files: CellPaths, stamp: dict[str, str]) -> bool:
    """Make staged scores final if they carry the same stamp; drop them otherwise."""
    staged = CellPaths(files.staged)
    if not staged.evaluation.is_file():
        return False
    try:
        found = json.loads(staged.evaluation.read_text())
    except ValueError:  # cut off by a power cut: as good as not there
        found = {}
    matches = all(found.get(key) == value for key, value in stamp.items())
    matches = matches and not altered(staged.folder, found.get("files", {}))
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


def _bus(device: torch.device) -> str | None:
    """PCI bus identifier of a CUDA device, by which its energy counter is found."""
    import torch

    if device.type != "cuda":
        return None
    found = torch.cuda.get_device_properties(device)
    if not hasattr(found, "pci_bus_id"):
        return None  # before torch 2.9
    return f"{found.pci_domain_id:08x}:{found.pci_bus_id:02x}:{found.pci_device_id:02x}.0"


def _fingerprint_of(path: Path) -> str | None:
    return read_json(path).get("fingerprint")
