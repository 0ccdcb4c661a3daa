"""The name of a checkpoint that belongs to another run; apart from checkpoints, which need torch."""

from __future__ import annotations

from pathlib import Path


def set_aside(path: Path) -> Path:
    """Where a checkpoint goes that belongs to another run: beside its own name, replaced by the next such."""
    return path.with_name(f"{path.stem}.foreign{path.suffix}")
