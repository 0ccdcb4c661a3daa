"""The registry reads options from source; what it reads must be what Python would say."""

import sys
import textwrap

import pytest

from spectralcal.base import papers, registry
from spectralcal.base.errors import ConfigError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty package folder in place of spectralcal's."""
    for kind in registry.KINDS.values():
        (tmp_path / kind.folder).mkdir(parents=True)
    monkeypatch.setattr(registry, "PACKAGE", tmp_path)
    monkeypatch.setattr(papers, "_mounted", {})  # papers that other tests of this process named have entries too
    registry.forget()
    yield tmp_path
    registry.forget()


def write(package, kind, name, text):
    (package / kind / f"{name}.py").write_text(textwrap.dedent(text))


def test_a_dropped_file_is_registered_and_underscores_are_not(package):
    write(package, "losses", "mine", "class Mine:\n    pass\nLOSS = Mine")
    write(package, "losses", "_base", "class Base:\n    pass\nLOSS = Base")
    write(package, "losses", "helper", "def f(): pass")
    assert registry.names("losses") == ("mine",)


def test_options_with_types_defaults_and_forwarding(package):
    write(
        package,
        "losses",
        "mine",
        """
        import not_installed
        from typing import Literal

        class Term:
            def __init__(self, bands: int = 5, kind: Literal["a", "b"] = "a", *, clip: float | None = None): ...

        class Mine:
            def __init__(self, weight: float = 0.5, **options):
                self.term = Term(**options)

        LOSS = Mine
        LABEL = "Mine"
        """,
    )
    assert registry.defaults("losses", "mine") == {"weight": 0.5, "bands": 5, "kind": "a", "clip": None}
    assert registry.constant("losses", "mine", "LABEL") == "Mine"
    assert registry.constant("losses", "mine", "REFERENCE") is None
    model = registry.options_model("losses", "mine")
    assert model.model_validate({"kind": "b"}).kind == "b"
    for wrong in ({"kind": "c"}, {"bands": "many"}, {"unknown": 1}):
        with pytest.raises(ValueError, match="validation error"):
            model.model_validate(wrong)


def test_supplied_arguments_are_no_options(package):
    write(
        package,
        "models",
        "net",
        """
        class Net:
            def __init__(self, in_channels, num_classes, *, spatial_dims=3, width: int = 8): ...
        MODEL = Net
        """,
    )
    assert registry.defaults("models", "net") == {"width": 8}


def test_an_entry_without_a_constructor_inherits_its_base(package):
    write(
        package,
        "losses",
        "child",
        """
        class Base:
            def __init__(self, gamma: float = 3.0): ...
        class Child(Base):
            pass
        LOSS = Child
        """,
    )
    assert registry.defaults("losses", "child") == {"gamma": 3.0}


def test_unknown_names_list_the_valid_ones(package):
    write(package, "losses", "one", "class A:\n    pass\nLOSS = A")
    write(package, "losses", "two", "class A:\n    pass\nLOSS = A")
    with pytest.raises(ConfigError, match=r"^methods\.x: unknown method 'x'; expected 'one' or 'two'$"):
        registry.require("losses", "x", "methods.x")


def test_annotations_are_data_not_code(package):
    write(
        package,
        "losses",
        "evil",
        """
        class Evil:
            def __init__(self, a: __import__("os").system("exit 1") = 1): ...
        LOSS = Evil
        """,
    )
    assert registry.defaults("losses", "evil") == {"a": 1}


def test_reading_options_imports_no_torch():
    import subprocess

    code = (
        "import sys; from spectralcal import registry;"
        "[registry.options_model(kind, name) for kind in registry.KINDS for name in registry.names(kind)];"
        "from spectralcal.study.config import load_config; load_config('config/demo.yaml');"
        "print([m for m in ('torch', 'monai', 'pandas', 'nibabel', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "[]", found.stderr
