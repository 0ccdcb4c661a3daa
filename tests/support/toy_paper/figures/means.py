"""The toy's only figure."""

from __future__ import annotations

from spectralcal.report.columns import CALIBRATION
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.results import Results
from spectralcal.report.style import ONE_COLUMN, size
from spectralcal.report.summary import summarize

TITLE = "Calibration error of the toy"
NEEDS = ()


def means(results: Results, experiment: str) -> Drawn:
    """A dot for each method."""
    import matplotlib.pyplot as plt

    frame = summarize(results, experiment, CALIBRATION[:1], results.protocol)
    found = results.style.looks(list(frame.method))
    figure, axes = plt.subplots(figsize=size(ONE_COLUMN, 40.0), layout="constrained")
    for row, (method, mean) in enumerate(zip(frame.method, frame["mean"], strict=True)):
        axes.plot(mean, row, marker=found[method].marker, color=found[method].color)
    axes.set_yticks(range(len(frame)), list(frame.label))
    return Drawn(figure, frame.assign(color=[found[method].color for method in frame.method]), f"{TITLE}.")


FIGURE = means
