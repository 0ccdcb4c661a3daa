"""The paper of the spectral correlation coefficient: its folder, its printed tables, and what needs no training."""

import csv
import itertools

import numpy as np
import pytest

from spectralcal.base.papers import paper_of
from spectralcal.papers.spectral_correlation.claims import construction as c
from spectralcal.report.claims import finding as f
from spectralcal.report.claims.catalogue import catalogue
from spectralcal.report.claims.ledger import decide, ledger, roles
from spectralcal.report.claims.study import Study
from spectralcal.report.printed import paper_values
from spectralcal.report.results import Results
from spectralcal.study.config import parse_config, read_paper

PAPER = "spectral_correlation"
TABLES = range(1, 7)
#: cells of each printed table
CELLS = {1: 56, 2: 104, 3: 32, 4: 32, 5: 32, 6: 20}


@pytest.fixture
def results(tmp_path):
    """A study of this paper without results."""
    content = {
        "study": "constructed", "paper": PAPER, "results_root": str(tmp_path / "results"), "datasets": {"phantom": {}},
        "architectures": {"unet": {}},
        "experiments": {"main": {"datasets": ["phantom"], "architectures": ["unet"], "seeds": [0],
                                 "methods": ["ce_dice", "scc@base=ce_dice,reduce=batch"]}},
        "claims": {"main": "main"},
    }  # fmt: skip
    return Results(parse_config(content, "the test"))


def entry(results, claim):
    return decide(Study(results, roles(results.config)), catalogue(PAPER)[claim])


def rows(table):
    with (paper_of(PAPER).folder / f"printed/table{table}.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# ---- first principles ----------------------------------------------------------------------------------------------


#: what the printed numbers alone say against their text
CONTRADICTED = {"S-02", "S-06", "S-08", "S-10"}


def test_without_results_first_principles_and_print_decide_and_nothing_else_does(results):
    found = {one.claim.id: one.verdict for one in ledger(results)}
    assert list(found) == [f"S-{number:02d}" for number in range(1, 21)]
    assert {name for name, verdict in found.items() if verdict == f.REFUTED} == {"S-11", "S-15"}
    assert {name for name, verdict in found.items() if verdict == f.CONTRADICTED} == CONTRADICTED
    rest = set(found) - {"S-11", "S-15"} - CONTRADICTED
    assert {found[name] for name in rest} == {f.NOT_MEASURED}


def test_the_printed_term_is_squared_dice_in_every_reading_of_its_transform(results):
    findings = entry(results, "S-11").findings
    assert [one.where for one in findings] == list(c.TRANSFORMS)
    assert all(one.verdict == f.REFUTED and one.source == f.CONSTRUCTION for one in findings)
    assert all(one.value == 0 for one in findings)
    p, y = c.batch()
    dice, slope = c.squared_dice(p, y)
    for options in c.TRANSFORMS.values():
        value, gradient = c.by_transforms(p, y, *options)
        assert value == pytest.approx(dice, rel=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12 * np.abs(slope).max())


def test_only_other_readings_have_a_gradient_from_afar(results):
    p, y = c.batch()
    others = c.other_readings(p, y)
    assert set(others) == set(c.OTHERS)
    assert min(others.values()) > 0.01
    assert f"middle band {others['middle band']:.2f}" in entry(results, "S-11").findings[-1].found
    # the measure itself: a blurred label cannot be made of the label and the prediction
    far = y + 0.3 * np.roll(y, 5, -1)
    assert c.nonlocal_part(p, y, 3 * y - 2 * p) < 1e-12
    assert c.nonlocal_part(p, y, far) > 0.1


def test_a_term_that_differs_would_support_the_claim(results, monkeypatch):
    plain = c.by_transforms
    monkeypatch.setattr(c, "by_transforms", lambda p, y, *options: plain(p, np.roll(y, 1, -1), *options))
    assert entry(results, "S-11").verdict == f.SUPPORTED


def test_masks_are_as_far_apart_as_their_spectra(results):
    (found,) = entry(results, "S-15").findings
    assert found.verdict == f.REFUTED
    assert "that of the masks: shifted by 9 pixels 0.00, one pixel wider 0." in found.found
    for name, first, second in c.pairs():
        distance = [np.abs(np.fft.fft2(mask)) for mask in (first, second)]
        amplitude = np.linalg.norm(distance[0] - distance[1]) / c.SIDE
        assert amplitude <= np.linalg.norm(first - second) * (1 + 1e-12), name
    assert len({name for name, *_ in c.pairs()}) == 5


def test_unequal_distances_would_support_the_claim(results, monkeypatch):
    monkeypatch.setattr(np.fft, "fft2", lambda mask, norm: np.abs(np.fft.fftn(mask, norm=norm)))
    assert entry(results, "S-15").verdict == f.SUPPORTED


# ---- the folder ----------------------------------------------------------------------------------------------------


def test_what_the_paper_says_of_itself():
    paper = read_paper(PAPER)
    assert paper.baseline == "ce_dice"
    assert paper.method == "scc@base=ce_dice,reduce=batch"
    assert paper.stated_training["batch_size"] == 8
    assert [method.printed for method in paper.methods.values() if method.printed] == ["Ours"]


def test_names_of_data_sets_are_those_of_the_tables():
    printed = {row["dataset"] for table in TABLES for row in rows(table)}
    assert set(read_paper(PAPER).datasets.values()) <= printed


@pytest.mark.parametrize("table", TABLES)
def test_printed_tables_can_be_read_and_are_whole(table):
    values = paper_values(paper_of(PAPER).folder, f"table{table}")
    assert len(values) == CELLS[table]
    assert all(value.value is not None for value in values.values())
    assert {key[2] for key in values} == (
        {f"lambda={weight}" for weight in (0.1, 0.2, 0.3, 0.5, 0.9)} if table == 6
        else {"UNet", "TransUNet", "UNet (Ours)", "TransUNet (Ours)"}
    )  # fmt: skip


@pytest.mark.parametrize("table", range(1, 6))
def test_bold_is_the_better_of_each_pair_so_no_cell_slipped(table):
    cells = {(row["dataset"], row["metric"], row["method"]): row for row in rows(table)}
    for (dataset, metric, method), row in cells.items():
        if method.endswith("(Ours)"):
            continue
        pair = row, cells[dataset, metric, f"{method} (Ours)"]
        best = (max if row["direction"] == "higher" else min)(float(one["value"]) for one in pair)
        assert [one["bold"] == "1" for one in pair] == [float(one["value"]) == best for one in pair]


def test_means_of_printed_classes_are_the_printed_means():
    values = {key: value.value for key, value in paper_values(paper_of(PAPER).folder, "table2").items()}
    for dataset, metric, method in itertools.product(
        ("ACDC", "Synapse"), ("DSC", "HD95"), ("UNet", "TransUNet (Ours)")
    ):
        classes = [v for (d, m, w), v in values.items() if (d, w) == (dataset, method) and m.startswith(f"{metric} ")]
        assert len(classes) == {"ACDC": 3, "Synapse": 8}[dataset]
        assert np.mean(classes) == pytest.approx(values[dataset, metric, method], abs=0.011)


def test_numbers_that_do_not_fit_their_row_are_marked():
    doubtful = [
        (table, *key)
        for table in TABLES
        for key, value in paper_values(paper_of(PAPER).folder, f"table{table}").items()
        if value.status == "doubtful"
    ]
    assert (2, "ACDC", "DSC", "UNet (Ours)") in doubtful
    assert {key[2] for key in doubtful if key[0] == 1} == {"IOU", "SE", "SP"}
    assert sum(key[0] == 6 for key in doubtful) == CELLS[6]
