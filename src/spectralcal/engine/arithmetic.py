"""In which arithmetic a cell trains and is scored: bfloat16 where the device computes its network right in it.

What is found out is kept for this processor, torch, network and shape (:mod:`spectralcal.base.user_cache`): a study
asks once, not once for each of its cells.

Where a network fails, all of it computes in float32. Only its deepest level is known to go wrong, but which operations
lie there differs between architectures and changes with the patch, while one switch serves any network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from spectralcal.base.console import say
from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ConfigError
from spectralcal.base.user_cache import keep, recall
from spectralcal.engine import bfloat16
from spectralcal.engine.bfloat16 import Verdict, probe
from spectralcal.machine.device import memory_format, native_precision
from spectralcal.machine.memory import forget_peak, is_out_of_memory, smaller_steps
from spectralcal.machine.processor import arithmetic_facts, processor_name

if TYPE_CHECKING:
    from spectralcal.study.config import InferenceConfig, TrainingConfig

CACHE = "arithmetic"
#: how what is said of a failed probe begins
FAILED = "failed: "


@dataclass(frozen=True)
class Arithmetic:
    """What a network computes in, and why; kept in the record of a cell.

    Attributes:
        precision: "bf16" or "fp32".
        requested: training.precision, "auto", "bf16" or "fp32".
        probe: "passed", "failed: ..." or "not needed: ..."; "not possible: ..." where memory is too short for it, or
            the network is not finite in float32 either.
        deviation: of a passed probe, :attr:`spectralcal.engine.bfloat16.Verdict.deviation`.
        processor: name of the processor or GPU.
    """

    precision: Literal["bf16", "fp32"]
    requested: str
    probe: str
    deviation: float | None
    processor: str

    def record(self) -> dict[str, Any]:
        """For run.json and evaluation.json."""
        return asdict(self)


def training_arithmetic(
    settings: TrainingConfig, network: nn.Module, in_channels: int, device: torch.device, who: str
) -> Arithmetic:
    """What to train a network in; the network and all random streams stay as they are.

    Args:
        settings: the cell's `training` section; of it precision, batch_size, patch and channels_last.
        network: not compiled.
        in_channels: of its images.
        device: where it will train.
        who: the cell, for messages.

    Raises:
        ConfigError: bf16 is asked for, and the network fails its probe.
    """
    arithmetic, _ = known_arithmetic(settings, network, in_channels, device)
    if arithmetic.probe.startswith(FAILED):
        shape = (settings.batch_size, in_channels, *settings.patch)
        wrong = f"a training step of {' x '.join(map(str, shape))} goes wrong in bfloat16 here: {_reason(arithmetic)}"
        if settings.precision == "bf16":
            raise ConfigError(f"{who}: training.precision: bf16 was asked for, but {wrong}; use auto or fp32")
        say(f"{who}: trains in float32, since {wrong}")
    return arithmetic


def known_arithmetic(
    settings: TrainingConfig, network: nn.Module, in_channels: int, device: torch.device, *, ask: bool = True
) -> tuple[Arithmetic | None, bool]:
    """As :func:`training_arithmetic`, but nothing is said or refused; and whether the verdict was kept.

    Args:
        settings, network, in_channels, device: as there.
        ask: probe a network of which no verdict is kept; False: None stands for it.
    """
    if (decided := _without_probe(settings.precision, device)) is not None:
        return decided, False
    shape = (settings.batch_size, in_channels, *settings.patch)
    layout = memory_format(len(settings.patch), settings.channels_last)
    return _probed(settings.precision, network, shape, device, gradients=True, layout=layout, ask=ask)


def scoring_arithmetic(
    settings: TrainingConfig,
    inference: InferenceConfig,
    trained_in: str | None,
    network: nn.Module,
    in_channels: int,
    device: torch.device,
    who: str,
) -> Arithmetic:
    """What to predict with a trained network in: what it was trained in, where predictions are right in it here.

    A prediction needs no gradient, and none is tried: what was trained in bfloat16 on one machine is scored in it on
    another one whose gradients are wrong.

    Args:
        settings: the cell's `training` section.
        inference: of it batch_size, windows in a pass.
        trained_in: "bf16" or "fp32", as the training's record says; None: it says nothing.
        network: trained.
        in_channels: of its images.
        device: where it will predict.
        who: the cell, for messages.
    """
    if (decided := _without_probe(settings.precision, device)) is not None:
        return decided
    if trained_in == "fp32":
        return _float32(settings.precision, device, "the network was trained in float32")
    shape = (inference.batch_size, in_channels, *settings.patch)
    layout = torch.contiguous_format
    arithmetic, _ = _probed(settings.precision, network, shape, device, gradients=False, layout=layout)
    if arithmetic.precision == "fp32":
        say(f"{who}: is scored in float32, since predictions go wrong in bfloat16 here: {_reason(arithmetic)}")
    return arithmetic


def _without_probe(request: str, device: torch.device) -> Arithmetic | None:
    if request == "fp32":
        return _float32(request, device, "float32 was asked for")
    if request == "auto" and native_precision(device) == "fp32":
        return _float32(request, device, "no native bfloat16 here")
    return None


def _float32(request: str, device: torch.device, reason: str) -> Arithmetic:
    return Arithmetic("fp32", request, f"not needed: {reason}", None, processor_name(device))


def _probed(
    request: str, network: nn.Module, shape: Sequence[int], device: torch.device, *, gradients: bool,
    layout: torch.memory_format, ask: bool = True,
) -> tuple[Arithmetic | None, bool]:  # fmt: skip
    """The verdict on bfloat16, and whether it was kept; None where it was not and is not to be found out."""
    question = {
        "probe": file_digest(Path(bfloat16.__file__)),  # verdicts of another one do not count
        "machine": arithmetic_facts(device),
        "network": structure(network),
        "shape": list(shape),
        "layout": str(layout),
        "gradients": gradients,
    }
    answer = recall(CACHE, question)
    try:
        verdict = Verdict(**answer) if answer else None
    except TypeError:  # of a version that answered otherwise
        verdict = None
    kept = verdict is not None
    if not kept and not ask:
        return None, False
    if verdict is None:
        verdict = _tried(network, shape, device, gradients, layout)
        if isinstance(verdict, str):
            return Arithmetic("bf16", request, f"not possible: {verdict}", None, processor_name(device)), False
        keep(CACHE, question, asdict(verdict))
    text = "passed" if verdict.failure is None else f"{FAILED}{verdict.failure}"
    precision = "bf16" if verdict.failure is None else "fp32"
    return Arithmetic(precision, request, text, verdict.deviation, processor_name(device)), kept


def _tried(
    network: nn.Module, shape: Sequence[int], device: torch.device, gradients: bool, layout: torch.memory_format
) -> Verdict | str:
    """The verdict at `shape`, or at the largest below it that there is the memory for; else why there is none."""
    batch, channels, *patch = shape
    for samples, sizes in [(batch, tuple(patch)), *smaller_steps(batch, patch)]:
        try:
            return probe(network, (samples, channels, *sizes), device, gradients=gradients, layout=layout)
        except FloatingPointError as error:
            return str(error)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        finally:
            forget_peak(device)  # a cell's record has the peak of its own work
    return "out of memory in float32"


def structure(network: nn.Module) -> str:
    """Digest of what a network computes but for its weights: modules, plain attributes of theirs, shapes."""
    parts = [repr(network)]
    for name, module in network.named_modules():
        plain = {key: value for key, value in vars(module).items() if key != "training" and _is_plain(value)}
        parts.append(f"{name} {type(module).__module__}.{type(module).__qualname__} {sorted(plain.items())}")
    parts += [f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in network.state_dict().items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _reason(arithmetic: Arithmetic) -> str:
    return f"{arithmetic.probe.removeprefix(FAILED)} ({arithmetic.processor}, torch {torch.__version__})"
