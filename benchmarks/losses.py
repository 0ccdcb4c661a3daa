"""Speed and memory of the losses, forward and backward, as Markdown.

Two tables: every loss against cross-entropy, and the spectral term against Algorithm 1 of the paper typed in literally.
All contestants run once a round, in turn, so that a slow moment of the machine falls on all; ratios are taken within a
round and their median is shown. Memory is the extra peak of one forward and backward pass beyond the logits: allocator
statistics on CUDA, the process's high-water mark in a process of its own on a CPU (Linux).

    python benchmarks/losses.py --size 96 --rounds 15
    python benchmarks/losses.py --device cuda
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spectralcal import registry
from spectralcal.losses import SpectralEntropyLoss

LITERAL = "Algorithm 1, literal"
OURS = "SpectralEntropyLoss"


class LiteralAlgorithm1:
    """Lines 7-37 of Algorithm 1 as a reader would type them: full complex transform, masks anew for each shell."""

    def __init__(self, bands: int = 5, window: int = 50) -> None:
        self.bands, self.window, self.history = bands, window, []

    def entropy(self, power: Tensor) -> Tensor:
        shares = power / (power.sum() + 1e-6)
        return -(shares * torch.log(shares + 1e-6)).sum()

    def __call__(self, logits: Tensor, target: Tensor | None = None) -> Tensor:
        batch = []
        for b in range(logits.shape[0]):
            field, _ = logits[b].max(dim=0)
            energy = torch.fft.fftshift(torch.fft.fftn(field)).abs() ** 2
            axes = [torch.arange(n, device=logits.device) - n // 2 for n in field.shape]
            radius = torch.sqrt(sum(grid.float() ** 2 for grid in torch.meshgrid(*axes, indexing="ij")))
            edges = [k * min(field.shape) / (2 * self.bands) for k in range(self.bands + 1)]
            shells = [(radius > edges[k]) & (radius <= edges[k + 1]) for k in range(self.bands)]
            batch.append(torch.stack([energy[shell].sum() for shell in shells]))
        self.history.append(torch.stack(batch).mean(0).detach())
        if len(self.history) > self.window:
            self.history.pop(0)
        goal = self.entropy(torch.stack(self.history).mean(0))
        return torch.stack([(goal - self.entropy(power)).clamp(min=0) ** 2 for power in batch]).mean()


def contestants() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Name -> loss, cross-entropy first."""
    names = ["ce", *(name for name in registry.names("losses") if name != "ce")]
    ours = SpectralEntropyLoss()
    losses = {name: registry.load("losses", name)() for name in names}
    return losses | {LITERAL: LiteralAlgorithm1(), OURS: lambda logits, target: ours(logits)}


def inputs(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Logits of a smooth random field, unlike white noise, and block labels."""
    generator = torch.Generator().manual_seed(0)
    shape = (options.batch, options.classes, *[options.size] * options.dims)
    logits = torch.randn(shape, generator=generator)
    for axis in range(2, logits.ndim):
        logits = logits + logits.roll(1, axis) + logits.roll(2, axis)
    target = torch.randint(0, options.classes, (shape[0], *[-(-s // 8) for s in shape[2:]]), generator=generator)
    for axis in range(1, target.ndim):
        target = target.repeat_interleave(8, axis).narrow(axis, 0, options.size)
    return logits.to(options.device).requires_grad_(), target.contiguous().to(options.device)


def step(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Forward and backward; the gradient with respect to the logits."""
    return torch.autograd.grad(loss(logits, target), logits)[0]


def seconds(run: Callable[[], object], device: str) -> float:
    """Wall time of one call, device included."""
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def timings(options: argparse.Namespace) -> dict[str, list[float]]:
    """Name -> seconds of each round."""
    logits, target = inputs(options)
    entries = contestants()
    for loss in entries.values():
        step(loss, logits, target)
    found: dict[str, list[float]] = {name: [] for name in entries}
    for _ in range(options.rounds):
        for name, loss in entries.items():
            found[name].append(seconds(lambda run=loss: step(run, logits, target), options.device))
    return found


def high_water_mark() -> float:
    """Largest resident size of this process since the last reset, in MiB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def extra_peak_mib(name: str, options: argparse.Namespace) -> float:
    """Peak of one pass beyond what is there before it, in MiB; the pass before it fills the caches."""
    logits, target = inputs(options)
    loss = contestants()[name]
    step(loss, logits, target)
    if options.device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(loss, logits, target)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water_mark()
    step(loss, logits, target)
    return high_water_mark() - before


def memory(options: argparse.Namespace) -> dict[str, float]:
    """Name -> extra peak in MiB, NaN where this system cannot say."""
    if options.device == "cpu" and not Path("/proc/self/clear_refs").exists():
        return dict.fromkeys(contestants(), float("nan"))
    # Fixed thresholds make glibc return every large block, so that a peak is not hidden in memory kept for reuse.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    found = {}
    for name in contestants():
        command = [sys.executable, __file__, *sys.argv[1:], "--peak-of", name]
        result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        found[name] = float(result.stdout)
    return found


def report(times: dict[str, list[float]], peaks: dict[str, float]) -> str:
    """The two tables."""

    def ratio(name: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(times[name], times[other], strict=True))

    def row(name: str, *more: str) -> str:
        best, middle = min(times[name]) * 1e3, statistics.median(times[name]) * 1e3
        return f"| {name} | {best:.2f} | {middle:.2f} | {' | '.join(more)} | {peaks[name]:.0f} |"

    lines = ["| loss | min ms | median ms | x CE | extra MiB |", "| --- | --: | --: | --: | --: |"]
    lines += [row(name, f"{ratio(name, 'ce'):.2f}") for name in times if name not in (LITERAL, OURS)]
    lines += [
        "",
        "| spectral term | min ms | median ms | times faster | extra MiB |",
        "| --- | --: | --: | --: | --: |",
    ]
    lines += [row(name, f"{ratio(LITERAL, name):.1f}") for name in (LITERAL, OURS)]
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", type=int, default=96, help="side of the patch in voxels (default 96)")
    parser.add_argument("--dims", type=int, default=3, choices=(2, 3))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--peak-of", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.peak_of:
        print(extra_peak_mib(options.peak_of, options))
        return
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    shape = (options.batch, options.classes, *[options.size] * options.dims)
    print(
        f"Logits {shape}, float32, forward and backward, {options.rounds} rounds, torch {torch.__version__}, {device}\n"
    )
    print(report(timings(options), memory(options)))


if __name__ == "__main__":
    main()
