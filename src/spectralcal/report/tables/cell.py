"""One printed number: emphasis, spread over seeds, count of missed structures, marks for what is missing."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spectralcal.report.printed import SHIFTED
from spectralcal.report.summary import Column

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$", "⁻³": r"$^{-3}$",
    "<": r"$<$", ">": r"$>$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\dag{}", "‡": r"\ddag{}",
    "α": r"$\alpha$", "γ": r"$\gamma$", "λ": r"$\lambda$", "σ": r"$\sigma$", "τ": r"$\tau$", "–": "--", "²": r"$^{2}$",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A printed cell in both forms."""

    markdown: str
    latex: str


EMPTY = Cell("", "")


@dataclass
class Footnotes:
    """Notes in the order in which cells cite them; equal notes share a letter."""

    marks: dict[str, str] = field(default_factory=dict)
    shifted: bool = False

    def mark(self, note: str) -> str:
        """The letter of a note."""
        return self.marks.setdefault(note, _letter(len(self.marks)))

    def markdown(self) -> list[str]:
        """Paragraphs below the table."""
        return [f"<sup>{mark}</sup> {_sentence(note)}" for note, mark in self.marks.items()] + self._general()

    def latex(self) -> list[str]:
        """Lines below the table."""
        return [f"$^{{{mark}}}$ {tex(_sentence(note))}" for note, mark in self.marks.items()] + self._general()

    def _general(self) -> list[str]:
        if not self.shifted:
            return []
        return [
            "In the paper's text the row labels of this table are shifted by one; its rows are assigned by their order."
        ]


def cell(row: dict[str, Any], column: Column, alone: bool) -> Cell:
    """One of our numbers: ``**87.2 ± 0.3**‡ [2]`` is the best, ahead of the runner-up, with 2 missed structures.

    Args:
        row: a row of the summary.
        column: how its metric is printed.
        alone: nothing to compare with, so no emphasis.
    """
    if row["status"] in ("missing", "undefined"):
        return Cell(row["status"], f"\\textit{{{row['status']}}}")
    mean, spread = _number(row["mean"], column), row["sd_seeds"]
    plain = mean if np.isnan(spread) else f"{mean} ± {_number(spread, column)}"
    raised = mean if np.isnan(spread) else f"{mean}$_{{\\pm {_number(spread, column)}}}$"
    rank = None if alone or row["rank"] is pd.NA else int(row["rank"])
    if rank == 1:
        plain, raised = f"**{plain}**", f"\\textbf{{{raised}}}"
    elif rank == 2:
        plain, raised = f"*{plain}*", f"\\textit{{{raised}}}"
    if row["distinct"]:
        plain, raised = f"{plain}‡", f"{raised}\\ddag{{}}"
    if column.distance and row["missed"]:
        plain, raised = f"{plain} [{row['missed']}]", f"{raised} [{row['missed']}]"
    if row["status"] == "incomplete":
        share = f"{row['seeds']}/{row['seeds_expected']}"
        plain, raised = f"{plain} †{share}", f"{raised} \\dag{share}"
    return Cell(plain, raised)


def interval_cell(row: dict[str, Any], column: Column) -> Cell:
    """The interval of one of our numbers; empty where there is none."""
    if np.isnan(row["low"]) or row["status"] in ("missing", "undefined"):
        return EMPTY
    text = f"{_number(row['low'], column)}–{_number(row['high'], column)}"
    return Cell(text, f"{{\\scriptsize {text.replace('–', '--')}}}")


def paper_cell(row: dict[str, Any], column: Column, footnotes: Footnotes) -> Cell:
    """The paper's number; a lost or doubtful one carries a footnote, a method that it does not have is a dash."""
    status, note = row["paper_status"], row["paper_note"]
    if not status:
        return Cell("–", "--")
    footnotes.shifted |= note.startswith(SHIFTED)
    text = "lost" if status == "lost" else _number(row["paper_value"], column)
    if status == "printed":
        return Cell(text, text)
    mark = footnotes.mark(note)
    return Cell(f"{text}<sup>{mark}</sup>", f"{text}$^{{{mark}}}$")


def tex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    text = text.replace("⁻³", "\0")
    return "".join(_SPECIAL.get(sign, sign) for sign in text).replace("\0", _SPECIAL["⁻³"])


def _number(value: float, column: Column) -> str:
    return f"{value:.{column.decimals}f}"


def _letter(index: int) -> str:
    letters = string.ascii_lowercase
    return (
        letters[index] if index < len(letters) else _letter(index // len(letters) - 1) + letters[index % len(letters)]
    )


def _sentence(note: str) -> str:
    return note[0].upper() + note[1:] + ("" if note.endswith(".") else ".")
