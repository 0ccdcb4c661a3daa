"""Every table and figure on results as they should not be: a marked hole or one clear line, never a silent average."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from small_study import Study

from spectralcal.base import registry
from spectralcal.base.errors import SpectralcalError
from spectralcal.report.results import Results

#: whose tables, figures and claims are among those that are tested
OF_PAPER = "spectral_entropy"

TABLES, FIGURES = registry.names("tables", OF_PAPER), registry.names("figures", OF_PAPER)
#: what shows a study's scores or files; constructions show neither
TABLES, FIGURES = (
    [name for name in names if not registry.constant(kind, name, "CONSTRUCTED", OF_PAPER)]
    for kind, names in (("tables", TABLES), ("figures", FIGURES))
)
BOTH = [*(("tables", name) for name in TABLES), *(("figures", name) for name in FIGURES)]
#: outputs that read records and histories instead of scores
WITHOUT_SCORES = {("tables", "cost"), ("tables", "efficiency")}
#: outputs that read files of arrays instead of scores
READ_ARRAYS = ("figure2", "figure3", "reliability", "boundary_distance", "reliability_histograms", "figure8",
               "unbinned", "risk_coverage", "corp")  # fmt: skip
METHODS = ("ce", "focal", "spectral", "spectral@weight=0.1")


@pytest.fixture(autouse=True)
def style():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from spectralcal.report.style import use_style

    use_style()
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("whole"), methods=METHODS).write()


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the study, to be damaged."""
    shutil.copytree(whole.config.results.parent.parent, tmp_path / "copy")
    config = whole.config.model_copy(
        update={name: tmp_path / "copy" / name.split("_")[0] for name in ("results_root", "figures_root")}
    )
    return Results(config)


def make(results, kind, name):
    """What a reader sees of an output: numbers and words; a figure is drawn too."""
    made = registry.load(kind, name, OF_PAPER)(results, "main")
    if kind == "tables":
        return made.frame, made.markdown
    made.drawing.canvas.draw()
    return made.frame, made.caption


@pytest.fixture(scope="module")
def one_seed(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("one_seed"), methods=METHODS, seeds=(0,)).write()


@pytest.fixture(scope="module")
def with_holes(tmp_path_factory):
    """Cells of one method have no file at all; another method has one seed of two."""
    missing = [("focal", 0), ("focal", 1), ("spectral", 1)]
    return Study(tmp_path_factory.mktemp("with_holes"), methods=METHODS, missing=missing).write()


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_one_seed_is_said(one_seed, kind, name):
    frame, words = make(Results(one_seed.config), kind, name)
    assert len(frame)
    if (kind, name) not in WITHOUT_SCORES:
        assert any(said in words for said in ("seed 0", "one seed", "1 seed", "first seed")), words


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_a_method_that_failed_has_no_number(with_holes, kind, name):
    frame, words = make(Results(with_holes.config), kind, name)
    rows = frame[frame.method == "focal"] if "method" in frame else frame[:0]
    numbers = rows[[c for c in ("mean", "value", "estimate", "density", "accuracy", "difference") if c in rows]]
    assert numbers.isna().all(axis=None)
    if "status" in frame and len(rows):
        assert set(rows.status) == {"missing"}
    if kind == "figures":
        assert "FL" in words


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_a_column_of_nothing_stops_what_reads_it(copy, kind, name):
    """All values are gone while their status says that they are there."""
    frame = pd.read_parquet(copy.paths.cases)
    frame.assign(value=np.nan).to_parquet(copy.paths.cases, index=False)
    complete = make_or_message(copy, kind, name)
    if isinstance(complete, str):
        assert "\n" not in complete
        assert "finite" in complete or "nan" in complete, complete
    else:
        shown, _ = complete
        assert reads_no_scores(kind, name), "drawn from scores that are all undefined"
        assert len(shown)


@pytest.mark.parametrize(("kind", "name"), BOTH)
@pytest.mark.parametrize("column", ["value", "patient", "metric"])
def test_a_wrong_column_in_the_scores_is_one_line(copy, kind, name, column):
    frame = pd.read_parquet(copy.paths.cases)
    frame.rename(columns={column: f"{column}s"}).to_parquet(copy.paths.cases, index=False)
    found = make_or_message(copy, kind, name)
    if isinstance(found, str):
        assert found.endswith(f"column '{column}' is missing; run `spectralcal collect` again")
    else:
        assert reads_no_scores(kind, name)


@pytest.mark.parametrize("name", ["training_curves"])
@pytest.mark.parametrize("column", ["step", "loss_ce", "gradient_spectral", "target_entropy"])
def test_a_wrong_column_in_a_history_is_one_line(copy, name, column):
    for cell in copy.cells("main"):
        path = copy.paths.cell(cell).history
        history = pd.read_csv(path)
        history.rename(columns={column: f"{column}s"}).to_csv(path, index=False)
    found = make_or_message(copy, "figures", name)
    assert isinstance(found, str)
    assert "history.csv" in found
    assert column in found


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_a_torn_file_is_one_line(copy, kind, name):
    """Every file of arrays ends early, and every record of a run is no JSON."""
    for path in copy.config.results.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:50])
    found = make_or_message(copy, kind, name)
    if isinstance(found, str):
        assert "damaged" in found
        assert ".npz" in found
    else:
        assert kind == "tables" or not reads_arrays(name), "drawn from files that are torn"


@pytest.mark.parametrize("name", ["cost", "efficiency"])
def test_a_record_that_was_edited_badly_is_one_line(copy, name):
    cell = copy.cells("main")[0]
    copy.paths.cell(cell).run.write_text(json.dumps({"secs": 3}))
    found = make_or_message(copy, "tables", name)
    assert not isinstance(found, str)
    frame, words = found
    assert frame[frame.method == cell.method].status.isin(["missing", "incomplete"]).all()
    assert "missing" in words


def make_or_message(results, kind, name):
    """The output, or the line that stopped it; other exceptions pass."""
    try:
        return make(results, kind, name)
    except SpectralcalError as error:
        return str(error)


def reads_no_scores(kind, name):
    return (kind, name) in WITHOUT_SCORES or name == "training_curves" or reads_arrays(name)


def reads_arrays(name):
    return name in READ_ARRAYS
