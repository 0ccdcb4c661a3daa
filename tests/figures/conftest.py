"""Studies on disk with known results, and matplotlib without a screen."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from small_study import Study


@pytest.fixture
def study(tmp_path):
    """``study(methods=..., seeds=...)`` writes a study and gives its :class:`spectralcal.report.results.Results`."""

    def write(**options):
        return Study(tmp_path / f"study{len(list(tmp_path.iterdir()))}", **options).write()

    return write


@pytest.fixture(autouse=True)
def style():
    """The project's style, and no figure left open."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from spectralcal.report.style import use_style

    use_style()
    yield
    plt.close("all")
