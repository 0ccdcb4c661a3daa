"""What every registered table and figure must do, whoever wrote it."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from small_study import Study

from spectralcal import registry

TABLES, FIGURES = registry.names("tables"), registry.names("figures")
BOTH = [*(("tables", name) for name in TABLES), *(("figures", name) for name in FIGURES)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Study(
        tmp_path_factory.mktemp("study"), methods=("ce", "spectral", "focal"), missing=[("focal", 0), ("focal", 1)]
    ).write()


@pytest.fixture(autouse=True)
def style():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from spectralcal.figures.style import use_style

    use_style()
    yield
    plt.close("all")


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_options_are_explicit_with_defaults(kind, name):
    signature = inspect.signature(registry.load(kind, name))
    parameters = list(signature.parameters.values())
    assert [p.name for p in parameters[:2]] == ["results", "experiment"]
    defaults = {p.name: p.default for p in parameters[2:]}
    assert registry.defaults(kind, name) == defaults
    assert inspect.Parameter.empty not in defaults.values()


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_title_and_needs_are_literals(kind, name):
    title = registry.constant(kind, name, "TITLE")
    assert isinstance(title, str)
    assert title
    if kind == "figures":
        assert set(registry.constant(kind, name, "NEEDS")) <= {"maps"}


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_three_forms_and_show_holes(results, name):
    table = registry.load("tables", name)(results, "main")
    assert {"method", "status"} <= set(table.frame)
    assert (table.frame[table.frame.method == "focal"].status == "missing").all()
    assert table.markdown.startswith("# ")
    assert "missing" in table.markdown
    assert "\\begin{tabular}" in table.latex
    assert "missing" in table.latex
    assert registry.load("tables", name)(results, "main").markdown == table.markdown


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_the_same_bytes_every_time(results, tmp_path, name):
    import matplotlib.pyplot as plt

    texts = []
    for index in range(2):
        made = registry.load("figures", name)(results, "main")
        # Two resolutions would show the same differences; the lower one is faster.
        made.drawing.savefig(tmp_path / f"{index}.png", metadata={"Software": None}, dpi=100)
        made.drawing.savefig(tmp_path / f"{index}.pdf", metadata={"CreationDate": None})
        texts.append((made.frame.to_csv(index=False), made.caption))
        plt.close(made.drawing)
    assert texts[0] == texts[1]
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    pdf = (tmp_path / "0.pdf").read_bytes()
    assert pdf == (tmp_path / "1.pdf").read_bytes()
    assert b"/Type3" not in pdf  # text stays text


@pytest.mark.parametrize("name", FIGURES)
def test_captions_name_study_data_seeds_and_holes(results, name):
    made = registry.load("figures", name)(results, "main")
    assert made.caption.startswith("Study small, experiment main: Phantom")
    assert "seeds 0, 1" in made.caption
    assert "FL" in made.caption
    assert len(made.frame)


def test_no_table_or_figure_imports_torch():
    modules = [f"spectralcal.{kind}.{name}" for kind, name in BOTH]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
