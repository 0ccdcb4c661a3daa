"""Studies on disk with known results."""

from __future__ import annotations

import pytest
from small_study import Study


@pytest.fixture
def study(tmp_path):
    """``study(methods=..., seeds=...)`` writes a study and gives its :class:`spectralcal.report.results.Results`."""

    def write(**options):
        folder = tmp_path / f"study{len(list(tmp_path.iterdir()))}"
        return Study(folder, **{"only_scores": True, **options}).write()

    return write
