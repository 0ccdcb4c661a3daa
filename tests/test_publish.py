"""Results as plain files in a repository: what lies there, what git takes of it, and what a clone makes of it."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from recorded import recorded

from spectralcal.base.errors import ResultError
from spectralcal.cli.main import main
from spectralcal.report.rebuild import rebuild_study
from spectralcal.report.results import Results
from spectralcal.sharing.publish import publish_study
from spectralcal.sharing.shared import export_study, is_shared
from spectralcal.sharing.verify import verify_study
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[1]
METHODS = ("ce", "ce+temperature", "focal", "ls", "spectral")
OUTPUTS = {
    "tables": {"table1": {"experiment": "main"}, "protocols": {"experiment": "main"}},
    "figures": {"reliability": {"experiment": "main"}, "figure8": {"experiment": "main"}},
    "claims": {"main": "main"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A study with tables, figures and verdicts."""
    config = recorded(tmp_path_factory.mktemp("home"), methods=METHODS, cases=3, changes=OUTPUTS)
    assert rebuild_study(config).failed == []
    return config


@pytest.fixture(scope="module")
def published(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / home.study
    return folder, publish_study(home, folder)


@pytest.fixture
def clone(home, published, tmp_path):
    """The study in a clone: what was published, and nothing else."""
    shutil.copytree(published[0], tmp_path / "results" / home.study)
    moved = {f"{name}_root": tmp_path / name for name in ("results", "prepared", "figures")}
    return home.model_copy(update=moved)


def files_of(folder):
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_holds_what_an_archive_holds(home, published, tmp_path):
    folder, report = published
    export_study(home, tmp_path / "study.zip")
    with zipfile.ZipFile(tmp_path / "study.zip") as archive:
        content = {name: archive.read(name) for name in archive.namelist() if name != "index.json"}
    assert files_of(folder) == set(content) == set(report.sizes)
    assert all((folder / name).read_bytes() == data for name, data in content.items())
    assert report.sizes == {name: len(data) for name, data in content.items()}
    largest = max(report.sizes, key=report.sizes.get)
    assert f"{len(content)} files" in report.text
    assert f"{len(study_cells(home))} cells of " in report.text
    assert f"({largest})" in report.text


def test_git_takes_what_is_published_and_nothing_else(home, published, tmp_path):
    """.gitignore and the verb must agree, also in a clone in which the study goes on."""
    folder, _ = published
    rest = {
        f"cells/{cell.path}/{name}"
        for cell in study_cells(home)
        for name in ("weights.safetensors", "checkpoint.safetensors", ".evaluated/cases.csv", ".cases.csv.1.tmp",
                     "cases.csv", "calibration.npz", "spectra.npz", "history.csv", "model.json")
    }  # fmt: skip
    rest |= {"maps/dataset=phantom/arch=unet/seed=0.npz", "hotspots/dataset=phantom/arch=unet/seed=0.npz",
             "cases.parquet", "cells.csv", "report.html", "provenance.json", "provenance/tables/table1.json",
             "logs/collect.log", ".locks/study.lock", "notebooks/01_study.html", "timings.json"}  # fmt: skip
    place = tmp_path / "results/open"
    shutil.copytree(folder, place)
    shutil.copytree(folder, tmp_path / "results/demo")
    for name in rest:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    shutil.copy(ROOT / ".gitignore", tmp_path)

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    taken = set(git("ls-files", "-z", "--others", "--exclude-standard").split("\0")) - {"", ".gitignore"}
    assert taken == {f"results/open/{name}" for name in files_of(folder)}


def test_git_changes_no_byte_of_results(tmp_path):
    """A text file with other line endings has another SHA-256."""
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    command = ["git", "check-attr", "text", "--", "results/open/cells/dataset=a/arch=b/method=c/seed=0/run.json"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.strip().endswith("text: unset")


def test_a_clone_makes_the_same_tables_and_verdicts_again(home, clone):
    before = {file: file.read_bytes() for file in clone.results.rglob("*") if file.is_file()}
    claims = StudyPaths(clone).claims.read_text()
    # The verdicts that read images and not scores are among them.
    assert "Share of (1 - confidence) within 2 voxels" in claims
    assert "hotspots (signed) and errors beyond the boundary-matched null" in claims
    for file in (*clone.results.glob("tables/*"), *clone.results.glob("claims.*")):
        file.unlink()
    rebuilt = rebuild_study(clone)
    assert rebuilt.failed == []
    assert [line.partition(",")[0] for line in rebuilt.missing] == ["2 of 2 files of hotspots for the figure figure8"]
    assert "whose numbers are there" in rebuilt.missing[0]
    place = str(clone.results_root).encode()
    for file, content in before.items():
        if file.name != "config.json":
            assert file.read_bytes().replace(place, b"results") == content, file
    for name in ("reliability.png", "reliability.csv", "figure8.csv"):
        assert (clone.figures_folder / name).read_bytes() == (home.figures_folder / name).read_bytes()
    assert verify_study(clone).findings == []


def test_a_figure_with_images_is_left_where_they_are_not(home, clone):
    names = [f"figure8.{kind}" for kind in ("pdf", "png", "csv", "md")]
    clone.figures_folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(home.figures_folder / name, clone.figures_folder / name)
    rebuilt = rebuild_study(clone)
    assert "figure figure8" not in rebuilt.made
    assert "figure reliability" in rebuilt.made
    for name in names:
        assert (clone.figures_folder / name).read_bytes() == (home.figures_folder / name).read_bytes()
        (clone.figures_folder / name).unlink()
    assert "figure figure8" in rebuild_study(clone).made


def test_a_clone_is_finished(home, clone):
    assert all(is_shared(clone, cell) for cell in study_cells(home))
    split = StudyPaths(clone).split("phantom")
    split.write_text(split.read_text().replace('"hash": "', '"hash": "0'))
    assert not any(is_shared(clone, cell) for cell in study_cells(home))


def test_numbers_are_those_of_the_images(home, clone):
    there, here = Results(home), Results(clone)
    for seed in (0, 1):
        key = ("phantom", "unet", seed)
        assert here.probe("maps", *key) is None
        numbers = there.probe_numbers("maps", *key)
        assert 0 < numbers["doubt_near_boundary"].min() < numbers["doubt_near_boundary"].max() < 1
        assert {k: v.tolist() for k, v in numbers.items()} == {
            k: v.tolist() for k, v in here.probe_numbers("maps", *key).items()
        }
        assert (
            here.probe_numbers("hotspots", *key)["difference"].tolist()
            == there.probe_numbers("hotspots", *key)["difference"].tolist()
        )
        assert "shown_image" not in here.probe_numbers("hotspots", *key)


def test_publishing_again_touches_what_changed_alone(home, published, tmp_path):
    folder = tmp_path / home.study
    shutil.copytree(published[0], folder)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    cell = folder / "cells" / Cell("phantom", "unet", "ce", 0).path
    (cell / "light.zip").write_text("old")
    old = folder / "cells/dataset=phantom/arch=unet/method=nacl/seed=0/cases.csv"
    old.parent.mkdir(parents=True)
    old.touch()
    notes = publish_study(home, folder).notes
    after = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    assert {file for file in before if before[file] != after[file]} == {cell / "light.zip"}
    assert files_of(published[0]) | {old.relative_to(folder).as_posix()} == files_of(folder)
    assert (cell / "light.zip").read_bytes() == (published[0] / cell.relative_to(folder) / "light.zip").read_bytes()
    assert [note for note in notes if "1 files are no longer of this study" in note and "nacl" in note]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit_bytes": 1000}, r"MiB, more than the .* share the study as an archive"),
        ({"folder": "elsewhere"}, "expected a folder of the study's name"),
        ({"folder": "own"}, "is where the study itself lies"),
    ],
)
def test_what_cannot_be_published_is_refused(home, tmp_path, change, message):
    named = {"elsewhere": tmp_path / "elsewhere", "own": home.results}
    folder = named.get(change.pop("folder", ""), tmp_path / home.study)
    with pytest.raises(ResultError, match=message):
        publish_study(home, folder, **change)
    assert not (tmp_path / home.study).exists()
    assert not (tmp_path / "elsewhere").exists()


def test_altered_results_are_not_published(home, tmp_path):
    for name in ("results", "prepared"):
        shutil.copytree(getattr(home, f"{name}_root"), tmp_path / name)
    here = home.model_copy(update={f"{name}_root": tmp_path / name for name in ("results", "prepared")})
    table = StudyPaths(here).table("table1")
    table.write_text(table.read_text().replace("0.", "0.9", 1))
    with pytest.raises(ResultError, match=r"table1\.csv: altered since it was made"):
        publish_study(here, tmp_path / "out" / home.study)


@pytest.mark.parametrize("place", ["/home/anna/data/x.nii", "C:\\\\Users\\\\anna\\\\x", "{data}/x.nii"])
@pytest.mark.parametrize("file", ["tables/table1.md", "claims.csv"])
def test_no_folder_of_this_machine_is_published(home, tmp_path, place, file):
    shutil.copytree(home.results_root, tmp_path / "results")
    here = home.model_copy(update={"results_root": tmp_path / "results", "data_root": tmp_path / "data"})
    target = here.results / file
    target.write_text(target.read_text() + place.format(data=here.data_root))
    with pytest.raises(ResultError, match=rf"{re.escape(file)}: names the folder .* of this machine"):
        export_study(here, tmp_path / "x.zip")


def test_the_verb_takes_one_target(home, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["export", str(home.results), "--out", str(tmp_path / "x.zip"), "--folder", str(tmp_path / home.study)])
    assert "expected --out or --folder, received both" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["export", str(home.results), "--folder", str(tmp_path / home.study)])
    assert ended.value.code == 0
    assert "MiB, the largest" in capsys.readouterr().out
    assert (tmp_path / home.study / "config.json").is_file()
