"""A Markdown page as one HTML file that needs nothing else, for Snakemake's report, which shows HTML in place."""

from __future__ import annotations

import html
import itertools
import re
from pathlib import Path

from spectralcal.base.errors import DataError
from spectralcal.base.files import write_text

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76em; margin: 1.5em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.25em; margin-top: 2em; } h3 { font-size: 1.05em; margin-top: 1.8em; }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto; }
th, td { padding: 0.25em 0.7em; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #888; }
code { font-size: 0.9em; background: #f4f4f4; overflow-wrap: anywhere; }
"""


def webpage(markdown: str) -> str:
    """Markdown with tables -> a whole HTML document; headings carry anchors as on GitHub (``### C01``: ``#c01``)."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(markdown)
    title = ""
    for mark, content in itertools.pairwise(tokens):
        if mark.type == "heading_open":
            mark.attrSet("id", _anchor(content.content))
            title = title or content.content
    body = parser.renderer.render(tokens, parser.options, {})
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def webpage_step(source: Path, target: Path) -> None:
    """Write the HTML page of a Markdown file.

    Raises:
        DataError: there is no such file, or it is not text.
    """
    try:
        markdown = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: expected a Markdown file, found none that can be read ({error})") from error
    write_text(target, webpage(markdown))


def _anchor(heading: str) -> str:
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())
