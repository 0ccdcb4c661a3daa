"""Escapes and footnote letters."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from spectralcal.report.tables.cell import Footnotes, tex


@given(st.text(alphabet=string.printable))
def test_no_special_character_is_left_bare(text):
    out = tex(text)
    for sign in "&%#_":
        assert out.count(sign) == out.count("\\" + sign)


def test_equal_notes_share_a_letter_and_letters_go_on_after_z():
    notes = Footnotes()
    marks = [notes.mark(f"note {index}") for index in range(30)]
    assert marks[:2] == ["a", "b"]
    assert marks[25:28] == ["z", "aa", "ab"]
    assert notes.mark("note 1") == "b"
    assert len(set(marks)) == 30
