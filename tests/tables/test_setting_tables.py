"""Tables 3 and 4: rows, blocks and where the paper's numbers belong."""

from __future__ import annotations

import pandas as pd
import pytest

from spectralcal.base.errors import ConfigError
from spectralcal.papers.spectral_entropy.swept import FOLDER
from spectralcal.papers.spectral_entropy.tables.table1 import table1
from spectralcal.papers.spectral_entropy.tables.table3 import table3
from spectralcal.papers.spectral_entropy.tables.table4 import swept_option, table4
from spectralcal.report.printed import paper_values
from spectralcal.report.results import Results
from spectralcal.study.config import parse_config, read_paper

WEIGHTS = ("spectral@weight=0.1", "spectral@weight=0.001", "spectral")
WINDOWS = ("spectral@window=10", "spectral")
BANDS = ("spectral@bands=3", "spectral", "spectral@bands=4")


@pytest.fixture
def brats(monkeypatch):
    monkeypatch.setitem(read_paper("spectral_entropy").datasets, "phantom", "BraTS2020")


@pytest.fixture
def flare(monkeypatch):
    monkeypatch.setitem(read_paper("spectral_entropy").datasets, "phantom", "FLARE2021")


def first_cells(markdown):
    return [line.split("|")[1].strip() for line in markdown.splitlines() if line.startswith("| ")]


def test_table3_keeps_the_order_of_the_study_and_prints_six_metrics(study, brats):
    table = table3(study(methods=("ce", "spectral@window=1", "spectral"), seeds=(0,)), "main")
    rows = [name for name in first_cells(table.markdown) if name not in ("Phantom", "---", "*95 % interval*")]
    assert rows == ["CE", "*paper*", "Spectral, no window", "*paper*", "Spectral", "*paper*"]
    assert list(dict.fromkeys(table.frame.metric)) == ["DSC", "HD95", "ASD", "ECE", "SCE", "TACE"]
    # Its fractions stand in the units of ours.
    assert "| *paper* | 86.9 | 2.27 | 0.40 | 9.1 | 10.7 | 42.7 |" in table.markdown
    assert "| *paper* | 87.0 | 2.25 | 0.39 | 6.5 | 7.8 | 31.5 |" in table.markdown
    assert "| *paper* | 87.2 | 2.23 | 0.37 | 1.5 | 0.8 | 20.2 |" in table.markdown


def test_numbers_of_table3_are_those_of_table1(study):
    results = study(methods=("ce", "spectral@window=1", "spectral"), seeds=(0, 1))
    keys = ["method", "metric"]
    both = table3(results, "main").frame.merge(table1(results, "main").frame, on=keys, suffixes=("", "_1"))
    assert len(both) == 9
    for name in ("mean", "sd_seeds", "low", "high"):
        pd.testing.assert_series_equal(both[name], both[f"{name}_1"], check_names=False)


@pytest.mark.parametrize("method", ["spectral@weight=0.1", "spectral@confidence=margin", "focal", "nacl"])
def test_what_the_papers_table3_lacks_has_no_number_of_it(study, brats, method):
    table = table3(study(methods=("ce", method), seeds=(0,)), "main")
    assert table.frame[table.frame.method == method].paper_value.isna().all()


def test_blocks_of_table4_are_ordered_by_value_and_titled_with_what_is_fixed(study):
    results = study(methods=WEIGHTS, further={"window": WINDOWS, "bands": BANDS}, seeds=(0,))
    table = table4(results, "main", experiments=["window", "bands"])
    rows = [name for name in first_cells(table.markdown) if name not in ("Phantom", "---", "*95 % interval*")]
    assert rows == [
        "**weight λ (W = 50, K = 5)**", "0.001", "0.01", "0.1",
        "**window W (λ = 0.01, K = 5)**", "10", "50",
        "**bands K (λ = 0.01, W = 50)**", "3", "4", "5",
    ]  # fmt: skip
    assert "experiments main, window, bands, protocol" in table.markdown
    assert "of a column within its block" in table.markdown
    default = table.frame[(table.frame.method == "spectral") & (table.frame.metric == "ECE")]
    assert len(default) == 3
    assert default["mean"].nunique() == 1
    assert list(default.setting) == ["0.01", "50", "5"]
    ranks = table.frame[table.frame.metric == "DSC"].groupby("experiment")["rank"].agg(list)
    assert all(min(found) == 1 for found in ranks)


def test_papers_table4_stands_beside_the_value_that_it_has(study, flare):
    results = study(methods=WEIGHTS, further={"window": WINDOWS, "bands": BANDS}, seeds=(0,))
    frame = table4(results, "main", experiments=("window", "bands")).frame
    printed = frame[frame.metric == "ECE"].set_index(["experiment", "setting"]).paper_value
    assert printed["main", "0.001"] == pytest.approx(2.8)
    assert printed["main", "0.1"] == pytest.approx(0.8)
    assert printed["window", "10"] == pytest.approx(1.4)
    assert printed["bands", "3"] == pytest.approx(0.8)
    assert pd.isna(printed["bands", "4"])
    # The same setting stands in all blocks, and the paper prints it in two ways.
    assert [printed["main", "0.01"], printed["window", "50"], printed["bands", "5"]] == pytest.approx([0.8, 0.8, 0.9])


def test_papers_conflicting_number_is_footnoted(study, flare):
    table = table4(study(methods=BANDS, seeds=(0,)), "main")
    assert "| *paper* | 92.5 | 0.9<sup>a</sup> |" in table.markdown
    assert "CONFLICT" in table.markdown
    assert "0.9$^{a}$" in table.latex


def test_paper_is_silent_about_another_setting_of_the_fixed_options(study, flare):
    results = study(methods=WEIGHTS, seeds=(0,))
    content = results.config.model_dump(mode="json") | {"methods": {"spectral": {"window": 25}}}
    other = table4(Results(parse_config(content, "the test")), "main").frame
    assert other.paper_value.isna().all()


def test_every_cell_of_the_papers_tables_3_and_4_is_there():
    six = ("DSC", "HD95", "ASD", "ECE", "SCE", "TACE")
    terms = ("L_CE", "L_CE + L_Spectral w/o W", "L_CE + L_Spectral")
    both = ("BraTS2020", "FLARE2021")
    assert set(paper_values(FOLDER, "table3")) == {(d, m, t) for d in both for m in six for t in terms}
    values = [f"lambda={x}" for x in ("0.001", "0.005", "0.010", "0.050", "0.100")]
    values += [f"W={x}" for x in (10, 25, 50, 75, 100)] + [f"K={x}" for x in (2, 3, 5, 7, 10)]
    assert set(paper_values(FOLDER, "table4")) == {(d, m, v) for d in both for m in ("DSC", "ECE") for v in values}
    assert all(cell.unit == "fraction" for cell in paper_values(FOLDER, "table4").values())


def test_which_option_is_swept_is_read_from_the_names(study):
    further = {
        "with_baseline": ("ce", *WEIGHTS),
        "two": ("spectral@weight=0.1", "spectral@window=1"),
        "both": ("spectral", "spectral@bands=2,weight=0.1"),
        "words": ("spectral@confidence=margin", "spectral"),
        "other_loss": ("nacl@weight=0.5", "nacl"),
    }
    results = study(methods=("ce", "spectral"), seeds=(0,), further=further)
    assert swept_option(results, "main") == ("", {})
    assert swept_option(results, "with_baseline") == (
        "weight", {"spectral@weight=0.1": 0.1, "spectral@weight=0.001": 0.001, "spectral": 0.01},
    )  # fmt: skip
    assert swept_option(results, "two") == swept_option(results, "both") == ("", {})
    assert swept_option(results, "words")[0] == "confidence"
    assert swept_option(results, "other_loss")[1] == {"nacl@weight=0.5": 0.5, "nacl": 0.1}
    table = table4(results, "with_baseline", experiments=("two", "words", "other_loss"))
    names = first_cells(table.markdown)
    assert names.index("CE") < names.index("0.001")
    assert {"Spectral, no window", "**two**", "**confidence**", "margin", "max_logit"} <= set(names)


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (("windows",), "table4, options.experiments: unknown experiment 'windows'; expected .*'main'"),
        (("main",), "expected each experiment once, found main, main"),
    ],
)
def test_wrong_experiments_are_named(study, further, message):
    with pytest.raises(ConfigError, match=message):
        table4(study(seeds=(0,)), "main", experiments=further)


def test_option_of_table4_is_valid_in_a_configuration(study):
    content = study(seeds=(0,), further={"window": WINDOWS}).config.model_dump(mode="json")
    content["tables"] = {"table4": {"experiment": "main", "options": {"experiments": ["window"]}}}
    assert parse_config(content, "the test").tables["table4"].options == {"experiments": ["window"]}
    content["tables"]["table4"]["options"] = {"experiments": [3]}
    with pytest.raises(ConfigError, match=r"tables.table4.options.experiments"):
        parse_config(content, "the test")


def test_narrow_tables_are_not_blown_up_to_the_width_of_the_page(study):
    results = study(methods=WEIGHTS, seeds=(0,))
    assert "resizebox" not in table4(results, "main").latex
    assert "resizebox" in table1(results, "main").latex


def test_architectures_are_sections_of_their_own(study):
    from spectralcal.papers.spectral_entropy.tables.table4 import COLUMNS
    from spectralcal.report.tables.by_setting import by_setting

    results = study(methods=WEIGHTS, further={"window": WINDOWS}, seeds=(0,))
    one = table4(results, "main", experiments=("window",)).frame.assign(name=lambda frame: frame.setting)
    # Blocks come with both networks each; printed are networks with both blocks each.
    both = pd.concat(
        [
            one[one.experiment == name].assign(architecture=network)
            for name in ("main", "window")
            for network in ("unet", "other")
        ]
    )
    table = by_setting(results, both, COLUMNS, "A title", {"main": "first", "window": "second"})
    titles = [name for name in first_cells(table.markdown) if name.startswith("**")]
    assert titles == ["**unet, first**", "**unet, second**", "**other, first**", "**other, second**"]
    assert table.latex.count("\\midrule") == 4
    assert "**" in table.markdown.split("other, first")[1]
