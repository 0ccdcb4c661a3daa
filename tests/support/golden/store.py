"""Files of golden values: one a part, a line for each value, so that a review sees which moved."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VALUES = Path(__file__).parents[2] / "golden/values"


@dataclass(frozen=True)
class Golden:
    """What one file holds.

    Attributes:
        numerics: the part's integer when it was recorded.
        values: as computed then.
        defaults: key -> default that results leave out.
        uses: part -> its integer then, of the parts that the values also rest on.
    """

    numerics: int
    values: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)


def path_of(name: str, folder: Path = VALUES) -> Path:
    """The file of a part: ``losses/ce.json``, ``engine/post-hoc_fit.json``."""
    return folder / f"{name if '/' in name else f'engine/{name}'}.json".replace(" ", "_")


def read(name: str, folder: Path = VALUES) -> Golden | None:
    """The stored values of a part, or None if there are none."""
    path = path_of(name, folder)
    return Golden(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def write(name: str, golden: Golden, folder: Path = VALUES) -> Path:
    """Write the file of a part."""
    path = path_of(name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'"numerics": {golden.numerics}']
    for key in ("uses", "defaults", "values"):
        content = getattr(golden, key)
        inner = ",\n".join(
            f"  {json.dumps(name)}: {_text(_without_tolerances(value))}" for name, value in content.items()
        )
        if content:
            lines.append(f'"{key}": {{\n{inner}\n }}')
    path.write_text("{\n " + ",\n ".join(lines) + "\n}\n", encoding="utf-8")
    return path


def through_json(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they come back from a file."""
    return json.loads(_text(values))


def _without_tolerances(value: Any) -> Any:
    """They belong to the code: a file would keep old ones."""
    if isinstance(value, dict):
        return {name: _without_tolerances(each) for name, each in value.items() if name != "within"}
    return [_without_tolerances(each) for each in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
