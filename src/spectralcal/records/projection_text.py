"""The projection in words: a line or two before a run, a table after timing."""

from __future__ import annotations

from collections.abc import Iterable

from spectralcal.records.costs import Kind
from spectralcal.records.projection import Projection, duration
from spectralcal.study.config import StudyConfig

HEADS = ("data set", "network", "patch", "per step", "per training", "trainings", "per scoring", "scorings", "together")


def projection_lines(projection: Projection, at_once: int, configfile: str) -> str:
    """The projection for the start of a run; empty if there is nothing to do.

    Args:
        projection: what is to be made.
        at_once: cells that run side by side.
        configfile: the study's configuration, for the command that times it.
    """
    if not projection.rows:
        return ""
    command = f"`spectralcal doctor --time --config {configfile}`"
    lines = [f"projection: {projection_work(projection, at_once)}"]
    if len(projection.unknown) == len(projection.rows):
        return f"{lines[0]}: {command} times a few steps"
    if projection.unknown:
        kinds = _grouped(row.kind for row in projection.unknown)
        lines.append(f"  not known, and not counted: {kinds}; {command} times them")
    return "\n".join([*lines, *_unscored(projection)])


def projection_work(projection: Projection, at_once: int) -> str:
    """What is to be made and how long that takes, in a phrase."""
    trainings, scorings = (sum(getattr(row, name) for row in projection.rows) for name in ("trainings", "scorings"))
    if not projection.rows:
        return "nothing"
    work = f"{_count(trainings, 'training')} and {_count(scorings, 'scoring')}"
    if len(projection.unknown) == len(projection.rows):
        steps = sum(row.trainings * row.steps for row in projection.rows)
        return f"{work} ({steps:,} steps); how long they take here is not known yet"
    sources = " and ".join(sorted({row.cost.source for row in projection.rows if row.cost is not None}))
    return f"{work}, {totals(projection, at_once)} (from {sources})"


def projection_table(projection: Projection, config: StudyConfig, at_once: int) -> str:
    """All kinds of cells with their times, aligned, and the sum."""
    rows = [HEADS]
    for row in projection.rows:
        patch = "x".join(map(str, config.training_of(*row.kind).patch))
        if row.cost is None:
            times = ("?", "?", str(row.trainings), "?", str(row.scorings), "?")
        else:
            scoring = "?" if row.cost.scoring is None else duration(row.cost.scoring)
            training = duration(row.steps * row.cost.step)
            times = (_step(row.cost.step), training, str(row.trainings), scoring, str(row.scorings),
                     duration(sum(row.seconds)))  # fmt: skip
        rows.append((*row.kind, patch, *times))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = [
        "  ".join(text.ljust(width) if place < 3 else text.rjust(width)
                  for place, (text, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]  # fmt: skip
    return "\n".join([*aligned, f"all: {totals(projection, at_once)}", *_unscored(projection)])


def totals(projection: Projection, at_once: int) -> str:
    """The sum and the time until the last cell is done."""
    if len(projection.unknown) == len(projection.rows):
        return "not known"
    total = f"{'at least ' if projection.unknown else ''}{duration(projection.total)} of computing"
    # Cells side by side share memory bandwidth, or a GPU, and are slower than one alone.
    if at_once <= 1:
        return total
    return f"{total}, at best {duration(projection.elapsed(at_once))} with {at_once} at a time"


def _unscored(projection: Projection) -> list[str]:
    kinds = [row.kind for row in projection.rows if row.cost is not None and row.cost.scoring is None and row.scorings]
    # Before data are prepared nothing says how many windows their test cases have.
    why = "which can be timed once data are prepared"
    return [f"  without scoring, {why}: {_grouped(kinds)}"] if kinds else []


def _grouped(kinds: Iterable[Kind]) -> str:
    """Each data set once, with its architectures."""
    architectures: dict[str, list[str]] = {}
    for dataset, architecture in kinds:
        architectures.setdefault(dataset, []).append(architecture)
    return ", ".join(f"{dataset} with {'/'.join(names)}" for dataset, names in architectures.items())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _step(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"
