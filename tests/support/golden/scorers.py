"""Scorers beyond the usual set: every row of single cases with known probabilities, their arrays and their pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden.compare import COUNTED, summary
from golden.scoring import CLASSES, SCENES, SPACING, rows_by_name, scene
from spectralcal.base import registry
from spectralcal.datasets import DataFacts
from spectralcal.scoring.contract import Prediction, ScoredCase
from spectralcal.scoring.gather import ScorerPool
from spectralcal.study.config import EvaluationConfig


def values(name: str) -> dict[str, Any]:
    """Golden values of a registered scorer that declares an integer."""
    scorer = registry.load("scorers", name)()
    found: dict[str, Any] = {}
    for name_of_scene, options in SCENES.items():
        prediction, case = scored_case(**options)
        if "posterior" in scorer.needs and case.posterior is None:
            continue  # such a scorer is not shown the case
        pool = ScorerPool(1)
        scored = scorer.case(prediction, case)
        rows = rows_by_name(list(scored.rows))
        arrays = {f"array {key}": _of_array(array) for key, array in scored.arrays.items()}
        pool.add(name, scored)
        pooled = scorer.pool(pool.parts, pool.arrays())
        found[name_of_scene] = {
            **rows, **arrays, "pooled rows": rows_by_name(list(pooled.rows)), "pooled arrays": sorted(pooled.arrays),
            **{f"pooled {key}": summary(array) for key, array in pooled.arrays.items() if key.endswith("/pooled/sums")},
        }  # fmt: skip
    return found


def scored_case(**options: Any) -> tuple[Prediction, ScoredCase]:
    """A scene of the scoring part as a scorer sees it."""
    probabilities, reference, posterior = scene(**options)
    spacing_mm = SPACING[: reference.ndim]
    case = ScoredCase(
        reference, spacing_mm, DataFacts(CLASSES, reference.ndim, "mm", ()), EvaluationConfig(), posterior=posterior
    )
    return Prediction(lambda: probabilities), case


def _of_array(array: np.ndarray) -> dict[str, Any]:
    # A count of voxels in a bin can move by one where a probability lies on its edge.
    return summary(array, within=COUNTED if array.dtype.kind in "iu" else None)
