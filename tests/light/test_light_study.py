"""A study in its light form: the same tables, figures and verdicts to the byte, alone, mixed, imported, in halves."""

import runpy
import shutil
import zipfile
from pathlib import Path

import pytest
from recorded import recorded

from spectralcal.base.errors import DataError, ResultError
from spectralcal.records.light.cell import ARRAYS, TEXTS
from spectralcal.records.light.files import read_text
from spectralcal.report.rebuild import rebuild_study
from spectralcal.sharing.explain import explain
from spectralcal.sharing.merging import import_study
from spectralcal.sharing.publish import publish_study
from spectralcal.sharing.shared import export_study, is_shared
from spectralcal.sharing.verify import verify_study
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[2]
METHODS = ("ce", "ce+temperature", "focal", "spectral")
FIGURES = (
    "reliability", "reliability_histograms", "boundary_distance", "figure3", "training_curves", "corp", "risk_coverage",
)  # fmt: skip
#: everything that reads more of a cell than its scores
OUTPUTS = {
    "tables": {name: {"experiment": "main"} for name in ("table1", "table2", "protocols", "proper_scores", "unbinned")},
    "figures": {name: {"experiment": "main"} for name in FIGURES},
    "claims": {"main": "main", "history": "main"},
}
CE = Cell("phantom", "unet", "ce", 0)
FULL = (*TEXTS, *ARRAYS)
lighten = runpy.run_path(str(ROOT / "docs/lighten.py"))["lighten"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A study with everything that is made of it."""
    config = recorded(tmp_path_factory.mktemp("home"), methods=METHODS, cases=4, changes=OUTPUTS)
    assert rebuild_study(config).failed == []
    return config


@pytest.fixture(scope="module")
def published(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / home.study
    publish_study(home, folder)
    return folder


@pytest.fixture
def clone(home, published, tmp_path):
    """The study where nothing but the published files is."""
    shutil.copytree(published, tmp_path / "results" / home.study)
    return at(home, tmp_path)


def at(config, root):
    return config.model_copy(update={f"{name}_root": root / name for name in ("results", "prepared", "figures")})


def products(config):
    """Bytes of tables, verdicts and figures; the place of the study is in some."""
    place = str(config.results_root).encode()
    files = [*config.results.glob("tables/*"), *config.results.glob("claims.*"), *config.figures_folder.glob("*")]
    return {file.name: file.read_bytes().replace(place, b"results") for file in files if file.suffix != ".pdf"}


def remade(config):
    for file in [*config.results.glob("tables/*"), *config.results.glob("claims.*")]:
        file.unlink()
    assert rebuild_study(config).failed == []
    return products(config)


def names_of(folder):
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_no_full_file_is_published(published):
    names = {name.rpartition("/")[2] for name in names_of(published / "cells")}
    assert names == {"light.zip", "run.json", "evaluation.json"}


def test_every_table_figure_and_verdict_is_the_same_to_the_byte(home, clone):
    expected = products(home)
    for name in FIGURES:
        assert {f"{name}.csv", f"{name}.png"} <= set(expected)
    assert {"claims.csv", "claims.md", "table2.tex", "unbinned.csv", "unbinned.tex"} <= set(expected)
    assert remade(clone) == expected
    assert "calibration.npz" in expected["claims.csv"].decode()


def test_a_full_cell_beside_light_ones_changes_nothing(home, clone):
    shutil.copytree(StudyPaths(home).cell(CE).folder, StudyPaths(clone).cell(CE).folder, dirs_exist_ok=True)
    assert StudyPaths(clone).cell(CE).calibration.is_file()
    assert remade(clone) == products(home)
    assert verify_study(clone).findings == []
    assert not is_shared(clone, CE)


def test_a_light_study_is_sound_and_finished(home, clone):
    found = verify_study(clone)
    assert (found.findings, found.notes) == ([], [])
    assert all(is_shared(clone, cell) for cell in study_cells(home))
    text = explain(clone, StudyPaths(clone).cell(CE).folder)
    assert "light.zip stands for scores, histograms, spectra and history" in text
    assert "as recorded" in text


def test_a_cell_whose_light_file_is_gone_is_not_finished(clone):
    StudyPaths(clone).cell(CE).light.unlink()
    assert not is_shared(clone, CE)
    assert any("cases.csv: is gone" in line for line in verify_study(clone).findings)


def test_publishing_the_clone_gives_the_same_files(published, clone, tmp_path):
    folder = tmp_path / "again" / clone.study
    publish_study(clone, folder)
    cells = {name for name in names_of(published) if name.startswith("cells/")}
    assert cells <= names_of(folder)
    assert all((folder / name).read_bytes() == (published / name).read_bytes() for name in cells)


def test_the_script_makes_what_is_published(home, published, tmp_path):
    shutil.copytree(home.results, tmp_path / "results" / home.study)
    place = tmp_path / "results" / home.study
    assert f"{len(study_cells(home))} cells of " in lighten(place)
    for file in published.rglob("light.zip"):
        assert (place / file.relative_to(published)).read_bytes() == file.read_bytes()
        assert not (place / file.relative_to(published)).with_name("cases.csv").exists()
    before = {name: (place / name).read_bytes() for name in names_of(place)}
    lighten(place)  # again: nothing is left to do
    assert {name: (place / name).read_bytes() for name in names_of(place)} == before
    assert verify_study(at(home, tmp_path)).findings == []


def test_the_script_touches_nothing_if_a_cell_was_altered(home, tmp_path):
    shutil.copytree(home.results, tmp_path / "results" / home.study)
    files = StudyPaths(at(home, tmp_path)).cell(CE)
    files.cases.write_text(files.cases.read_text().replace(",0.", ",0.9", 1))
    with pytest.raises(SystemExit, match=r"cases\.csv: altered .* nothing was changed"):
        lighten(tmp_path / "results" / home.study)
    assert not list(tmp_path.rglob("light.zip"))


@pytest.mark.parametrize("full", [False, True])
def test_archives_carry_either_form(home, published, tmp_path, full):
    away = at(home, tmp_path)
    export_study(home, tmp_path / "a.zip", full=full)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist() if name.startswith("cells/")}
    assert names == {"run.json", "evaluation.json", *(FULL if full else ["light.zip"])}
    assert len(import_study(tmp_path / "a.zip", away, away.results_root).taken) == len(study_cells(home))
    assert all(is_shared(away, cell) for cell in study_cells(home))
    assert read_text(StudyPaths(away).cell(CE).cases) == StudyPaths(home).cell(CE).cases.read_bytes()
    assert remade(away) == products(home)


def test_an_archive_with_the_light_file_of_another_cell_is_refused(home, clone, tmp_path):
    cells = [StudyPaths(clone).cell(cell) for cell in (CE, Cell("phantom", "unet", "ce", 1))]
    shutil.copy(cells[1].light, cells[0].light)
    with pytest.raises(ResultError, match=r"light\.zip: stands for another .* only results as they were made"):
        export_study(clone, tmp_path / "a.zip")
    forged = tmp_path / "forged.zip"
    from spectralcal.sharing.archive import write_archive

    content = {name: clone.results / name for name in names_of(clone.results)}
    write_archive(forged, content, {"study": clone.study, "cells": []})
    away = at(home, tmp_path / "away")
    with pytest.raises(DataError, match=r"cell phantom, unet, ce, seed 0: light\.zip: stands for another"):
        import_study(forged, away, away.results_root)
    assert not list(away.results_root.rglob("light.zip"))


def test_two_authors_publish_files_of_their_own(home, published, tmp_path):
    """Each has trained one seed: no file of a cell is written by both, and together they are the whole study."""
    found = []
    for seed in (0, 1):
        shutil.copytree(home.results_root, tmp_path / str(seed) / "results")
        shutil.copytree(home.prepared_root, tmp_path / str(seed) / "prepared")
        author = at(home, tmp_path / str(seed))
        for cell in study_cells(home):
            if cell.seed != seed:
                shutil.rmtree(StudyPaths(author).cell(cell).folder)
        folder = tmp_path / str(seed) / "public" / home.study
        publish_study(author, folder)
        found.append({name: (folder / name).read_bytes() for name in names_of(folder) if name.startswith("cells/")})
    assert found[0].keys().isdisjoint(found[1])
    assert found[0] | found[1] == {
        n: (published / n).read_bytes() for n in names_of(published) if n.startswith("cells/")
    }


@pytest.mark.parametrize("member", ["cases.csv", "calibration.npz"])
def test_a_damaged_light_file_is_named_by_a_report(clone, member):
    """Without scores there is no report; without histograms, the figures that show them fail."""
    light = StudyPaths(clone).cell(CE).light
    content = bytearray(light.read_bytes())
    with zipfile.ZipFile(light) as archive:
        found = archive.getinfo(member)
    content[found.header_offset + 60 + found.compress_size // 2] ^= 1
    light.write_bytes(bytes(content))
    assert any("light.zip: damaged (" in line for line in verify_study(clone).findings)
    if member == "cases.csv":
        with pytest.raises(ResultError, match=r"light\.zip: damaged \(.*\); restore the published file") as caught:
            rebuild_study(clone)
        assert "\n" not in str(caught.value)
    else:
        failed = rebuild_study(clone).failed
        figures = {line.partition(":")[0] for line in failed if "light.zip: damaged (" in line}
        assert {"figure reliability", "figure reliability_histograms", "figure boundary_distance"} <= figures
