"""Several methods on the same patients: each against a reference, and whether the best may be called best.

Methods are given as ``{name: (values, groups)}``, (n,) numbers and (n,) labels of patients; a patient's frames and
seeds are averaged before anything is compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectralcal.statistics.bootstrap import RESAMPLES, group_means
from spectralcal.statistics.paired import PairedDifference, holm, paired_difference, wilcoxon_p

#: :func:`fewest_to_rank` of two methods: of five pairs, not even five differences of one sign reach 0.05 (2 / 2^5).
FEWEST_TO_RANK = 6

Methods = Mapping[str, tuple[np.ndarray, np.ndarray]]


class WinTieLoss(NamedTuple):
    """In how many groups a method is better than, equal to and worse than another."""

    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class Comparison:
    """One method against the reference.

    Attributes:
        method, reference: names.
        difference: method - reference, over patients.
        adjusted_p: Wilcoxon p-value after Holm's adjustment over all methods that were compared together.
        outcome: patients won, tied and lost by the method.
    """

    method: str
    reference: str
    difference: PairedDifference
    adjusted_p: float
    outcome: WinTieLoss


@dataclass(frozen=True)
class Best:
    """The best mean and how sure it is.

    Attributes:
        method, runner_up: names.
        difference: best - runner-up, over the patients of both, with an interval at Bonferroni's level for the best
            against every other method; None without a runner-up.
        adjusted_p: Wilcoxon p-value against the runner-up after Holm's adjustment over the best against every other
            method, because the pair was picked among them; nan without a runner-up.
        too_small: fewer than :func:`fewest_to_rank` patients in common: no ranking should be printed.
        distinguishable: not too small, the interval of the difference excludes 0 on the best's side, and the adjusted
            p-value is below 1 - level: the best may be marked.
    """

    method: str
    runner_up: str | None
    difference: PairedDifference | None
    adjusted_p: float
    too_small: bool
    distinguishable: bool


def fewest_to_rank(methods: int, level: float = 0.95) -> int:
    """Patients below which no best of ``methods`` can be told from the others, whatever the numbers.

    Of n pairs, n differences of one sign have the two-sided signed-rank p-value 2 / 2^n, and Holm's adjustment
    multiplies the smallest p-value by the number of comparisons with the best.

    Raises:
        ValueError: fewer than two methods, or a level outside (0, 1).
    """
    if methods < 2 or not 0 < level < 1:
        raise ValueError(f"expected at least 2 methods and a level in (0, 1), got {methods} and {level}")
    return 2 + math.floor(math.log2((methods - 1) / (1 - level)))


def win_tie_loss(difference: np.ndarray, lower_is_better: bool = True, tolerance: float = 0.0) -> WinTieLoss:
    """Count (n,) paired differences; up to ``tolerance`` either way is a tie, nan is nothing.

    Raises:
        ValueError: a negative tolerance.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}")
    difference = np.asarray(difference, np.float64) * (-1 if lower_is_better else 1)
    wins, losses = int(np.sum(difference > tolerance)), int(np.sum(difference < -tolerance))
    return WinTieLoss(wins, int(np.sum(~np.isnan(difference))) - wins - losses, losses)


def compare_with(
    methods: Methods,
    reference: str,
    lower_is_better: bool = True,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Every other method against ``reference``: paired bootstrap interval, Wilcoxon test with Holm, wins and losses.

    Args:
        methods: name -> (values, groups).
        reference: a name, for example cross-entropy or :func:`best_of` the baselines.
        lower_is_better: True for errors and distances, False for Dice.
        level, resamples, seed: as in :func:`spectralcal.statistics.bootstrap_mean`.

    Raises:
        ValueError: the reference is no method; as :func:`spectralcal.statistics.paired_difference`.
    """
    if reference not in methods:
        raise ValueError(f"reference must be one of {', '.join(methods)}, got '{reference}'")
    others = [name for name in methods if name != reference]
    pairs = [_paired(methods, name, reference, level, resamples, seed) for name in others]
    adjusted = holm(np.array([pair.p_value for pair in pairs]))
    return [
        Comparison(
            name, reference, pair, float(p), win_tie_loss(_differences(methods, name, reference), lower_is_better)
        )
        for name, pair, p in zip(others, pairs, adjusted, strict=True)
    ]


def best_of(methods: Methods, names: Iterable[str] | None = None, lower_is_better: bool = True) -> str:
    """The name with the best mean over patients, the first of a tie.

    Only patients that every one of the methods has enter the means: a method is not best for having skipped a hard one.

    Raises:
        ValueError: a name is no method, or no patient is common to all.
    """
    return _ranked(methods, names, lower_is_better)[0]


def distinguishable_best(
    methods: Methods,
    names: Iterable[str] | None = None,
    lower_is_better: bool = True,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Best:
    """The best method, and whether the data tell it from the runner-up.

    Args:
        methods, names, lower_is_better: as in :func:`best_of`.
        level, resamples, seed: as in :func:`spectralcal.statistics.bootstrap_mean`.

    Raises:
        ValueError: as :func:`best_of`.
    """
    first, *rest = _ranked(methods, names, lower_is_better)
    if not rest:
        return Best(first, None, None, float("nan"), False, False)
    compared = {name: methods[name] for name in (first, *rest)}
    return lead(compared, first, rest[0], lower_is_better, level, resamples, seed)


def lead(
    methods: Methods,
    best: str,
    runner_up: str,
    lower_is_better: bool = True,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Best:
    """Whether the data tell ``best`` from ``runner_up``, two that were picked among ``methods``.

    The paired bootstrap says by how much they differ, the Wilcoxon test asks whether at all, and both must agree. Both
    pay for the picking among the k methods that the best is compared with: the interval has Bonferroni's level
    1 - (1 - level) / k, as in the claims ledger, and p-values have Holm's adjustment.

    Args:
        methods: name -> (values, groups) of everything that was compared.
        best, runner_up: two of the names.
        lower_is_better: True for errors and distances, False for Dice.
        level: of all comparisons with the best together.
        resamples, seed: as in :func:`spectralcal.statistics.bootstrap_mean`.

    Raises:
        ValueError: the names are not two of the methods; as :func:`spectralcal.statistics.paired_difference`.
    """
    if best == runner_up or not {best, runner_up} <= set(methods):
        raise ValueError(f"expected two names out of {', '.join(methods)}, got '{best}' and '{runner_up}'")
    others = [name for name in methods if name != best]
    adjusted = holm(np.array([wilcoxon_p(_differences(methods, best, name)) for name in others]))
    p = float(adjusted[others.index(runner_up)])
    difference = _paired(methods, best, runner_up, 1 - (1 - level) / len(others), resamples, seed)
    interval = difference.interval
    too_small = interval.groups < fewest_to_rank(len(methods), level)
    excluded = interval.high < 0 if lower_is_better else interval.low > 0
    return Best(best, runner_up, difference, p, too_small, bool(excluded and p < 1 - level and not too_small))


def _ranked(methods: Methods, names: Iterable[str] | None, lower_is_better: bool) -> list[str]:
    names = list(methods) if names is None else list(names)
    if not names or (unknown := [name for name in names if name not in methods]):
        raise ValueError(f"expected names out of {', '.join(methods)}, got {names if not names else unknown}")
    means = {name: dict(zip(*group_means(*methods[name]), strict=True)) for name in names}
    shared = set.intersection(*(set(m) for m in means.values()))
    if not shared:
        raise ValueError(f"expected a patient with a value of each of {', '.join(names)}, got none")
    sign = 1 if lower_is_better else -1
    return sorted(names, key=lambda name: sign * float(np.mean([means[name][g] for g in sorted(shared)])))


def _paired(methods: Methods, a: str, b: str, level: float, resamples: int, seed: int) -> PairedDifference:
    (x, groups_x), (y, groups_y) = methods[a], methods[b]
    return paired_difference(x, y, groups_x, groups_y, level=level, resamples=resamples, seed=seed)


def _differences(methods: Methods, a: str, b: str) -> np.ndarray:
    (labels_a, means_a), (labels_b, means_b) = group_means(*methods[a]), group_means(*methods[b])
    _, i, j = np.intersect1d(labels_a, labels_b, assume_unique=True, return_indices=True)
    return means_a[i] - means_b[j]
