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

    The same for augmentation, where options may be drawn for each patch, and for corruption of test images, where they
    are fixed. One that moves voxels overrides :meth:`with_label` and says so; it is an augmentation alone, because
    images and references of a test stay on one grid.

    Attributes:
        moves_voxels: whether labels must move with the image.
    """

    moves_voxels = False

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """The image after the change.

        Args:
            image: (C, *spatial) as prepared, whatever its scale; it is left as it is.
            seed: of everything that the transform draws; equal seeds give equal images.
        """
        raise NotImplementedError

    def with_label(self, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """A patch and its label after the change; the label as it is, unless the transform moves voxels.

        Args:
            image: (C, *spatial).
            label: (*spatial) integers, or (R, *spatial) of several raters.
            seed: as for :meth:`__call__`.
        """
        return self(image, seed), label


def build_transform(name: str, options: dict[str, Any]) -> Transform:
    """A registered transform with its options, each with the type that its signature says.

    Raises:
        ValueError: an option is out of its range.
        TypeError: the entry is no :class:`Transform`, or cannot be built with these options.
    """
    given = registry.options_model("transforms", name).model_validate(options).model_dump(exclude_unset=True)
    transform = registry.load("transforms", name)(**given)
    if not isinstance(transform, Transform):
        raise TypeError(
            f"'{name}': expected a subclass of spectralcal.transforms.contract.Transform, found "
            f"{type(transform).__name__}"
        )
    return transform


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
