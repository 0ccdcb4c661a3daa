import textwrap

import pytest

from spectralcal.base import digests


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "PACKAGE", tmp_path)
    digests.code_digest.cache_clear()
    yield tmp_path
    digests.code_digest.cache_clear()


def code(package, **sources):
    for name, text in sources.items():
        file = package / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
    digests.code_digest.cache_clear()
    return digests.code_digest(package / "a.py")


BASE = """
    '''Doc.'''
    from spectralcal import b

    LABEL = "A"

    def f(x: int) -> int:
        '''Doc.'''
        y: float = x + 1  # comment
        return y * b.g(x)
"""


def test_cosmetics_do_not_count(package):
    before = code(package, a=BASE, b="def g(x): return x")
    after = code(
        package,
        a="""
        from spectralcal import b
        LABEL = "another label"
        def f(x):
            '''Another text.'''

            y: "int" = (x +
                  1)
            return y * b.g(x)
        """,
    )
    assert before == after


@pytest.mark.parametrize(
    "change", [{"a": BASE.replace("x + 1", "x + 2")}, {"b": "def g(x): return -x"}, {"a": BASE.replace("* b", "/ b")}]
)
def test_a_changed_computation_counts_wherever_it_is(package, change):
    before = code(package, a=BASE, b="def g(x): return x")
    assert code(package, **change) != before


def test_imports_are_followed_inside_functions_but_not_for_types(package):
    lazy = "def f():\n    from spectralcal.c import h\n    return h()"
    before = code(package, a=lazy, c="def h(): return 1")
    assert code(package, c="def h(): return 2") != before
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from spectralcal.c import h"
    before = code(package, a=typed)
    assert code(package, c="def h(): return 3") == before


def test_steering_modules_do_not_count(package):
    before = code(package, a="from spectralcal.base import errors\nx = 1", base__errors="class E: pass")
    assert code(package, base__errors="class E:\n    x = 2") == before


def test_a_source_is_what_it_means(tmp_path):
    def of(text):
        (tmp_path / "mine.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return digests.source_digest(tmp_path / "mine.py")

    before = of("def f(x: int, *, y=1) -> int:\n    return x + y")
    assert of('# a note\ndef f(x, *, y = 1):\n    """Doc."""\n    return (x + y)') == before
    assert of("def f(x: int, *, y=2) -> int:\n    return x + y") != before
    assert of("def f(x: int, *, y=1) -> int:\n    return x - y") != before


def test_the_digest_of_the_package_does_not_know_where_files_lie(package):
    def of(**sources):
        for file in package.rglob("*.py"):
            file.unlink()
        for name, text in sources.items():
            file = package / f"{name.replace('__', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        digests.package_digest.cache_clear()
        return digests.package_digest()

    before = of(a="x = 1", b="y = 2")
    assert of(c__a="x = 1  # moved", b="y = 2") == before
    assert of(a="x = 1", b="y = 3") != before
    digests.package_digest.cache_clear()


def test_digest_ignores_the_order_of_keys_and_nothing_else():
    assert digests.digest({"a": 1, "b": (1, 2)}) == digests.digest({"b": [1, 2], "a": 1})
    assert digests.digest({"a": 1}) != digests.digest({"a": 1.5})
    assert digests.digest("a", "b") != digests.digest("ab")
