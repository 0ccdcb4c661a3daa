"""Ranks of methods over data sets and metrics, and what becomes of them when the patients are drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spectralcal.report.figures.case_scores import CaseScores
from spectralcal.statistics import ranks
from spectralcal.statistics.weighted import interval, patient_draws


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks over blocks, a block being a data set and a metric.

    Attributes:
        ranks: (blocks, methods), 1 is best, ties share their average; NaN for a hole.
        compared: (methods,) have a mean in some block; the others are no competitors.
        counted: (blocks,) hold every compared method; only these enter what follows.
        mean: (methods,) mean rank over the counted blocks; NaN without any.
        low, high: (methods,) its 95 % percentile interval over resampled patients.
        places: (methods, methods) share of samples in which a method (row) has place 1, 2, ... (column) by mean rank;
            methods with equal mean ranks share the places that they occupy.
    """

    ranks: np.ndarray
    compared: np.ndarray
    counted: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    places: np.ndarray


def rank_blocks(blocks: Sequence[CaseScores], draws: int = 2000) -> Ranking:
    """Rank methods in every block by their means as tables print them, and over all blocks by the mean rank.

    A block in which a compared method has no result would give the others better ranks than they earned, so it does
    not count. In every sample the patients of each data set are drawn again, the same for all metrics and methods.

    Args:
        blocks: with the same methods in the same order.
        draws: bootstrap samples.
    """
    means = np.stack([_printed(block.means, block) for block in blocks])  # (blocks, methods), lower is better
    compared = np.isfinite(means).any(0)
    counted = np.isfinite(means[:, compared]).all(1) & compared.any()
    methods = len(compared)
    mean, low, high = (np.full(methods, np.nan) for _ in range(3))
    places = np.full((methods, methods), np.nan)
    if counted.any() and compared.sum() > 1:
        mean[compared] = ranks(means[counted][:, compared]).mean(0)
        drawn = _drawn([block for block, counts in zip(blocks, counted, strict=True) if counts], compared, draws)
        low[compared], high[compared] = interval(drawn)
        places[np.ix_(compared, np.arange(methods) < compared.sum())] = place_shares(drawn)
    return Ranking(ranks(means), compared, counted, mean, low, high, places)


def place_shares(values: np.ndarray) -> np.ndarray:
    """(methods, methods) share of rows in which a method takes each place, 1 being the lowest of `values` (n, methods);
    equal values share their places."""
    values = np.round(values, 9)  # mean ranks are multiples of one half over the blocks
    before = (values[:, None, :] < values[:, :, None]).sum(2)  # (n, methods) that are strictly better
    equal = (values[:, None, :] == values[:, :, None]).sum(2)
    place = np.arange(values.shape[1])
    among = (place >= before[..., None]) & (place < (before + equal)[..., None])
    return (among / equal[..., None]).mean(0)


def _printed(means: np.ndarray, block: CaseScores) -> np.ndarray:
    """Means as tables print them, turned so that lower is better."""
    return np.round(-means if block.column.higher else means, block.column.decimals)


def _drawn(blocks: Sequence[CaseScores], compared: np.ndarray, draws: int) -> np.ndarray:
    """(draws, compared methods) mean ranks of resampled patients."""
    datasets = list(dict.fromkeys(block.dataset for block in blocks))
    total = np.zeros((draws, int(compared.sum())))
    for block in blocks:
        weights = patient_draws(block.patients, draws, seed=datasets.index(block.dataset))
        means = _printed(block.resampled(weights), block)[:, compared]
        # Without any value in a sample a method ranks behind all others there.
        total += ranks(np.where(np.isfinite(means), means, np.inf))
    return total / len(blocks)
