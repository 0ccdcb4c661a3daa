"""The code on docs/library.md runs, from top to bottom, as a reader would type it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import matplotlib as mpl
import torch

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_page_runs(monkeypatch):
    mpl.use("Agg")
    torch.manual_seed(0)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for number, block in enumerate(blocks):
            exec(compile(block, f"library.md, block {number}", "exec"), names)
    assert [str(w.message) for w in seen if "bands:" in str(w.message)] == [
        "bands: maps of (8, 8, 8) have room for 4 of 5, and get 4; so do others too small"
    ]
    assert names["voxels"].shape == names["target"].shape
    assert names["metric"].compute() == names["histogram"].ece()
