"""A registered transform as an augmentation: drawn for each patch, with some of its options drawn from ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.base.seeds import stream_seed
from spectralcal.base.validation import explain
from spectralcal.transforms.contract import Transform, build_transform

if TYPE_CHECKING:
    from spectralcal.study.config import TransformConfig

Patch = tuple[Tensor, Tensor]


class NamedTransform:
    """One entry of `training.augmentation.transforms`.

    Args:
        settings: of the entry.
        number: how many entries of the same name stand before it: each has a random stream of its own.

    Raises:
        ConfigError: there is no such transform, or it cannot be built with these options or an end of a range.
    """

    def __init__(self, settings: TransformConfig, number: int) -> None:
        self.settings, self.number = settings, number
        ends = {key: np.array(range_) for key, range_ in settings.ranges.items()}
        for end in (0, 1):  # what is out of range stops the study here and not in step 731
            self.fixed = self._built({key: float(values[end]) for key, values in ends.items()})

    def __call__(self, patches: list[Patch], stream: tuple[str | int, ...]) -> list[Patch]:
        """Images (C, *spatial) and labels of a batch after the transform, where it is drawn.

        Raises:
            ResultError: the transform fails, or gives something else than a patch of the same shape.
        """
        names = ("transform", self.settings.name, self.number, *stream)
        rng, count = np.random.default_rng(stream_seed(*names)), len(patches)
        applied = rng.random(count) < self.settings.probability
        drawn = {key: rng.uniform(*self.settings.ranges[key], count) for key in sorted(self.settings.ranges)}
        result = []
        for index, patch in enumerate(patches):
            if applied[index]:
                transform = self._built({key: float(values[index]) for key, values in drawn.items()}) if drawn else None
                patch = self._changed(transform or self.fixed, patch, stream_seed(*names, index))
            result.append(patch)
        return result

    def _built(self, drawn: dict[str, float]) -> Transform:
        name = self.settings.name
        where = f"training.augmentation.transforms: '{name}'"
        try:
            return build_transform(name, {**self.settings.options, **drawn})
        except ValidationError as error:
            raise ConfigError(f"{where}: {explain(error, registry.options_model('transforms', name))}") from None
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {' '.join(str(error).split())}") from error

    def _changed(self, transform: Transform, patch: Patch, seed: int) -> Patch:
        where = f"training.augmentation.transforms: '{self.settings.name}'"
        try:
            changed = transform.with_label(*patch, seed)
            shapes = [tuple(tensor.shape) for tensor in changed]
        except torch.OutOfMemoryError:
            raise
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if type(transform).__module__.startswith("spectralcal."):
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ResultError(f"{where} failed ({reason}); --debug shows where") from error
        expected = [tuple(tensor.shape) for tensor in patch]
        if shapes != expected:
            raise ResultError(f"{where}: expected an image and a label of the shapes {expected}, returned {shapes}")
        return changed[0].to(patch[0].dtype), changed[1].to(patch[1].dtype)
