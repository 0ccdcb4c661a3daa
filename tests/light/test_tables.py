"""CSV files as columns: the same bytes again, whatever they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralcal.engine.history import history_text
from spectralcal.jobs.score_files import CASE_COLUMNS, cases_text
from spectralcal.records.light.tables import columns_of, text_of
from spectralcal.study.grid import Cell


def back(text):
    return text_of(columns_of(text))


ROWS = [
    {"case": "a,\"b\" 'c'", "patient": "p\n1", "class": "organ", "metric": "DSC", "protocol": "paper", "status": "ok"},
    {"case": "NA", "patient": "患", "class": "all", "metric": "ECE", "protocol": "union", "status": "undefined"},
]


@given(st.lists(st.floats(allow_infinity=False), min_size=2, max_size=2))
def test_scores_of_any_case_and_value_come_back(values):
    rows = [{**row, "value": value} for row, value in zip(ROWS, values, strict=True)]
    text = cases_text(Cell("hippocampus", "unet", "spectral@weight=0.1,window=2", 3), rows)
    columns = columns_of(text)
    assert "text" not in columns
    assert columns[f"{CASE_COLUMNS.index('value')}/floats"].shape == (2,)
    assert back(text) == text


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(allow_nan=False), min_size=1), min_size=1))
def test_histories_come_back(rows):
    text = history_text(rows)
    assert back(text) == text


def test_a_history_is_stored_as_numbers():
    rows = [{"step": 10 * i, "loss": float(np.float32(1 / (i + 2))), "share": 0.0 if i % 2 else 0.1} for i in range(9)]
    assert set(columns_of(history_text(rows))) == {"names", "rows", "0/integers", "1/floats", "2/short"}


@pytest.mark.parametrize(
    "text", ["", "\n", "a", "a\n", "a,b\n1\n", "a\r\n1\r\n", 'a\n"1"\n', "a\n01\n", "a\n1e5\n", "a\nnan\n", "a\n-0.0\n",
             "a\n1.0\n2\n", "a\nx\0y\nz\n", "a,a\n1,2\n", "a\n99999999999999999999\n", "a\n\n1\n", "a\n 1\n",
             '{"b": [1]}\n']
)  # fmt: skip
def test_odd_files_come_back(text):
    assert back(text) == text


@given(st.text(alphabet='a1,."\n\r\0 é', max_size=30))
def test_any_text_comes_back(text):
    assert back(text) == text


def test_damaged_columns_are_refused():
    columns = columns_of("a,b\nx,1\ny,2\n")
    for change in ({"0/codes": np.array([0, 7])}, {"1/integers": np.array([1])}, {"rows": np.array(3)}):
        with pytest.raises(ValueError, match=r"damaged|different lengths"):
            text_of({**columns, **change})
    with pytest.raises(ValueError, match="damaged"):
        text_of({})
