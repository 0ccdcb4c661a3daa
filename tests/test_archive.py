"""Archives may come from anyone: what is unsafe or altered is refused before anything is written outside a folder."""

import json
import os
import re
import stat
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.base.errors import DataError
from spectralcal.sharing.archive import INDEX, unpack_archive, write_archive
from spectralcal.sharing.shared import ALLOWED

ANY = re.compile(r"[a-z]+\.csv")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path


def good(place, files=None):
    path = place / "good.zip"
    write_archive(path, files or {"a.csv": b"1,2\n", "b.csv": b"3\n"}, {"study": "x"})
    return path


def forged(place, change):
    """A good archive with its members changed by `change`: (ZipInfo, bytes) -> the same, or None to leave it out."""
    path = place / "forged.zip"
    with zipfile.ZipFile(good(place)) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            for changed in change(member, source.read(member)):
                target.writestr(*changed)
    return path


def refused(place, path, match, **options):
    with pytest.raises(DataError, match=match):
        unpack_archive(path, place / "out", ANY, **options)
    outside = [p for p in place.rglob("*") if p.is_file() and p.suffix != ".zip" and place / "out" not in p.parents]
    assert outside == []


def test_what_goes_in_comes_out(place):
    index = unpack_archive(good(place), place / "out", ANY)
    assert (place / "out/a.csv").read_bytes() == b"1,2\n"
    assert index["study"] == "x"
    assert sorted(index["files"]) == ["a.csv", "b.csv"]


def test_equal_content_gives_equal_bytes_whatever_the_order_and_the_dates(place):
    file = place / "a.csv"
    file.write_bytes(b"1,2\n")
    first = write_archive(place / "1.zip", {"a.csv": file, "b.csv": b"3\n"}, {"study": "x"})
    os.utime(file, (1e9, 1e9))
    second = write_archive(place / "2.zip", {"b.csv": b"3\n", "a.csv": file}, {"study": "x"})
    assert first == second
    assert (place / "1.zip").read_bytes() == (place / "2.zip").read_bytes()


@pytest.mark.parametrize(
    "name", ["../a.csv", "/tmp/a.csv", "x/../../a.csv", "..\\a.csv", "C:\\a.csv", "a.csv/", "a.csv\n", "", "a.exe"]
)
def test_names_that_lead_elsewhere_are_refused(place, name):
    def change(member, content):
        return [(member, content)] if member.filename != "a.csv" else [(zipfile.ZipInfo(name), content)]

    refused(place, forged(place, change), "is no name of a result file|link, a folder|cannot be read")


def test_links_are_refused(place):
    def change(member, content):
        if member.filename == "a.csv":
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            content = b"/etc/passwd"
        return [(member, content)]

    refused(place, forged(place, change), "is a link")


def test_changed_content_is_named(place):
    def change(member, content):
        return [(member, content.replace(b"1,2", b"1,3"))] if member.filename == "a.csv" else [(member, content)]

    refused(place, forged(place, change), r"'a\.csv' is altered")


def test_a_changed_index_is_noticed(place):
    def change(member, content):
        return [(member, content.replace(b'"x"', b'"y"'))]

    refused(place, forged(place, change), "index.json is altered")


def test_members_beside_the_index_are_refused(place):
    refused(place, forged(place, lambda m, c: [(m, c)] if m.filename != "b.csv" else []), r"'b\.csv' is in the")
    extra = place / "extra.zip"
    extra.write_bytes(good(place).read_bytes())
    with zipfile.ZipFile(extra, "a") as archive:
        archive.writestr("c.csv", b"")
    refused(place, extra, r"'c\.csv' is in the archive or in its index")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = forged(place, lambda m, c: [(m, c), (m, c)] if m.filename == "a.csv" else [(m, c)])
    refused(place, twice, r"'a\.csv' is in the archive or in its index")


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_holds(place):
    path = good(place, {"a.csv": b"0" * 5_000_000})
    assert path.stat().st_size < 100_000
    refused(place, path, "more than the limit", limit_bytes=1_000_000)


def test_other_files_are_no_archives(place):
    for content in (b"", b"PK\x03\x04 half", good(place).read_bytes()[:200]):
        path = place / "odd.zip"
        path.write_bytes(content)
        refused(place, path, "cannot be read as an archive of results")
    with zipfile.ZipFile(place / "plain.zip", "w") as archive:
        archive.writestr("a.csv", b"1")
    refused(place, place / "plain.zip", "expected index.json as its first member")


def test_a_pickle_in_an_index_stays_text(place):
    index = json.loads(zipfile.ZipFile(good(place)).read(INDEX))
    index["study"] = "cos\nsystem\n(S'touch pwned'\ntR."
    with zipfile.ZipFile(place / "p.zip", "w") as archive:
        archive.writestr(INDEX, json.dumps(index))
    refused(place, place / "p.zip", "index.json is altered")


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("./\\~$a=cels\x00\n"), max_size=40))
def test_no_allowed_name_leaves_the_folder(name):
    """Whatever the pattern accepts stays where it is put."""
    candidate = f"cells/dataset={name}/arch=u/method=ce/seed=0/cases.csv"
    for text in (name, candidate):
        if ALLOWED.fullmatch(text):
            assert ".." not in text.split("/")
            assert not text.startswith("/")
            assert "\\" not in text
            assert "\x00" not in text
