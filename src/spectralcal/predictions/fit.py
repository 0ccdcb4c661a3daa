"""Fitting a registered post-hoc map to the probabilities of validation cases, and applying it to others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spectralcal.base import registry
from spectralcal.base.console import progress, say
from spectralcal.base.errors import ConfigError, DataError
from spectralcal.base.files import require_json
from spectralcal.base.seeds import stream_seed
from spectralcal.engine.fit_post_hoc import VOXELS, VOXELS_PER_CASE
from spectralcal.posthoc import PostHocStep
from spectralcal.predictions.cases import PredictedCases, read_pair
from spectralcal.predictions.classes import Classes
from spectralcal.predictions.probabilities import stored_dtype_floor
from spectralcal.study.config import EvaluationConfig

#: voxels whose map is computed at a time: 32 MiB for eight classes
_CHUNK = 1 << 20


def new_step(method: str) -> PostHocStep:
    """A registered post-hoc step that is not fitted yet.

    Raises:
        ConfigError: there is none of that name, or it cannot be kept as JSON.
    """
    registry.require("posthoc", method, "--method")
    step = registry.load("posthoc", method)()
    if not isinstance(step, PostHocStep):
        raise ConfigError(
            f"--method: expected a subclass of spectralcal.posthoc.PostHocStep, found {type(step).__name__}"
        )
    return step


def fit_step(step: PostHocStep, cases: PredictedCases, settings: EvaluationConfig) -> int:
    """Fit a step to a sample of the voxels of every case, as studies draw it; returns how many there were.

    Voxels are drawn evenly over each case, all regions alike; the draw depends on the case's name and on how many
    voxels it may give. Logits are logarithms of the probabilities, which softmax takes back to them; a stored 0
    counts as the smallest number above it that the file can hold.

    Raises:
        DataError: a file that cannot be used.
    """
    count = max(min(VOXELS_PER_CASE, VOXELS // len(cases.pairs)), 1)
    logits, labels = torch.empty(count * len(cases.pairs), cases.classes.count), []
    filled = 0
    with progress("fitting: reading", len(cases.pairs)) as bar:
        for pair in cases.pairs:
            _, case, _, grid = read_pair(cases, pair, settings)
            random = np.random.default_rng(stream_seed("post-hoc", pair.id))
            chosen = random.choice(case.reference.size, min(count, case.reference.size), replace=False)
            values = grid.array.reshape(cases.classes.count, -1)[:, chosen]
            logits[filled : filled + len(chosen)] = as_logits(values, stored_dtype_floor(pair.prediction)).T
            filled += len(chosen)
            labels.append(torch.from_numpy(case.reference.reshape(-1)[chosen].astype(np.int64)))
            bar.advance(1, pair.id)
    step.fit(logits[:filled], torch.cat(labels))
    for line in step.limits:
        say(f"post-hoc step {type(step).__name__}: {line}")
    return filled


def as_logits(probabilities: np.ndarray, floor: float) -> Tensor:
    """Logarithms (C, ...) float32 of probabilities, those below `floor` as if they were it."""
    return torch.from_numpy(np.log(np.clip(probabilities, floor, 1.0, dtype=np.float32)))


@torch.inference_mode()
def apply_step(step: PostHocStep, probabilities: np.ndarray, floor: float) -> np.ndarray:
    """Calibrated probabilities (C, *spatial) float32 of probabilities (C, *spatial)."""
    classes = len(probabilities)
    flat, calibrated = probabilities.reshape(classes, -1), np.empty_like(probabilities)
    target = calibrated.reshape(classes, -1)
    for start in range(0, flat.shape[1], _CHUNK):
        part = slice(start, start + _CHUNK)
        target[:, part] = torch.softmax(step(as_logits(flat[:, part], floor)[None]), 1)[0].numpy()
    return calibrated


def step_record(method: str, step: PostHocStep, classes: Classes) -> dict[str, Any]:
    """What map.json says of a fitted step."""
    return {
        "method": method, "parameters": step.parameters(), "classes": ["background", *classes.names],
        "preserves_argmax": step.preserves_argmax, "translation_invariant": step.translation_invariant,
        "limits": step.limits,
    }  # fmt: skip


def read_step(file: Path) -> tuple[str, PostHocStep, list[str]]:
    """Name and step of a map.json, and the foreground classes that it was fitted to.

    Raises:
        DataError: no such file, or not what `spectralcal calibrate` writes.
    """
    content: Mapping[str, Any] = require_json(
        file, "a map that `spectralcal calibrate` has written", "fit one with --fit"
    )
    method, parameters, names = (content.get(key) for key in ("method", "parameters", "classes"))
    if not isinstance(method, str) or not isinstance(parameters, dict) or not isinstance(names, list):
        raise DataError(f"{file}: expected method, parameters and classes, found {', '.join(content) or 'nothing'}")
    try:
        return method, type(new_step(method)).from_parameters(parameters), [str(name) for name in names[1:]]
    except ValueError as error:
        raise DataError(f"{file}: {error}; fit it again with --fit") from error
