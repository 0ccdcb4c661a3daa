"""What a study does to the patches of a batch: geometry, the paper's four, then transforms by their names.

Every draw has its own random stream, named by what is drawn, so that no setting shifts the draws of another.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spectralcal.transforms.geometry import transform_batch
from spectralcal.transforms.intensity import apply_augmentation, sample_augmentation
from spectralcal.transforms.named import NamedTransform

if TYPE_CHECKING:
    from spectralcal.study.config import AugmentationConfig


class Augmenter:
    """The augmentations of a training, in their order.

    Args:
        settings: the configuration's `training.augmentation` section.

    Raises:
        ConfigError: a transform by name cannot be built with its options.
    """

    def __init__(self, settings: AugmentationConfig) -> None:
        self.settings = settings
        seen: Counter[str] = Counter()
        self.named: list[NamedTransform] = []
        for entry in settings.transforms:
            self.named.append(NamedTransform(entry, seen[entry.name]))
            seen[entry.name] += 1

    def __call__(self, images: Tensor, labels: Tensor, stream: tuple[str | int, ...]) -> tuple[Tensor, Tensor]:
        """A batch after augmentation; the inputs are left as they are.

        Args:
            images: (B, C, *spatial) float32.
            labels: (B, *spatial) integers, or (B, R, *spatial) of several raters.
            stream: names of the random stream, for example data set, seed and step.

        Raises:
            ResultError: a transform gives something else than a patch of the same shape.
        """
        images, labels = transform_batch(self.settings.geometry, images, labels, stream)
        images = apply_augmentation(images, sample_augmentation(self.settings, len(images), stream))
        if not self.named:
            return images, labels
        patches = list(zip(images, labels, strict=True))
        for transform in self.named:
            patches = transform(patches, stream)
        changed, moved = zip(*patches, strict=True)
        return torch.stack(changed), torch.stack(moved)
