"""The one table of all scores: what a plain reading of every cell's file gives, in bounded memory and one step."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from recorded import recorded

from spectralcal.base.errors import ResultError
from spectralcal.jobs.collect import collect, read_scores
from spectralcal.jobs.score_files import CASE_COLUMNS, cases_text
from spectralcal.report.results import Results
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths


@pytest.fixture
def study(tmp_path):
    return recorded(tmp_path, methods=("ce", "spectral"), cases=3, only_scores=False)


def plainly(path):
    """The same reading by another library."""
    return pd.read_csv(
        path,
        dtype={"case": str, "patient": str, "class": str},
        keep_default_na=False,
        na_values={"value": [""]},
    )


def own(table):
    """Scores that stand in the cells' files, without those that follow from their bins."""
    derived = table.metric.str.contains("_floor|_bound") | (table.protocol == "predicted_foreground")
    return table[~derived].reset_index(drop=True)


def test_what_follows_from_bins_stands_behind_each_cells_scores(study):
    collect(study)
    paths = StudyPaths(study)
    found = pd.read_parquet(paths.cases)
    cell = study_cells(study)[0]
    mine = found[(found.method == cell.method) & (found.seed == cell.seed)]
    chosen = mine[(mine.protocol == "predicted_foreground") & (mine.metric == "ECE")]
    assert list(chosen.case) == [case for case in dict.fromkeys(mine.case) if case != "pooled"]
    bounds = mine[(mine.protocol == "predicted_foreground") & (mine.metric == "ECE_bound")]
    assert (bounds.value >= 0).all()
    assert set(mine[mine.metric == "ECE_floor"].protocol) == {"union", "crac-legacy"}
    assert (mine[mine.metric == "ECE_floor"].value > 0).all()


def test_what_a_cell_was_scored_with_is_not_derived_again(study):
    import json

    from spectralcal.base.integrity import file_hashes

    paths = StudyPaths(study)
    files = paths.cell(study_cells(study)[0])
    rows = plainly(files.cases)
    scored = rows[(rows.protocol == "union") & (rows.metric == "ECE")].assign(
        protocol="predicted_foreground", value=0.5
    )
    pd.concat([rows, scored]).to_csv(files.cases, index=False)
    record = json.loads(files.evaluation.read_text())
    record["files"] |= file_hashes([files.cases])
    files.evaluation.write_text(json.dumps(record))
    collect(study)
    found = pd.read_parquet(paths.cases)
    cell = study_cells(study)[0]
    mine = found[(found.method == cell.method) & (found.seed == cell.seed) & (found.protocol == "predicted_foreground")]
    assert list(mine[mine.metric == "ECE"].value) == [0.5] * 3
    assert "ECE_bound" not in set(mine.metric)
    assert "signed_gap" in set(mine.metric)


def test_damaged_bins_leave_the_scores_and_are_named(study, capsys):
    paths = StudyPaths(study)
    broken = paths.cell(study_cells(study)[0]).calibration
    broken.write_bytes(broken.read_bytes()[:100])
    assert collect(study) == (4, 4)
    assert str(broken) in capsys.readouterr().err
    found = pd.read_parquet(paths.cases)
    expected = pd.concat([plainly(paths.cell(cell).cases) for cell in study_cells(study)], ignore_index=True)
    assert len(own(found)) == len(expected)
    assert found[found.protocol == "predicted_foreground"].groupby(["method", "seed"]).ngroups == 3


def test_the_table_is_all_files_one_after_another(study):
    assert collect(study) == (4, 4)
    paths = StudyPaths(study)
    expected = pd.concat([plainly(paths.cell(cell).cases) for cell in study_cells(study)], ignore_index=True)
    found = pd.read_parquet(paths.cases)
    pd.testing.assert_frame_equal(own(found), expected, check_dtype=False)
    assert tuple(found.columns) == CASE_COLUMNS
    cells = pd.read_csv(paths.cells)
    assert list(cells.status) == ["complete"] * 4
    assert len(set(cells.fingerprint)) == 4


def test_names_and_numbers_survive_as_they_are(tmp_path):
    """ "NA", "nan", "0007", quotes, commas and other scripts are names; an empty value is none; infinity is one."""
    names = ["NA", "nan", "0007", 'a "b", c', "Fälle 1;x", "患者", " leading", "1e5", "TRUE"]
    values = [0.1 + 0.2, float("nan"), float("inf"), -0.0, 1e-300, 5e-324, 1.0, 123456789.123456789, 2.0]
    rows = [
        {"case": name, "patient": name, "class": "NA", "metric": "DSC", "protocol": "paper", "value": value,
         "status": "ok"}
        for name, value in zip(names, values, strict=True)
    ]  # fmt: skip
    path = tmp_path / "cases.csv"
    path.write_text(cases_text(Cell("phantom", "unet", "ce", 0), rows))
    found = read_scores(path).to_pandas()
    assert list(found.case) == names
    assert list(found["class"]) == ["NA"] * len(names)
    np.testing.assert_array_equal(found.value.to_numpy(), np.array(values))


def test_holes_are_refused_or_marked(study):
    cell = study_cells(study)[0]
    StudyPaths(study).cell(cell).cases.unlink()
    with pytest.raises(ResultError, match=r"seed=0/cases\.csv: cell is not scored .*--allow-missing"):
        collect(study)
    assert not StudyPaths(study).cases.exists()
    assert collect(study, allow_missing=True) == (3, 4)
    assert Results(study).missing("main") == [cell]
    assert not list(study.results.glob(".*.tmp"))


@pytest.mark.parametrize("damage", ["half", "lines", "digit", "other", "columns"])
def test_damaged_files_and_files_of_other_cells_are_holes(study, damage):
    one, other = (StudyPaths(study).cell(cell).cases for cell in study_cells(study)[:2])
    text = one.read_text()
    if damage == "half":
        one.write_text(text[: len(text) // 2].rsplit(",", 2)[0])
    elif damage == "lines":
        one.write_text("".join(text.splitlines(keepends=True)[:-3]))
    elif damage == "digit":
        one.write_text(text.replace("0.8", "0.9", 1))
    elif damage == "other":
        one.write_text(other.read_text())
    else:
        one.write_text(text.replace("protocol", "p", 1))
    with pytest.raises(ResultError, match="cell is not scored"):
        collect(study)
    assert collect(study, allow_missing=True) == (3, 4)


def test_a_study_without_scores_says_so(study):
    for cell in study_cells(study):
        StudyPaths(study).cell(cell).cases.unlink()
    with pytest.raises(ResultError, match="no cell of the study 'small' is scored yet"):
        collect(study, allow_missing=True)


def test_equal_scores_give_equal_bytes(study):
    collect(study)
    before = StudyPaths(study).cases.read_bytes()
    collect(study)
    assert StudyPaths(study).cases.read_bytes() == before


def test_rows_are_in_groups_of_bounded_size(study, monkeypatch):
    monkeypatch.setattr("spectralcal.jobs.collect.GROUP_ROWS", 50)
    collect(study)
    groups = pq.ParquetFile(StudyPaths(study).cases).metadata
    one = len(plainly(StudyPaths(study).cell(study_cells(study)[0]).cases))
    assert groups.num_row_groups > 1
    assert Results(study).missing("main") == []
    assert len(Results(study).scores("main")) == groups.num_rows
    assert max(groups.row_group(i).num_rows for i in range(groups.num_row_groups)) < 50 + one
