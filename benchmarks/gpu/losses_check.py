"""Every loss on a CUDA device: correct, without a wait for the device, how fast, and the spectral loss in a CUDA graph.

Prints Markdown and writes the raw numbers as JSON. Four parts:

* agreement with the same loss on the CPU in float64 over a stream of batches: value and gradient in float32, and under
  bfloat16 and float16 autocast on logits of that type (the reference then starts from the same rounded logits);
* whether one step, forward and backward, makes the host wait (``torch.cuda.set_sync_debug_mode``);
* milliseconds of a step, in interleaved rounds, for several numbers of classes;
* capture of the spectral loss's forward and backward in a CUDA graph, replayed on new logits against eager execution.

    python benchmarks/gpu/losses_check.py --out losses.json
    python benchmarks/gpu/losses_check.py --device cpu --size 32 --out losses.json     # to try the script itself
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spectralcal.base import registry
from spectralcal.losses import SpectralEntropyLoss

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
#: largest error that passes: float32 sums, and a gradient rounded to a half type
LIMITS = {"float32": 1e-4, "bfloat16": 5e-3, "float16": 1e-3}
#: losses whose gradient jumps where rounding moves a probability across the edge of a bin
JUMPS = {"mace": 1e-2}


def batch(size: int, classes: int, seed: int, samples: int = 2) -> tuple[Tensor, Tensor]:
    """Smooth logits (B, C, size, size, size) and block labels, float32 on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((samples, classes, size, size, size), generator=generator)
    for axis in (2, 3, 4):
        logits = logits + logits.roll(1, axis) + logits.roll(2, axis)
    target = torch.randint(0, classes, (samples, *[-(-size // 8)] * 3), generator=generator)
    for axis in (1, 2, 3):
        target = target.repeat_interleave(8, axis).narrow(axis, 0, size)
    return logits, target.contiguous()


def step(loss: Callable[..., Tensor], logits: Tensor, target: Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Value, and gradient of `scale` times the value with respect to the logits."""
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(scale * value, logits)[0]


def relative(found: Tensor, expected: Tensor) -> float:
    """Euclidean length of the difference over that of what is expected."""
    found, expected = found.detach().double().cpu(), expected.detach().double().cpu()
    return float((found - expected).norm() / expected.norm().clamp_min(1e-30))


def agreement(name: str, precision: str, options: argparse.Namespace) -> dict[str, float]:
    """Largest relative errors of value and gradient over three batches, the loss keeping its state between them."""
    here, there = registry.load("losses", name)().double(), registry.load("losses", name)().to(options.device)
    dtype, worst = PRECISIONS[precision], {"value": 0.0, "gradient": 0.0}
    for seed in range(3):
        logits, target = batch(min(options.size, 48), 4, seed)
        logits = logits.to(dtype)
        # As a gradient scaler does: entries of a mean over voxels are below what float16 resolves.
        scale = float(target.numel())
        expected = step(here, logits.double().requires_grad_(), target, scale)
        device_logits = logits.to(options.device).requires_grad_()
        with torch.autocast(options.device, dtype, enabled=dtype != torch.float32):
            found = step(there, device_logits, target.to(options.device), scale)
        for key, a, b in zip(worst, found, expected, strict=True):
            worst[key] = max(worst[key], relative(a, b))
        if hasattr(here, "update_multipliers"):
            here.update_multipliers([(logits.double(), target)])
            there.update_multipliers([(logits.float().to(options.device), target.to(options.device))])
    return worst


def waits(name: str, options: argparse.Namespace) -> str:
    """ "no", or what the device was waited for; "not measured" without CUDA."""
    if options.device != "cuda":
        return "not measured"
    loss = registry.load("losses", name)().cuda()
    logits, target = (tensor.cuda() for tensor in batch(min(options.size, 48), 4, 0))
    logits.requires_grad_()
    step(loss, logits, target)  # tables and transform plans
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(loss, logits, target)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "no"


def timings(classes: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Name -> milliseconds of a step in each round."""
    logits, target = (tensor.to(options.device) for tensor in batch(options.size, classes, 0))
    logits.requires_grad_()
    losses = {name: registry.load("losses", name)().to(options.device) for name in registry.names("losses")}
    term = SpectralEntropyLoss().to(options.device)
    entries = losses | {"spectral term alone": lambda logits, target: term(logits)}
    found: dict[str, list[float]] = {name: [] for name in entries}
    for turn in range(options.rounds + 3):
        for name, loss in entries.items():
            synchronize(options)
            begun = time.perf_counter()
            step(loss, logits, target)
            synchronize(options)
            if turn >= 3:
                found[name].append(1e3 * (time.perf_counter() - begun))
    return found


def synchronize(options: argparse.Namespace) -> None:
    if options.device == "cuda":
        torch.cuda.synchronize()


def graph(options: argparse.Namespace) -> dict[str, float | str]:
    """Replay of a captured spectral loss against eager execution from the same state, on new logits each time."""
    if options.device != "cuda":
        return {"status": "not measured"}
    loss, eager = SpectralEntropyLoss().cuda(), SpectralEntropyLoss().cuda()
    stream = [batch(options.size, 4, seed)[0].cuda() for seed in range(4)]
    static = stream[0].clone().requires_grad_()

    def forward_backward() -> tuple[Tensor, Tensor]:
        value = loss(static)
        return value, torch.autograd.grad(value, static)[0]

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            forward_backward()
    torch.cuda.current_stream().wait_stream(aside)
    captured = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(captured):
            value, gradient = forward_backward()
    except RuntimeError as error:
        return {"status": str(error).splitlines()[0]}
    eager.load_state_dict(loss.state_dict())
    worst_value = worst_gradient = 0.0
    for logits in stream[1:]:
        with torch.no_grad():
            static.copy_(logits)
        captured.replay()
        expected = step(lambda z, _: eager(z), logits.clone().requires_grad_(), logits)
        worst_value = max(worst_value, relative(value, expected[0]))
        worst_gradient = max(worst_gradient, relative(gradient, expected[1]))
    elapsed = []
    for _ in range(options.rounds):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        captured.replay()
        torch.cuda.synchronize()
        elapsed.append(1e3 * (time.perf_counter() - begun))
    return {
        "status": "captured",
        "value": worst_value,
        "gradient": worst_gradient,
        "replay ms": statistics.median(elapsed),
    }


def markdown(found: dict) -> str:
    """The report as text."""
    lines = [f"{found['device']}, torch {found['torch']}, CUDA {found['cuda']}, {found['size']}^3, B=2", ""]
    heads = [f"{precision} {part}" for precision in PRECISIONS for part in ("value", "gradient")]
    lines += [
        f"| loss | {' | '.join(heads)} | host waits | passes |",
        "| --- " + "| --: " * len(heads) + "| --- | --- |",
    ]
    for name, row in found["losses"].items():
        errors = [f"{row[precision][part]:.1e}" for precision in PRECISIONS for part in ("value", "gradient")]
        lines.append(f"| {name} | {' | '.join(errors)} | {row['waits']} | {'yes' if row['passes'] else 'NO'} |")
    for classes, times in found["milliseconds"].items():
        middle = {name: statistics.median(values) for name, values in times.items()}
        lines += ["", f"| loss, C={classes} | min ms | median ms | x CE |", "| --- | --: | --: | --: |"]
        lines += [
            f"| {name} | {min(times[name]):.3f} | {middle[name]:.3f} | {middle[name] / middle['ce']:.2f} |"
            for name in times
        ]
    shown = ", ".join(f"{key} {value}" for key, value in found["graph"].items())
    return "\n".join([*lines, "", f"CUDA graph of the spectral loss: {shown}"])


def main() -> None:
    """Run all parts, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--size", type=int, default=96, help="side of the timed patch in voxels (default 96)")
    parser.add_argument("--classes", type=int, nargs="+", default=[4, 14])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no CUDA device found; try the script with --device cpu --size 32")
    # TF32 would be the caller's choice; the losses must not depend on it.
    torch.backends.cuda.matmul.allow_tf32 = True
    losses = {}
    for name in registry.names("losses"):
        row: dict = {precision: agreement(name, precision, options) for precision in PRECISIONS}
        row["waits"] = waits(name, options)
        exact = all(
            row[precision]["value"] <= limit and row[precision]["gradient"] <= max(limit, JUMPS.get(name, 0.0))
            for precision, limit in LIMITS.items()
        )
        row["passes"] = exact and row["waits"] in ("no", "not measured")
        losses[name] = row
    found = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else f"CPU ({platform.machine()})",
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "size": options.size,
        "limits": LIMITS,
        "losses": losses,
        "milliseconds": {str(classes): timings(classes, options) for classes in options.classes},
        "graph": graph(options),
    }
    options.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()
