"""Every table, figure and verdict of a study from its finished cells, in one process: no data, no weights, no GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spectralcal.base.console import say
from spectralcal.report.needs import figure_needs
from spectralcal.study.conditions import TEST
from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Rebuilt:
    """What was made, what could not be shown for want of cells or probes, and what failed."""

    made: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """For people."""
        lines = [f"missing: {line}" for line in self.missing] + [f" failed: {line}" for line in self.failed]
        return "\n".join([*lines, f"{len(self.made)} made, {len(self.failed)} failed"])


def rebuild_study(config: StudyConfig) -> Rebuilt:
    """Collect the finished cells and make everything that is drawn from them. One failure does not stop the others.

    Raises:
        ResultError: no cell is finished.
    """
    from spectralcal.jobs.steps import collect_step, write_resolved

    write_resolved(config)
    collect_step(config, allow_missing=True)
    rebuilt = Rebuilt(missing=[*_missing_cells(config), *_missing_inputs(config)])
    for name, step in _steps(config):
        try:
            step()
        except Exception as error:
            rebuilt.failed.append(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")
            say(f"{name}: failed ({rebuilt.failed[-1]})")
        else:
            rebuilt.made.append(name)
    return rebuilt


def _steps(config: StudyConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    from spectralcal.records.crate import write_crate
    from spectralcal.report.steps import claims_step, figure_step, table_step

    for name in config.tables:
        yield f"table {name}", lambda name=name: table_step(config, name)
    for name in config.figures:
        if _kept(config, name):
            say(f"{name}: left as it is, because images that it shows are not here (delete it to draw it without)")
        else:
            yield f"figure {name}", lambda name=name: figure_step(config, name)
    if config.claims is not None:
        yield "claims", lambda: claims_step(config)
    yield "provenance", lambda: write_crate(config)


def _missing_cells(config: StudyConfig) -> Iterator[str]:
    from spectralcal.report.results import Results

    for condition in (TEST, *config.evaluation.conditions):
        results, where = Results(config, condition), "" if condition == TEST else f" under the condition {condition}"
        for name in config.experiments:
            absent = results.missing(name)
            if absent:
                count = f"{len(absent)} of {len(results.cells(name))} cells"
                yield f"{count} of the experiment {name}{where}, {absent[0]} first"


def _missing_inputs(config: StudyConfig) -> Iterator[str]:
    """Files that some figures need beside scores and that need weights and images to be made."""
    for name in config.figures:
        for need, places in _places(config, name):
            absent = [place for place, _ in places if not place.is_file()]
            if absent:
                numbers = all(a.is_file() or b.is_file() for a, b in places)
                what = f"{need} for the figure {name}{', whose numbers are there' if numbers else ''}"
                yield f"{len(absent)} of {len(places)} files of {what}, {absent[0]} first"


def _places(config: StudyConfig, name: str) -> Iterator[tuple[str, list[tuple[Path, Path]]]]:
    """Of each probe that a figure needs, the files, each with the one that has its numbers without images."""
    paths = StudyPaths(config)
    for need, keys in figure_needs(config, name).items():
        yield need, [(paths.probe(need, *key), paths.numbers(need, *key)) for key in keys]


def _kept(config: StudyConfig, name: str) -> bool:
    """Is a figure there that was drawn with images which are not here? A new one would lose its panels."""
    lacking = any(not place.is_file() for _, places in _places(config, name) for place, _ in places)
    return lacking and StudyPaths(config).figure(name).is_file()
