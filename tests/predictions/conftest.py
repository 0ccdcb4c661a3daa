"""Figures take most of the time of a folder's scoring: only the tests of real processes draw them."""

import pytest


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    from spectralcal.predictions import figures

    monkeypatch.setattr(figures, "draw_all", lambda *_: [])
