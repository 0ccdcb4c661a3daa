"""Class probabilities of a volume by a sliding window, on the prepared grid.

Windows go along the volume's longest axis, slab by slab, so that the device holds one slab of the output whatever the
volume's length: for 512 x 512 x 700 voxels, five classes and windows of 96^3 that is 0.5 GB instead of 3.7 GB. The
host keeps the result and nothing else of its size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.engine.patches import extract
from spectralcal.machine.device import autocast
from spectralcal.machine.memory import OutOfMemory, capacity

if TYPE_CHECKING:
    from spectralcal.study.config import InferenceConfig

#: logits (B, C, *spatial) -> logits of the same shape: a post-hoc step
Transform = Callable[[Tensor], Tensor]


def unchanged(logits: Tensor) -> Tensor:
    """The transform of a network as trained."""
    return logits


#: standard deviation of the Gaussian weights, as a share of the window (nnU-Net's and MONAI's)
SIGMA = 0.125
#: smallest weight of a voxel in its window, so that a voxel that only corners cover is still well defined
SMALLEST_WEIGHT = 1e-3


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
        image: (C_in, *spatial), any real type; a memory map is read window by window.
        patch: window size in voxels.
        settings: overlap, blending and windows per pass.
        device: where to run.
        precision: "bf16" or "fp32" for the network; softmax and blending are float32.
        transform: applied to the logits of each window before the softmax; a post-hoc step goes here.

    Returns:
        (num_classes, *spatial) float32 on the CPU; sums to one over classes.

    Raises:
        OutOfMemory: a pass does not fit on the device; the message says what to lower.
    """
    spatial = image.shape[1:]
    # A volume that is smaller than a window lies in the middle of it, as a padded training patch does.
    before = [max(p - n, 0) // 2 for p, n in zip(patch, spatial, strict=True)]
    covered = [max(p, n) for p, n in zip(patch, spatial, strict=True)]
    if any(p > n for p, n in zip(patch, spatial, strict=True)):
        image = extract(image, [0] * len(spatial), covered, fill=None)
    axis = max(range(len(covered)), key=covered.__getitem__)
    weights = window_weights(patch, settings.blending).to(device)

    def probabilities(corners: Sequence[tuple[int, ...]]) -> Tensor:
        windows = [np.asarray(extract(image, corner, patch, fill=None), dtype=np.float32) for corner in corners]
        inputs = torch.from_numpy(np.stack(windows)).to(device)
        try:
            with autocast(device, precision):
                logits = model(inputs)
            return torch.softmax(transform(logits.float()), dim=1) * weights
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(
                f"out of memory while predicting: {len(corners)} windows {list(patch)} on {device}{capacity(device)}; "
                "lower inference.batch_size, let fewer cells share the device or set compute.device: cpu"
            ) from error

    blended = _Blended(covered, patch, axis, device)
    for start, end, corners in _slabs(covered, patch, settings.overlap, axis):
        while some := tuple(itertools.islice(corners, settings.batch_size)):
            for corner, window in zip(some, probabilities(some), strict=True):
                blended.add(corner, window)
        blended.finish(start, end)
    return blended.result[(slice(None), *(slice(b, b + n) for b, n in zip(before, spatial, strict=True)))].contiguous()


class _Blended:
    """Weighted probabilities of windows, added up in a slab that moves along one axis, and what is done of the result.

    Args:
        covered: voxels of the volume.
        patch: voxels of a window.
        axis: along which the slab moves.
        device: of the slab; the result is on the CPU.
    """

    result: Tensor
    slab: Tensor | None = None

    def __init__(self, covered: Sequence[int], patch: Sequence[int], axis: int, device: torch.device) -> None:
        self.covered, self.patch, self.axis, self.device = covered, patch, axis, device

    def add(self, corner: Sequence[int], window: Tensor) -> None:
        """Add a window (C, *patch) whose first voxel is `corner`; along the axis it is the slab's first."""
        if self.slab is None:  # the first window says how many classes there are
            sizes = [self.patch[a] if a == self.axis else n for a, n in enumerate(self.covered)]
            self.result = torch.empty(len(window), *self.covered)
            self.slab = torch.zeros(len(window), *sizes, device=self.device)
        place = [
            slice(None) if a == self.axis else slice(c, c + p)
            for a, (c, p) in enumerate(zip(corner, self.patch, strict=True))
        ]
        self.slab[(slice(None), *place)] += window

    def finish(self, start: int, end: int) -> None:
        """Take over the planes from `start` to `end`, which no later window reaches, and move the slab to `end`.

        Probabilities of a window add up to one, so that the sum over the classes is the sum of the weights.
        """
        dim, count, slab = self.axis + 1, end - start, self.slab
        done = slab.narrow(dim, 0, count)
        self.result.narrow(dim, start, count).copy_(done.div_(done.sum(0, keepdim=True)))
        rest = slab.shape[dim] - count
        slab.narrow(dim, 0, rest).copy_(slab.narrow(dim, count, rest).clone())
        slab.narrow(dim, rest, count).zero_()


def window_weights(patch: Sequence[int], blending: str) -> Tensor:
    """Weight of each voxel of a window (*patch): a Gaussian around its middle, or one everywhere."""
    weights = torch.ones(tuple(patch))
    if blending == "constant":
        return weights
    for axis, size in enumerate(patch):
        distance = torch.arange(size) - (size - 1) / 2
        profile = torch.exp(-(distance**2) / (2 * (SIGMA * size) ** 2))
        weights = weights * profile.reshape([-1 if a == axis else 1 for a in range(len(patch))])
    return weights.clamp_min(SMALLEST_WEIGHT)


def window_starts(size: int, patch: int, overlap: float) -> list[int]:
    """First voxels of the windows along one axis of `size` >= `patch` voxels; the last is moved back to end with it."""
    interval = max(int(patch * (1 - overlap)), 1)
    return [min(index * interval, size - patch) for index in range(-(-(size - patch) // interval) + 1)]


def _slabs(
    sizes: Sequence[int], patch: Sequence[int], overlap: float, axis: int
) -> Iterator[tuple[int, int, Iterator[tuple[int, ...]]]]:
    """Windows by where they start along `axis`: first plane, the plane after the last that is then done, corners."""
    starts = [window_starts(n, p, overlap) for n, p in zip(sizes, patch, strict=True)]
    along = starts[axis]
    for start, following in zip(along, [*along[1:], sizes[axis]], strict=True):
        yield start, following, itertools.product(*([start] if a == axis else s for a, s in enumerate(starts)))
