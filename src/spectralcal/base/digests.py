"""Digests: of settings, of files, and of what a source file means, whatever its comments and docstrings say."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from spectralcal.base.user_cache import keep, recall

PACKAGE = Path(__file__).parents[1]
#: packages and modules that steer or name but draw nothing; what they decide is in the digest of an output as settings
STEERING = frozenset(
    {
        "base",
        "cli",
        "jobs",
        "machine",
        "study.config",
        "study.grid",
        "study.locate",
        "study.numerics",
        "study.paths",
        "study.recipe",
    }
)
LENGTH = 16


def digest(*parts: Any) -> str:
    """A short digest of JSON-like values (mappings in any order, tuples as lists, paths as text)."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_digest(path: Path) -> str:
    """Digest of what a Python file means: comments, docstrings, layout and annotations of arguments do not count."""
    return _parsed(path.read_text(encoding="utf-8"))[0]


@functools.cache
def package_digest() -> str:
    """Digest of the meaning of all code of the package: evidence of what made a result, no part of its identity.

    Only what the files say counts, not where they lie or what they are called.
    """
    return digest(sorted(_read(file.read_text(encoding="utf-8"))[0] for file in PACKAGE.rglob("*.py")))


@functools.cache
def code_digest(*files: Path, ignore: frozenset[str] = STEERING) -> str:
    """Digest of the code of `files` and of every module of the package that they import, directly or not.

    For tables, figures and verdicts, which are cheap to make again. What a cell was made from is declared instead
    (:mod:`spectralcal.study.numerics`).

    Args:
        files: sources, of the package or of somebody's own.
        ignore: dotted names of packages and modules inside the package that cannot change the result in question.
    """
    meanings: dict[Path, str] = {}
    queue = list(files)
    while queue:
        file = queue.pop()
        if file in meanings:
            continue
        meanings[file], imports = _read(file.read_text(encoding="utf-8"))
        sources = (_source(name) for name in imports if not _within(name, ignore))
        queue += [source for source in sources if source is not None]
    return digest(sorted(meanings.values()))


def _within(module: str, names: frozenset[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


# A plan asks for the code of hundreds of outputs, which share nearly all modules.
@functools.cache
def _read(source: str) -> tuple[str, tuple[str, ...]]:
    """:func:`_parsed`, without parsing where it is the text of a module of the package."""
    meaning, imports = _known().get(_key(source)) or _parsed(source)
    return meaning, tuple(imports)


@functools.cache
def _known() -> dict[str, tuple[str, list[str]]]:
    """:func:`_parsed` of every module of the package, by its text's key.

    Parsing them takes a second or two, and every process of a study needs them: it is done once for every state of the
    code, whichever process comes first, and the user's cache folder keeps the answer.
    """
    sources = {_key(text): text for text in (file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))}
    reader = _key(Path(__file__).read_text(encoding="utf-8"))
    question = {"sources": digest(sorted(sources)), "reader": reader, "python": sys.version}
    answer = recall("sources", question)
    if answer is None or answer.keys() != sources.keys():
        answer = {key: _parsed(text) for key, text in sources.items()}
        keep("sources", question, answer)
    return answer


def _key(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


@functools.cache
def _parsed(source: str) -> tuple[str, list[str]]:
    """Digest of what the source of a module means, and what it imports."""
    tree = ast.parse(source)
    imports = sorted(set(_imports(tree)))
    return digest(_text(_Meaning().visit(tree))), imports


def _text(node: Any) -> str:
    """A syntax tree as text. Fields without content are left out: which of them there are depends on the Python."""
    if isinstance(node, ast.AST):
        fields = (f"{name}={_text(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _source(module: str) -> Path | None:
    base = PACKAGE.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _imports(tree: ast.Module) -> list[str]:
    """Modules of this package that a source imports, at any level of the file but for type checking."""
    modules: list[str] = []
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.append(node.module)
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    prefix = "spectralcal."
    return [name.removeprefix(prefix) for name in modules if name.startswith(prefix)]


class _Meaning(ast.NodeTransformer):
    """Drops what cannot change a number: docstrings, annotations of arguments, and constants that only label."""

    LABELS = frozenset({"LABEL", "REFERENCE", "PAPER", "__all__", "__version__"})

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = [item for item in node.body if not self._labels(item)]
        node.type_ignores = []
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Constant(value=None)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _without_docstring(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:]
        return node

    def _labels(self, item: ast.stmt) -> bool:
        if not isinstance(item, ast.Assign):
            return False
        return all(isinstance(target, ast.Name) and target.id in self.LABELS for target in item.targets)
