"""What the forgiving contract of inputs costs, as Markdown.

Two tables. With ``--old CHECKOUT``, every loss and metric on integer labels in this checkout against an older one: two
processes take turns, so that a slow moment of the machine falls on both. And other forms of the same labels against
integer ones, for every loss and for the histogram, in this checkout. Ratios are taken within a round; their median and
the ratio of the fastest runs are shown.

    python benchmarks/inputs.py --old ../before --rounds 15
    python benchmarks/inputs.py --names ce spectral

Seconds are those in which a processor worked for the process, which other work on the machine lengthens little; one
thread unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parents[1]
CLASSES = 4


def scene(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (2, C, side, side, side) of a smooth random field and block labels (2, side, side, side)."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((2, CLASSES, *[side] * 3), generator=generator)
    for axis in range(2, 5):
        logits = logits + logits.roll(1, axis) + logits.roll(2, axis)
    target = torch.randint(0, CLASSES, (2, *[-(-side // 8)] * 3), generator=generator)
    for axis in range(1, 4):
        target = target.repeat_interleave(8, axis).narrow(axis, 0, side)
    return logits.requires_grad_(), target.contiguous()


def losses(side: int) -> dict[str, Callable[[], object]]:
    """Forward and backward of every registered loss on integer labels."""
    from spectralcal.base import registry

    logits, target = scene(side)
    made = {name: registry.load("losses", name)() for name in registry.names("losses")}
    return {
        f"loss {name}": lambda loss=loss: torch.autograd.grad(loss(logits, target), logits)
        for name, loss in made.items()
    }


def metrics(side: int) -> dict[str, Callable[[], object]]:
    """Every metric on integer labels."""
    from spectralcal import metrics as m
    from spectralcal.metrics.distance_bands import band_sums, boundary_distance, signed_bands

    logits, target = scene(side)
    p = logits.detach().softmax(1)[0].numpy()
    q, y = p.argmax(0), target[0].numpy().astype(np.uint8)
    wide, mask, spacing = y.astype(np.int64), y != 3, (1.0, 1.0, 2.0)
    near = boundary_distance(y, spacing)
    found = {
        "histogram, uint8": lambda: m.CalibrationHistogram(CLASSES).update(p, y),
        "histogram, int64": lambda: m.CalibrationHistogram(CLASSES).update(p, wide),
        "histogram, mask": lambda: m.CalibrationHistogram(CLASSES).update(p, y, mask),
        "boundary_distance": lambda: boundary_distance(y, spacing),
        "signed_bands": lambda: signed_bands(y, near),
        "band_sums": lambda: band_sums(p, q, y, signed_bands(y, near)),
        "dice": lambda: m.dice(q == 1, y == 1),
        "surface_distances": lambda: m.surface_distances(q == 1, y == 1, spacing),
        "surface_distances_by_label": lambda: m.surface_distances_by_label(q, y, [1, 2, 3], spacing),
    }
    for region in m.REGIONS:
        found[f"region {region}"] = lambda region=region: m.region_mask(region, y, q, spacing)
        found[f"region {region}, int64"] = lambda region=region: m.region_mask(region, wide, q, spacing)
        found[f"region {region} and its histogram"] = lambda region=region: m.CalibrationHistogram(CLASSES).update(
            p, y, m.region_mask(region, y, q, spacing)
        )
    return found


def forms(side: int, names: list[str]) -> dict[str, dict[str, Callable[[], object]]]:
    """Entry -> form -> call, "integers" first."""
    from spectralcal.base import registry
    from spectralcal.metrics import CalibrationHistogram

    logits, target = scene(side)
    one_hot = torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1).float()
    marked = torch.where(torch.rand(target.shape) < 0.1, 255, target)
    given = {
        "integers": (target, {}),
        "floats": (target.float(), {}),
        "one-hot": (one_hot, {}),
        "nothing to ignore": (target, {"ignore_index": 255}),
        "a tenth ignored": (marked, {"ignore_index": 255}),
        "soft labels": (0.9 * one_hot + 0.1 / CLASSES, {}),
    }
    found: dict[str, dict[str, Callable[[], object]]] = {}
    for name in names or registry.names("losses"):
        make = registry.load("losses", name)
        found[name] = {
            form: partial(both_ways, make(**options), logits, labels) for form, (labels, options) in given.items()
        }
    p = logits.detach().softmax(1).numpy()
    found["histogram"] = {
        form: partial(lambda labels, options: CalibrationHistogram(CLASSES).update(p, labels, **options), *arguments)
        for form, arguments in given.items()
        if form != "soft labels"
    }
    return found


def both_ways(loss: torch.nn.Module, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Forward and backward."""
    return torch.autograd.grad(loss(logits, labels), logits)[0]


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one call."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def ratios(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """Median over rounds of second by first, and the ratio of the fastest."""
    first, second = zip(*rounds, strict=True)
    return statistics.median(b / a for a, b in rounds), min(second) / min(first)


def worker(side: int) -> None:
    """Answer each name on a line of the input with the seconds of one run."""
    entries = losses(side) | metrics(side)
    print("\t".join(entries), flush=True)
    for line in sys.stdin:
        print(seconds(entries[line.strip()]), flush=True)


def against(old: Path, options: argparse.Namespace) -> str:
    """The table against an older checkout."""
    command = [sys.executable, __file__, "--worker", "--side", str(options.side)]
    processes = [
        subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(checkout / "src")},
        )
        for checkout in (old.resolve(), HERE)
    ]  # fmt: skip

    def ask(process: subprocess.Popen, name: str) -> float:
        process.stdin.write(name + "\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    try:
        names = [process.stdout.readline().strip().split("\t") for process in processes][1]
        names = [name for name in names if not options.names or any(given in name for given in options.names)]
        lines = ["| | old ms | median ratio new : old | fastest |", "| --- | --: | --: | --: |"]
        for name in names:
            for process in processes:
                ask(process, name)
            rounds = []
            for turn in range(options.rounds):
                order = processes if turn % 2 == 0 else processes[::-1]
                took = {id(process): ask(process, name) for process in order}
                rounds.append(tuple(took[id(process)] for process in processes))
            median, fastest = ratios(rounds)
            lines.append(f"| {name} | {min(a for a, _ in rounds) * 1e3:.2f} | {median:.3f} | {fastest:.3f} |")
        return "\n".join(lines)
    finally:
        for process in processes:
            process.stdin.close()
            process.wait()


def of_forms(options: argparse.Namespace) -> str:
    """The table of other forms against integers."""
    entries = forms(options.side, options.names)
    kinds = list(next(iter(entries.values())))[1:]
    lines = [f"| | integers, ms | {' | '.join(kinds)} |", "| --- " + "| --: " * (len(kinds) + 1) + "|"]
    for name, calls in entries.items():
        for call in calls.values():
            call()
        rounds = [{form: seconds(call) for form, call in calls.items()} for _ in range(options.rounds)]
        cells = [f"{min(r['integers'] for r in rounds) * 1e3:.1f}"]
        cells += [
            f"{ratios([(r['integers'], r[form]) for r in rounds])[0]:.2f}" if form in calls else "" for form in kinds
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, default=None, help="an older checkout to compare with")
    parser.add_argument("--side", type=int, default=64, help="side of the volumes in voxels (default 64)")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--names", nargs="*", default=[], help="only these losses (parts of names with --old)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if options.worker:
        worker(options.side)
        return
    print(f"Volumes of {options.side}^3, {options.rounds} rounds, torch {torch.__version__}, processor time\n")
    print(against(options.old, options) if options.old else of_forms(options))


if __name__ == "__main__":
    main()
