"""Distances in px beside distances in mm: headings, captions and tidy numbers say which are which."""

import pandas as pd
import pytest
from claims_study import write_study

from spectralcal.datasets import DataFacts
from spectralcal.papers.spectral_entropy.tables.table1 import table1
from spectralcal.papers.spectral_entropy.tables.table3 import table3
from spectralcal.preparation.facts import write_facts
from spectralcal.report.results import Results

BOTH = ("acdc", "promise12")


@pytest.fixture
def results(tmp_path):
    return write_study(tmp_path, datasets=BOTH, patients=6).results


def in_pixels(results, *names):
    for name in names:
        place = results.paths.shared_facts(name)
        write_facts(DataFacts(("organ",), 2, "px", ("grey",)), place.parent).replace(place)
    return Results(results.config)


def units(frame, metric):
    rows = frame[frame.metric == metric]
    return dict(zip(rows.dataset, rows.unit, strict=False))


def test_without_facts_distances_are_in_mm(results):
    made = table1(results, "main")
    assert "HD95 ↓ (mm)" in made.markdown
    assert "px" not in made.markdown + made.latex
    assert units(made.frame, "ASD") == {"acdc": "mm", "promise12": "mm"}


def test_all_in_pixels(results):
    made = table1(in_pixels(results, *BOTH), "main")
    assert "HD95 ↓ (px)" in made.markdown
    assert "mm" not in made.markdown
    assert "Distances are in" not in made.markdown
    assert units(made.frame, "HD95") == {"acdc": "px", "promise12": "px"}


def test_both_units_in_one_table(results):
    before = table1(results, "main")
    made = table1(in_pixels(results, "promise12"), "main")
    for text in (made.markdown, made.latex):
        assert "(mm or px)" in text
        assert "Distances are in mm on ACDC and in px on PROMISE12." in text
    assert "DSC ↑ (%)" in made.markdown
    assert units(made.frame, "HD95") == {"acdc": "mm", "promise12": "px"}
    assert units(made.frame, "DSC") == {"acdc": "%", "promise12": "%"}
    pd.testing.assert_frame_equal(made.frame.drop(columns="unit"), before.frame.drop(columns="unit"))


def test_a_column_of_one_data_set_has_its_own_unit(results):
    made = table3(in_pixels(results, "promise12"), "main")
    pages = {page.split(" |")[0].strip("| "): page for page in made.markdown.split("\n\n") if page.startswith("| ")}
    assert "HD95 ↓ (mm)" in pages["ACDC"]
    assert "HD95 ↓ (px)" in pages["PROMISE12"]
    assert "mm" not in pages["PROMISE12"]
