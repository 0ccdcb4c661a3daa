"""Units of distances: mm, but px for data sets without a pixel size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spectralcal.report.results import Results
from spectralcal.report.summary import Column


def in_units(results: Results, columns: Sequence[Column], datasets: Iterable[str]) -> tuple[Column, ...]:
    """The columns with the unit that their numbers have on these data sets, ``mm or px`` where they differ."""
    units = list(dict.fromkeys(results.unit(name) for name in datasets))
    if not units:
        return tuple(columns)
    return tuple(replace(column, unit=" or ".join(units)) if column.distance else column for column in columns)


def unit_sentence(results: Results, datasets: Iterable[str]) -> str:
    """Which data sets have which unit; empty where all have one."""
    titles: dict[str, list[str]] = {}
    for name in dict.fromkeys(datasets):
        titles.setdefault(results.unit(name), []).append(results.title(name))
    if len(titles) < 2:
        return ""
    said = " and ".join(f"in {unit} on {', '.join(names)}" for unit, names in titles.items())
    return f"Distances are {said}."
