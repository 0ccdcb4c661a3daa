"""A small network with weights from a formula, for the parts of the engine that need some network but no particular."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golden import formula


class FormulaNetwork(nn.Module):
    """Two convolutions over padded borders, so that a voxel's logits depend on where in its window it lies.

    Args:
        channels: of the image.
        classes: with the background.
        dims: 2 or 3.
        seed: of the weights.
    """

    def __init__(self, channels: int = 1, classes: int = 3, dims: int = 3, seed: int = 0) -> None:
        super().__init__()
        self.convolve = F.conv3d if dims == 3 else F.conv2d
        shapes = ((4, channels, *(3,) * dims), (classes, 4, *(3,) * dims))
        for index, shape in enumerate(shapes):
            values = 1.2 * (formula.noise(shape, 40 + 2 * seed + index) - 0.5)
            self.register_buffer(f"kernel{index}", torch.from_numpy(values).float())

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, *spatial) -> (B, classes, *spatial)."""
        hidden = F.leaky_relu(self.convolve(x, self.kernel0, padding=1), 0.1)
        return self.convolve(hidden, self.kernel1, padding=1)
