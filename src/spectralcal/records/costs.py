"""Cost of a cell on this machine: from finished cells, else from steps that ``spectralcal doctor --time`` timed.

Neither torch nor data are needed, so that the workflow can ask before its first job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from spectralcal.base.digests import digest
from spectralcal.base.files import read_json, read_record
from spectralcal.study.config import StudyConfig, TrainingConfig
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

#: a data set and an architecture: cells of one kind take about as long
Kind = tuple[str, str]

FINISHED, TIMED = "finished cells", "timed steps"
#: keys of `training` that decide how long a step takes
PACE = ("patch", "batch_size", "precision", "channels_last", "compile", "optimizer")


@dataclass(frozen=True)
class Cost:
    """Cost of a cell of one kind.

    Attributes:
        step: seconds of a training step: with the baseline, or the mean of the finished cells.
        scoring: seconds of scoring a cell; None if not known.
        extra: seconds per step that a method takes beyond `step`, by method.
        source: where the numbers are from, for people.
    """

    step: float
    scoring: float | None = None
    extra: Mapping[str, float] = field(default_factory=dict)
    source: str = TIMED

    def training(self, method: str, steps: int) -> float:
        """Seconds of a training of `steps` steps."""
        return steps * max(self.step + self.extra.get(method, 0.0), 0.0)


def known_costs(config: StudyConfig, gpu: bool) -> dict[Kind, Cost]:
    """Costs by kind: of cells that were finished here on this sort of device, else of timed steps and windows.

    Args:
        config: the study.
        gpu: whether cells will run on a GPU.
    """
    timed, finished = timed_costs(config, gpu), finished_costs(config, gpu)
    for kind, cost in finished.items():
        if cost.scoring is None and kind in timed:
            finished[kind] = replace(cost, scoring=timed[kind].scoring)
    return timed | finished


def finished_costs(config: StudyConfig, gpu: bool) -> dict[Kind, Cost]:
    """Costs by kind, from the records of cells that were trained here at the same pace; means over methods."""
    paths = StudyPaths(config)
    steps: dict[Kind, list[float]] = {}
    scorings: dict[Kind, list[float]] = {}
    for cell in study_cells(config):
        files, kind = paths.cell(cell), (cell.dataset, cell.architecture)
        run = read_record(files.run) or {}
        # Cells without weights were computed on another machine.
        if not files.weights.is_file() or not _at_this_pace(config, cell, run, gpu):
            continue
        steps.setdefault(kind, []).append(run["seconds"] / run["settings"]["training"]["steps"])
        if "seconds" in (scored := read_record(files.evaluation) or {}):
            scorings.setdefault(kind, []).append(scored["seconds"])
    return {
        kind: Cost(fmean(values), fmean(scorings[kind]) if kind in scorings else None, source=FINISHED)
        for kind, values in steps.items()
    }


def timed_costs(config: StudyConfig, gpu: bool) -> dict[Kind, Cost]:
    """Costs by kind, as they were timed here, without those of other settings or another sort of device."""
    content = read_json(StudyPaths(config).timings)
    kinds = {(cell.dataset, cell.architecture) for cell in study_cells(config)}
    return {
        kind: Cost(entry["step_seconds"], entry["scoring_seconds"], entry["extra_seconds"])
        for entry in content.get("kinds", ())
        if (kind := (entry["dataset"], entry["architecture"])) in kinds
        and content.get("gpu") == gpu
        and entry["pace"] == pace_digest(config, kind)
    }


def pace_digest(config: StudyConfig, kind: Kind) -> str:
    """Digest of the settings that decide how long a step takes."""
    dataset, architecture = kind
    training = config.training_of(dataset, architecture).model_dump(mode="json")
    return _pace(config.architecture_of(dataset, architecture).options, training, config.compute.threads)


def _at_this_pace(config: StudyConfig, cell: Cell, run: Mapping[str, Any], gpu: bool) -> bool:
    """Whether a recorded training has the pace of those that are to come."""
    settings = run.get("settings", {})
    training = settings.get("training", {})
    if not run.get("seconds") or not training.get("steps") or str(run.get("device")).startswith("cpu") == gpu:
        return False
    pace = _pace(settings.get("architecture_options"), training, run.get("threads"))
    return pace == pace_digest(config, (cell.dataset, cell.architecture))


def _pace(options: Any, training: Mapping[str, Any], threads: Any) -> str:
    # A key that is newer than a record had its default then.
    return digest(options, [training.get(key, TrainingConfig.model_fields[key].default) for key in PACE], threads)
