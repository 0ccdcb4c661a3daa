"""A trained cell, ready to predict: its network on the device, and the arithmetic that it predicts in."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from spectralcal.base.files import read_record
from spectralcal.engine.arithmetic import Arithmetic, scoring_arithmetic
from spectralcal.jobs.networks import load_network
from spectralcal.machine.device import choose_device
from spectralcal.study.resolved import ResolvedCell


@dataclass(frozen=True)
class TrainedNetwork:
    """A network and how it predicts.

    Attributes:
        model: on `device`, in evaluation mode.
        device: where it predicts.
        arithmetic: what it predicts in, and why.
        probe_seconds: how long it took to find that out; a study asks once, whichever of its cells comes first.
    """

    model: nn.Module
    device: torch.device
    arithmetic: Arithmetic
    probe_seconds: float

    @property
    def precision(self) -> str:
        """ "bf16" or "fp32"."""
        return self.arithmetic.precision


def trained_network(cell: ResolvedCell, in_channels: int) -> TrainedNetwork:
    """The network that a cell is scored with, or the ensemble of several.

    Raises:
        ResultError: as :func:`spectralcal.jobs.networks.load_network`.
    """
    torch.set_num_threads(cell.study.compute.threads)
    device = choose_device(cell.study.compute.device)
    model = load_network(cell, in_channels)
    trained_in = [(read_record(training.files.run) or {}).get("precision") for training in cell.trainings]
    asked = time.perf_counter()
    # Members of an ensemble have one architecture: one is probed, and float32 for any means float32 for all.
    lowest, one = "fp32" if "fp32" in trained_in else trained_in[0], getattr(model, "members", [model])[0]
    arithmetic = scoring_arithmetic(cell.training, cell.inference, lowest, one, in_channels, device, str(cell))
    return TrainedNetwork(model.to(device).eval(), device, arithmetic, time.perf_counter() - asked)
