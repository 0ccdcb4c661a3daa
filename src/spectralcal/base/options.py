"""The options of an entry, as fields of a strict model: read from its source text, or from its signature."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model

#: arguments that the program supplies; they are not options of a configuration
SUPPLIED = frozenset({"self", "in_channels", "num_classes", "spatial_dims", "results", "experiment"})
#: name -> (type, default); ``...`` marks a required option
Fields = dict[str, tuple[Any, Any]]
_PLAIN = {"Any": Any, "int": int, "float": float, "bool": bool, "str": str, "tuple": tuple, "list": list, "dict": dict,
          "Sequence": typing.Sequence, "None": None}  # fmt: skip
#: a number to people and to YAML 1.2, a text to the YAML 1.1 that is read here: it wants a point and a signed exponent
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def as_numbers(value: Any) -> Any:
    """A value with texts such as ``1e-3`` as the numbers they are, within lists and mappings too."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    if isinstance(value, list | tuple):
        return type(value)(as_numbers(item) for item in value)
    return {key: as_numbers(item) for key, item in value.items()} if isinstance(value, dict) else value


def model(name: str, fields: Fields) -> type[BaseModel]:
    """A strict model of these options."""
    given = {
        key: (Annotated[kind, BeforeValidator(as_numbers)] if _is_open(kind) else kind, default)
        for key, (kind, default) in fields.items()
        if key not in SUPPLIED
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), **given)


def from_source(tree: ast.Module, name: str) -> Fields | None:
    """Options of a class's constructor or of a function; None if the file does not define it."""
    if not any(isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name for node in tree.body):
        return None
    function = _function(tree, name)
    if function is None:
        return {}
    args = function.args
    fields: Fields = {}
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
            fields = {**(from_source(tree, target) or {}), **fields}
    return fields


def from_object(entry: Any) -> Fields:
    """Options of something that was imported, from its signature; its annotations are not looked at."""
    fields: Fields = {}
    for parameter in inspect.signature(entry).parameters.values():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            fields[parameter.name] = (Any, ... if parameter.default is parameter.empty else parameter.default)
    return fields


def _is_open(kind: Any) -> bool:
    """Whether a type takes texts that could be meant as numbers: any value, bare collections, text or a number."""
    if kind in (Any, dict, list, tuple, typing.Sequence):
        return True
    members = typing.get_args(kind) if typing.get_origin(kind) is not Literal else ()
    return (str in members and float in members) or any(_is_open(member) for member in members)


def _function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.ClassDef) and node.name == name:
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
    """The annotation as a type: plain names, unions, ``Literal`` and subscripts of these; anything else is any value.

    A source file is data here, not code: nothing of it is evaluated.
    """
    try:
        return _meaning(annotation) if annotation is not None else Any
    except LookupError:
        return Any


def _meaning(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis):
        return node.value
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _meaning(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Name):
        return _PLAIN[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return typing.Union[_meaning(node.left), _meaning(node.right)]  # noqa: UP007 - `None | None` has no such form
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Literal":
            return Literal[tuple(ast.literal_eval(item) for item in items)]
        return _PLAIN[node.value.id][tuple(_meaning(item) for item in items)]
    raise LookupError(ast.dump(node))
