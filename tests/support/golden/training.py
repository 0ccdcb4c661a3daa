"""Training: streams and draws to the bit, and small real trainings of a cell."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from studies import experiment, tiny

from golden import formula
from golden.compare import TRAINED, exact, floats, rounded, summary
from golden.memory_case import MemoryCase
from spectralcal.base.seeds import stream_seed
from spectralcal.engine.heads import auxiliary_terms
from spectralcal.engine.optimization import learning_rate
from spectralcal.engine.patches import PatchSampler
from spectralcal.jobs import steps
from spectralcal.jobs.cells import train_cell
from spectralcal.study.config import AugmentationConfig, StudyConfig, TrainingConfig, parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.transforms.intensity import apply_augmentation, sample_augmentation

ALWAYS = {f"{name}_probability": 1.0 for name in ("noise", "blur", "brightness", "gamma")}
#: float32 on one thread: bf16 would be rounding from the third digit on
FIXED = {"precision": "fp32", "log_interval": 1, "augmentation": ALWAYS}
#: tolerance of weights after a run
MOVED = 5e-5
SGD = {"optimizer": "sgd", "learning_rate": 0.02, "momentum": 0.9}
#: run -> method, keys of `training`, and the architecture if it is not the small U-Net
RUNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ce, adamw": ("ce", {"foreground_share": 0.4, "weight_decay": 0.1, "learning_rate": 0.003}, {}),
    "crac, sgd": ("crac", {**SGD, "epoch_steps": 2}, {}),
    "spectral, sgd, padded patches": (
        "spectral@weight=1.0", {**SGD, "patch": [12, 16, 24], "schedule": "constant", "gradient_clip": None}, {},
    ),
    "ce, best by validation": (
        "ce",
        {**SGD, "gradient_clip": 0.5, "epoch_steps": 1, "validation_interval": 2, "select": "best",
         "augmentation": {}},
        {},
    ),
    "ce, deep supervision": (
        "ce", {**SGD, "patch": [16, 16, 16], "batch_size": 1},
        {"network": "nnunet", "options": {"base_channels": 4, "max_channels": 8, "deep_supervision": True,
                                          "patch": [32, 32, 32]}},
    ),
}  # fmt: skip


def values() -> dict[str, Any]:
    """Golden values of the training part."""
    return {**drawn(), **computed(), **trained()}


def drawn() -> dict[str, Any]:
    """What is drawn: exactly the same everywhere."""
    seeds = {"/".join(map(str, parts)): stream_seed(*parts) for parts in (
        ("weights", "hippocampus", "unet", 0), ("batch", "acdc", 2, 731), ("augmentation", "phantom", 0, 5),
        ("validation", "hippocampus", 1, 0), ("dropout", "hippocampus", 1, 0), ("noise", "acdc", 1, 5999),
        ("post-hoc", "phantom_007"),
    )}  # fmt: skip
    return {"stream seeds": seeds, "patches": _patches(), "augmentations": _augmentations()}


def computed() -> dict[str, Any]:
    """What is computed beside the network: augmentation, schedule, terms of deep supervision."""
    shape = (9, 12, 10)
    label = formula.labels(shape, 3)
    images = torch.from_numpy(np.stack([[formula.image(shape, label, 3 * b + c) for c in range(2)] for b in range(3)]))
    found: dict[str, Any] = {}
    for name in ("noise", "blur", "brightness", "gamma"):
        off = dict.fromkeys(ALWAYS, 0.0)
        settings = AugmentationConfig(**{**off, f"{name}_probability": 1.0})
        found[f"images after {name}"] = summary(
            apply_augmentation(images, sample_augmentation(settings, 3, ("toy", 0)))
        )
    found["images after all"] = summary(
        apply_augmentation(images, sample_augmentation(AugmentationConfig(**ALWAYS), 3, ("toy", 0)))
    )
    plane = images[:, :, 0]
    found["planes after all"] = summary(
        apply_augmentation(plane, sample_augmentation(AugmentationConfig(**ALWAYS), 3, ("toy", 1)))
    )
    schedules = (TrainingConfig(), TrainingConfig(schedule="constant"), TrainingConfig(poly_power=0.5, steps=100))
    found["learning rates"] = [
        rounded(learning_rate(settings, step)) for settings in schedules for step in (0, 7, settings.steps - 1)
    ]
    target = torch.from_numpy(np.stack([label, label[::-1].copy()]).astype(np.int64))
    heads = [torch.from_numpy(formula.logits(target[:, ::s, ::s, ::s].numpy(), 3, s)) for s in (1, 2, 4)]
    terms = auxiliary_terms(heads, target)
    found["terms of coarse heads"] = {key: rounded(float(value)) for key, value in terms.items()}
    return found


def trained(names: tuple[str, ...] = tuple(RUNS)) -> dict[str, Any]:
    """Real trainings, six steps each, on the tiny phantom."""
    with tempfile.TemporaryDirectory() as folder:
        first = study(folder, *RUNS[names[0]])
        steps.prepare_step(first, "phantom")
        steps.split_step(first, "phantom")
        return {name: run(folder, *RUNS[name]) for name in names}


def study(folder: str, method: str, training: dict[str, Any], architecture: dict[str, Any]) -> StudyConfig:
    """The tiny study with these settings; prepared data and split are the same for all."""
    base = tiny(folder, experiments=experiment(methods=[method])["experiments"])
    base["datasets"] = {"phantom": {"options": {"cases": 12, "shape": [20, 18, 20], "noise": 0.1}}}
    base["training"] |= {"patch": [12, 12, 12], **FIXED, **training}
    base["architectures"] = {"unet": architecture} if architecture else base["architectures"]
    base["inference"] = {"overlap": 0.25}
    base["compute"] = {"device": "cpu", "threads": 1}
    return parse_config(base, "golden values")


def run(folder: str, method: str, training: dict[str, Any], architecture: dict[str, Any]) -> dict[str, Any]:
    """One training of a cell, by the function that the workflow calls."""
    config = study(folder, method, training, architecture)
    cell = Cell("phantom", "unet", method, 0)
    files = StudyPaths(config).cell(cell)
    with _draws_seen() as (batches, seeds):
        train_cell(config, cell, force=True)
    files.checkpoint.unlink(missing_ok=True)  # another run may be of the same cell
    history = pd.read_csv(files.history).drop(columns="seconds")
    weights = load_file(files.weights)
    validation = json.loads(files.run.read_text())["validation"]
    return {
        "within": TRAINED,
        "batches": sorted(set(batches)),
        "seeds": seeds,
        "history": {name: floats(column) for name, column in history.items()},
        "validation": {
            "steps": [int(row["step"]) for row in validation],
            "dice": floats(row["dice"] for row in validation),
        },
        # Six steps move them little, and rounding less.
        "weights": summary(torch.cat([weights[name].double().flatten() for name in sorted(weights)]), MOVED),
        "norm of each weight": summary([float(weights[name].double().norm()) for name in sorted(weights)], MOVED),
    }


@contextmanager
def _draws_seen() -> Iterator[tuple[list[str], list[int]]]:
    """Every batch that is drawn meanwhile, whoever draws it (stream, step, cases, voxels of each label), and the seeds
    of initial weights and dropout."""
    batches: list[str] = []
    seeds: list[int] = []
    draw, seed_all = PatchSampler.batch, torch.manual_seed

    def batch(self: PatchSampler, step: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        images, labels, names = draw(self, step)
        counts = [np.bincount(label.ravel()).tolist() for label in labels]
        stream = "/".join(map(str, (*self.stream, step)))
        batches.append(f"{stream}: {' '.join(f'{name} {count}' for name, count in zip(names, counts, strict=True))}")
        return images, labels, names

    def manual_seed(seed: int) -> torch.Generator:
        seeds.append(seed)
        return seed_all(seed)

    with patch.object(PatchSampler, "batch", batch), patch.object(torch, "manual_seed", manual_seed):
        yield batches, seeds


class _Indexed(MemoryCase):
    """The image holds the number of each voxel, so that a patch tells where it begins."""

    def image(self) -> np.ndarray:
        return np.arange(self._label.size, dtype=np.float32).reshape(1, *self.shape)


def _patches() -> dict[str, list[str]]:
    """Cases and first voxels of patches, for several shares of foreground, in 3-D and 2-D."""
    solid = [_Indexed("a", (15, 11, 13), seed=1), _Indexed("b", (9, 17, 12), 4, seed=2), _Indexed("c", (10, 10, 10), 1)]
    flat = [_Indexed("d", (25, 19), seed=3), _Indexed("e", (14, 30), 4, seed=4)]
    samplers = {
        f"share {share} of {size}": PatchSampler(cases, patch, size, share, ("batch", "toy", seed))
        for cases, patch, size, share, seed in (
            (solid, (7, 8, 6), 2, 0.5, 0), (solid, (7, 8, 6), 3, 0.34, 1), (solid, (9, 8, 9), 2, 0.0, 0),
            (solid, (8, 8, 8), 2, 1.0, 2), (flat, (9, 12), 4, 0.5, 0),
        )
    }  # fmt: skip
    return {name: [_placed(sampler, step) for step in range(6)] for name, sampler in samplers.items()}


def _placed(sampler: PatchSampler, step: int) -> str:
    images, _, names = sampler.batch(step)
    shapes = {case.id: case.shape for case in sampler.cases}
    starts = [np.unravel_index(int(image.ravel()[0]), shapes[name]) for image, name in zip(images, names, strict=True)]
    return " ".join(f"{name}{[int(value) for value in start]}" for name, start in zip(names, starts, strict=True))


def _augmentations() -> dict[str, Any]:
    found = {}
    for name, settings in (("defaults", AugmentationConfig()), ("always", AugmentationConfig(**ALWAYS))):
        for step in (0, 1):
            drawn = sample_augmentation(settings, 4, ("toy", 0, step))
            found[f"{name}, step {step}"] = {
                "noise": exact(drawn.noise_std), "blur": exact(drawn.blur_sigma), "gamma": exact(drawn.gamma),
                "brightness": exact(drawn.brightness), "seed of noise": drawn.noise_seed,
            }  # fmt: skip
    return found
