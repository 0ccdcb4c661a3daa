"""What a transform is: a change of one image, built with its options, repeatable from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spectralcal.base import registry
from spectralcal.base.seeds import stream_seed


class Transform:
    """A change of an image. Its options are the keyword arguments of its constructor.

    The same for augmentation, where options are drawn for each patch, and for corruption of test images, where they are
    fixed. It changes intensities alone: images and labels stay on one grid.
    """

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """The image after the change.

        Args:
            image: (C, *spatial) as prepared, whatever its scale; it is left as it is.
            seed: of everything that the transform draws; equal seeds give equal images.
        """
        raise NotImplementedError


def build_transform(name: str, options: dict[str, Any]) -> Transform:
    """A registered transform with its options.

    Raises:
        ValueError: an option is out of its range.
    """
    return registry.load("transforms", name)(**options)


def corrupted(image: np.ndarray, transforms: Sequence[Transform], case: str) -> np.ndarray:
    """A test image after transforms, one after another.

    What they draw depends on the case's name and on their place alone, so that every network is tested on the same
    image.

    Args:
        image: (C, *spatial), any real type; it is left as it is.
        transforms: in their order.
        case: name of the case.

    Returns:
        (C, *spatial) float32.
    """
    changed = torch.from_numpy(np.array(image, dtype=np.float32))
    for place, transform in enumerate(transforms):
        changed = transform(changed, stream_seed("corruption", case, place))
    return changed.numpy()
