"""Whether a device computes a network right in bfloat16: its outputs and gradients against float32's.

A flag says that a processor multiplies bfloat16, not that the kernels that do it are right: on some, the weight
gradient of a small 3-D convolution takes in memory that nobody wrote (docs/reliability.md). So the network itself is
tried, at the shape in use, in memory full of numbers that would be noticed.

How far off may bfloat16 honestly be? No constant says: the gradient of a bias before a normalisation is zero, and off
by any factor; deep layers with few voxels are chaotic. So the same roundings are made once more in float32 arithmetic:
what an operation returns is rounded to bfloat16, and so is its gradient on the way back. What that changes is what
rounding accounts for, tensor by tensor; bfloat16 itself lands within a few per cent of it in convolutional networks.
"""

from __future__ import annotations

import copy
import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from spectralcal.engine.heads import auxiliary_terms, full_resolution
from spectralcal.machine.device import autocast, in_layout
from spectralcal.machine.memory import is_out_of_memory

#: bfloat16 may be this many times as far off as emulated rounding; docs/reliability.md has what networks need
BOUND = 8.0
#: noise that any gradient is granted, as a share of all gradients' noise: that of a single number is a matter of luck
FLOOR = 0.05
#: relative distance from a number to the nearest with bfloat16's 8 binary digits, at most
ROUNDING = 2.0**-9
#: passes in bfloat16: the content of unwritten memory is a matter of chance
REPEATS = 3
#: what blocks of memory are filled with; neither goes unnoticed in a sum
DIRT = (1e30, float("nan"))
#: numbers in such a block, at most
LARGEST = 2**20
#: operations with work space of their own, before which blocks are filled
WORKING = frozenset({"convolution", "convolution_backward", "mm", "bmm", "addmm", "baddbmm"})
#: functions that autocast computes in bfloat16, whatever the type of the weights that they are given
CAST = frozenset(
    {"addmm", "baddbmm", "bmm", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
     "conv_transpose3d", "einsum", "linear", "matmul", "mm"}
)  # fmt: skip

#: outputs or gradients by name
Tensors = dict[str, Tensor]
Mode = Callable[[], AbstractContextManager]


@dataclass(frozen=True)
class Verdict:
    """What a probe found.

    Attributes:
        failure: what is wrong, in a few words; None: nothing.
        deviation: the largest deviation from float32 as a multiple of what rounding accounts for, about 1; None after
            a failure.
    """

    failure: str | None
    deviation: float | None


def probe(
    network: nn.Module,
    shape: Sequence[int],
    device: torch.device,
    *,
    gradients: bool = True,
    layout: torch.memory_format = torch.contiguous_format,
) -> Verdict:
    """Try a network in bfloat16; it stays as it is, and so do its gradients and all random streams.

    Args:
        network: maps (B, C_in, *spatial) to logits (B, C, *spatial), or to a list of them, full resolution first. Tried
            with the weights that it has, without dropout; give it uncompiled.
        shape: (B, C_in, *spatial) of a batch.
        device: where to try it.
        gradients: try a step of training, cross-entropy forward and backward; False: a prediction.
        layout: memory format of weights and images.

    Raises:
        RuntimeError: memory is too short (:func:`spectralcal.machine.memory.is_out_of_memory`), or the network cannot
            take such images in float32 either.
        FloatingPointError: the network is not finite in float32, so that there is nothing to compare with.
    """
    tried = in_layout(copy.deepcopy(network), device, layout).train(gradients)
    for module in tried.modules():
        if "Drop" in type(module).__name__:
            module.training = False  # the masks of bfloat16 need not be those of float32
    images, field = _images(shape)
    images, field = images.to(device).to(memory_format=layout), field.to(device)

    def attempt(mode: Mode, samples: int) -> tuple[Tensors, Tensors]:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.set_grad_enabled(gradients):
            return _attempt(tried, images, field, mode, samples)

    # Float32 takes twice the memory: sample by sample, unless the network looks at all of a batch at once.
    together = gradients and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in tried.modules())
    samples = shape[0] if together else 1
    exact = attempt(nullcontext, samples)
    if not all(values.isfinite().all() for part in exact for values in part.values()):
        raise FloatingPointError("the network is not finite in float32")
    noise = [_distances(*pair) for pair in zip(exact, attempt(_Rounding, samples), strict=True)]
    worst = 0.0
    for _ in range(REPEATS):
        try:
            with _Dirt():
                reduced = attempt(lambda: autocast(device, "bf16"), shape[0])
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            return Verdict(" ".join(str(error).split())[:200], None)  # there is no such kernel
        for part, reference, accounted in zip(reduced, exact, noise, strict=True):
            for name, deviation in _deviations(reference, accounted, part):
                if deviation > BOUND:
                    text = "is not finite" if math.isinf(deviation) else f"is off by {deviation:.3g} times its rounding"
                    return Verdict(f"{name} {text}", None)
                worst = max(worst, deviation)
    return Verdict(None, round(worst, 2))


def _images(shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images (B, C_in, *spatial) of noise on blocks of 8 voxels, and the blocks' level in [0, 1) (B, *spatial).

    The levels become labels. Gradients towards labels that cannot be learned cancel, and rounding is all that remains.
    """
    generator = torch.Generator().manual_seed(0)
    field = torch.rand(shape[0], *(-(-size // 8) for size in shape[2:]), generator=generator)
    for axis, size in enumerate(shape[2:], start=1):
        field = field.repeat_interleave(8, axis).narrow(axis, 0, size)
    return torch.randn(tuple(shape), generator=generator) + field[:, None], field


def _attempt(network: nn.Module, images: Tensor, field: Tensor, mode: Mode, samples: int) -> tuple[Tensors, Tensors]:
    """Outputs and gradients in float32, of so many `samples` at a time; no gradients where they are switched off."""
    network.zero_grad(set_to_none=True)
    outputs: dict[str, list[Tensor]] = {}
    for image, levels in zip(images.split(samples), field.split(samples), strict=True):
        with mode():
            output = network(image)
        for place, head in enumerate([output] if isinstance(output, Tensor) else output):
            outputs.setdefault(f"output {place}", []).append(head.detach().float())
        if torch.is_grad_enabled():
            logits = full_resolution(output).float()
            target = (levels * logits.shape[1]).long()
            loss = F.cross_entropy(logits, target) + sum(auxiliary_terms(output, target).values())
            (loss * (len(image) / len(images))).backward()
    parameters = network.named_parameters()
    gradients = {f"gradient of {name}": value.grad.float() for name, value in parameters if value.grad is not None}
    return {name: torch.cat(parts) for name, parts in outputs.items()}, gradients


class _Dirt(TorchDispatchMode):
    """Fill unwritten memory with numbers that would be noticed, forward and backward."""

    def __enter__(self) -> _Dirt:
        _perturb(0x80)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        _perturb(0)

    def __torch_dispatch__(self, function: Any, types: Any, args: Sequence = (), kwargs: Any = None) -> Any:
        if function._schema.name.partition("::")[2] in WORKING:
            tensors = [each for each in args if isinstance(each, Tensor)]
            fill(tensors[0].device, [tensor.numel() for tensor in tensors])
        return function(*args, **(kwargs or {}))


def _perturb(byte: int) -> None:
    """Have glibc write the complement of `byte` all over memory that it gives out; 0: no more. A no-op elsewhere.

    A block of bytes 0x7f is 3e38 in bfloat16 as in float32. Filled blocks alone are met by most steps, not by all.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(-6, byte)  # M_PERTURB


def fill(device: torch.device, sizes: Sequence[int]) -> None:
    """Write DIRT to blocks of memory and give them back: whoever gets one and reads what nobody wrote finds it.

    Args:
        device: whose memory.
        sizes: numbers in the tensors of an operation. Its work space may be as large as one of them, in two or four
            bytes a number; if no block of dirt fitted, clean memory would be found for it.
    """
    alike = {size // part for size in sizes for part in (1, 2) if 0 < size // part <= LARGEST}
    blocks = [*(2**power for power in range(4, 19)), *sorted(alike)] * 3
    for value in DIRT:
        filled = [torch.full((size,), value, device=device) for size in blocks]
        del filled


class _Rounding(TorchFunctionMode):
    """Rounds what torch's functions return to bfloat16, forward and backward, while they compute in float32."""

    def __torch_function__(self, function: Callable, types: Any, args: Sequence = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in CAST:
            args, kwargs = [_weight(each) for each in args], {name: _weight(each) for name, each in kwargs.items()}
        result = function(*args, **kwargs)
        if not isinstance(result, Tensor):
            return result
        # A view, or what was changed in place, must stay the tensor that it is.
        given = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
        places = {each.untyped_storage().data_ptr() for each in given}
        return result if result.untyped_storage().data_ptr() in places else _rounded(result)


def _weight(argument: Any) -> Any:
    """A rounded weight or image; what is no leaf came out of another function, and was rounded there."""
    return _rounded(argument) if isinstance(argument, Tensor) and argument.is_leaf else argument


def _rounded(tensor: Tensor) -> Tensor:
    return tensor.bfloat16().float() if tensor.dtype == torch.float32 else tensor


def _distances(one: Tensors, other: Tensors) -> dict[str, float]:
    return {name: _norm(other[name] - values) for name, values in one.items()}


def _deviations(exact: Tensors, noise: dict[str, float], reduced: Tensors) -> Iterator[tuple[str, float]]:
    """Each tensor's deviation as a multiple of what rounding accounts for; infinite where it is not finite."""
    floor = FLOOR * math.hypot(*noise.values())
    for name, off in _distances(exact, reduced).items():
        if not torch.isfinite(reduced[name]).all():
            yield name, math.inf
        else:
            yield name, off / max(noise[name], floor, ROUNDING * _norm(exact[name])) if off else 0.0


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))
