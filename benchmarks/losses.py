"""Speed and memory of the losses, forward and backward, as Markdown.

Tables: every loss against cross-entropy; the spectral term against Algorithm 1 of the paper typed in; with ``--step``,
what the spectral term adds to a training step of a U-Net in bfloat16 autocast.

Algorithm 1 is there twice. "sample by sample" follows its lines: a loop over the samples and, inside, over the shells;
a full complex transform of each map, shifted; the grid of radii and the boolean masks made anew in every step, and the
bins of a shell picked by mask. "whole batch" is the other common way to type it: one transform and one shift for the
batch, the grid made once a step, each shell summed as power times mask. Both leave the gradient to autograd.

All contestants run once a round, in turn, so that a slow moment of the machine falls on all; ratios are taken within a
round and their median is shown. Memory is the extra peak of one forward and backward pass beyond the logits: allocator
statistics on CUDA, the process's high-water mark in a process of its own on a CPU (Linux). The gradient of the logits,
which every loss has to return, is part of it; "beyond the gradient" is the rest.

    python benchmarks/losses.py --threads 1 --rounds 25 --step
    python benchmarks/losses.py --device cuda
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spectralcal.base import registry
from spectralcal.losses import SpectralEntropyLoss

SAMPLES = "Algorithm 1, sample by sample"
BATCH = "Algorithm 1, whole batch"
OURS = "SpectralEntropyLoss"


class SampleBySample:
    """Lines 7-37 of Algorithm 1 as printed, one sample and one shell after another."""

    def __init__(self, bands: int = 5, window: int = 50) -> None:
        self.bands, self.window, self.history = bands, window, []

    def entropy(self, power: Tensor) -> Tensor:
        shares = power / (power.sum() + 1e-6)
        return -(shares * torch.log(shares + 1e-6)).sum()

    def masks(self, shape: torch.Size, device: torch.device) -> list[Tensor]:
        axes = [torch.arange(n, device=device) - n // 2 for n in shape]
        radius = torch.sqrt(sum(grid.float() ** 2 for grid in torch.meshgrid(*axes, indexing="ij")))
        edges = [k * min(shape) / (2 * self.bands) for k in range(self.bands + 1)]
        return [(radius > edges[k]) & (radius <= edges[k + 1]) for k in range(self.bands)]

    def powers(self, logits: Tensor) -> list[Tensor]:
        batch = []
        for b in range(logits.shape[0]):
            field, _ = logits[b].max(dim=0)
            energy = torch.fft.fftshift(torch.fft.fftn(field)).abs() ** 2
            batch.append(torch.stack([energy[shell].sum() for shell in self.masks(field.shape, field.device)]))
        return batch

    def __call__(self, logits: Tensor, target: Tensor | None = None) -> Tensor:
        batch = self.powers(logits)
        self.history.append(torch.stack(batch).mean(0).detach())
        if len(self.history) > self.window:
            self.history.pop(0)
        goal = self.entropy(torch.stack(self.history).mean(0))
        return torch.stack([(goal - self.entropy(power)).clamp(min=0) ** 2 for power in batch]).mean()


class WholeBatch(SampleBySample):
    """The same with one transform for the batch and shells summed as power times mask."""

    def powers(self, logits: Tensor) -> list[Tensor]:
        field, _ = logits.max(dim=1)
        axes = tuple(range(1, field.ndim))
        energy = torch.fft.fftshift(torch.fft.fftn(field, dim=axes), dim=axes).abs() ** 2
        shells = self.masks(field.shape[1:], field.device)
        return list(torch.stack([(energy * shell).sum(axes) for shell in shells], dim=1))


def contestants() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Name -> loss, cross-entropy first."""
    names = ["ce", *(name for name in registry.names("losses") if name != "ce")]
    ours = SpectralEntropyLoss()
    losses = {name: registry.load("losses", name)() for name in names}
    terms = {SAMPLES: SampleBySample(), BATCH: WholeBatch(), OURS: lambda logits, target: ours(logits)}
    return losses | terms


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
    status = Path("/proc/self/status").read_text(encoding="utf-8")
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
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
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
        result = subprocess.run(
            command, env=environment, check=True, capture_output=True, encoding="utf-8", errors="replace"
        )
        found[name] = float(result.stdout)
    return found


def unet_steps(options: argparse.Namespace) -> str:
    """What the regulariser adds to a step (forward, loss, backward, SGD) of MONAI's residual U-Net, as a table."""
    from monai.networks.nets import UNet

    torch.manual_seed(0)
    network = UNet(options.dims, 1, options.classes, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2)
    network.to(options.device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    _, target = inputs(options)
    image = torch.randn((options.batch, 1, *[options.size] * options.dims), device=options.device)
    cross_entropy = registry.load("losses", "ce")()
    method = registry.load("losses", "spectral")

    def with_term(term: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda logits, target: cross_entropy(logits, target) + 0.01 * term(logits, target)

    objectives = {
        "CE": cross_entropy,
        "CE + ours": method(monitor=False),
        "CE + ours, and the monitored entropy": method(),
        f"CE + {SAMPLES}": with_term(SampleBySample()),
        f"CE + {BATCH}": with_term(WholeBatch()),
    }

    def run(objective: Callable[[Tensor, Tensor], Tensor]) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(options.device, torch.bfloat16):
            logits = network(image)
        objective(logits.float(), target).backward()
        optimizer.step()

    times: dict[str, list[float]] = {name: [] for name in objectives}
    for turn in range(options.rounds + 1):
        for name, objective in objectives.items():
            elapsed = seconds(lambda run_with=objective: run(run_with), options.device)
            if turn:
                times[name].append(elapsed)
    lines = ["| U-Net step, bfloat16 | min ms | median ms | added, % of min | added, median % |"]
    lines += ["| --- | --: | --: | --: | --: |"]
    for name, found in times.items():
        fastest = 100 * (min(found) / min(times["CE"]) - 1)
        middle = 100 * (statistics.median(a / b for a, b in zip(found, times["CE"], strict=True)) - 1)
        best, median = min(found) * 1e3, statistics.median(found) * 1e3
        lines.append(f"| {name} | {best:.0f} | {median:.0f} | {fastest:.1f} | {middle:.1f} |")
    return "\n".join(lines)


def report(times: dict[str, list[float]], peaks: dict[str, float], gradient: float) -> str:
    """The two tables; `gradient` is the size of the logits' gradient in MiB."""

    def ratio(name: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(times[name], times[other], strict=True))

    def row(name: str, *more: str) -> str:
        best, middle = min(times[name]) * 1e3, statistics.median(times[name]) * 1e3
        cells = [f"{best:.1f}", f"{middle:.1f}", *more, f"{peaks[name]:.0f}", f"{peaks[name] - gradient:.0f}"]
        return f"| {name} | {' | '.join(cells)} |"

    def fastest(name: str, other: str) -> float:
        return min(times[name]) / min(times[other])

    ending = "extra MiB | beyond the gradient |"
    rule = "| --- " + "| --: " * 6 + "|"
    terms = (SAMPLES, BATCH, OURS)
    lines = [f"| loss | min ms | median ms | x CE, min | x CE, median | {ending}", rule]
    lines += [
        row(name, f"{fastest(name, 'ce'):.2f}", f"{ratio(name, 'ce'):.2f}") for name in times if name not in terms
    ]
    lines += ["", f"| spectral term | min ms | median ms | x ours, min | x ours, median | {ending}", rule]
    lines += [row(name, f"{fastest(name, OURS):.1f}", f"{ratio(name, OURS):.1f}") for name in terms]
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", type=int, default=96, help="side of the patch in voxels (default 96)")
    parser.add_argument("--dims", type=int, default=3, choices=(2, 3))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--step", action="store_true", help="time training steps of a U-Net too (needs MONAI)")
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
    gradient = 4 * math.prod(shape) / 2**20
    print(report(timings(options), memory(options), gradient))
    if options.step:
        print("\n" + unet_steps(options))


if __name__ == "__main__":
    main()
