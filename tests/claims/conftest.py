"""Studies on disk whose scores are chosen number by number."""

from __future__ import annotations

import pytest
from claims_study import better, write_study


@pytest.fixture
def make(tmp_path):
    """``make(value, ...)``: :func:`claims_study.write_study` in a folder of its own."""
    return lambda *args, **options: write_study(tmp_path / f"study{len(list(tmp_path.iterdir()))}", *args, **options)


@pytest.fixture
def ahead():
    """The function :func:`claims_study.better`."""
    return better
