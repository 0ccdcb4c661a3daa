"""A page of the report: one file, tables, anchors, the text unchanged."""

from __future__ import annotations

import subprocess
import sys

from spectralcal.report.webpage import webpage

MARKDOWN = (
    "# Claims & more\n\nFrom [C01](#c01) on.\n\n| a | b |\n|---|---:|\n| 1\\|2 | **3** <sup>a</sup> |\n\n### C01\n"
)


def test_tables_anchors_and_title():
    html = webpage(MARKDOWN)
    assert "<title>Claims &amp; more</title>" in html
    assert '<meta charset="utf-8">' in html
    assert '<a href="#c01">C01</a>' in html
    assert '<h3 id="c01">' in html
    assert "<td>1|2</td>" in html
    assert "<strong>3</strong> <sup>a</sup></td>" in html


def test_a_page_loads_nothing():
    html = webpage(MARKDOWN)
    assert "http" not in html
    assert "<script" not in html


def test_verb(tmp_path):
    (tmp_path / "a.md").write_text("# Überschrift ±", encoding="utf-8")
    command = [sys.executable, "-m", "spectralcal", "page", str(tmp_path / "a.md"), str(tmp_path / "pages/a.html")]
    subprocess.run(command, check=True)
    assert "Überschrift ±" in (tmp_path / "pages/a.html").read_text(encoding="utf-8")
    command[4] = str(tmp_path / "none.md")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/none.md: expected a Markdown file")
