"""Fitting a post-hoc step to the validation cases of a trained cell. The test cases are never seen here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.base.seeds import stream_seed
from spectralcal.engine.patches import extract
from spectralcal.machine.device import autocast

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase

#: voxels of a case that enter the fit: it has a handful of numbers to find
VOXELS_PER_CASE = 50_000
#: voxels of all cases together, so that memory does not grow without end: more than 64 cases share them out evenly
VOXELS = 64 * VOXELS_PER_CASE


@torch.inference_mode()
def fit_post_hoc(
    step: Any,
    model: nn.Module,
    cases: Sequence[PreparedCase],
    patch: Sequence[int],
    *,
    device: torch.device,
    precision: str,
) -> None:
    """Fit `step` to the logits of validation cases.

    Voxels are drawn evenly from windows that tile each volume, all regions alike, as the headline protocol counts them;
    a case's draw depends on its name and on how many voxels it may give, so every method is fitted on the same voxels.
    Bounds that the fit reached are in `step.limits`, for whoever keeps a record.
    """
    model = model.to(device).eval()
    count = min(VOXELS_PER_CASE, VOXELS // max(len(cases), 1))
    most = sum(max(count, len(list(_tiles(case.shape, patch)))) for case in cases)
    logits, labels, filled = None, None, 0
    for case in cases:
        values, targets = _case_voxels(model, case, patch, count, device, precision)
        if logits is None:
            with torch.inference_mode(False):  # what is made inside of it cannot be differentiated later
                logits, labels = values.new_empty(most, values.shape[1]), targets.new_empty(most)
        part = slice(filled, filled + len(targets))
        logits[part], labels[part], filled = values, targets, part.stop
    with torch.inference_mode(False):
        step.fit(logits[:filled], labels[:filled])


def _case_voxels(
    model: nn.Module, case: PreparedCase, patch: Sequence[int], count: int, device: torch.device, precision: str
) -> tuple[Tensor, Tensor]:
    """Logits (n, C) and labels (n,) of up to `count` voxels of a case."""
    image, label = case.image(), case.label()
    tiles = list(_tiles(label.shape, patch))
    random = np.random.default_rng(stream_seed("post-hoc", case.id))
    share = max(count // len(tiles), 1)
    logits, labels = [], []
    for start in tiles:
        window = torch.from_numpy(np.array(extract(image, start, patch, fill=None), dtype=np.float32))[None].to(device)
        with autocast(device, precision):
            output = model(window)
        inside = extract(np.ones((1, *label.shape), bool), start, patch, fill=0)[0].ravel()
        voxels = np.flatnonzero(inside)
        chosen = random.choice(voxels, min(share, len(voxels)), replace=False)
        logits.append(output[0].float().flatten(1)[:, torch.from_numpy(chosen).to(device)].T.cpu())
        labels.append(torch.from_numpy(extract(label[None], start, patch, fill=0)[0].ravel()[chosen].astype(np.int64)))
    return torch.cat(logits), torch.cat(labels)


def _tiles(shape: Sequence[int], patch: Sequence[int]) -> Iterator[list[int]]:
    """Corners of windows that cover the volume; the last of an axis is moved back to end with it."""
    starts = [sorted({min(s, max(n - p, 0)) for s in range(0, n, p)}) for n, p in zip(shape, patch, strict=True)]
    return (list(corner) for corner in itertools.product(*starts))
