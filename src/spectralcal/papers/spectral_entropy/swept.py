"""Cells of the paper's Tables 3 and 4, whose rows are settings of the spectral loss and not methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spectralcal.report.printed import Lookup, PaperValue, paper_values
from spectralcal.report.results import Results
from spectralcal.study.methods import loss_options, method_of

FOLDER = Path(__file__).parent
#: option of the spectral loss -> (its name in Table 4, the value that the paper keeps while it varies another)
SWEPT: dict[str, tuple[str, float]] = {"weight": ("lambda", 0.01), "window": ("W", 50), "bands": ("K", 5)}


def by_term(results: Results) -> Lookup:
    """Cells of Table 3: cross-entropy, and the spectral loss with the paper's settings, with and without a window."""

    def row(method: str) -> str | None:
        settings = _spectral_settings(results, method)
        if settings in ((0.01, 50, 5), (0.01, 1, 5)):
            return "L_CE + L_Spectral" + (" w/o W" if settings[1] == 1 else "")
        return "L_CE" if results.paper_name(method) == "CE" else None

    return lambda dataset, metric, method: paper_values(FOLDER, "table3").get((dataset, metric, row(method)))


def by_value(results: Results, option: str | None) -> Lookup:
    """Cells of the block of Table 4 that varies `option`; a method matches if the other options are the paper's."""
    if option not in SWEPT:
        return lambda dataset, metric, method: None
    others = [key for key in SWEPT if key != option]
    symbol = SWEPT[option][0]
    cells = {
        (dataset, metric, float(name.partition("=")[2])): printed
        for (dataset, metric, name), printed in paper_values(FOLDER, "table4").items()
        if name.partition("=")[0] == symbol
    }

    def find(dataset: str, metric: str, method: str) -> PaperValue | None:
        settings = _spectral_settings(results, method)
        if settings is None:
            return None
        value = dict(zip(SWEPT, settings, strict=True))
        same = all(value[key] == SWEPT[key][1] for key in others)
        return cells.get((dataset, metric, float(value[option]))) if same else None

    return find


def _spectral_settings(results: Results, method: str) -> tuple[Any, ...] | None:
    """Weight, window and bands of the spectral loss; None for other losses and for variants of its other options."""
    parsed = method_of(results.config, method)
    if parsed.loss != "spectral" or not parsed.is_trained or not {key for key, _ in parsed.options} <= set(SWEPT):
        return None
    options = loss_options(results.config, method)
    return tuple(options[key] for key in SWEPT)
