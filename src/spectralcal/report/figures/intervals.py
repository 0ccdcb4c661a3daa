"""Captions on intervals: what they cover, what they leave undecided, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from spectralcal.statistics import FEWEST_SEEDS


def over_what(seeds: Iterable[int]) -> str:
    """``over seeds and patients``, for a sentence that begins with "95 % intervals".

    Args:
        seeds: numbers of seeds of the methods that are shown; 0 for one without results.
    """
    numbers = {int(number) for number in seeds if pd.notna(number) and number > 0}
    if numbers == {1}:
        return "over patients alone (one seed says nothing about another training)"
    return "over seeds and patients" + (" (over patients alone where there is one seed)" if 1 in numbers else "")


def undecided(shortages: Mapping[str, str], said: str) -> str:
    """Sentence on what is too small to mark anything; empty where nothing is.

    Args:
        shortages: printed name of a data set -> :attr:`spectralcal.statistics.Crossed.shortage`.
        said: what the figure does not do, such as "nothing is filled".
    """
    short = {name: reason for name, reason in shortages.items() if reason}
    short = {name: f"one seed, fewer than {FEWEST_SEEDS}" if why == "one seed" else why for name, why in short.items()}
    if not short:
        return ""
    if len(short) == len(shortages) and len(set(short.values())) == 1:
        return f" {said}: {next(iter(short.values()))}."
    return f" {said} on {', '.join(f'{name} ({reason})' for name, reason in short.items())}."


def detectable_sentence(by_metric: Mapping[str, tuple[Iterable[float], str]]) -> str:
    """Sentence on the differences that a study could have detected; empty where none is known (one seed).

    Args:
        by_metric: metric -> (values of :attr:`spectralcal.statistics.Crossed.detectable`, unit).
    """
    said = []
    for metric, (values, unit) in by_metric.items():
        known = sorted({f"{value:.2g}" for value in values if np.isfinite(value)}, key=float)
        if known:
            said.append(f"{metric} {' to '.join(dict.fromkeys((known[0], known[-1])))} {unit}".strip())
    return f" Smallest detectable difference (power 80 %): {', '.join(said)}." if said else ""
