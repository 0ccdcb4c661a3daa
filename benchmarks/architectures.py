"""Size, memory and time of a training step of every architecture, as Markdown.

A step is forward, cross-entropy and backward on random patches: once in float32 and contiguous memory, once as the
study trains, in bf16 autocast and channels-last. Both run once a round, in turn, so that a slow moment of the machine
falls on both; the table shows medians and the median of the ratios within a round.

    python benchmarks/architectures.py --size 32 --options small
    python benchmarks/architectures.py --device cuda --size 96
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spectralcal.base import registry
from spectralcal.machine.device import device_name, memory_format
from spectralcal.models import build_model
from spectralcal.models.padding import parameter_count

#: networks that a CPU can train
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"channels": (8, 16, 32, 64)},
    "nnunet": {"base_channels": 8, "max_channels": 64, "residual": True},
    "swin_unetr": {"feature_size": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8), "window_size": 4},
    "unetpp": {"channels": (8, 8, 16, 32, 32)},
    "attention_unet": {"channels": (8, 16, 32, 64)},
    "transunet": {"channels": (16, 16, 32, 32), "blocks": 1, "width": 32, "depth": 1, "heads": 4},
}


def network(name: str, options: argparse.Namespace) -> nn.Module:
    """An architecture with its options, for the patch of the run."""
    chosen = dict(SMALL.get(name, {})) if options.options == "small" else {}
    if "patch" in registry.defaults("models", name):
        chosen["patch"] = (options.size,) * options.dims
    torch.manual_seed(0)
    model = build_model(name, options.channels, options.classes, spatial_dims=options.dims, **chosen)
    return model.train().to(options.device)


def step(model: nn.Module, images: Tensor, target: Tensor, bf16: bool) -> None:
    """Forward, cross-entropy and backward."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        logits = model(images)
    F.cross_entropy(logits.float(), target).backward()
    model.zero_grad(set_to_none=True)


def seconds(model: nn.Module, images: Tensor, target: Tensor, bf16: bool) -> float:
    """Wall time of a step, device included."""
    synchronize = torch.cuda.synchronize if images.is_cuda else lambda: None
    synchronize()
    begun = time.perf_counter()
    step(model, images, target, bf16)
    synchronize()
    return time.perf_counter() - begun


def measure(name: str, options: argparse.Namespace) -> tuple[int, float, float, float, float]:
    """Parameters, seconds plain and fast, their ratio, and the fast step's peak in GiB (NaN on a CPU)."""
    shape = (options.batch, options.channels, *[options.size] * options.dims)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(shape, generator=generator).to(options.device)
    target = torch.randint(options.classes, (shape[0], *shape[2:]), generator=generator).to(options.device)
    layout = memory_format(options.dims, channels_last=True)
    runs = [(network(name, options), images, target, False)]
    runs.append((network(name, options).to(memory_format=layout), images.to(memory_format=layout), target, True))
    for _ in range(2):
        for run in runs:
            step(*run)
    peak = float("nan")
    if options.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step(*runs[1])
        peak = torch.cuda.max_memory_allocated() / 2**30
    rounds = [tuple(seconds(*run) for run in runs) for _ in range(options.rounds)]
    plain, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
    return parameter_count(runs[0][0]), plain, fast, statistics.median(a / b for a, b in rounds), peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--options", choices=["default", "small"], default="default", help="the study's, or a CPU's")
    parser.add_argument("--size", type=int, default=96, help="voxels per axis of a patch")
    parser.add_argument("--dims", type=int, choices=[2, 3], default=3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*", default=registry.names("models"), help="architectures")
    options = parser.parse_args()

    device = device_name(torch.device(options.device))
    print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} CPU thread(s); {options.options} options,")
    print(f"{options.batch} x {options.channels} x {options.size}^{options.dims}, {options.classes} classes.\n")
    print("| architecture | parameters | fp32, contiguous | bf16, channels-last | ratio | peak |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in options.only:
        label = registry.constant("models", name, "LABEL")
        parameters, plain, fast, ratio, peak = measure(name, options)
        memory = f"{peak:.1f} GiB" if options.device == "cuda" else "-"
        print(f"| {label} | {parameters:,} | {1e3 * plain:.0f} ms | {1e3 * fast:.0f} ms | {ratio:.2f} | {memory} |")


if __name__ == "__main__":
    main()
