"""Which part of an experiment a figure shows, and the sentences that every caption needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.base.errors import ConfigError, ResultError, choices
from spectralcal.report.results import Results
from spectralcal.study.grid import Cell

if TYPE_CHECKING:
    from spectralcal.metrics.curve import CurveHistogram

ARCHITECTURES = {
    "unet": "U-Net", "nnunet": "nnU-Net", "swin_unetr": "Swin UNETR", "unetpp": "UNet++",
    "attention_unet": "Attention U-Net", "transunet": "TransUNet",
}  # fmt: skip


def pick(results: Results, experiment: str, kind: str, name: str) -> str:
    """The data set or architecture of that name, or the experiment's first if the name is empty.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        kind: ``"datasets"`` or ``"architectures"``.
        name: the figure's option.

    Raises:
        ConfigError: the experiment does not have it.
    """
    valid = getattr(results.config.experiments[experiment], kind)
    if name and name not in valid:
        raise ConfigError(f"experiments.{experiment}.{kind}: '{name}' is not in it; expected {choices(valid)}")
    return name or valid[0]


def chosen_cells(results: Results, experiment: str, dataset: str, architecture: str) -> dict[str, list[Cell]]:
    """Cells by method, in the order of figures, one per seed."""
    cells = [c for c in results.cells(experiment) if (c.dataset, c.architecture) == (dataset, architecture)]
    return {method: [c for c in cells if c.method == method] for method in results.ordered_methods(experiment)}


def patients_of(results: Results, experiment: str, dataset: str) -> dict[str, str]:
    """Patient of each case."""
    scores = results.scores(experiment)
    chosen = scores[scores.dataset == dataset][["case", "patient"]].drop_duplicates()
    return dict(zip(chosen.case, chosen.patient, strict=True))


def region_of(results: Results, cell: Cell, region: str) -> CurveHistogram | None:
    """Curve of a cell in a region, pooled over cases; None if the cell has no results.

    Raises:
        ResultError: the region was not scored.
    """
    histograms = results.calibration(cell)
    if histograms is None:
        return None
    if region not in histograms:
        raise ResultError(
            f"{cell}: expected voxels of region '{region}', found {choices(histograms)}; evaluate the cell again"
        )
    return histograms[region]


def chosen_datasets(results: Results, experiment: str, dataset: str) -> list[str]:
    """The data set of that name, or all of the experiment if the name is empty.

    Raises:
        ConfigError: the experiment does not have it.
    """
    every = list(results.config.experiments[experiment].datasets)
    return [pick(results, experiment, "datasets", dataset)] if dataset else every


def each_region(
    results: Results, experiment: str, datasets: Sequence[str], architecture: str, regions: Iterable[str]
) -> Iterator[tuple[dict[str, Any], CurveHistogram | None]]:
    """Every region of every cell: the columns that say which it is, and its curve; None for a cell without results.

    Raises:
        ResultError: a region was not scored.
    """
    for dataset in datasets:
        for method, cells in chosen_cells(results, experiment, dataset, architecture).items():
            for cell, region in itertools.product(cells, regions):
                identity = {"dataset": dataset, "architecture": architecture, "region": region, "method": method,
                            "label": results.label(method), "seed": cell.seed}  # fmt: skip
                yield identity, region_of(results, cell, region)


def in_order(cases: Sequence[str], names: np.ndarray, where: str) -> np.ndarray:
    """Positions in `names` of the cases, so that arrays of several cells are compared case by case.

    Args:
        cases: names in the wanted order.
        names: names of another cell's cases, in its own order.
        where: names that cell in the message.

    Raises:
        ResultError: the cell has other cases.
    """
    position = {str(name): index for index, name in enumerate(names)}
    if set(position) != set(cases):
        other = sorted(set(position) ^ set(cases))[0]
        raise ResultError(
            f"{where}: expected the same {len(cases)} test cases in every cell, found {len(names)} and a difference in "
            f"'{other}'; evaluate that cell again"
        )
    return np.array([position[case] for case in cases], dtype=int)


def counted(number: int, noun: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def opening(results: Results, experiment: str, datasets: Sequence[str], architecture: str) -> str:
    """First sentence of a caption: study, experiment, data sets, architecture, seeds."""
    seeds = results.config.experiments[experiment].seeds
    named = ", ".join(map(results.title, datasets))
    network = ARCHITECTURES.get(architecture, architecture)
    listed = ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
    said = f"Study {results.config.study}, experiment {experiment}: {named}, {network}, {listed}."
    return f"{said} {results.tested}".rstrip()


def missing_note(labels: Sequence[str]) -> str:
    """Sentence about methods without results, empty if there are none."""
    return f" Without results: {', '.join(labels)}." if labels else ""
