import textwrap

import pytest

from spectralcal import fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    fingerprint.code_digest.cache_clear()
    yield tmp_path
    fingerprint.code_digest.cache_clear()


def code(package, **sources):
    for name, text in sources.items():
        file = package / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
    fingerprint.code_digest.cache_clear()
    return fingerprint.code_digest("a")


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
    before = code(package, a="from spectralcal import errors\nx = 1", errors="class E: pass")
    assert code(package, errors="class E:\n    x = 2") == before


def test_digest_ignores_the_order_of_keys_and_nothing_else():
    assert fingerprint.digest({"a": 1, "b": (1, 2)}) == fingerprint.digest({"b": [1, 2], "a": 1})
    assert fingerprint.digest({"a": 1}) != fingerprint.digest({"a": 1.5})
    assert fingerprint.digest("a", "b") != fingerprint.digest("ab")


def test_the_digests_of_the_steps_depend_on_their_own_code():
    """On the real package: the engine's digest sees the sampler, and the losses' see the spectral functions."""
    import ast

    from spectralcal.fingerprint import PACKAGE, _imports

    imported = _imports(ast.parse((PACKAGE / "training/train.py").read_text()))
    assert "training.patches" in imported
    assert fingerprint.code_digest("losses.ce") != fingerprint.code_digest("losses.spectral")
