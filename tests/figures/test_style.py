"""Colours that never change, and an order that all outputs share."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralcal.report import style
from spectralcal.study.config import read_paper

PAPER = read_paper("spectral_entropy")
METHODS = tuple(PAPER.methods)
STYLE = style.Style.of(PAPER)
VARIANTS = st.lists(st.from_regex(r"[a-z]{2,8}@[a-z]{1,5}=[0-9]{1,3}", fullmatch=True), unique=True, max_size=24)


def test_every_known_method_has_its_own_colour_marker_and_dashes():
    found = STYLE.looks(METHODS)
    assert len({look.color for look in found.values()}) == len(METHODS)
    paper = [found[name] for name in METHODS[:7]]
    assert len({look.marker for look in paper}) == 7
    assert len({str(look.dashes) for look in paper}) == 7


def test_the_loss_under_test_is_drawn_no_heavier_than_its_control_and_lets_it_be_seen_below():
    control, tested = (STYLE.looks(METHODS)[name] for name in ("ce", "spectral"))
    assert tested.width <= control.width
    assert tested.order > control.order
    assert control.dashes == "-" != tested.dashes


def test_known_methods_do_not_depend_on_their_company():
    alone = STYLE.looks(["mbls"])["mbls"]
    assert STYLE.looks(["unknown", "mbls", "ce"])["mbls"] == alone


@given(VARIANTS)
def test_variants_get_distinct_and_repeatable_colours(methods):
    found = STYLE.looks(methods)
    assert list(found) == methods
    assert len({look.color for look in found.values()}) == len(methods)
    assert STYLE.looks(list(reversed(methods))) == found
    if methods:
        assert STYLE.looks([methods[0]])[methods[0]].color.startswith("#")


def test_more_methods_than_spare_colours_still_draw():
    assert len(STYLE.looks([f"loss@x={index}" for index in range(60)])) == 60


def test_order_is_the_papers_with_variants_behind_their_loss():
    given_order = ["spectral@window=1", "nacl", "spectral", "unheard", "ce", "ce+temperature", "focal"]
    assert STYLE.ordered(given_order) == [
        "ce", "ce+temperature", "focal", "spectral", "spectral@window=1", "nacl", "unheard",
    ]  # fmt: skip


def test_text_is_text_in_pdf_and_widths_are_millimetres():
    assert mpl.rcParams["pdf.fonttype"] == 42
    assert mpl.rcParams["savefig.dpi"] == 300
    np.testing.assert_allclose(style.size(85, 25.4), (3.3464566929, 1.0))


@pytest.mark.parametrize("pair", [("ce", "spectral"), ("spectral", "crac"), ("ce", "focal")])
def test_neighbours_differ_in_greyscale_or_line(pair):
    def lightness(color):
        red, green, blue = mpl.colors.to_rgb(color)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    first, second = (STYLE.looks(pair)[name] for name in pair)
    assert abs(lightness(first.color) - lightness(second.color)) > 0.05 or first.dashes != second.dashes
