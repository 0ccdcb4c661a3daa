"""Scoring: every row of single cases with known probabilities, and what the evaluation of a cell leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from golden import formula
from golden.compare import COUNTED, rounded, summary
from golden.memory_case import MemoryCase
from golden.networks import FormulaNetwork
from spectralcal.datasets import DataFacts
from spectralcal.metrics import PROTOCOLS
from spectralcal.scoring.evaluate import evaluate_cases
from spectralcal.scoring.score import score_case
from spectralcal.study.config import EvaluationConfig, InferenceConfig

CLASSES = ("organ", "lesion", "vessel")
#: as BraTS has them
NESTED = {"whole": (1, 2, 3), "core": (1, 3)}
#: protocols that round each value: the last bit of a probability can move one by a whole step
ROUNDED = {name for name, protocol in PROTOCOLS.items() if protocol.decimals is not None}
SHAPE, SPACING = (14, 12, 9), (1.5, 0.8, 2.5)


def values() -> dict[str, Any]:
    """Golden values of the scoring part."""
    found = {name: scored(name) for name in SCENES}
    return {**found, **evaluated()}


def scene(missed: int | None = None, spurious: int | None = None, shape=SHAPE, posterior: bool = False) -> tuple:
    """Probabilities, reference and posterior. Quotients of integers: every machine has the same bits."""
    reference, other = formula.labels(shape, 4, 3), formula.labels(shape, 4, 4)
    if spurious is not None:
        reference = np.where(reference == spurious, 0, reference).astype(np.uint8)
    weights = np.stack([
        1 + np.round(200 * formula.noise(shape, 60 + c) ** 4) + 300 * (reference == c) + 500 * (other == c)
        for c in range(4)
    ])  # fmt: skip
    if missed is not None:
        weights[missed] = 1
    if spurious is not None:
        weights[spurious][tuple(slice(size // 3, size // 2) for size in shape)] = 5000
    truth = np.stack([1 + 100 * (reference == c) + np.round(50 * formula.noise(shape, 80 + c)) for c in range(4)])
    probabilities = (weights / weights.sum(0)).astype(np.float32)
    return probabilities, reference, (truth / truth.sum(0)).astype(np.float32) if posterior else None


SCENES: dict[str, dict[str, Any]] = {
    "all classes, nested regions": {},
    "a missed and a spurious class": {"missed": 2, "spurious": 3},
    "an absent class, posterior known": {"missed": 3, "spurious": None, "posterior": True},
    "a plane": {"shape": (19, 23), "posterior": True},
}


def scored(name: str, **changes: Any) -> dict[str, Any]:
    """Every row, and the sums at distances to the boundary, of one scene."""
    options = SCENES[name]
    probabilities, reference, posterior = scene(**options)
    if "absent" in name:
        reference = np.where(reference == 3, 0, reference).astype(np.uint8)
    arguments = {"spacing_mm": SPACING[: reference.ndim], "nested": NESTED if "nested" in name else None, **changes}
    found = score_case(
        probabilities, reference, classes=CLASSES, settings=EvaluationConfig(), posterior=posterior, **arguments
    )
    bins = {
        region: summary(histogram.reliability().count)
        for region, histogram in found.by_scorer["calibration"].parts.items()
    }
    return {
        **rows_by_name(found.rows),
        "bands": {key: summary(array) for key, array in found.by_scorer["distance"].arrays.items()},
        "top-label counts": bins,
    }


def evaluated() -> dict[str, Any]:
    """A whole cell: three cases on grids of their own, prediction to pooled histograms and spectra."""
    cases = [
        MemoryCase("p1_a", (14, 12, 10), spacing_mm=(1, 1, 2.5), seed=1),
        MemoryCase("p1_b", (12, 11, 9), original_shape=(16, 14, 7), crop=[(2, 14), (0, 14), (1, 6)], seed=2),
        MemoryCase("p2_a", (8, 13, 11), spacing_mm=(2, 1, 1), seed=5),
    ]
    reference = cases[2].reference()
    posterior = np.stack([1 + 4 * (reference == c) for c in range(3)]).astype(np.float32)
    cases[2].with_posterior(posterior / posterior.sum(0))
    facts = DataFacts(("organ", "lesion"), 3, "mm", ("image",), nested={"whole": (1, 2)})
    found = evaluate_cases(
        FormulaNetwork(), cases, facts, (10, 10, 10), InferenceConfig(overlap=0.25), EvaluationConfig(),
        device=torch.device("cpu"), precision="fp32"
    )  # fmt: skip
    arrays = {**{f"calibration {k}": v for k, v in found.calibration.items()},
              **{f"spectra {k}": v for k, v in found.spectra.items()}}  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in found.rows:
        if row["protocol"] not in ROUNDED:
            rows.setdefault(row["case"], []).append(row)
    # Which of the finest cells a probability falls into is a matter of its last bit, too: of pooled histograms the
    # sums, and of counts in bins what one voxel cannot change.
    binned = {
        key: _of_array(key, array)
        for key, array in arrays.items()
        if array.dtype.kind in "fiu" and "/pooled/" not in key
    }
    sums = {key: summary(array) for key, array in arrays.items() if key.endswith("/pooled/sums")}
    return {
        **{f"case {case}": rows_by_name(of_case) for case, of_case in rows.items()},
        "names": sorted(arrays),
        **binned,
        **sums,
    }


def rows_by_name(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """class/protocol/metric -> value, and the status where it is not "ok"."""
    found: dict[str, Any] = {}
    for row in rows:
        key = f"{row['class']}/{row['protocol']}/{row['metric']}"
        value = rounded(row["value"])
        found[key] = value if row["status"] == "ok" else {"status": row["status"], "value": value}
    return found


def _of_array(key: str, array: np.ndarray) -> dict[str, Any]:
    if array.dtype.kind in "iu":
        return summary(array, within=COUNTED)
    # Powers span decades: of their logarithms all count alike.
    return summary(np.log(array) if "psd" in key or "band_power" in key else array)
