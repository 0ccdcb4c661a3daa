"""Two-way analysis of variance of tables of seeds and patients, many tables at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class TwoWay(NamedTuple):
    """Means of tables over seeds and patients, both random; arrays of the tables' leading axes.

    Attributes:
        estimate: mean of the table; nan without a patient.
        se: its standard error; nan with fewer than two patients.
        df: degrees of freedom of `se`, at least 1; nan where there is no `se`.
        patients: how many entered.
    """

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    patients: np.ndarray


def two_way(table: np.ndarray, between: float | None = None, between_df: float | None = None) -> TwoWay:
    """Mean and its standard error; see :func:`spectralcal.statistics.crossed.crossed` for the formulas.

    Args:
        table: (..., S, P) numbers; a patient who has no value (nan) under some seed of a table does not enter it.
        between, between_df: mean square of seeds and its degrees of freedom, if they are not the tables' own.
    """
    seeds, there = table.shape[-2], np.isfinite(table).all(-2)
    people = there.sum(-1)
    total = np.where(there[..., None, :], table, 0.0).sum((-2, -1))
    estimate = _over(total, seeds * people)
    own, among, rest = mean_squares(table)
    squares = own if between is None else np.full(people.shape, float(between))
    df_seeds = (seeds - 1.0 if between_df is None else between_df) or 1.0  # with one seed its square is 0
    extra = np.maximum(among - rest, 0.0)
    variance = squares + extra
    spread = squares**2 / df_seeds + _over(extra**2, people - 1)
    df = np.where(spread > 0, np.maximum(_over(variance**2, spread), 1.0), people - 1.0)
    enough = people > 1
    return TwoWay(estimate, np.sqrt(_over(variance, seeds * people)), np.where(enough, df, np.nan), people)


def mean_squares(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares of seeds, of patients and of the rest of (..., S, P) tables.

    Patients without a value under some seed do not enter. With one seed there is nothing between seeds, and no rest:
    both are 0. With fewer than two patients all three are nan.
    """
    seeds, there = table.shape[-2], np.isfinite(table).all(-2)
    people = there.sum(-1)
    known = np.where(there[..., None, :], table, 0.0)
    by_seed = _over(known.sum(-1), people[..., None])
    by_patient = known.mean(-2) if seeds else np.zeros(there.shape)
    mean = by_seed.mean(-1, keepdims=True) if seeds else np.full((*people.shape, 1), np.nan)
    free, repeats = np.where(people > 1, people - 1.0, np.nan), max(seeds - 1, 1)
    residual = known - by_seed[..., None] - by_patient[..., None, :] + mean[..., None]
    between = people * np.square(by_seed - mean).sum(-1) / repeats
    among = seeds * np.where(there, np.square(by_patient - mean), 0.0).sum(-1) / free
    rest = np.where(there[..., None, :], np.square(residual), 0.0).sum((-2, -1)) / (repeats * free)
    return between + 0 * free, among, rest


def _over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient; nan where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)
