"""The engine on a CUDA device: steps of six architectures, cells side by side, prediction, and the study's GPU-hours.

Prints Markdown and writes the raw numbers as JSON. Parts (``--only``):

* steps: of every architecture, a bare step eager, compiled and replayed from a CUDA graph, and the training loop, in
  interleaved rounds; peak memory. For the architectures of ``--monai`` also the same work through MONAI's pieces.
* use: how busy ``nvidia-smi`` sees the device during the loop.
* packing: several trainings on the device at once, each a process, against one after the other.
* inference: a volume through the sliding window and MONAI's, at the study's settings and at MONAI's defaults.
* projection: a step of every kind of cell of a study, and its GPU-hours.

    python benchmarks/gpu/engine_check.py --out engine.json
    python benchmarks/gpu/engine_check.py --device cpu --size 32 --out engine.json     # to try the script itself
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from _engine_inference import DEFAULTS, STUDY, predicted
from _engine_training import Work, bare, captured, loop, monai
from engine import interleaved, machine, packed, ratio, table
from spectralcal.base import registry
from spectralcal.machine.device import native_precision, set_determinism

#: networks of seconds, to try the script on a CPU
TINY: dict[str, dict[str, Any]] = {
    "unet": {"channels": (4, 8, 8)},
    "nnunet": {"base_channels": 4, "max_channels": 8},
    "swin_unetr": {"feature_size": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8), "window_size": 4},
    "unetpp": {"channels": (4, 4, 8, 8, 8)},
    "attention_unet": {"channels": (4, 8, 8)},
    "transunet": {"channels": (8, 8, 8, 8), "blocks": 1, "width": 16, "depth": 1, "heads": 2},
}


def work_of(architecture: str, options: argparse.Namespace, folder: Path) -> Work:
    """An architecture at the study's size, or at one that a CPU can try."""
    precision = native_precision(torch.device(options.device))
    chosen = TINY[architecture] if options.device == "cpu" else {}
    return Work(
        folder, (options.size,) * 3, options.device, architecture, chosen, precision, workers=options.workers
    )  # fmt: skip


def steps(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a step in each round, by architecture and contestant; a text says why there are none."""
    found: dict[str, Any] = {}
    for architecture in options.architectures:
        with tempfile.TemporaryDirectory() as folder:
            work = work_of(architecture, options, Path(folder))
            makers = {"bare": bare, "loop": loop}
            if options.device == "cuda":
                makers |= {"compiled": lambda work: bare(work, compiled=True), "graph": captured}
                makers |= {"loop compiled": lambda work: loop(work, compiled=True)}
            if architecture in options.monai:
                makers |= {"MONAI": monai}
            runs, row = {}, {}
            for name, make in makers.items():
                try:
                    runs[name] = make(work)
                    runs[name](3)
                except Exception as error:
                    runs.pop(name, None)
                    row[name] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
                    release()
            calls = {name: lambda run=run: 1e3 * run(options.steps) for name, run in runs.items()}
            row |= interleaved(calls, options.rounds)
            row["peak MiB"] = peak(runs["loop"])
            found[architecture] = row
            del runs, calls
        release()
    return found


def peak(run: Callable[[int], float]) -> float | None:
    """MiB on the device that a loop takes beyond what lies there already; None on a CPU."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run(5)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def use(options: argparse.Namespace) -> dict[str, float] | str:
    """Per cent of time in which the device computes during the loop, as nvidia-smi samples it."""
    if options.device == "cpu":
        return "not measured"
    found = {}
    for architecture in options.architectures:
        with tempfile.TemporaryDirectory() as folder:
            run = loop(work_of(architecture, options, Path(folder)))
            run(10)
            command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
            watch = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
            run(5 * options.steps)
            watch.terminate()
            samples = [int(line) for line in watch.communicate()[0].split() if line.isdigit()]
            found[architecture] = statistics.fmean(samples) if samples else float("nan")
        release()
    return found


def packing(options: argparse.Namespace) -> dict[str, float]:
    """Seconds a step of the slowest of several trainings at once, by their number."""
    size = {"patch": [options.size] * 3, "network": "default" if options.device == "cuda" else "unet"}
    job = SimpleNamespace(device=options.device, architecture="unet", steps=5 * options.steps, **size)
    return {str(count): packed(job, count) for count in options.cells}


def inference(options: argparse.Namespace) -> dict[str, dict[str, float] | str]:
    """Seconds and memory by contestant."""
    network, window = ("default", 96) if options.device == "cuda" else ("unet", options.size)
    found: dict[str, dict[str, float] | str] = {}
    for who in ("ours", "monai"):
        for name, blending in (("0.5, Gaussian", STUDY), ("0.25, constant", DEFAULTS)):
            try:
                found[f"{who}, overlap {name}"] = predicted(
                    who, tuple(options.volume), window, network, options.device, **blending
                )
            except RuntimeError as error:
                found[f"{who}, overlap {name}"] = str(error)
    return found


def projection(options: argparse.Namespace) -> dict[str, Any]:
    """What `spectralcal doctor --time` finds for a study, and its table."""
    from spectralcal.doctor.timing import time_study
    from spectralcal.records.costs import timed_costs
    from spectralcal.records.projection import all_cells, project
    from spectralcal.records.projection_text import projection_table
    from spectralcal.study.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        config = load_config(options.config)
        training = config.training.model_copy(update={"steps": options.study_steps})
        config = config.model_copy(update={"results_root": Path(folder), "training": training})
        content, failed = time_study(config)
        found = project(config, *all_cells(config), timed_costs(config, content["gpu"]))
        table = projection_table(found, config, 1)
    return content | {"failed": {" with ".join(kind): why for kind, why in failed.items()}, "table": table,
                      "hours": found.total / 3600}  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """The report as text."""
    lines = [found["machine"]]
    if "steps" in found:
        names = list(dict.fromkeys(name for row in found["steps"].values() for name in row if name != "peak MiB"))
        rows = []
        for architecture, row in found["steps"].items():
            cells = [_middle(row.get(name)) for name in names]
            against = [_ratio(row, "loop", "bare"), _ratio(row, "MONAI", "loop")]
            memory = "-" if row["peak MiB"] is None else f"{row['peak MiB']:.0f}"
            rows.append((registry.constant("models", architecture, "LABEL"), *cells, *against, memory))
        heads = ("ms a step", *names, "loop / bare", "MONAI / loop", "peak MiB")
        lines += [table(heads, rows), *_reasons(found["steps"])]
    if "use" in found:
        lines.append(f"device busy, %: {found['use']}")
    if "packing" in found:
        alone = found["packing"]["1"]
        rows = [(n, f"{1e3 * s:.1f}", f"{int(n) * alone / s:.2f}") for n, s in found["packing"].items()]
        lines.append(table(("cells at once", "ms a step of each", "x one after the other"), rows))
    if "inference" in found:
        rows = [
            (name, *(f"{row.get(key, float('nan')):.2f}" for key in ("seconds", "peak", "device peak")))
            if isinstance(row, dict) else (name, row, "-", "-")
            for name, row in found["inference"].items()
        ]  # fmt: skip
        lines.append(table(("sliding window", "s", "host GiB", "device GiB"), rows))
    if "projection" in found:
        lines.append(f"```\n{found['projection']['table']}\n```\n\n{found['projection']['hours']:.1f} device-hours")
    return "\n\n".join(lines)


def _middle(values: list[float] | str | None) -> str:
    return "-" if values is None else "failed" if isinstance(values, str) else f"{statistics.median(values):.2f}"


def _ratio(row: dict[str, Any], name: str, base: str) -> str:
    if any(isinstance(row.get(key), str | None) for key in (name, base)):
        return "-"
    return f"{ratio(row[name], row[base]):.2f}"


def _reasons(found: dict[str, Any]) -> list[str]:
    return [
        f"{architecture}, {name}: {why}"
        for architecture, row in found.items()
        for name, why in row.items()
        if isinstance(why, str)
    ]


def release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main() -> None:
    """Run the parts, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"steps": steps, "use": use, "packing": packing, "inference": inference, "projection": projection}
    parser.add_argument("--only", nargs="+", choices=tuple(parts), default=tuple(parts))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--size", type=int, default=96, help="side of a patch in voxels (default 96)")
    parser.add_argument("--architectures", nargs="+", default=registry.names("models"))
    parser.add_argument("--monai", nargs="*", default=("unet",), help="architectures with MONAI's pieces beside them")
    parser.add_argument("--workers", type=int, default=4, help="processes of MONAI's loader")
    parser.add_argument("--steps", type=int, default=30, help="steps of a contestant in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", type=int, nargs="+", default=(1, 2, 4, 8), help="trainings at once; 1 comes first")
    parser.add_argument("--volume", type=int, nargs=3, default=(512, 512, 300))
    parser.add_argument("--config", default="config.yaml", help="study whose time is projected")
    parser.add_argument("--study-steps", type=int, default=25_000, help="steps of a training of that study")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no CUDA device found; try the script with --device cpu --size 32")
    set_determinism(False, torch.device(options.device))
    found: dict[str, Any] = {"machine": machine(options), "options": {k: str(v) for k, v in vars(options).items()}}
    for name in options.only:
        found[name] = parts[name](options)
        options.out.write_text(
            json.dumps(found, indent=1), encoding="utf-8"
        )  # what is done is kept if a later part fails
    print(markdown(found))


if __name__ == "__main__":
    main()
