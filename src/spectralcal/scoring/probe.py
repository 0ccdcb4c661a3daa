"""What a probe is given and what it gives: a look at trained networks that the scores of single cells cannot have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.base.validation import explain

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import torch
    from torch import Tensor, nn

    from spectralcal.data.manifest import PreparedCase
    from spectralcal.study.resolved import ResolvedCell

#: what wrong code of somebody's own raises
_MISTAKES = (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)


@dataclass(frozen=True, eq=False)
class Probed:
    """What is trained of one data set, architecture and seed, and the cases that it is scored on.

    Attributes:
        dataset, architecture, seed: which networks are looked at.
        cells: those whose weights are here, in the order of the study.
        baseline: the method that the others are compared with: the paper's, or the study's first; it need not be here.
        device: where networks compute.
        load_cases: gives the cases; use :attr:`cases`.
        scores: cell -> scores of its cases: case, class, metric, protocol, value; names of cases are text.
        network: cell -> its trained network in evaluation mode, on the CPU: all methods of a study may not fit on a
            GPU together.
        predictor: cell -> a function from an image (C, *S) to probabilities (classes, *S), float32 on the CPU, by the
            windows and in the arithmetic that the cell is scored with.
        next_seed: cell -> the same with the study's next seed, the first after the last; None if its weights are not
            here. Of a method that is none of `cells` too.
        cell_of: method -> its cell, whether its weights are here or not.
    """

    dataset: str
    architecture: str
    seed: int
    cells: tuple[ResolvedCell, ...]
    baseline: str
    device: torch.device
    load_cases: Callable[[], list[PreparedCase]]
    scores: Callable[[ResolvedCell], pd.DataFrame]
    network: Callable[[ResolvedCell], nn.Module]
    predictor: Callable[[ResolvedCell], Callable[[np.ndarray], Tensor]]
    next_seed: Callable[[ResolvedCell], ResolvedCell | None]
    cell_of: Callable[[str], ResolvedCell]

    @cached_property
    def cases(self) -> list[PreparedCase]:
        """The cases that cells are scored on, on the prepared grid."""
        return self.load_cases()

    def __str__(self) -> str:
        return f"{self.dataset}, {self.architecture}, seed {self.seed}"


class Probe:
    """A measurement on the trained networks of a data set, architecture and seed.

    Its options are the keyword arguments of its constructor, which all have defaults; a study gives others under
    `probes`. Figures and claims ask for it with ``NEEDS``; its arrays lie in ``<results>/<name>/``.

    Attributes:
        every_seed: whether figures and claims read it of every seed of their experiment, or of the first alone, as
            they do where one network is shown.
        other_seeds: whether it looks at networks of other seeds too, so that it is made again with them.
        windows: whether it uses :attr:`Probed.predictor`, so that the settings of predictions count.
    """

    every_seed: ClassVar[bool] = False
    other_seeds: ClassVar[bool] = False
    windows: ClassVar[bool] = True

    def measure(self, probed: Probed) -> dict[str, np.ndarray]:
        """The arrays of its file. They may have voxels of images: the file stays on the machine that made it.

        Raises:
            ResultError: it cannot be measured with what is trained.
        """
        raise NotImplementedError

    def numbers(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What of the file is shared and published; it must have no voxel of an image. Nothing, if not said.

        Args:
            arrays: as :meth:`measure` gave them.
        """
        return {}


def load_probe(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> Probe:
    """A registered probe, built.

    Args:
        name: registered or dotted.
        options: those that a study gives it; the others have their defaults.

    Raises:
        ConfigError: there is none of that name, it cannot be imported, it is no :class:`Probe`, or it cannot be built
            with these options.
    """
    entry: Any = registry.load("probes", name)
    try:
        given = registry.options_model("probes", name).model_validate(dict(options)).model_dump(exclude_unset=True)
        probe = entry(**given)
    except ValidationError as error:
        raise ConfigError(f"probes.{name}.{explain(error, registry.options_model('probes', name))}") from None
    except (TypeError, ValueError) as error:
        said = f"the options {dict(options)}" if options else "its options at their defaults"
        raise ConfigError(
            f"probe '{name}': expected a class that can be built with {said} ({' '.join(str(error).split())})"
        ) from error
    if not isinstance(probe, Probe):
        raise ConfigError(
            f"probe '{name}': expected a subclass of spectralcal.scoring.probe.Probe, found {type(probe).__name__}"
        )
    return probe


def measured_by(name: str, probed: Probed, options: Mapping[str, Any] = MappingProxyType({})) -> dict[str, np.ndarray]:
    """What a registered probe measures with these options; of somebody's own a mistake is one line.

    Raises:
        ConfigError: as :func:`load_probe`.
        ResultError: it cannot be measured, or the probe is not right.
    """
    probe = load_probe(name, options)
    own = type(probe).__module__.startswith("spectralcal.probes.")
    return _arrays(name, lambda: probe.measure(probed), "correct it", () if own else _MISTAKES)


def numbers_of(
    name: str, arrays: Mapping[str, np.ndarray], file: Path, options: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, np.ndarray]:
    """What of a probe's file is shared and published.

    Args:
        name: of the probe.
        arrays: those of `file`.
        file: for the message.
        options: of the probe.

    Raises:
        ConfigError: as :func:`load_probe`.
        ResultError: its arrays are not those that the probe reads.
    """
    probe = load_probe(name, options)
    remedy = f"delete {file} and run `spectralcal probe {name}` again"
    return _arrays(name, lambda: probe.numbers(arrays), remedy, _MISTAKES)


def _arrays(
    name: str, make: Callable[[], Any], remedy: str, mistakes: tuple[type[Exception], ...]
) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        arrays = make()
    except mistakes as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ResultError(f"probe '{name}' failed ({reason}); {remedy}; --debug shows where") from error
    if not isinstance(arrays, dict):
        raise ResultError(f"probe '{name}': expected arrays by name, returned {type(arrays).__name__}; {remedy}")
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
            raise ResultError(f"probe '{name}': '{key}': expected an array of numbers or text, found {kind}; {remedy}")
    return arrays


def median_case(scores: pd.DataFrame) -> str:
    """The case whose mean Dice over classes is the median one (the lower of two middle ones; ties by name).

    Raises:
        ResultError: no case has a Dice score.
    """
    dice = scores[(scores.metric == "DSC") & scores.value.notna()].groupby("case").value.mean()
    ordered = dice.reset_index().sort_values(["value", "case"]).case.tolist()
    if not ordered:
        raise ResultError("the case with the median Dice: no test case has a Dice score; score the cell again")
    return ordered[(len(ordered) - 1) // 2]
