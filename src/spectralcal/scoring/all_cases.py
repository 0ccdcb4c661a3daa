"""Scores of all cases as they come: rows, arrays, and the pool of what is summed. One case is in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.scoring.contract import Scorer
from spectralcal.scoring.gather import ScoreRows, ScorerPool
from spectralcal.scoring.load import FILES
from spectralcal.scoring.score import CaseScores, checked

#: case and patient of a score that belongs to all test voxels together
POOL = "pooled"


@dataclass
class CellScores:
    """Everything that the evaluation of a cell leaves.

    Attributes:
        rows: tidy scores with case and patient; scores of all voxels together are rows of the case "pooled".
        arrays: file -> its arrays, those of each scorer that names the file (:attr:`Scorer.file`), and ``cases`` (N,).
            Where cases are on the first axis they are in that order.
    """

    rows: Sequence[Mapping[str, Any]]
    arrays: dict[str, dict[str, np.ndarray]]

    @property
    def calibration(self) -> dict[str, np.ndarray]:
        """Arrays of calibration.npz."""
        return self.arrays["calibration"]

    @property
    def spectra(self) -> dict[str, np.ndarray]:
        """Arrays of spectra.npz."""
        return self.arrays["spectra"]


class AllCases:
    """Scores of `count` cases, gathered one by one.

    Args:
        scorers: name -> scorer, as :func:`spectralcal.scoring.load.load_scorers` gives them.
        count: how many cases will come.
    """

    def __init__(self, scorers: Mapping[str, Scorer], count: int) -> None:
        self._scorers, self._rows, self._cases = scorers, ScoreRows(), []
        self._pools = {name: ScorerPool(count) for name in scorers}

    def add(self, case: str, patient: str, scores: CaseScores) -> None:
        """Keep the scores of the next case.

        Raises:
            ResultError: other arrays than those of the cases before.
        """
        self._cases.append(case)
        self._rows.add(case, patient, scores.rows)
        # The fine cells of a case are some megabytes: they go into the pool at once, in the order of the cases.
        for name, scored in scores.by_scorer.items():
            self._pools[name].add(name, scored)

    def finished(self) -> CellScores:
        """The scores of every case and of all together.

        Raises:
            ResultError: a scorer's results are not what they should be.
        """
        arrays = {file: {"cases": np.array(self._cases)} for file in FILES}
        for name, scorer in self._scorers.items():
            pooled = checked(name, scorer.pool(self._pools[name].parts, self._pools[name].arrays()))
            self._rows.add(POOL, POOL, pooled.rows)
            prefix = f"{name}/" if scorer.prefix is None else scorer.prefix
            for key, value in pooled.arrays.items():
                if prefix + key in arrays[scorer.file]:
                    raise ResultError(
                        f"evaluation.scorers: '{name}': {scorer.file}.npz has an array {prefix + key} already"
                    )
                arrays[scorer.file][prefix + key] = value
        return CellScores(self._rows, arrays)
