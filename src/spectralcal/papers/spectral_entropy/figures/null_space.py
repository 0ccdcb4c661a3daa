"""A perfectly calibrated prediction with any spectral entropy: noise that all logits share.

The softmax ignores what is added to all classes of a voxel, and the maximum logit does not. The map that the paper's
Eq. 1 takes can therefore reach every entropy between its own and the largest without a change of any probability
(docs/ambiguities.md, M1). A construction: it reads no results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import legend_below, panel_title, place, reference_line
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.spectrum import band_power, equal_bands, spectral_entropy
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, INK, TWO_COLUMNS, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Noise that the softmax does not see"
NEEDS = ()
#: it shows no study: the same drawing for every study and experiment
CONSTRUCTED = True
#: standard deviations of the shared noise, in logits
STRENGTHS = (0.0, *(float(value) for value in np.geomspace(0.01, 10, 13)))
#: the one that is shown as an image
SHOWN = 1.0
MAPS = {
    "max_logit": ("maximum logit", "#D55E00", "-"),
    "max_prob": ("maximum probability", "#0072B2", (0, (3, 1.3))),
    "margin": ("margin of the top two logits", "#009E73", (0, (1, 1.2))),
}
NOISES = {"white": "white noise", "equal bands": "same power in each band"}
#: edges in mm
IMAGE, HEIGHT = 37.0, 63.0
#: logits of impossible classes: the phantom's posterior has exact zeros
SMALLEST = 1e-4


def null_space(results: Results, experiment: str, *, side: int = 32, bands: int = 5, seed: int = 0) -> Drawn:
    """Spectral entropy of three confidence maps of one phantom while noise is added to all its logits alike.

    Args:
        results: unused; figures share one form.
        experiment: unused.
        side: edge of the phantom in voxels.
        bands: shells K.
        seed: of the noise.
    """
    probabilities, reference = truth(side)
    table = frame(probabilities, bands, seed)
    views = images(probabilities, reference, bands, seed)
    largest = table.probability_change.max()
    reached = table[table["map"] == "max_logit"].entropy
    caption = (
        f"Construction, no trained network: logits are the logarithm of a phantom's true posterior ({side}³ voxels; "
        f"zeros raised to {SMALLEST:g}), so the softmax is calibrated. Noise is added to the logits of all classes of "
        f"a voxel alike. (a) and (b) Maximum logit without noise and with equal-band noise of standard deviation "
        f"{SHOWN:g}. (c) Maximum probability, before and after alike. (d) Entropy of the powers in {bands} bands over "
        f"the noise's standard deviation: that of the maximum logit goes from {reached.min():.2f} to "
        f"{reached.max():.2f} nats, of log {bands} = {np.log(bands):.2f} possible; no probability changes by more than "
        f"{largest:.0e} (rounding), so neither do Dice nor any calibration error."
    )
    return Drawn(draw(table, views, bands), table, caption)


def truth(side: int) -> tuple[np.ndarray, np.ndarray]:
    """True class probabilities (C, *S) float64, without exact zeros, and one draw from them (*S)."""
    from spectralcal.datasets.phantom import Phantom

    phantom = Phantom(cases=1, shape=(side, side, side), anisotropic_share=0.0)
    volume = phantom.load(next(iter(phantom.cases("."))))
    posterior = np.maximum(volume.posterior.astype(np.float64), SMALLEST)
    return posterior / posterior.sum(0), volume.label


def confidence(logits: np.ndarray) -> dict[str, np.ndarray]:
    """The maps of :data:`MAPS` from logits (C, *S), and ``probabilities`` (C, *S)."""
    ranked = np.sort(logits, axis=0)
    shares = np.exp(logits - ranked[-1])
    shares /= shares.sum(0)
    return {
        "max_logit": ranked[-1],
        "max_prob": shares.max(0),
        "margin": ranked[-1] - ranked[-2],
        "probabilities": shares,
    }


def shared_noise(kind: str, shape: tuple[int, ...], bands: int, seed: int) -> np.ndarray:
    """A field (*S) of mean 0 and standard deviation 1."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    noise = equal_bands(noise, bands) if kind == "equal bands" else noise - noise.mean()
    return noise / noise.std()


def frame(probabilities: np.ndarray, bands: int = 5, seed: int = 0) -> pd.DataFrame:
    """Entropies by noise, strength and map.

    Args:
        probabilities: (C, *S), positive.
        bands: shells K.
        seed: of the noise.

    Returns:
        noise, noise_sd (logits), map, entropy (nats), band_1 ... band_K (shares of power), probability_change (largest
        of all voxels and classes).
    """
    logits, rows = np.log(probabilities), []
    for kind in NOISES:
        noise = shared_noise(kind, probabilities.shape[1:], bands, seed)
        for strength in STRENGTHS:
            changed = confidence(logits + strength * noise)
            change = np.abs(changed["probabilities"] - probabilities).max()
            for name in MAPS:
                power = band_power(changed[name], bands)
                shares = {f"band_{band + 1}": share for band, share in enumerate(power / power.sum())}
                entropy = spectral_entropy(power)
                rows.append(
                    {"noise": kind, "noise_sd": strength, "map": name, "entropy": entropy, **shares,
                     "probability_change": change}
                )  # fmt: skip
    return pd.DataFrame(rows)


def images(probabilities: np.ndarray, reference: np.ndarray, bands: int, seed: int) -> dict[str, np.ndarray]:
    """The slice with most foreground of the maximum logit, the same with noise, and the maximum probability."""
    index = int((reference > 0).sum((0, 1)).argmax())
    noise = shared_noise("equal bands", probabilities.shape[1:], bands, seed)
    before, after = (confidence(np.log(probabilities) + strength * noise) for strength in (0.0, SHOWN))
    chosen = {
        "maximum logit": before["max_logit"],
        "the same with noise": after["max_logit"],
        "maximum probability": after["max_prob"],
    }
    return {name: field[..., index].T for name, field in chosen.items()}


def draw(table: pd.DataFrame, views: dict[str, np.ndarray], bands: int = 5) -> Figure:
    """Three slices and the curves beside them."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure = plt.figure(figsize=size(TWO_COLUMNS, HEIGHT))
    for column, (name, image) in enumerate(views.items()):
        left = 2.0 + column * (IMAGE + 4.0)
        axes = place(figure, left, 6.0, IMAGE, IMAGE)
        panel_title(axes, "abc"[column], name)
        shown = axes.imshow(image, cmap="gray", origin="lower")
        axes.set_xticks([])
        axes.set_yticks([])
        bar = place(figure, left, 8.0 + IMAGE, IMAGE, 2.0)
        figure.colorbar(shown, cax=bar, orientation="horizontal").locator = MaxNLocator(3)
    left = 2.0 + 3 * (IMAGE + 4.0) + 6.0
    _curves(place(figure, left, 6.0, TWO_COLUMNS - left - 3.0, IMAGE), table, bands)
    return figure


def _curves(axes: Axes, table: pd.DataFrame, bands: int) -> None:
    from matplotlib.ticker import MultipleLocator

    panel_title(axes, "d", "spectral entropy (nats)")
    for name, (label, color, dashes) in MAPS.items():
        for kind in NOISES:
            rows = table[(table["map"] == name) & (table.noise == kind)]
            flat = kind == "equal bands"
            if name != "max_logit" and flat:
                continue  # the same line again
            text = f"{label}, {NOISES[kind]}" if name == "max_logit" else f"{label}, either"
            style = {"linestyle": dashes, "linewidth": 1.8 if flat else 1.0, "color": color}
            axes.plot(rows.noise_sd, rows.entropy, label=text, **style)
    reference_line(axes, float(np.log(bands)))
    axes.annotate(
        f"log {bands}", (1, np.log(bands)), xycoords=("axes fraction", "data"), xytext=(0, 1.5),
        textcoords="offset points", ha="right", va="bottom", color=INK,
    )  # fmt: skip
    axes.set_xscale("symlog", linthresh=0.01, linscale=0.4)
    axes.set_xlim(0, max(STRENGTHS))
    axes.set_ylim(0, np.log(bands) * 1.12)
    axes.yaxis.set_major_locator(MultipleLocator(0.5))
    ticks = [0, 0.01, 0.1, 1, 10]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("noise, standard deviation (logits)")
    axes.grid(axis="y", color=FAINT, alpha=0.2, linewidth=0.5)
    legend_below(axes.figure, axes.lines[:-1])


FIGURE = null_space
