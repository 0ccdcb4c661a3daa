"""Answers that are kept between runs: found again, never wrong, never in the way."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from spectralcal.base.user_cache import cache_folder, keep, recall

QUESTION = {"shape": [2, 1, 16], "threads": 1}
ANSWER = {"failure": None, "deviation": 1.25}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def kept(home):
    (path,) = (home / "cache/spectralcal/toy").iterdir()
    return path


def test_an_answer_is_found_again_by_the_same_question_only():
    assert recall("toy", QUESTION) is None
    keep("toy", QUESTION, ANSWER)
    assert recall("toy", dict(reversed(QUESTION.items()))) == ANSWER
    assert recall("toy", {**QUESTION, "threads": 2}) is None
    assert recall("other", QUESTION) is None
    keep("toy", QUESTION, {"failure": "new"})
    assert recall("toy", QUESTION) == {"failure": "new"}


@pytest.mark.parametrize("length", [0, 1, 30, -3])
def test_a_file_that_was_cut_off_is_no_answer(home, length):
    keep("toy", QUESTION, ANSWER)
    text = kept(home).read_text()
    kept(home).write_text(text[:length])
    assert recall("toy", QUESTION) is None
    keep("toy", QUESTION, ANSWER)
    assert recall("toy", QUESTION) == ANSWER


@pytest.mark.parametrize(
    "content",
    [b"[]", b"3", b"null", b"{}", b"\xff\xfe\x00", json.dumps({"question": QUESTION, "answer": [1]}).encode(),
     json.dumps({"question": {**QUESTION, "threads": 2}, "answer": ANSWER}).encode()],
)  # fmt: skip
def test_other_content_is_no_answer(home, content):
    keep("toy", QUESTION, ANSWER)
    kept(home).write_bytes(content)
    assert recall("toy", QUESTION) is None


def test_the_folder_is_the_users(home, monkeypatch):
    assert cache_folder("toy") == home / "cache/spectralcal/toy"
    for unset in ("", "relative/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder("toy") == home / "home/.cache/spectralcal/toy"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("toy") == home / "home/.cache/spectralcal/toy"


@pytest.mark.parametrize("value", [None, "", "not/absolute"])
def test_without_a_home_nothing_is_kept_and_nothing_fails(monkeypatch, value):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME") if value is None else monkeypatch.setenv("HOME", value)
    assert cache_folder("toy") is None
    keep("toy", QUESTION, ANSWER)
    assert recall("toy", QUESTION) is None


def test_a_folder_that_cannot_be_made_does_not_matter(home, monkeypatch):
    (home / "cache").write_text("a file where the folder should be")
    keep("toy", QUESTION, ANSWER)
    assert recall("toy", QUESTION) is None


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_folder_that_cannot_be_written_does_not_matter(home, monkeypatch, error):
    keep("toy", QUESTION, ANSWER)

    def refused(*arguments):
        raise error("Read-only file system")

    monkeypatch.setattr("spectralcal.base.files.os.replace", refused)
    keep("toy", QUESTION, {"failure": "new"})
    assert recall("toy", QUESTION) == ANSWER
    assert [path.suffix for path in (home / "cache/spectralcal/toy").iterdir()] == [".json"]


def answers(number):
    """What one of several processes reads while all write."""
    found = []
    for _ in range(60):
        keep("toy", QUESTION, {"failure": "x" * 5000, "deviation": number})
        found.append(recall("toy", QUESTION))
    return found


def test_processes_at_once_read_whole_answers_only():
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        found = [answer for some in pool.map(answers, range(4)) for answer in some]
    assert len(found) == 240
    assert all(answer is not None and len(answer["failure"]) == 5000 for answer in found)
