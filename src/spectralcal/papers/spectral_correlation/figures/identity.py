"""Gradients of the printed term against those of squared Dice: on the diagonal; of other readings: off it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.claims.construction import (
    ROUNDING,
    TRANSFORMS,
    batch,
    by_transforms,
    squared_dice,
)
from spectralcal.report.figures.axes import panel_title
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The printed term is squared Dice: gradients pixel by pixel"
NEEDS = ()
#: it shows no study: the same numbers for every study and experiment
CONSTRUCTED = True
OTHERS = {"low third": {"band": "low"}, "middle third": {"band": "mid"}, "high third": {"band": "high"}}
#: pixels that are drawn
SHOWN = 600


def identity(results: Results, experiment: str) -> Drawn:
    """Gradients by the probabilities of one batch: as printed, by full transforms, and of thirds of the frequencies.

    Args:
        results: unused; figures share one form.
        experiment: unused.
    """
    table = frame()
    full = table[table.reading == next(iter(TRANSFORMS))]
    gap = (full.gradient - full.squared_dice).abs().max() / full.squared_dice.abs().max()
    agrees = "equal to rounding" if gap < ROUNDING else f"they differ by {gap:.1g} of the largest"
    caption = (
        "Construction, no trained network: discs with noisy probabilities. Gradient of the similarity at each pixel, "
        f"against that of squared Dice. (a) As printed, over all frequencies: {agrees}, so "
        "no pixel further away has any influence. (b) Over thirds of the radii of frequencies."
    )
    return Drawn(draw(table), table, caption)


def frame() -> pd.DataFrame:
    """Gradients of pixels that were drawn by a fixed seed: reading, squared_dice, gradient."""
    import torch

    from spectralcal.losses import SpectralCorrelationLoss

    p, y = batch()
    slope = squared_dice(p, y)[1].ravel()
    name = next(iter(TRANSFORMS))
    gradients = {name: by_transforms(p, y, *TRANSFORMS[name])[1]}
    for other, options in OTHERS.items():
        given = torch.tensor(p, requires_grad=True)
        SpectralCorrelationLoss(reduce="batch", eps=0.0, **options).similarity(given, torch.tensor(y)).backward()
        gradients[other] = given.grad.numpy()
    chosen = np.random.default_rng(0).choice(slope.size, SHOWN, replace=False)
    parts = [pd.DataFrame({"reading": reading, "squared_dice": slope[chosen], "gradient": values.ravel()[chosen]})
             for reading, values in gradients.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def draw(table: pd.DataFrame) -> Figure:
    """As printed to the left, thirds to the right."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=size(0.85 * TWO_COLUMNS, 76), layout="constrained", sharex=True)
    scale = 1e4
    readings = list(dict.fromkeys(table.reading))
    for axes, names in ((left, readings[:1]), (right, readings[1:])):
        for reading, color in zip(names, ("#D55E00", "#0072B2", "#009E73"), strict=False):
            rows = table[table.reading == reading]
            axes.plot(scale * rows.squared_dice, scale * rows.gradient, ".", color=color, markersize=2.5, alpha=0.7,
                      label=reading)  # fmt: skip
        ends = scale * np.array([table.squared_dice.min(), table.squared_dice.max()])
        axes.plot(ends, ends, color=FAINT, linewidth=0.8, linestyle="--", zorder=1)
        axes.set(xlabel="gradient of squared Dice, ×10⁻⁴", ylabel="gradient of the term, ×10⁻⁴", box_aspect=1)
        axes.grid(color=GRID, linewidth=0.5)
    right.legend(loc="upper left", markerscale=3)
    panel_title(left, "a", "all frequencies, as printed")
    panel_title(right, "b", "thirds of the frequencies")
    return figure


FIGURE = identity
