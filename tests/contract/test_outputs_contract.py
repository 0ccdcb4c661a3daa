"""What every registered table and figure must do, whoever wrote it."""

from __future__ import annotations

import functools
import inspect
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_study import Study

from spectralcal.base import registry
from spectralcal.report.notebook import show
from spectralcal.study.config import OutputConfig

#: whose tables, figures and claims are among those that are tested
OF_PAPER = "spectral_entropy"

ROOT = Path(__file__).parents[2]

TABLES, FIGURES = registry.names("tables", OF_PAPER), registry.names("figures", OF_PAPER)
#: figures that show a study and not a construction
STUDIES = [name for name in FIGURES if not registry.constant("figures", name, "CONSTRUCTED", OF_PAPER)]
BOTH = [*(("tables", name) for name in TABLES), *(("figures", name) for name in FIGURES)]
#: tables whose numbers are means of scores by case; the others have tests of their own
SCORES = [name for name in TABLES if name not in ("ambiguities", "cost", "efficiency", "mechanism", "unbinned")]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, missing = tmp_path_factory.mktemp("study"), [("focal", 0), ("focal", 1)]
    return Study(folder, methods=("ce", "spectral", "focal"), missing=missing).write()


@pytest.fixture(scope="module")
def made(results):
    """Tables and figures of the study, each made once for the tests that look at it."""
    return functools.cache(lambda kind, name: registry.load(kind, name, OF_PAPER)(results, "main"))


@pytest.fixture(autouse=True)
def style():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from spectralcal.report.style import use_style

    use_style()
    yield
    plt.close("all")


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_options_are_explicit_with_defaults(kind, name):
    signature = inspect.signature(registry.load(kind, name, OF_PAPER))
    parameters = list(signature.parameters.values())
    assert [p.name for p in parameters[:2]] == ["results", "experiment"]
    defaults = {p.name: p.default for p in parameters[2:]}
    assert registry.defaults(kind, name, OF_PAPER) == defaults
    assert inspect.Parameter.empty not in defaults.values()


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_title_and_needs_are_literals(kind, name):
    title = registry.constant(kind, name, "TITLE", OF_PAPER)
    assert isinstance(title, str)
    assert title
    if kind == "figures":
        assert set(registry.constant(kind, name, "NEEDS", OF_PAPER)) <= set(registry.names("probes", OF_PAPER))


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_three_forms_and_show_holes(results, made, name):
    table = made("tables", name)
    assert {"method", "status"} <= set(table.frame)
    holes = table.frame[table.frame.method == "focal"]
    assert (holes.status == "missing").all()
    assert table.markdown.startswith("# ")
    assert "\\begin{tabular}" in table.latex
    if len(holes):
        assert "missing" in table.markdown
        assert "missing" in table.latex
    assert "Study small, experiment main" in table.markdown
    assert registry.load("tables", name, OF_PAPER)(results, "main").markdown == table.markdown


@pytest.mark.parametrize("name", SCORES)
def test_tables_of_scores_name_protocol_and_cases(made, name):
    table = made("tables", name)
    assert (table.frame.method == "focal").any()
    assert "Study small, experiment main, protocol" in table.markdown
    assert "Test cases: Phantom 5." in table.markdown


@pytest.mark.parametrize("name", SCORES)
def test_tables_carry_intervals_over_patients(made, name):
    frame = made("tables", name).frame
    scored = frame[(frame.status == "ok") & ~frame.pooled]
    assert len(scored)
    assert ((scored.low < scored["mean"]) & (scored["mean"] < scored.high)).all()
    assert (scored.patients == 5).all()


@pytest.mark.parametrize("name", TABLES)
def test_latex_rows_have_one_width_and_escaped_text(made, name):
    latex = made("tables", name).latex
    for float_ in latex.split("\\begin{table*}")[1:]:
        body = float_.split("\\midrule", 1)[1].split("\\bottomrule")[0].splitlines()
        widths = {line.count("&") for line in body if "&" in line}
        assert len(widths) == 1
    assert not [sign for sign in "±×↑↓†‡⁻–λ" if sign in latex]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_the_same_bytes_every_time(results, made, tmp_path, name):
    import matplotlib.pyplot as plt

    texts = []
    for index, figure in enumerate((made("figures", name), registry.load("figures", name, OF_PAPER)(results, "main"))):
        # Two resolutions would show the same differences; the lower one is faster.
        figure.drawing.savefig(tmp_path / f"{index}.png", metadata={"Software": None}, dpi=100)
        figure.drawing.set_layout_engine("none")  # places were found for the first file; finding them takes longest
        figure.drawing.savefig(tmp_path / f"{index}.pdf", metadata={"CreationDate": None})
        texts.append((figure.frame.to_csv(index=False), figure.caption))
        plt.close(figure.drawing)
    assert texts[0] == texts[1]
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    pdf = (tmp_path / "0.pdf").read_bytes()
    assert pdf == (tmp_path / "1.pdf").read_bytes()
    assert b"/Type3" not in pdf  # text stays text


@pytest.mark.parametrize("name", STUDIES)
def test_captions_name_study_data_seeds_and_holes(made, name):
    figure = made("figures", name)
    assert figure.caption.startswith("Study small, experiment main: Phantom")
    assert "seeds 0, 1" in figure.caption
    assert "FL" in figure.caption
    assert len(figure.frame)


def test_no_table_or_figure_imports_torch():
    modules = [registry.find(kind, name, paper=OF_PAPER).module for kind, name in BOTH]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_notebook_runs_on_any_study(results, monkeypatch, capsys):
    monkeypatch.setenv("SPECTRALCAL_CONFIG", str(results.paths.resolved_config))
    names = runpy.run_path(str(ROOT / "notebooks/01_study.py"))
    assert names["config"].study == "small"
    assert [cell.method for cell in names["holes"]["main"]] == ["focal", "focal"]
    for kind, chosen in (("tables", TABLES), ("figures", FIGURES)):
        outputs = {name: OutputConfig(experiment="main") for name in chosen}
        names["config"].__dict__[kind] = outputs  # the study's own lists are empty: show everything there is
        for name in chosen:
            names["show"](names["results"], kind, name)
    assert "cannot be made" not in capsys.readouterr().out


@pytest.mark.parametrize("notebook", sorted(path.name for path in (ROOT / "notebooks").glob("0[2-9]*.py")))
def test_notebooks_run_on_a_study_that_lacks_their_figures(results, notebook, monkeypatch):
    monkeypatch.setenv("SPECTRALCAL_CONFIG", str(results.paths.resolved_config))
    runpy.run_path(str(ROOT / "notebooks" / notebook))


def test_a_notebook_tells_about_an_output_that_fails(results, monkeypatch):
    shown = []
    wrong = OutputConfig(experiment="main", options={"protocol": "nobody's"})
    monkeypatch.setitem(results.config.__dict__, "tables", {"table2": wrong})
    monkeypatch.setattr("IPython.display.display", lambda content, **_: shown.append(content.data))
    assert not show(results, "tables", "table2")
    assert len(shown) == 1
    assert shown[0].startswith("`table2` cannot be made: phantom, unet, ECE (nobody's): expected scores")


@pytest.mark.parametrize("name", ["workflow", "table", "figure", "notebook"])
def test_report_texts_are_templates_that_give_clean_restructured_text(results, name):
    jinja2 = pytest.importorskip("jinja2")
    docutils_core = pytest.importorskip("docutils.core")
    html5 = pytest.importorskip("docutils.writers.html5_polyglot")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
        (ROOT / f"workflow/report/{name}.rst").read_text()
    )
    config = results.config.model_dump(mode="json") | {"tables": {"table1": {"experiment": "main"}}, "figures": {}}
    job = SimpleNamespace(config=config, wildcards=SimpleNamespace(**{name: "table1"}), params={"title": "A title"})
    text = template.render(snakemake=job)
    # halt_level 2: warnings of the markup are errors.
    settings = {"halt_level": 2}
    html = docutils_core.publish_string(text, writer=html5.Writer(), settings_overrides=settings).decode()
    assert "small" in html
    assert "{{" not in html
