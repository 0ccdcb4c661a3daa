"""The engine: a training step in parts, beside a bare step and MONAI's pieces; prediction; cells side by side.

Prints Markdown. Parts (``--only``):

* training: a step of the network alone, in float32 and contiguous memory and in bf16 and channels-last; with the loss;
  of the whole training loop; and of MONAI's CacheDataset, dictionary transforms and DataLoader with Algorithm 1 as
  printed. What of the loop's time is not the network's is the share of data, loss and bookkeeping.
* inference: a volume through the sliding window and MONAI's, each in a process of its own, with the memory it takes.
* packing: several trainings side by side, in processes, against one after the other.

All contestants run in turn in every round, so that a slow moment of the machine falls on all; a time is the median over
rounds, a ratio the median of the rounds' ratios. On a CPU whose cores other work keeps busy, processor time is the more
certain: it leaves out what a contestant waited for a core, and counts the work of threads that read ahead in full.

    OMP_NUM_THREADS=1 python benchmarks/engine.py
    OMP_NUM_THREADS=1 python benchmarks/engine.py --only inference --volume 512 512 300 --network none
    OMP_NUM_THREADS=1 python benchmarks/engine.py --only inference --volume 512 512 700 --network none --who ours
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _engine_inference import DEFAULTS, STUDY, predicted

PARTS = ("training", "inference", "packing")


def interleaved(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """What every call gives in each round, after one round that does not count."""
    found: dict[str, list[Any]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            value = call()
            if turn:
                found[name].append(value)
    return found


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Median of the ratios within a round."""
    return statistics.median(a / b for a, b in zip(values, base, strict=True))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown, the first column to the left."""
    lines = [f"| {' | '.join(heads)} |", f"| --- {'| --: ' * (len(heads) - 1)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def training(options: argparse.Namespace) -> str:
    """Milliseconds of a step by contestant, and the ratios that the aims are about."""
    from _engine_training import SMALL, Work, bare, loop, monai

    with tempfile.TemporaryDirectory() as folder:
        chosen = SMALL.get(options.architecture, {}) if options.network != "default" else {}
        work = Work(
            Path(folder), tuple(options.patch), options.device, options.architecture, chosen, workers=options.workers
        )
        contestants = {
            "network, float32, contiguous": bare(work, fast=False, loss=False),
            "network, bf16, channels-last": bare(work, loss=False),
            "bare step: network and loss on a fixed batch": bare(work),
            "training loop": loop(work),
            "MONAI's pieces, bf16": monai(work),
            "MONAI's pieces, float32": monai(work, fast=False),
        }

        def timed(run: Callable[[int], float]) -> tuple[float, float]:
            return run(options.steps), work.processor / options.steps

        found = interleaved({name: lambda run=run: timed(run) for name, run in contestants.items()}, options.rounds)
    walls, processors = ({name: [pair[place] for pair in v] for name, v in found.items()} for place in (0, 1))
    clocks = {"wall clock": walls}
    if options.device == "cpu" and not options.workers:  # else part of the work is not this process's
        clocks["processor time"] = processors
    patch = "x".join(map(str, options.patch))
    loops = walls["training loop"]
    rows = [
        (name, *(f"{1e3 * statistics.median(clock[name]):.1f}" for clock in clocks.values()),
         f"{1e3 * min(walls[name]):.1f}", f"{ratio(walls[name], loops):.2f}")
        for name in found
    ]  # fmt: skip
    ratios = zip(*(shares(*clock.values()).items() for clock in clocks.values()), strict=True)
    return "\n".join([
        f"{options.architecture}, 2 x 1 x {patch}, {options.steps} steps a round, {options.rounds} rounds\n",
        table(("step", *(f"median ms, {name}" for name in clocks), "min ms, wall clock", "x loop"), rows),
        "",
        table(("ratio", *clocks), [(row[0][0], *(value for _, value in row)) for row in ratios]),
    ])  # fmt: skip


def shares(
    slow: Sequence[float],
    fast: Sequence[float],
    step: Sequence[float],
    loop: Sequence[float],
    amp: Sequence[float],
    plain: Sequence[float],
) -> dict[str, str]:
    """The ratios that the aims are about, from the contestants' times by round."""
    outside = [100 * (1 - a / b) for a, b in zip(fast, loop, strict=True)]
    return {
        "network, float32 contiguous / bf16 channels-last": f"{ratio(slow, fast):.2f}",
        "loop / bare step": f"{ratio(loop, step):.2f}",
        "share of the loop outside of the network, %": f"{statistics.median(outside):.1f}",
        "share of the loop in the loss, %": f"{100 * (ratio(step, loop) - ratio(fast, loop)):.1f}",
        "MONAI's pieces, bf16 / loop": f"{ratio(amp, loop):.2f}",
        "MONAI's pieces, float32 / loop": f"{ratio(plain, loop):.2f}",
    }


def inference(options: argparse.Namespace) -> str:
    """Seconds and memory of one volume by contestant."""
    contestants = {
        "ours, overlap 0.5, Gaussian (the study's)": ("ours", STUDY),
        "MONAI, overlap 0.5, Gaussian": ("monai", STUDY),
        "ours, overlap 0.25, constant": ("ours", DEFAULTS),
        "MONAI's defaults, overlap 0.25, constant": ("monai", DEFAULTS),
    }
    contestants = {name: chosen for name, chosen in contestants.items() if chosen[0] in options.who}
    shape, rows = tuple(options.volume), {name: [] for name in contestants}
    for _ in range(options.predictions):
        for name, (who, blending) in contestants.items():
            rows[name].append(predicted(who, shape, options.window, options.network, options.device, **blending))
    heads = ["sliding window", "s", "peak GiB", "above the start, GiB", "of that the result"]
    heads += ["device GiB"] if options.device == "cuda" else []
    lines = []
    for name, runs in rows.items():
        first, seconds = runs[0], statistics.median(run["seconds"] for run in runs)
        cells = [name, f"{seconds:.1f}", f"{first['peak']:.2f}", f"{first['peak'] - first['before']:.2f}"]
        cells += [f"{first['result']:.2f}"] + ([f"{first['device peak']:.2f}"] if options.device == "cuda" else [])
        lines.append(cells)
    volume, network = "x".join(map(str, shape)), {"none": "a convolution of one voxel"}.get(options.network, "U-Net")
    return f"{volume}, windows of {options.window}^3, five classes, {network}\n\n{table(heads, lines)}"


def packing(options: argparse.Namespace) -> str:
    """Throughput of trainings side by side, each a process, relative to one."""
    rows, alone = [], None
    for count in options.cells:
        found = [packed(options, count) for _ in range(options.predictions)]
        seconds = statistics.median(found)
        alone = alone or seconds
        rows.append((count, f"{1e3 * seconds:.1f}", f"{count / seconds:.2f}", f"{count * alone / seconds:.2f}"))
    return table(("cells at once", "ms a step of each", "steps a second of all", "x one after the other"), rows)


def packed(options: argparse.Namespace, count: int) -> float:
    """Seconds a step of the slowest of `count` trainings that begin together."""
    job = {name: getattr(options, name) for name in ("patch", "device", "architecture", "network", "steps")}
    command = [sys.executable, __file__, "--child", json.dumps(job)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
        for _ in range(count)
    ]
    for child in children:
        child.stdout.readline()  # its first steps are done
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    return max(float(child.communicate()[0]) for child in children)


def train_when_told(job: dict) -> None:
    """A training in a process of its own: warm up, say so, wait for a line, train, print seconds a step."""
    from _engine_training import SMALL, Work, loop

    with tempfile.TemporaryDirectory() as folder:
        chosen = SMALL.get(job["architecture"], {}) if job["network"] != "default" else {}
        run = loop(Work(Path(folder), tuple(job["patch"]), job["device"], job["architecture"], chosen))
        run(3)
        print("ready", flush=True)
        sys.stdin.readline()
        print(run(job["steps"]), flush=True)


def machine(options: argparse.Namespace) -> str:
    """What the numbers were measured on, in one line."""
    import monai as package
    import torch

    from spectralcal.machine.device import device_name

    load = f", load before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores"
    name = device_name(torch.device(options.device))
    return (
        f"{name}, torch {torch.__version__}, MONAI {package.__version__}, {torch.get_num_threads()} thread(s){load}\n"
    )


def arguments() -> argparse.ArgumentParser:
    """The options of all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--architecture", default="unet")
    parser.add_argument("--network", choices=("unet", "default", "none"), default="unet", help="size of the network")
    parser.add_argument("--patch", type=int, nargs=3, default=(48, 64, 48))
    parser.add_argument("--steps", type=int, default=20, help="steps of a contestant in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="processes of MONAI's loader")
    parser.add_argument("--volume", type=int, nargs=3, default=(192, 192, 128), help="voxels of the predicted volume")
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--who", nargs="+", choices=("ours", "monai"), default=("ours", "monai"), help="who predicts")
    parser.add_argument("--predictions", type=int, default=1, help="rounds of inference and packing")
    parser.add_argument("--cells", type=int, nargs="+", default=(1, 2), help="trainings side by side")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    options = arguments().parse_args()
    if options.child:
        train_when_told(json.loads(options.child))
        return
    print(machine(options))
    for part in options.only:
        print(f"### {part}\n\n{globals()[part](options)}\n", flush=True)


if __name__ == "__main__":
    main()
