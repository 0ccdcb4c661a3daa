"""Golden values as JSON, and whether two of them are the same numbers.

A value is exact (text, integers, true, null, and lists of them), a float, a list of floats, the :func:`summary` of an
array, or a mapping of values. Exact is what is counted, drawn or chosen. Floats depend on how a machine adds up and on
its exponentials, and have a tolerance, relative to the float, to the largest of a list or to the norm of an array:
:data:`EVALUATED`, or what the nearest mapping around them says under "within".

What moves them was measured with torch held to no vector instructions, AVX2 and AVX512, and one and two threads
(``python tests/golden/record.py --deviations`` does so anew): 1e-6 for what is computed once; 3e-5 for gradients of
networks and 2e-4 for trainings, where a kink of the activation at zero may be met from the other side; 4e-4 for counts
of voxels in narrow bins. The tolerances are ten to thirty times that; the changes of about a percent that
tests/golden/test_mutations_of_*.py make are larger still.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden import formula

#: digits that are stored; far below every tolerance
DIGITS = 8
EVALUATED = 2e-5
KINKED = 1e-3
TRAINED = 2e-3
COUNTED = 5e-3
#: below this a float is rounding of zero
FLOOR = 1e-9
#: projections of an array beside its norm
PROJECTIONS = 2


@dataclass(frozen=True)
class Difference:
    """One value that is not the stored one.

    Attributes:
        name: place of the value, for example ``focal/step 1/focal``.
        expected, found: as stored and as computed now; None where there is none.
        kind: "changed", "added" (not in the file) or "gone" (in the file alone).
        size: relative deviation of a float, 0 for what is exact.
    """

    name: str
    expected: Any
    found: Any
    kind: str = "changed"
    size: float = 0.0


def summary(array: Any, within: float | None = None) -> dict[str, Any]:
    """An array of any length as a few numbers: its norm, products with fixed unit vectors, and how many are not finite.

    A product moves by as much as the array does, whichever entries it is that move, and is judged on the scale of the
    norm: an array may have a mean of zero.

    Args:
        within: tolerance instead of the part's own, for counts that rounding can move from bin to bin.
    """
    values = np.asarray(array, dtype=np.float64)
    holes = ~np.isfinite(values)
    flat = np.where(holes, 0.0, values).ravel()
    found: dict[str, Any] = {
        "norm": rounded(np.sqrt((flat * flat).sum())),
        "along": [rounded((flat * vector).sum()) for vector in _vectors(flat.size)],
    }
    if holes.any():
        found["holes"] = int(holes.sum())
    return found if within is None else {**found, "within": within}


def rounded(value: float) -> float | None:
    """A float as it is stored; NaN as None."""
    return None if np.isnan(value) else float(f"{value:.{DIGITS}g}")


def floats(values: Any) -> list[float | None]:
    """Numbers as a list that is judged on the scale of its largest."""
    return [rounded(float(value)) for value in values]


def exact(values: Any) -> list[str]:
    """Floats that must agree to the last bit, as text."""
    return [repr(float(value)) for value in values]


def differences(
    expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float = EVALUATED
) -> Iterator[Difference]:
    """What differs between stored and computed values, in the order of the computed ones.

    Args:
        expected: from a file.
        found: as computed now; its "within" counts.
        tolerance: of floats around which nothing says "within"; 0 gives every deviation, whatever is said.
    """
    tolerance = found.get("within", tolerance) if tolerance else 0.0
    for name in dict.fromkeys((*found, *expected)):
        if name == "within":
            continue
        if name not in expected:
            yield Difference(name, None, found[name], "added")
        elif name not in found:
            yield Difference(name, expected[name], None, "gone")
        else:
            yield from _of_value(name, expected[name], found[name], tolerance)


def _of_value(name: str, expected: Any, found: Any, tolerance: float) -> Iterator[Difference]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if {"norm", "along"} <= set(expected) & set(found):
            yield from _of_summary(name, expected, found, tolerance)
            return
        for each in differences(expected, found, tolerance):
            yield Difference(f"{name}/{each.name}", each.expected, each.found, each.kind, each.size)
    elif _floats(expected) and _floats(found) and len(expected) == len(found):
        scale = max((abs(value) for value in expected if value is not None), default=0.0)
        for index, (there, here) in enumerate(zip(expected, found, strict=True)):
            yield from _of_float(f"{name}[{index}]", there, here, scale, tolerance)
    elif isinstance(expected, float) and isinstance(found, float):
        yield from _of_float(name, expected, found, abs(expected), tolerance)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (there, here) in enumerate(zip(expected, found, strict=True)):
            yield from _of_value(f"{name}[{index}]", there, here, tolerance)
    elif expected != found or type(expected) is not type(found):
        yield Difference(name, expected, found)


def _of_summary(name: str, expected: Mapping[str, Any], found: Mapping[str, Any], tol: float) -> Iterator[Difference]:
    for key in ("shape", "holes"):
        if expected.get(key) != found.get(key):
            yield Difference(f"{name}/{key}", expected.get(key), found.get(key))
            return
    tol = found.get("within", tol) if tol else 0.0
    yield from _of_float(f"{name}/norm", expected["norm"], found["norm"], expected["norm"], tol)
    for index, (there, here) in enumerate(zip(expected["along"], found["along"], strict=True)):
        yield from _of_float(f"{name}/along[{index}]", there, here, expected["norm"], tol)


def _of_float(name: str, there: float | None, here: float | None, scale: float, tol: float) -> Iterator[Difference]:
    if there is None or here is None:
        if there is not here:
            yield Difference(name, there, here)
        return
    size = abs(here - there) / max(scale, FLOOR)
    if size > tol:
        yield Difference(name, there, here, size=size)


def _floats(value: Any) -> bool:
    """Whether a list holds floats and gaps alone, one float at least."""
    return (
        isinstance(value, list)
        and any(isinstance(each, float) for each in value)
        and all(each is None or isinstance(each, float) for each in value)
    )


@functools.lru_cache(maxsize=64)
def _vectors(size: int) -> np.ndarray:
    """(PROJECTIONS, size) fixed vectors of length one."""
    vectors = formula.noise((PROJECTIONS, size), 1) - 0.5
    return vectors / np.maximum(np.sqrt((vectors * vectors).sum(1, keepdims=True)), 1e-300)
