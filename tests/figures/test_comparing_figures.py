"""Figures that compare methods: readable on small and on full grids, and with nothing in them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from known_scores import known_study, noisy
from tidy import assert_tidy

from spectralcal.base import registry
from spectralcal.report.style import TWO_COLUMNS

FIGURES = ("figure4", "figure5", "figure6", "figure7", "critical_difference", "pareto")
PAPER = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")
SIX = ("brats2020", "iseg2017", "flare2021", "acdc", "atlas2023", "promise12")
LONG = ("ce", "ce+temperature", "ce+classwise_temperature", "nacl", "mace", "scc", "spectral",
        "spectral@confidence=max_prob", "spectral@confidence=margin")  # fmt: skip


#: whose tables, figures and claims are among those that are tested
OF_PAPER = "spectral_entropy"


def drawn(results, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = registry.load("figures", name, OF_PAPER)(results, "main")
        made.drawing.canvas.draw()
    return made


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The paper's grid, with an unfinished method."""
    return known_study(
        tmp_path_factory.mktemp("full"),
        lambda cell, *a: None if cell.method == "svls" and cell.dataset in SIX[3:] else noisy(cell, *a),
        datasets=SIX, methods=PAPER, cases={name: 12 if name != "iseg2017" else 2 for name in SIX},
    )  # fmt: skip


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A sweep of more methods than a legend of usual height holds."""
    sweep = (f"spectral@confidence=max_log_prob,weight={weight / 100}" for weight in range(2, 16))
    return known_study(tmp_path_factory.mktemp("many"), noisy, methods=("ce", "spectral", *sweep))


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    return known_study(tmp_path_factory.mktemp("long"), noisy, methods=LONG)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("grid", ["full", "long_names"])
def test_grids_of_every_size_are_tidy_and_fit_the_page(request, grid, name):
    made = drawn(request.getfixturevalue(grid), name)
    assert_tidy(made.drawing)
    width, height = made.drawing.get_size_inches() * 25.4
    assert width <= TWO_COLUMNS + 1e-6
    assert height <= 230


@pytest.mark.parametrize("name", ["pareto", "critical_difference"])
def test_a_long_legend_makes_the_page_longer_and_leaves_the_panels_free(many, name):
    made = drawn(many, name)
    assert_tidy(made.drawing)
    assert made.drawing.get_size_inches()[1] * 25.4 <= 230


@pytest.mark.parametrize("name", FIGURES)
def test_caption_counts_cases_of_every_data_set(full, name):
    caption = drawn(full, name).caption
    assert caption.startswith("Study known, experiment main: BraTS")
    assert "iSeg-2017 2 test cases of 2 patients" in caption or "iSeg2017 2 test cases of 2 patients" in caption
    assert "12 test cases of 12 patients" in caption


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_at_all_is_a_figure_of_holes(tmp_path, name):
    results = known_study(tmp_path, lambda *_: None, methods=("ce", "focal", "spectral"))
    made = drawn(results, name)
    assert (made.frame.status == "missing").all()
    assert "Without results: CE" in made.caption


@pytest.mark.parametrize("name", FIGURES)
def test_values_that_are_all_undefined_are_marked(tmp_path, name):
    def value(cell, metric, index):
        return np.nan if metric == "ECE" else noisy(cell, metric, index)

    made = drawn(known_study(tmp_path, value, methods=("ce", "focal", "spectral"), status="undefined"), name)
    said = "With missing seeds, data sets or metrics: CE", "Without a value in any case: CE"
    assert any(text in made.caption for text in said)


@pytest.mark.parametrize("name", FIGURES)
def test_one_patient_has_no_interval_and_no_crash(tmp_path, name):
    made = drawn(known_study(tmp_path, noisy, methods=("ce", "focal", "spectral"), cases=1), name)
    assert "1 test case of 1 patient" in made.caption
