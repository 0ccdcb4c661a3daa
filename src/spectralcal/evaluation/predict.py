"""Probabilities of a whole volume by a sliding window, on the prepared grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.training.device import autocast

if TYPE_CHECKING:
    from spectralcal.config import InferenceConfig

#: logits (B, C, *spatial) -> logits of the same shape: a post-hoc step
Transform = Callable[[Tensor], Tensor]


def unchanged(logits: Tensor) -> Tensor:
    """The transform of a network as trained."""
    return logits


@torch.inference_mode()
def predict_probabilities(
    model: nn.Module,
    image: np.ndarray,
    patch: Sequence[int],
    settings: InferenceConfig,
    *,
    device: torch.device,
    precision: str,
    transform: Transform = unchanged,
) -> Tensor:
    """Class probabilities of one prepared image.

    Windows overlap; their *probabilities* are averaged with Gaussian weights (docs/ambiguities.md, T10: averaging
    logits would sharpen). A volume smaller than the patch is padded with its minimum, as in training (M22).

    Args:
        model: network in evaluation mode, on `device`.
        image: (C_in, *spatial).
        patch: window size in voxels.
        settings: overlap, blending and windows per pass.
        device: where to run.
        precision: "bf16" or "fp32" for the network; softmax and blending are float32.
        transform: applied to the logits of each window before the softmax; a post-hoc step goes here.

    Returns:
        (num_classes, *spatial) float32 on the CPU; sums to one over classes.
    """
    from monai.inferers import sliding_window_inference

    spatial = image.shape[1:]
    missing = [max(p - n, 0) for p, n in zip(patch, spatial, strict=True)]
    widths = [(gap // 2, gap - gap // 2) for gap in missing]
    padded = np.stack([np.pad(c, widths, constant_values=c.min()) for c in image]) if any(missing) else image
    inputs = torch.from_numpy(np.array(padded, dtype=np.float32))[None].to(device)

    def predictor(windows: Tensor) -> Tensor:
        with autocast(device, precision):
            logits = model(windows)
        return torch.softmax(transform(logits.float()), dim=1)

    probabilities = sliding_window_inference(
        inputs,
        roi_size=tuple(patch),
        sw_batch_size=settings.batch_size,
        predictor=predictor,
        overlap=settings.overlap,
        mode=settings.blending,
    )[0]
    window = tuple(slice(before, before + n) for (before, _), n in zip(widths, spatial, strict=True))
    kept = probabilities[(slice(None), *window)].clamp_min(0)
    # Blending weights are normalised in float32; one division removes what rounding left.
    return (kept / kept.sum(0, keepdim=True)).cpu()
