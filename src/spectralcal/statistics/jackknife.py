"""Standard errors of statistics with steps, such as ranks: leave out one seed at a time, then one patient at a time.

A rank does not change with its mean until it jumps, so it has no linear part (:mod:`spectralcal.statistics.influence`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spectralcal.statistics.crossed import LEVEL, Crossed, finished


def jackknifed(
    statistic: Callable[[Sequence[np.ndarray]], float], tables: Sequence[np.ndarray], *, level: float = LEVEL
) -> Crossed:
    """Interval of a statistic of several tables of seeds and patients, all independent of each other.

    The variance is that of the means of pseudo-values of seeds plus that of patients, for each table; what is neither a
    seed's nor a patient's enters both, so that the interval is rather too wide. Degrees of freedom are Satterthwaite's.

    Args:
        statistic: of the tables, and of tables that lack a seed or a patient -> a number.
        tables: (*rest, S, P) each.
        level: coverage that the interval aims at.

    Returns:
        Seeds and patients are the fewest of a table; a table with one seed has the variance of its patients alone.

    Source: Efron and Stein, Annals of Statistics 9:586-596, 1981.
    """
    tables = list(tables)
    value = float(statistic(tables))
    variances, freedom = [], []
    for index, table in enumerate(tables):
        for axis in (-2, -1):
            count = table.shape[axis]
            if count < 2:
                continue
            without = [np.delete(table, one, axis) for one in range(count)]
            left = [statistic([*tables[:index], one, *tables[index + 1 :]]) for one in without]
            variances.append((count - 1) ** 2 * float(np.var(left, ddof=1)) / count)
            freedom.append(count - 1)
    total = sum(variances)
    spread = sum(variance**2 / df for variance, df in zip(variances, freedom, strict=True))
    df = max(total**2 / spread, 1.0) if spread > 0 else float(min(freedom, default=1))
    seeds, patients = (min(table.shape[axis] for table in tables) for axis in (-2, -1))
    se = float(np.sqrt(total)) if patients > 1 else float("nan")
    return finished(value, se, df, level, seeds, patients)
