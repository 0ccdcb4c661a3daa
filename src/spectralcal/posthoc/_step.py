"""What post-hoc steps have in common: a call that keeps shape and type, and fitted numbers that a record keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from spectralcal.posthoc._voxels import check_voxels, log_likelihood

#: mean negative log-likelihood of labels that are as good as certain; every fit ends somewhere below it
SEPARATED = 1e-8


class PostHocStep:
    """A map of logits to logits, fitted to voxels of validation cases by the likelihood of their labels.

    A subclass says which attributes are fitted (`state`), how (:meth:`estimate`), and what becomes of logits
    (:meth:`transform`). Before it is fitted, a step changes nothing.

    Attributes:
        limits: one line for each bound that the last fit reached, and for labels that no finite number fits best; empty
            if the voxels decided every number.
    """

    #: Whether one value added to all logits of a voxel leaves the resulting probabilities alone. Such a field is
    #: arbitrary: it changes no probability of the network. Maps that do not ignore it say so here.
    translation_invariant: ClassVar[bool] = True
    #: Whether the most probable class of each voxel stays the same, and with it Dice and all distances.
    preserves_argmax: ClassVar[bool] = False
    #: attributes that are fitted: numbers, or lists (of lists) of numbers, None before the fit
    state: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.limits: list[str] = []
        for name in self.state:
            setattr(self, name, None)

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Fit to voxels, all of which count alike.

        Args:
            logits: (N, C), one row per voxel.
            labels: (N,) integer in 0..C-1.

        Raises:
            ValueError: shapes that do not fit, no voxel, labels out of range, or logits that are not finite.
        """
        check_voxels(logits, labels)
        self.limits = []
        self.estimate(logits, labels)
        if log_likelihood(self, logits, labels) > -SEPARATED:
            self.limits.append("the logits separate the labels of the validation voxels: no finite scale fits best")

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits of the calibrated probabilities.

        Args:
            logits: (B, C, *spatial), of any floating type.

        Returns:
            (B, C, *spatial) float32, or float64 for float64. Their softmax is the calibrated probability.
        """
        if logits.dtype != torch.float64:
            logits = logits.float()
        return self.transform(logits) if self.fitted else logits

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Set the fitted attributes from logits (N, C) and labels (N,) that were checked."""
        raise NotImplementedError

    def transform(self, logits: Tensor) -> Tensor:
        """Logits (B, C, *spatial) after the fitted map."""
        raise NotImplementedError

    @property
    def fitted(self) -> bool:
        """Whether there is something to apply."""
        return all(getattr(self, name) is not None for name in self.state)

    def parameters(self) -> dict[str, Any]:
        """The fitted numbers by name, as JSON can hold them; classes in the order of the logits, background first."""
        return {name: getattr(self, name) for name in self.state}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The step that gave these :meth:`parameters`.

        Raises:
            ValueError: other names than the step has, what is not a finite number, or lists that do not fit together.
        """
        if set(parameters) != set(cls.state):
            raise ValueError(
                f"{cls.__name__}: expected {', '.join(cls.state)}, got {', '.join(parameters) or 'nothing'}"
            )
        step = cls()
        for name, value in parameters.items():
            if not _numbers(value):
                raise ValueError(f"{cls.__name__}: expected finite numbers as {name}")
            setattr(step, name, value)
        if not step._works():
            raise ValueError(f"{cls.__name__}: the numbers of {', '.join(cls.state)} do not make a map")
        return step

    def _works(self) -> bool:
        """Whether logits of zero become finite ones. What is named last in `state` has one entry per class."""
        values = [getattr(self, name) for name in self.state]
        if any(value is None for value in values):
            return all(value is None for value in values)
        try:
            return bool(
                self(torch.zeros(1, len(values[-1]) if isinstance(values[-1], list) else 2, 1)).isfinite().all()
            )
        except (RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError):
            return False


def limit_reached(name: str, values: Tensor, lower: Tensor | float, upper: Tensor | float) -> list[str]:
    """One line for each of `values` that lies at a bound: a number of all classes (), or one per class (C,) or pair."""
    lower, upper = (torch.as_tensor(bound, dtype=values.dtype).expand_as(values) for bound in (lower, upper))
    return [
        f"{name}{' of class ' if place else ''}{' and '.join(map(str, place))} is at its limit "
        f"{values[tuple(place)].item():g}; the validation voxels alone would take it further"
        for place in ((values <= lower) | (values >= upper)).nonzero().tolist()
    ]


def by_class(values: list[float], logits: Tensor) -> Tensor:
    """One number per class, in the shape that multiplies logits (B, C, *spatial).

    Raises:
        ValueError: the logits have another number of classes.
    """
    if len(values) != logits.shape[1]:
        raise ValueError(f"fitted to {len(values)} classes, got logits of {logits.shape[1]}")
    return logits.new_tensor(values).reshape(1, -1, *[1] * (logits.ndim - 2))


def _numbers(value: Any) -> bool:
    """Whether a value is None (a step that was not fitted), a finite number, or a list of numbers or such lists."""
    if isinstance(value, list):
        return all(each is not None and _numbers(each) for each in value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))
