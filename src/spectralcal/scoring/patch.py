"""The fixed patch of a case, on which logits are analysed.

The patch has the training size and is centred on the reference's foreground: the same voxels for every method, and one
forward pass, because a sliding window blends probabilities and has no logits to analyse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.engine.patches import extract
from spectralcal.machine.device import autocast

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase


@torch.inference_mode()
def patch_logits(
    model: nn.Module, case: PreparedCase, patch: Sequence[int], *, device: torch.device, precision: str
) -> Tensor:
    """Logits (1, C, *patch) float32 of the fixed patch of a case, on `device`; a smaller case is padded (M22)."""
    image = extract(case.image(), patch_start(case, patch), patch, fill=None)
    inputs = torch.from_numpy(np.array(image, dtype=np.float32))[None].to(device)
    with autocast(device, precision):
        logits = model(inputs)
    return logits.float()


def patch_start(case: PreparedCase, patch: Sequence[int]) -> list[int]:
    """Corner of the patch around the middle of the foreground, or of the volume if there is none."""
    foreground = case.foreground()
    shape = case.label().shape
    if len(foreground):
        voxels = foreground[:, 1:]
        centre = (voxels.min(0) + voxels.max(0)) // 2
    else:
        centre = np.array(shape) // 2
    return [int(np.clip(c - p // 2, 0, max(n - p, 0))) for c, p, n in zip(centre, patch, shape, strict=True)]
