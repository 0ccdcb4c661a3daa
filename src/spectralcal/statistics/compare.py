"""Whether the best of several methods may be called best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spectralcal.statistics.crossed import LEVEL, Crossed, crossed
from spectralcal.statistics.multiple import holm


@dataclass(frozen=True)
class Best:
    """The best mean and how sure it is.

    Attributes:
        method, runner_up: names.
        difference: best - runner-up over seeds and patients, with an interval at Bonferroni's level for the best
            against every other method.
        adjusted_p: of a difference of 0 to the runner-up, after Holm's adjustment over the best against every other
            method, because the pair was picked among them.
        distinguishable: the interval lies on the best's side of 0, and seeds and patients suffice for a decision.
    """

    method: str
    runner_up: str
    difference: Crossed
    adjusted_p: float
    distinguishable: bool

    @property
    def shortage(self) -> str:
        """Why nothing is decided whatever the numbers; an empty text if something can be."""
        return self.difference.shortage


def lead(
    methods: Mapping[str, np.ndarray],
    best: str,
    runner_up: str,
    patients: object = None,
    lower_is_better: bool = True,
    level: float = LEVEL,
) -> Best:
    """Whether the data distinguish ``best`` from ``runner_up``, two that were picked among ``methods``.

    The pair pays for the picking among the k methods that the best is compared with: its interval has Bonferroni's
    level 1 - (1 - level) / k, as in the claims ledger.

    Args:
        methods: name -> (S, N) values of everything that was compared: one row per seed, one column per case, the same
            seeds and cases for all.
        best, runner_up: two of the names.
        patients: (N,) labels; a patient's cases are averaged first. None: every case is a patient.
        lower_is_better: True for errors and distances, False for Dice.
        level: of all comparisons with the best together.

    Raises:
        ValueError: the names are not two of the methods; as :func:`spectralcal.statistics.crossed`.
    """
    if best == runner_up or not {best, runner_up} <= set(methods):
        raise ValueError(f"expected two names out of {', '.join(methods)}, got '{best}' and '{runner_up}'")
    against = {
        name: crossed(methods[best] - values, patients, level=level) for name, values in methods.items() if name != best
    }
    adjusted = dict(zip(against, holm(np.array([one.p_value for one in against.values()])), strict=True))
    difference = against[runner_up].at(1 - (1 - level) / len(against))
    ahead = difference.high < 0 if lower_is_better else difference.low > 0
    return Best(best, runner_up, difference, float(adjusted[runner_up]), bool(ahead and not difference.shortage))
