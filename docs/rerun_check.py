"""Compares cells that were trained again with the published ones: `python docs/rerun_check.py RESULTS`.

RESULTS is a results folder with cells whose full files are there (cases.csv, history.csv, run.json). On the kind of
processor that made the published cells the bytes are equal; another one rounds bfloat16 sums in another order, and the
trainings drift apart as two seeds do. Then the first step, which has no drift, must agree to FIRST, and the scores to
the tolerances below, which are about the spread of seeds.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from statistics import fmean

from spectralcal.base.digests import file_digest
from spectralcal.records.light.files import read_text
from spectralcal.study.paths import CellPaths

ROOT = Path(__file__).parents[1]
#: relative difference of the loss at step 0
FIRST = 1e-4
#: difference of the mean Dice, and of the ECE over all voxels: the larger of an absolute and a relative part
DICE, ECE, ECE_SHARE = 0.015, 1e-3, 0.15


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def mean(scores: list[dict[str, str]], metric: str) -> float:
    """Mean over cases and classes of a score under the protocol "paper"."""
    chosen = [r for r in scores if r["metric"] == metric and r["protocol"] == "paper" and r["value"]]
    return fmean(float(row["value"]) for row in chosen)


def compared(again: CellPaths, published: CellPaths) -> tuple[bool, list[str]]:
    """Whether a cell agrees with the published one, and the numbers as cells of a table."""
    recorded = json.loads(published.evaluation.read_text(encoding="utf-8"))["files"]
    same = all(file_digest(again.folder / name) == recorded[name] for name in ("cases.csv", "calibration.npz"))
    first = "scored only"
    agrees = True
    if again.history.is_file():
        texts = again.history.read_text(encoding="utf-8"), read_text(published.history).decode("utf-8")
        one, other = (float(rows(text)[0]["loss"]) for text in texts)
        first, agrees = f"{abs(one / other - 1):.1e}", abs(one / other - 1) < FIRST
    mine, theirs = rows(again.cases.read_text(encoding="utf-8")), rows(read_text(published.cases).decode("utf-8"))
    dice, ece = ((mean(mine, m), mean(theirs, m)) for m in ("DSC", "ECE"))
    agrees &= abs(dice[0] - dice[1]) < DICE and abs(ece[0] - ece[1]) < max(ECE, ECE_SHARE * ece[1])
    device = json.loads(again.evaluation.read_text(encoding="utf-8"))
    numbers = [first, f"{100 * dice[1]:.1f}", f"{100 * dice[0]:.1f}", f"{1e3 * ece[1]:.1f}", f"{1e3 * ece[0]:.1f}"]
    return same or agrees, [*numbers, device["precision"], "equal bytes" if same else "agrees" if agrees else "DIFFERS"]


def main(results: Path) -> int:
    print("| cell | loss at step 0, relative | DSC published | again | ECE x 10^3 published | again | arithmetic | |")
    print("|---|---|---|---|---|---|---|---|")
    wrong = 0
    for file in sorted(results.glob("cells/*/*/*/*/cases.csv")):
        place = file.parent.relative_to(results)
        agrees, numbers = compared(CellPaths(file.parent), CellPaths(ROOT / "results/open" / place))
        wrong += not agrees
        print(f"| {', '.join(part.partition('=')[2] for part in place.parts[1:])} | {' | '.join(numbers)} |")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
