import errno
import gzip
import io
import os
import tarfile
import zipfile

import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets import _archive
from spectralcal.datasets._archive import unpack


def tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def link(kind, target):
    info = tarfile.TarInfo("top/link")
    info.type, info.linkname = kind, target
    return info


def test_the_top_folder_becomes_the_folder(tmp_path):
    members = [("top/a.txt", b"a"), ("top/b/c.txt", b"c"), ("top/._a.txt", b"fork")]
    folder = unpack(tar(tmp_path / "x.tar", members), tmp_path / "data" / "X", 1000)
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == ["a.txt", "b/c.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["X"]


def test_what_macos_adds_to_an_archive_is_left_behind(tmp_path):
    names = ("top/a.txt", "__MACOSX/top/._a.txt", "__MACOSX/._top", ".DS_Store", "top/.DS_Store", "top/Thumbs.db")
    folder = unpack(tar(tmp_path / "x.tar", [(name, b"a") for name in names]), tmp_path / "X", 1000)
    assert [path.name for path in folder.rglob("*")] == ["a.txt"]


def test_several_top_entries_stay_as_they_are(tmp_path):
    folder = unpack(tar(tmp_path / "x.tar", [("a.txt", b"a"), ("b/c.txt", b"c")]), tmp_path / "X", 1000)
    assert (folder / "a.txt").read_bytes() == b"a"
    assert (folder / "b" / "c.txt").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X", "x.tar"]


def test_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("top/a.txt", "a")
    assert (unpack(tmp_path / "x.zip", tmp_path / "X", 1000) / "a.txt").read_text() == "a"


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "top/../../evil.txt", "..\\evil.txt", "C:evil.txt"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_no_member_leaves_the_folder(tmp_path, name, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "tar":
        tar(path, [("top/good.txt", b"x"), (name, b"x")])
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("top/good.txt", "x")
            archive.writestr(name, "x")
    with pytest.raises(DataError, match="expected a path inside"):
        unpack(path, tmp_path / "data" / "X", 1000)
    assert list((tmp_path / "data").iterdir()) == []
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_no_links_or_devices(tmp_path, kind):
    with pytest.raises(DataError, match="found a link or device"):
        unpack(tar(tmp_path / "x.tar", [(link(kind, "/etc/passwd"), b"")]), tmp_path / "X", 1000)


def test_no_links_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("top/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="found a link or device"):
        unpack(tmp_path / "x.zip", tmp_path / "X", 1000)


def test_size_bound(tmp_path):
    path = tar(tmp_path / "x.tar", [("top/a", b"x" * 600), ("top/b", b"x" * 600)])
    with pytest.raises(DataError, match="at most 1000 bytes"):
        unpack(path, tmp_path / "X", 1000)
    assert not (tmp_path / "X").exists()


def test_what_was_there_stays_when_the_archive_is_bad(tmp_path):
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "old.txt").write_text("old")
    path = tar(tmp_path / "x.tar", [("top/a", b"x" * 5000)])
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="download it again"):
        unpack(path, tmp_path / "X", 10_000)
    assert (tmp_path / "X" / "old.txt").read_text() == "old"


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <HTML><body>404</body></HTML>"])
@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_login_page_saved_as_an_archive(tmp_path, page, name):
    (tmp_path / name).write_bytes(page)
    with pytest.raises(DataError, match=rf"{name}: expected a tar or zip archive, got: a web page .*sign in$"):
        unpack(tmp_path / name, tmp_path / "X", 1000)
    assert not (tmp_path / "X").exists()


def test_something_else_is_one_line(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"something else" * 100)
    with pytest.raises(DataError, match="expected a tar or zip archive") as caught:
        unpack(tmp_path / "x.zip", tmp_path / "X", 1000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_zip(tmp_path, keep):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/a.txt", "a" * 500)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match=r"expected a tar or zip archive, got: .*download it again"):
        unpack(path, tmp_path / "X", 1000)


def test_a_truncated_tar_gz(tmp_path):
    plain = tar(tmp_path / "x.tar", [("top/a", bytes(range(256)) * 20)])
    path = tmp_path / "x.tar.gz"
    content = gzip.compress(plain.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"expected a tar or zip archive, got: .*download it again"):
        unpack(path, tmp_path / "X", 100_000)


def test_a_zip_with_a_password(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/a.txt", "a" * 50)
    content = bytearray(path.read_bytes())
    content[6] |= 1  # bit 0 of the flags says encrypted, in the local header and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"got: .*encrypted, password required.*download it again"):
        unpack(path, tmp_path / "X", 1000)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_is_not_the_archives_fault(tmp_path, monkeypatch, number):
    path = tar(tmp_path / "x.tar", [("top/a", b"x")])
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "old.txt").write_text("old")

    def fail(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_archive.shutil, "copyfileobj", fail)
    with pytest.raises(DataError, match=rf"x\.tar: expected enough space to unpack it to .*{os.strerror(number)}"):
        unpack(path, tmp_path / "X", 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X", "x.tar"]
    assert (tmp_path / "X" / "old.txt").read_text() == "old"
