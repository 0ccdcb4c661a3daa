"""YAML and CSV as text that anybody may have written: what is in it, or a ValueError in one line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

#: values of a YAML file, those that an alias stands for counted each time: a few lines can stand for billions
MOST_VALUES = 100_000


def parse_yaml(text: str) -> Any:
    """The content of a YAML (or JSON) text.

    Raises:
        ValueError: it is no YAML, has a key twice or a date that there is not, nests without end or stands for too many
            values.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_twice(node, set())
        if _size(node, {}) > MOST_VALUES:
            raise ValueError(f"its aliases stand for more than {MOST_VALUES:,} values")
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, OverflowError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def csv_rows(text: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV text, each with exactly the columns of its first line.

    Args:
        text: with a first line of names.
        columns: names that must be among them.

    Raises:
        ValueError: no CSV, a column is missing, or a row is longer or shorter than the first line.
    """
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    names = reader.fieldnames or []
    if missing := [name for name in columns if name not in names]:
        raise ValueError(f"expected columns {', '.join(columns)}, found no '{missing[0]}'")
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has another number of cells than the first line")
    return rows


def _refuse_twice(node: Any, seen: set[int]) -> None:
    """Refuse a key that stands twice in one mapping: YAML would forget the first without a word."""
    if id(node) in seen or not isinstance(node.value, list):
        return
    seen.add(id(node))
    keys: set[str] = set()
    for part in node.value:
        for child in part if isinstance(part, tuple) else (part,):
            _refuse_twice(child, seen)
        name = part[0].value if isinstance(part, tuple) else None
        if isinstance(name, str) and name != "<<":
            if name in keys:
                raise ValueError(f"the key '{name}' stands twice, again in line {part[0].start_mark.line + 1}")
            keys.add(name)


def _size(node: Any, known: dict[int, float]) -> float:
    """Values below a node of YAML, itself included; without end where it is in itself."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = float("inf")  # until it is known: what comes back here has no end
    parts = node.value if isinstance(node.value, list) else ()
    children = [child for part in parts for child in (part if isinstance(part, tuple) else (part,))]
    known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]
