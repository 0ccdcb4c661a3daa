"""Spectra of the confidence maps of one case, on one fixed patch, for every kind of map.

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
from spectralcal.engine.predict import Transform, unchanged
from spectralcal.machine.device import autocast
from spectralcal.spectral import band_power, confidence_map, radial_psd, spectral_entropy

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase

MAPS = ("max_logit", "max_log_prob", "max_prob", "margin")


@torch.inference_mode()
def case_spectra(
    model: nn.Module,
    case: PreparedCase,
    patch: Sequence[int],
    bands: int,
    *,
    device: torch.device,
    precision: str,
    transform: Transform = unchanged,
) -> dict[str, np.ndarray]:
    """Spectra of one case.

    Args:
        model: network in evaluation mode, on `device`.
        case: prepared case.
        patch: patch size in voxels.
        bands: number K of bands (inscribed shells without the zero frequency, as in training).
        device: where to run.
        precision: "bf16" or "fp32".
        transform: applied to the logits; a post-hoc step goes here.

    Returns:
        ``frequency`` (F,) in cycles/voxel, ``spacing_mm`` (d,) of the prepared grid and, for each map, ``psd_<map>``
        (F,) (mean removed, Hamming taper), ``band_power_<map>`` (K,) and ``entropy_<map>`` (scalar; at most log K).
    """
    logits = transform(patch_logits(model, case, patch, device=device, precision=precision))
    found: dict[str, np.ndarray] = {"spacing_mm": np.array(case.spacing_mm, dtype=np.float64)}
    for kind in MAPS:
        field = confidence_map(logits, kind)
        frequency, psd = radial_psd(field)
        power = band_power(field, bands=bands)
        found["frequency"] = frequency.cpu().numpy()
        found[f"psd_{kind}"] = psd[0].double().cpu().numpy()
        found[f"band_power_{kind}"] = power[0].double().cpu().numpy()
        found[f"entropy_{kind}"] = spectral_entropy(power)[0].double().cpu().numpy()
    return found


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
