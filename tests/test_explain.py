"""For any product: what it was made from, and a command that makes it again."""

import json
import re
import shlex

import pytest
from recorded import recorded
from typer.testing import CliRunner

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.cli.main import app
from spectralcal.report.rebuild import rebuild_study
from spectralcal.sharing.explain import explain
from spectralcal.study.grid import Cell, experiment_cells
from spectralcal.study.locate import find_study, study_of
from spectralcal.study.paths import StudyPaths

CE = Cell("phantom", "unet", "ce", 0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    config = recorded(tmp_path_factory.mktemp("study"), methods=("ce", "ce+temperature", "spectral"), cases=3)
    assert rebuild_study(config).failed == []
    return config


def fields(text):
    """Titles to texts; lines without a title belong to the last one."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        title, body = line[:9].strip() or title, line[11:]  # noqa: F821 - the first line has a title
        found[title] = f"{found[title]}\n{body}" if title in found else body
    return found


def test_a_table_names_its_cells_with_their_fingerprints(study):
    paths = StudyPaths(study)
    told = fields(explain(study, paths.table("table1")))
    assert told["what"] == "table 'table1' of the study 'small', experiments: main"
    for cell in experiment_cells(study, "main"):
        fingerprint = json.loads(paths.cell(cell).evaluation.read_text())["fingerprint"]
        assert f"{cell}: {fingerprint}" in told["cells"]
    assert told["cells"].startswith("6 of 6 complete")
    assert told["state"] == "as made"
    assert "(as code and configuration are now)" in told["recipe"]


@pytest.mark.parametrize("suffix", [".md", ".tex"])
def test_every_form_of_a_table_is_known(study, suffix):
    assert "table 'table2'" in explain(study, StudyPaths(study).table("table2").with_suffix(suffix))


def test_the_command_makes_the_product_again(study):
    path = StudyPaths(study).table("table1")
    before = path.read_bytes()
    command = fields(explain(study, path))["command"]
    path.unlink()
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == before


def test_a_value_of_a_table_names_only_the_cells_behind_it(study):
    path = StudyPaths(study).table("table1")
    told = fields(explain(study, path, ["method=spectral", "metric=DSC"], "mean"))
    assert re.fullmatch(r"mean=\d+\.\d+", told["value"])
    assert told["value"].removeprefix("mean=") in path.read_text()
    assert told["cells"].startswith("2 of 2 complete")
    assert "unet, ce" not in told["cells"]
    assert told["state"] == "as made"
    with pytest.raises(ResultError, match=r"no column 'colour'; expected 'dataset'"):
        explain(study, path, ["colour=red"])
    with pytest.raises(ResultError, match=r"expected one row with method=ce, found \d+; they differ in metric"):
        explain(study, path, ["method=ce"])


def test_a_figure_is_told_like_a_table(study):
    told = fields(explain(study, StudyPaths(study).figure("reliability").with_suffix(".png")))
    assert told["what"].startswith("figure 'reliability'")
    assert told["cells"].startswith("6 of 6 complete")


def test_a_cell_tells_training_and_scores(study):
    files = StudyPaths(study).cell(CE)
    for path in (files.folder, files.cases, files.weights):
        text = explain(study, path)
        run, scores = (json.loads(p.read_text()) for p in (files.run, files.evaluation))
        for part in (run["fingerprint"], scores["fingerprint"], run["parts"]["manifest"][:16],
                     run["parts"]["split"][:16], run["environment"]["commit"], "seconds 12.5", "resumes 1",
                     "spectralcal train --dataset phantom --arch unet --method ce --seed 0",
                     "spectralcal evaluate --dataset phantom"):  # fmt: skip
            assert part in text
        assert fields(text)["state"] == "as recorded"


def test_a_post_hoc_cell_names_the_cell_that_has_its_weights(study):
    cell = Cell("phantom", "unet", "ce+temperature", 1)
    told = fields(explain(study, StudyPaths(study).cell(cell).folder))
    assert told["weights"] == "of the cell phantom, unet, ce, seed 1, after the post-hoc step 'temperature'"


def test_an_altered_product_is_told_as_such(study, tmp_path):
    path = StudyPaths(study).table("table2")
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    told = fields(explain(study, path))
    path.write_bytes(before)
    assert told["state"] == "altered since: table2.csv"


def test_other_files_are_told_or_refused(study):
    paths = StudyPaths(study)
    assert "spectralcal split --dataset phantom" in explain(study, paths.split("phantom"))
    assert "spectralcal prepare --dataset phantom" in explain(study, paths.manifest("phantom"))
    assert "spectralcal probe maps --dataset phantom --arch unet --seed 0" in explain(
        study, paths.probe("maps", "phantom", "unet", 0)
    )
    assert "spectralcal collect" in explain(study, paths.cases)
    stray = study.results / "notes.txt"
    stray.write_text("mine")
    with pytest.raises(ResultError, match="is no table, figure, cell"):
        explain(study, stray)
    stray.unlink()


def test_a_study_is_found_by_what_belongs_to_it(study, tmp_path, monkeypatch):
    paths = StudyPaths(study)
    for path in (paths.table("table1"), paths.cell(CE).cases, paths.figure("figure2")):
        assert study_of(path).results.resolve() == study.results.resolve()
    monkeypatch.chdir(study.results_root.parent)
    for text in ("small", "results/small"):
        assert find_study(text).study == "small"
    with pytest.raises(ConfigError, match="'nowhere': expected a configuration, a results folder"):
        find_study("nowhere")
    with pytest.raises(ResultError, match="belongs to no study found from here; name it with --config"):
        study_of(tmp_path)


def test_moved_results_are_read_where_they_are(study, tmp_path):
    """The configuration in a results folder may name another place, for example that of another machine."""
    import shutil

    shutil.copytree(study.results, tmp_path / "elsewhere/small")
    found = study_of(tmp_path / "elsewhere/small/tables/table1.csv")
    assert found.results == tmp_path / "elsewhere/small"


def test_what_is_no_product_of_a_cell_is_known_too(study):
    paths = StudyPaths(study)
    for path, what in (
        (paths.provenance, "as an RO-Crate"),
        (paths.report, "the report"),
        (paths.probe("maps", "phantom", "unet", 1), "maps of phantom, unet, seed 1"),
        (paths.numbers("hotspots", "phantom", "unet", 1), "their numbers without images"),
        (paths.shared_manifest("phantom"), "cases of phantom"),
    ):
        assert what in fields(explain(study, path))["what"]
    told = fields(explain(study, paths.probe("maps", "phantom", "unet", 1)))
    assert told["command"].startswith("spectralcal probe maps --dataset phantom --arch unet --seed 1 --config ")


def test_a_loss_is_named_with_its_options(study):
    told = fields(explain(study, StudyPaths(study).cell(CE).folder))
    assert told["loss"] == "ce"
    told = fields(explain(study, StudyPaths(study).cell(Cell("phantom", "unet", "spectral", 0)).folder))
    assert told["loss"].startswith("spectral: bands 5, window 50, ")
