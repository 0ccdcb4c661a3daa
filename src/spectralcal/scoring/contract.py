"""What a scorer receives and returns: one case at a time, merged into the pool of all cases at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from spectralcal.metrics.distance_bands import BoundaryDistance, boundary_distance
from spectralcal.metrics.regions import BOUNDARY_MM

if TYPE_CHECKING:
    from torch import Tensor

    from spectralcal.datasets import DataFacts
    from spectralcal.study.config import EvaluationConfig

#: class name of scores that belong to all classes together
POOLED = "all"
#: inputs that a scorer may ask for
NEEDS = frozenset({"probabilities", "samples", "raters", "posterior", "patch_logits"})


class Mergeable(Protocol):
    """A sum over voxels, such as a :class:`~spectralcal.metrics.CalibrationHistogram`."""

    def merge(self, other: Any) -> Any:
        """Add what another one has counted, in place."""


@dataclass
class Scored:
    """A scorer's results for one case, or for all cases together.

    Attributes:
        rows: scores, as :func:`row` makes them.
        arrays: name -> numbers of this case; names, shapes and types are equal in all cases. They are stacked.
        parts: name -> what is summed over all cases. It may be large: it is merged at once and not kept.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    parts: Mapping[str, Mergeable] = field(default_factory=dict)


class Prediction:
    """A network's prediction for one case; each view is computed once, when a scorer first asks for it.

    Args:
        probabilities: gives (C, *spatial) float32 on the original grid; sums to one over classes. None: the mean of
            the samples.
        patch_logits: gives (1, C, *patch) float32, the logits of the fixed patch of the case; None: there is no network
            to ask.
        patch_spacing_mm: voxel edges of the patch.
        samples: gives (K, C, *spatial) float32, predictions that were drawn; None: the network's one prediction is all.

    Raises:
        ValueError: neither probabilities nor samples.
    """

    def __init__(
        self,
        probabilities: Callable[[], np.ndarray] | None = None,
        patch_logits: Callable[[], Tensor] | None = None,
        patch_spacing_mm: Sequence[float] = (),
        samples: Callable[[], np.ndarray] | None = None,
    ) -> None:
        if probabilities is None and samples is None:
            raise ValueError("expected probabilities or samples, received neither")
        self._probabilities, self._patch_logits, self._samples = probabilities, patch_logits, samples
        self.patch_spacing_mm = tuple(patch_spacing_mm)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(C, *spatial) float32 on the original grid."""
        return self.samples.mean(0) if self._probabilities is None else self._probabilities()

    @property
    def is_sampled(self) -> bool:
        """Whether there are samples."""
        return self._samples is not None

    @cached_property
    def samples(self) -> np.ndarray:
        """(K, C, *spatial) float32 on the original grid.

        Raises:
            ValueError: none were drawn.
        """
        if self._samples is None:
            raise ValueError("samples: expected a condition that draws predictions, received one prediction")
        return self._samples()

    @cached_property
    def label(self) -> np.ndarray:
        """(*spatial) the class of the largest probability; the first of equal ones."""
        kind = np.uint8 if len(self.probabilities) <= 256 else np.int64
        return self.probabilities.argmax(0).astype(kind)

    @cached_property
    def patch_logits(self) -> Tensor:
        """(1, C, *patch) float32, after a post-hoc step.

        Raises:
            ValueError: there is no network.
        """
        if self._patch_logits is None:
            raise ValueError("patch_logits: expected a network, received probabilities alone")
        return self._patch_logits()


@dataclass(frozen=True, eq=False)
class ScoredCase:
    """A case on its original grid, as scorers see it.

    Attributes:
        reference: (*spatial) integer labels; 0 is background.
        spacing_mm: voxel edge along each axis, in the unit of the facts.
        facts: of the data set: classes, axes, unit, channels, raters, nested regions.
        settings: the configuration's `evaluation` section.
        posterior: (C, *spatial) true probabilities, where a phantom knows them.
    """

    reference: np.ndarray
    spacing_mm: tuple[float, ...]
    facts: DataFacts
    settings: EvaluationConfig
    posterior: np.ndarray | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the foreground classes 1 ... C-1."""
        return self.facts.classes

    @property
    def nested(self) -> Mapping[str, Sequence[int]]:
        """Name -> labels of regions that unite classes, where a challenge scores such."""
        return self.facts.nested or {}

    @cached_property
    def boundary_distance(self) -> BoundaryDistance | None:
        """Distances to the reference's boundary; None where it has one label only."""
        return boundary_distance(self.reference, self.spacing_mm)

    @cached_property
    def boundary_band(self) -> np.ndarray:
        """(*spatial) voxels of the region "boundary", without a second distance transform."""
        distance, shape = self.boundary_distance, self.reference.shape
        return np.zeros(shape, bool) if distance is None else distance.within(BOUNDARY_MM, shape)


class Scorer:
    """One family of scores, built without arguments.

    Attributes:
        needs: what it reads, of :data:`NEEDS`. A case without a posterior, or a prediction without samples, is not
            shown to a scorer that needs them.
        file: file of a cell that its arrays go to.
        prefix: what their names in it begin with; None: ``<scorer>/``.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    file: ClassVar[str] = "scorers"
    prefix: ClassVar[str | None] = None

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """The scores of one case."""
        raise NotImplementedError

    def pool(self, parts: Mapping[str, Mergeable], arrays: Mapping[str, np.ndarray]) -> Scored:
        """The scores of all cases together, and the arrays that are stored.

        Args:
            parts: what the cases' parts add up to.
            arrays: the cases' arrays, cases on the first axis.
        """
        return Scored(arrays=arrays)


def row(class_name: str, metric: str, protocol: str, value: float, status: str = "ok") -> dict[str, Any]:
    """One score.

    Args:
        class_name: the class that it is about, or :data:`POOLED`.
        metric, protocol: name it in result tables; together they belong to one scorer.
        value: nan where there is none.
        status: "ok", "missed", "absent", "spurious" or "undefined": why a value is missing or odd.
    """
    return {"class": class_name, "metric": metric, "protocol": protocol, "value": float(value), "status": status}
