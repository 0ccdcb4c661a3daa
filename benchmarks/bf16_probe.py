"""What the probe of bfloat16 says of every architecture on this machine, and what it costs, as Markdown.

Each architecture runs in a process of its own: seconds of the probe (nothing kept from before), of a training step in
bf16, and the process's peak memory after each.

    python benchmarks/bf16_probe.py --patch 40 56 40 --options small
    python benchmarks/bf16_probe.py --patch 96 96 96 --options default --only unet
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from spectralcal.base import registry

sys.path.insert(0, str(Path(__file__).parent))

from architectures import SMALL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=int, nargs="+", default=[40, 56, 40], help="voxels per axis")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--options", choices=("small", "default"), default="small")
    parser.add_argument("--only", nargs="+", default=registry.names("models"), help="architectures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(options.child, options)))
        return
    shape = " x ".join(map(str, (options.batch, 1, *options.patch)))
    print(f"| {options.options}, {shape} | verdict | deviation | probe | step | peak after probe | after steps |")
    print("| --- | --- | --: | --: | --: | --: | --: |")
    for name in options.only:
        command = [sys.executable, __file__, *sys.argv[1:], "--child", name]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ).stdout)
        deviation = "-" if found["deviation"] is None else f"{found['deviation']:.2f}"
        print(
            f"| {registry.constant('models', name, 'LABEL')} | {found['failure'] or 'passed'} | {deviation} "
            f"| {found['probe']:.1f} s | {found['step']:.1f} s "
            f"| {found['probe_mb']:.0f} MiB | {found['step_mb']:.0f} MiB |",
            flush=True,
        )


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Verdict, seconds and MiB of one architecture in this process; four classes."""
    from spectralcal.engine.bfloat16 import probe
    from spectralcal.machine.device import memory_format
    from spectralcal.machine.environment import peak_memory_mb
    from spectralcal.machine.memory import forget_peak
    from spectralcal.models import build_model
    from spectralcal.models.options import resolved_options

    dims, device = len(options.patch), torch.device("cpu")
    chosen = resolved_options(name, SMALL[name] if options.options == "small" else {}, options.patch)
    torch.manual_seed(0)
    model = build_model(name, 1, 4, spatial_dims=dims, **chosen)
    shape, layout = (options.batch, 1, *options.patch), memory_format(dims, channels_last=True)
    begun = time.perf_counter()
    verdict = probe(model, shape, device, layout=layout)
    found = {"failure": verdict.failure, "deviation": verdict.deviation, "probe": time.perf_counter() - begun}
    found["probe_mb"] = peak_memory_mb()
    forget_peak(device)
    model = model.to(memory_format=layout)
    images = torch.randn(shape).to(memory_format=layout)
    target = torch.randint(4, (shape[0], *shape[2:]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    for _ in range(3):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(images)
        F.cross_entropy(logits.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad()
        found["step"] = time.perf_counter() - begun
    return found | {"step_mb": peak_memory_mb()}


if __name__ == "__main__":
    main()
