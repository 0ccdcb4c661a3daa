"""Pieces of a page that is one file and needs nothing else: readable on a screen, a phone and paper."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

STYLE = """
:root { --ink: #1f2328; --faint: #667; --line: #dfe3e8; --accent: #1f6fb4; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: #fff;
  margin: 0 auto; max-width: 74rem; padding: 1.5rem clamp(0.9rem, 3vw, 2rem) 3rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 0.3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 0.4rem; }
p { margin: 0.4rem 0; max-width: 62rem; } .faint, figcaption, .note { color: var(--faint); font-size: 0.875rem; }
.cards { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10.5rem), 1fr));
  margin: 1.2rem 0; }
.card { border: 1px solid var(--line); border-top: 3px solid var(--accent); border-radius: 4px;
  padding: 0.6rem 0.8rem; }
.card b { display: block; font-size: clamp(1.1rem, 1.6vw, 1.35rem); line-height: 1.4; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.card span { display: block; color: var(--faint); font-size: 0.8rem; }
.scroll { overflow-x: auto; margin: 0.8rem 0; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  white-space: nowrap; }
th { border-bottom: 2px solid #9aa3ad; font-weight: 600; } th:first-child, td:first-child { text-align: left;
  position: sticky; left: 0; background: #fff; }
td small { display: block; color: var(--faint); }
.figures { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
figure { margin: 0; } figure img { width: 100%; max-width: 36rem; height: auto; display: block; }
figcaption { max-width: 36rem; } dl { margin: 0.8rem 0; max-width: 62rem; font-size: 0.875rem; }
dt { font-weight: 600; } dd { margin: 0 0 0.35rem; color: var(--faint); }
@media print { body { max-width: none; } .scroll { overflow: visible; } figure, .card, tr { break-inside: avoid; } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole document."""
    parts = "\n".join(body)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{parts}\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; `kind` "faint" or "note" for what is less important."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{html.escape(text)}</p>"


def cards(entries: Iterable[tuple[str, str, str]]) -> str:
    """Headline numbers: (what, value, what else there is to say)."""
    each = (
        f'<div class="card"><span>{html.escape(what)}</span><b>{html.escape(value)}</b>'
        f"<span>{html.escape(more)}</span></div>"
        for what, value, more in entries
    )
    return f'<div class="cards">{"".join(each)}</div>'


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Words and what they mean."""
    return f"<dl>{''.join(f'<dt>{html.escape(word)}</dt><dd>{html.escape(said)}</dd>' for word, said in entries)}</dl>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str | tuple[str, str]]]) -> str:
    """A table whose first column stays in view.

    Args:
        heads: of the columns.
        rows: cells; a pair is a value and a smaller line below it.
    """
    head = "".join(f"<th>{html.escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figures(panels: Iterable[tuple[str, str]]) -> str:
    """SVG drawings with captions, as many side by side as the page is wide."""
    each = []
    for svg, caption in panels:
        # As an image each drawing keeps the names inside of it to itself.
        data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
        said = html.escape(caption, quote=True)
        each.append(
            f'<figure><img alt="{said}" src="data:image/svg+xml;base64,{data}"><figcaption>{said}</figcaption></figure>'
        )
    return f'<div class="figures">{"".join(each)}</div>'


def _cell(cell: str | tuple[str, str]) -> str:
    if isinstance(cell, tuple):
        return f"<td>{html.escape(cell[0])}<small>{html.escape(cell[1])}</small></td>"
    return f"<td>{html.escape(cell)}</td>"
