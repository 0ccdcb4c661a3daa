"""What each network of a study would train in here: the verdict of its bfloat16 probe, kept or made now."""

from __future__ import annotations

from contextlib import nullcontext

from spectralcal.base.console import progress
from spectralcal.base.errors import SpectralcalError
from spectralcal.jobs.cell_data import dataset_facts
from spectralcal.jobs.networks import build_network
from spectralcal.records.arithmetic import NAMES
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.resolved import resolve


def arithmetic_lines(config: StudyConfig, *, ask: bool) -> list[str]:
    """One line for each data set and architecture of a study: what it trains in on this machine, and why.

    Args:
        config: the study.
        ask: probe a network of which no verdict is kept, as its first cell would, which then finds the verdict: that
            takes as long as a few training steps. False: say that it has not been probed.
    """
    cells = {(cell.dataset, cell.architecture): cell for cell in reversed(study_cells(config))}
    lines = []
    with progress("bfloat16 probes", len(cells)) if ask else nullcontext() as bar:
        for kind, cell in reversed(cells.items()):
            try:
                text = _text(config, cell, ask)
            except SpectralcalError as error:
                text = f"not known: {error}"
            lines.append(f"  {' with '.join(kind)}: {text}")
            if bar is not None:
                bar.advance(1, " with ".join(kind))
    return ["arithmetic", *lines]


def _text(config: StudyConfig, cell: Cell, ask: bool) -> str:
    import torch

    from spectralcal.engine.arithmetic import FAILED, known_arithmetic
    from spectralcal.machine.device import choose_device

    torch.set_num_threads(config.compute.threads)  # which kernels run depends on it
    device, training = choose_device(config.compute.device), resolve(config, cell).trainings[0]
    channels = len(dataset_facts(config, cell.dataset).channels)
    network = build_network(training, channels, to_train=False)
    arithmetic, kept = known_arithmetic(training.training, network, channels, device, ask=ask)
    if arithmetic is None:
        return "not probed yet; `spectralcal doctor --config` with the study's file does it, or its first cell"
    refused = arithmetic.requested == "bf16" and arithmetic.probe.startswith(FAILED)
    name = "nothing, since training.precision: bf16 is asked for" if refused else NAMES[arithmetic.precision]
    deviation = "" if arithmetic.deviation is None else f", {arithmetic.deviation} times its rounding"
    return f"trains in {name}; bfloat16 probe {arithmetic.probe}{deviation}{' (kept)' if kept else ''}"
