"""The file of a published cell: what it stands for, what it refuses, and how it sits beside full files."""

import io
import json
import shutil
import stat
import zipfile

import numpy as np
import pytest
from recorded import recorded

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ResultError
from spectralcal.base.integrity import sealed
from spectralcal.records.checks import check_cell
from spectralcal.records.light.cell import ARRAYS, TEXTS, LightCell, of_text
from spectralcal.records.light.files import has, lightened, read_arrays, read_text
from spectralcal.records.light.parcel import to_bytes
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths, StudyPaths

CE = Cell("phantom", "unet", "ce", 0)
NAMES = (*TEXTS, *ARRAYS)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A cell with all of its files."""
    return StudyPaths(recorded(tmp_path_factory.mktemp("home"), methods=("ce", "ce+temperature"), cases=3)).cell(CE)


@pytest.fixture
def away(home, tmp_path):
    """The same cell in its light form."""
    files = CellPaths(tmp_path / "cell")
    files.folder.mkdir()
    for record in (home.run, home.evaluation):
        shutil.copy(record, files.folder)
    files.light.write_bytes(lightened(home))
    return files


def rewritten(files, change):
    """The light file with members changed by a function of name and content; None drops one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(files.light) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    files.light.write_bytes(buffer.getvalue())


def test_all_files_come_back(home, away):
    for name in TEXTS:
        assert read_text(away.folder / name) == (home.folder / name).read_bytes()
    for name in ARRAYS:
        there, back = (read_arrays(files.folder / name) for files in (home, away))
        assert there.keys() == back.keys()
        for key in there:
            assert there[key].dtype == back[key].dtype
            np.testing.assert_array_equal(there[key], back[key])
    with np.load(home.spectra) as exact:
        for key in exact.files:
            back = read_arrays(away.spectra)[key]
            assert back.dtype == exact[key].dtype
            if key.startswith("psd_"):
                np.testing.assert_allclose(back, exact[key], rtol=2**-8, atol=0)
            else:
                np.testing.assert_array_equal(back, exact[key])
    assert all(has(away.folder / name) for name in NAMES)
    assert not has(away.weights)


def test_it_says_what_it_stands_for(home, away):
    listed = {name: file_digest(home.folder / name) for name in NAMES}
    assert LightCell.read(away.light).stands_for == listed
    assert check_cell(CE, away) == ([], [])


def test_it_is_small(home, away):
    assert away.light.stat().st_size < sum((home.folder / name).stat().st_size for name in NAMES) / 4


def test_the_same_files_give_the_same_bytes(home, away):
    assert lightened(home) == lightened(home) == away.light.read_bytes()
    assert lightened(away) == away.light.read_bytes()


def test_only_what_is_asked_for_goes_in(home, away):
    part = LightCell(lightened(home, ["history.csv", "run.json"]), "x")
    assert set(part.stands_for) == {"history.csv"}
    again = LightCell(lightened(away, ["history.csv", "model.json"]), "x")
    assert again.text("history.csv") == home.history.read_bytes()
    assert set(again.stands_for) == {"history.csv", "model.json"}
    assert lightened(home, ["run.json"]) is None


def test_a_file_that_lies_there_comes_first(home, away):
    shutil.copy(home.cases, away.cases)
    assert read_text(away.history) == home.history.read_bytes()
    away.light.write_bytes(b"damaged")
    assert read_text(away.cases) == home.cases.read_bytes()


def test_a_file_that_lies_there_is_refused_if_it_was_altered(home, away):
    away.cases.write_bytes(home.cases.read_bytes().replace(b"ok", b"no"))
    with pytest.raises(ResultError, match=r"cases\.csv: expected the bytes that evaluation\.json lists .* put"):
        read_text(away.cases)


def test_a_cell_that_was_run_again_goes_into_the_next_light_file(home, away):
    other = home.cases.read_text().replace("0.", "0.0")
    away.cases.write_text(other)
    record = json.loads(away.evaluation.read_text())
    record["files"]["cases.csv"] = file_digest(away.cases)
    away.evaluation.write_text(json.dumps(sealed(record)))
    findings, notes = check_cell(CE, away)
    assert findings == []
    assert notes == ["light.zip: is older than the files beside it; `spectralcal export` makes the one of these"]
    light = LightCell(lightened(away), "x")
    assert light.text("cases.csv").decode() == other
    assert light.text("history.csv") == home.history.read_bytes()
    assert light.stands_for["cases.csv"] == file_digest(away.cases)


def test_scores_of_another_cell_are_found(home, away):
    """A light file in the wrong folder: the records list other files."""
    other = home.folder.parents[1] / "method=ce+temperature/seed=0"
    away.light.write_bytes(lightened(CellPaths(other)))
    findings, _ = check_cell(CE, away)
    assert "light.zip: stands for another cases.csv than the records list" in findings
    assert "model.json: is gone, but run.json lists it" not in check_cell(CE, home)[0]
    assert "model.json: is gone, but run.json lists it" in findings


def test_scores_without_a_record_are_found(away):
    away.evaluation.unlink()
    assert check_cell(CE, away)[0] == ["cases.csv: scores without evaluation.json, which says what they are of"]


def test_a_record_without_light_file_misses_its_files(away):
    away.light.unlink()
    assert len(check_cell(CE, away)[0]) == len(NAMES)
    assert read_arrays(away.calibration) is None
    with pytest.raises(FileNotFoundError):
        read_text(away.cases)


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_byte_is_found(away, place):
    content = bytearray(away.light.read_bytes())
    content[int(place * len(content))] ^= 0x10
    away.light.write_bytes(bytes(content))
    findings, _ = check_cell(CE, away)
    assert len(findings) == 1
    assert findings[0].startswith("light.zip: damaged (")
    assert "\n" not in findings[0]


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file" * 9])
def test_what_is_no_light_file_is_refused_in_a_line(away, content):
    away.light.write_bytes(content)
    for read in (lambda: has(away.cases), lambda: read_text(away.cases), lambda: read_arrays(away.spectra),
                 lambda: lightened(away)):  # fmt: skip
        with pytest.raises(ResultError, match=r"light\.zip: damaged \(.+\); restore the published file") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_improved_scores_are_found_even_if_the_list_of_members_is_improved_too(away):
    """The seal of the list, the digest of the scores and evaluation.json hold each other."""
    import hashlib

    better = read_text(away.cases).replace(b",0.", b",0.9", 1)
    part = of_text(better).content

    def swap(name, content):
        if name == "cases.csv":
            return part
        if name == "about.json":
            about = json.loads(content)
            about["parts"]["cases.csv"] = hashlib.sha256(part).hexdigest()
            return json.dumps(sealed(about)).encode()
        return content

    rewritten(away, swap)
    findings, _ = check_cell(CE, away)
    assert [line.partition(";")[0] for line in findings] == [
        "light.zip: damaged ('cases.csv' does not come back as it was)"
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"about.json": b"{}"}, "damaged"),
        ({"about.json": b"\xff"}, "damaged"),
        ({"cases.csv": None}, "damaged"),
        ({"spectra.npz": b"other"}, "is not the one that its about.json lists"),
    ],
)
def test_changed_members_are_found(away, changes, message):
    rewritten(away, lambda name, content: changes.get(name, content))
    findings, _ = check_cell(CE, away)
    assert message in findings[0]


def test_pickles_are_not_read(away, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "hacked"), "w"))

    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([Evil()], dtype=object))
    rewritten(away, lambda name, content: buffer.getvalue() if name == "spectra.npz" else content)
    with pytest.raises(ResultError):
        read_arrays(away.spectra)
    assert not (tmp_path / "hacked").exists()


def test_a_member_that_unpacks_to_too_much_is_refused(away, monkeypatch):
    monkeypatch.setattr("spectralcal.records.light.cell._LIMIT", 100)
    with pytest.raises(ResultError, match="has more than"):
        read_text(away.cases)


def test_members_are_plain_files_without_dates(away):
    with zipfile.ZipFile(away.light) as archive:
        for member in archive.infolist():
            assert stat.S_ISREG(member.external_attr >> 16)
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
    assert to_bytes({}) != b""


def test_a_damaged_full_file_is_not_packed(home, tmp_path):
    files = CellPaths(tmp_path / "cell")
    shutil.copytree(home.folder, files.folder)
    files.calibration.write_bytes(b"nothing")
    with pytest.raises(ResultError, match=r"calibration\.npz: damaged"):
        lightened(files)
