"""From a name to the file of that name: drop `losses/mine.py` into the package and `mine` is in the grid.

Each registered folder holds one entry a file. A module says which of its objects is the entry through one constant
(``LOSS = FocalLoss``), and the keyword arguments of that entry are its options in ``config.yaml``. Options are read
from the source text, not by importing it, so that a configuration is checked in milliseconds, without torch.
"""

from __future__ import annotations

import ast
import functools
import importlib
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from spectralcal.errors import ConfigError, choices

PACKAGE = Path(__file__).parent
#: folder -> the constant that names a module's entry
ENTRY = {
    "datasets": "DATASET",
    "losses": "LOSS",
    "models": "MODEL",
    "posthoc": "POST_HOC",
    "tables": "TABLE",
    "figures": "FIGURE",
    "claims": "CLAIM",
}
#: arguments that the program supplies; they are not options of a configuration
SUPPLIED = frozenset({"self", "in_channels", "num_classes", "spatial_dims", "results", "experiment"})


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """The registered names of a kind (``"losses"``, ``"datasets"``, ...), sorted."""
    files = (PACKAGE / kind).glob("[a-z]*.py")
    return tuple(sorted(file.stem for file in files if _constant(ast.parse(file.read_text()), ENTRY[kind])))


def require(kind: str, name: str, where: str = "") -> None:
    """Raise a :class:`ConfigError` that lists the valid names unless `name` is registered."""
    if name not in names(kind):
        place = f"{where}: " if where else ""
        raise ConfigError(f"{place}unknown {_singular(kind)} '{name}'; expected {choices(names(kind))}")


def load(kind: str, name: str) -> Any:
    """Import the module of that name and return its entry (a class or a function)."""
    require(kind, name)
    return getattr(importlib.import_module(f"spectralcal.{kind}.{name}"), ENTRY[kind])


@functools.cache
def options_model(kind: str, name: str) -> type[BaseModel]:
    """A strict pydantic model of an entry's keyword options, with types and defaults read from its source.

    An entry that forwards ``**options`` to another class or function of its file has that one's options too.
    """
    require(kind, name)
    tree = ast.parse((PACKAGE / kind / f"{name}.py").read_text())
    entry = _constant(tree, ENTRY[kind])
    fields = {key: value for key, value in _signature(tree, entry).items() if key not in SUPPLIED}
    return create_model(f"{name}_options", __config__=ConfigDict(extra="forbid"), **fields)


def defaults(kind: str, name: str) -> dict[str, Any]:
    """The options of an entry at their default values."""
    return options_model(kind, name)().model_dump()


@functools.cache
def constant(kind: str, name: str, constant: str) -> Any:
    """The literal that the module of an entry assigns to `constant`, or None; read without importing it."""
    require(kind, name)
    for node in ast.parse((PACKAGE / kind / f"{name}.py").read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == constant for t in node.targets):
            return ast.literal_eval(node.value)
    return None


def _singular(kind: str) -> str:
    return {"losses": "method", "models": "architecture", "datasets": "data set", "posthoc": "post-hoc step"}.get(
        kind, kind.removesuffix("s")
    )


def _constant(tree: ast.Module, constant: str) -> str | None:
    """The name that a module assigns to `constant`, or None."""
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)):
            continue
        if any(isinstance(target, ast.Name) and target.id == constant for target in node.targets):
            return node.value.id
    return None


def _signature(tree: ast.Module, entry: str) -> dict[str, tuple[Any, Any]]:
    """Argument -> (type, default) of a class's constructor or of a function; ``...`` marks a required one."""
    function = _function(tree, entry)
    if function is None:
        return {}
    args = function.args
    fields: dict[str, tuple[Any, Any]] = {}
    positional = [*args.posonlyargs, *args.args]
    padded = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    for argument, default in [
        *zip(positional, padded, strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]:
        if argument.arg == "self":
            continue
        value = ... if default is None else ast.literal_eval(default)
        fields[argument.arg] = (_type(argument.annotation), value)
    if args.kwarg is not None:
        for target in _forwarded_to(function, args.kwarg.arg):
            fields = {**_signature(tree, target), **fields}
    return fields


def _function(tree: ast.Module, entry: str) -> ast.FunctionDef | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            return node
        if isinstance(node, ast.ClassDef) and node.name == entry:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    return item
            for base in node.bases:
                inherited = _function(tree, base.id) if isinstance(base, ast.Name) else None
                if inherited is not None:
                    return inherited
    return None


def _forwarded_to(function: ast.FunctionDef, kwarg: str) -> list[str]:
    """Names called in `function` with ``**kwarg``."""
    return [
        call.func.id
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == kwarg for k in call.keywords)
    ]


def _type(annotation: ast.expr | None) -> Any:
    """The annotation as a type. Only builtins and typing's names are in reach: a source file is data here, not code."""
    if annotation is None:
        return Any
    text = ast.unparse(annotation)
    safe = {"Literal": Literal, "Any": Any, "int": int, "float": float, "bool": bool, "str": str, "tuple": tuple,
            "list": list, "dict": dict, "Sequence": typing.Sequence, "None": None}  # fmt: skip
    if not {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)} <= set(safe):
        return Any
    return eval(text, {"__builtins__": {}}, safe)
