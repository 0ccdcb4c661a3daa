"""Panels of the reliability diagram keep their square form, so the page makes room for a legend of several lines."""

import pytest

from spectralcal.report.figures.reliability import reliability

LONG = tuple(f"spectral@confidence=max_prob,weight={weight}.0" for weight in range(2, 9))


@pytest.mark.parametrize("methods", [("ce", "focal"), ("ce", *LONG)], ids=["one line", "several"])
def test_the_legend_lies_on_no_panel(study, methods):
    figure = reliability(study(methods=methods, seeds=(0,)), "main").drawing
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert legend.y0 >= 0
    assert all(legend.y1 <= axes.get_tightbbox().y0 + 1 for axes in figure.axes)  # a pixel of rounding
