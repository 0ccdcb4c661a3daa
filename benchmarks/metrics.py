"""Speed, memory and accuracy of the metrics, each beside a peer measured in the same interleaved rounds.

    python benchmarks/metrics.py [--size 128] [--classes 5] [--rounds 7] [--threads 1]

Prints Markdown. A time is the median over rounds, a ratio the median of the rounds' ratios, memory the largest extra
resident memory of one call (Linux only; memory that the process holds already does not show).
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from spectralcal.metrics import CalibrationHistogram, surface_distances

BINS = 15


def phantom(size: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth blobs: confident probabilities (C, size, size, size) float32 and labels that deviate near borders."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    logits = np.stack([gaussian_filter(rng.normal(size=(size,) * 3), size / 24) for _ in range(classes)])
    logits *= 12 / logits.std()
    logits[0] += 18
    labels = (logits + rng.normal(size=logits.shape)).argmax(0)
    p = np.exp(logits - logits.max(0))
    return (p / p.sum(0)).astype(np.float32), labels


def sorted_tace(p: np.ndarray, y: np.ndarray, threshold: float = 1e-3) -> float:
    errors = []
    for c in range(len(p)):
        q = p[c].ravel()
        kept = q > np.float32(threshold)
        q, hit = q[kept], (y.ravel() == c)[kept]
        order = np.argsort(q)
        parts = [i for i in np.split(order, [j * q.size // BINS for j in range(1, BINS)]) if i.size]
        errors.append(np.mean([abs(hit[i].mean() - q[i].mean(dtype=np.float64)) for i in parts]) if parts else 0.0)
    return float(np.mean(errors))


def torch_binned(p: torch.Tensor, hit: torch.Tensor) -> float:
    """Expected calibration error of flat tensors by bincount with float64 weights."""
    edges = (torch.arange(1, BINS) / BINS).to(p.dtype)
    index = torch.bucketize(p, edges)
    gap = torch.bincount(index, p.double(), BINS) - torch.bincount(index, hit.double(), BINS)
    return float(gap.abs().sum() / p.numel())


def calibration_peers(p: np.ndarray, y: np.ndarray) -> dict[tuple[str, str], Callable[[], float] | None]:
    """(metric, method) -> call; None where the peer is not installed."""
    tensor, labels, classes = torch.from_numpy(p), torch.from_numpy(y), len(p)

    def ece() -> float:
        confidence, predicted = tensor.max(0)
        return torch_binned(confidence.ravel(), (predicted == labels).ravel())

    def sce() -> float:
        return float(np.mean([torch_binned(tensor[c].ravel(), (labels == c).ravel()) for c in range(classes)]))

    def monai() -> float:
        from monai.metrics import CalibrationErrorMetric

        metric = CalibrationErrorMetric(num_bins=BINS, right=True)
        metric(tensor[None], torch.nn.functional.one_hot(labels, classes).movedim(-1, 0)[None].float())
        return float(metric.aggregate())

    def torchmetrics() -> float:
        from torchmetrics.functional.classification import multiclass_calibration_error

        flat = tensor.reshape(classes, -1).T
        return float(multiclass_calibration_error(flat, labels.ravel(), classes, n_bins=BINS))

    return {
        ("ECE", "torch bincount, float64"): ece,
        ("ECE", "torchmetrics"): torchmetrics if find_spec("torchmetrics") else None,
        ("SCE", "torch bincount, float64"): sce,
        ("SCE", "MONAI, one-hot included"): monai,
        ("TACE", "sort"): lambda: sorted_tace(p, y),
    }


def surface_peers(p: np.ndarray, r: np.ndarray, spacing: tuple[float, ...]) -> dict[str, Callable[[], tuple]]:
    """HD95 and ASD of every foreground label of two label maps."""
    present = range(1, int(r.max()) + 1)

    def ours() -> tuple:
        results = [surface_distances(p == c, r == c, spacing) for c in present]
        return np.array([d.hd95 for d in results]), np.array([d.asd for d in results])

    def monai() -> tuple:
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

        one_hot = [torch.from_numpy(np.stack([m == c for c in range(r.max() + 1)]))[None].float() for m in (p, r)]
        hd95 = compute_hausdorff_distance(*one_hot, percentile=95, spacing=list(spacing))
        return hd95.numpy()[0], compute_average_surface_distance(*one_hot, spacing=list(spacing)).numpy()[0]

    return {"spectralcal": ours, "MONAI, from label maps": monai}


def interleaved(calls: dict[str, Callable], rounds: int) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Seconds per round of every call, one after the other in each round, and what each returned."""
    values = {name: call() for name, call in calls.items()}
    seconds = {name: np.zeros(rounds) for name in calls}
    for i in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name][i] = time.perf_counter() - start
    return seconds, values


def extra_memory_mib(call: Callable) -> str:
    """Peak resident memory of a call above what was resident before."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def read(field: str) -> int:
        return int(next(line for line in status.read_text().splitlines() if line.startswith(field)).split()[1])

    try:
        before = read("VmRSS")
        reset.write_text("5")
        call()
        return f"{max(read('VmHWM') - before, 0) / 1024:.0f}"
    except (OSError, StopIteration):
        return "not measured"


def table(head: str, rows: list[tuple]) -> str:
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).strip() for cell in line) + " |" for line in lines)


def calibration_table(size: int, classes: int, rounds: int) -> str:
    p, y = phantom(size, classes)
    peers = calibration_peers(p, y)

    def ours() -> CalibrationHistogram:
        h = CalibrationHistogram(classes, BINS).update(p, y)
        h.ece(), h.sce(), h.tace(), h.brier(), h.nll()
        return h

    calls = {"ours": ours, **{key: call for key, call in peers.items() if call}}
    seconds, values = interleaved(calls, rounds)
    h = values["ours"]
    own = {"ECE": h.ece(), "SCE": h.sce(), "TACE": h.tace()}
    exact = {m: values[m, "sort" if m == "TACE" else "torch bincount, float64"] for m in own}
    errors = ", ".join(f"{metric} {abs(own[metric] - exact[metric]):.1e}" for metric in own)
    voxels = y.size
    rows = [
        (
            "spectralcal, one pass",
            "ECE + SCE + TACE + Brier + NLL",
            f"{1e3 * np.median(seconds['ours']):.0f}",
            f"{voxels / np.median(seconds['ours']) / 1e6:.1f}",
            "1",
            extra_memory_mib(ours),
            errors,
        )
    ]
    for (metric, name), call in peers.items():
        key = metric, name
        if call is None:
            rows.append((name, metric, *["not measured"] * 5))
            continue
        ratio = np.median(seconds[key] / seconds["ours"])
        time_ms, rate = 1e3 * np.median(seconds[key]), voxels / np.median(seconds[key]) / 1e6
        error = f"{metric} {abs(values[key] - exact[metric]):.1e}"
        rows.append((name, metric, f"{time_ms:.0f}", f"{rate:.1f}", f"{ratio:.2f}", extra_memory_mib(call), error))
    together = [("ECE", "torch bincount, float64"), ("SCE", "MONAI, one-hot included"), ("TACE", "sort")]
    ratio = np.median(sum(seconds[n] for n in together) / seconds["ours"])
    rows.append(("peers together", "ECE + SCE (MONAI) + TACE", "", "", f"{ratio:.2f}", "", ""))
    head = "method|metrics|ms|Mvoxel/s|time against spectralcal|extra MiB|distance from float64 or sort"
    title = f"Calibration, {classes} classes, {voxels / 1e6:.1f} Mvoxel, {BINS} bins; TACE bound {h.tace_bound():.1e}"
    return f"## {title}\n\n{table(head, rows)}"


def surface_table(size: int, classes: int, rounds: int) -> str:
    spacing = (0.8, 0.8, 2.5)
    reference = phantom(size, classes)[0].argmax(0)
    prediction = np.roll(reference, (1, 1), axis=(0, 1))
    islands = prediction.copy()
    islands[np.random.default_rng(1).random(islands.shape) < 1e-4] = classes - 1
    rows = []
    for name, predicted in (("shifted by a voxel", prediction), ("with islands", islands)):
        calls = surface_peers(predicted, reference, spacing)
        seconds, values = interleaved(calls, rounds)
        off = max(float(np.abs(a - b).max()) for a, b in zip(*values.values(), strict=True))
        for peer, call in calls.items():
            ratio = np.median(seconds[peer] / seconds["spectralcal"])
            time_ms = 1e3 * np.median(seconds[peer])
            rows.append((name, peer, f"{time_ms:.0f}", f"{ratio:.2f}", extra_memory_mib(call), f"{off:.1e}"))
    head = "prediction|method|ms|time against spectralcal|extra MiB|largest difference, mm"
    return f"## HD95 and ASD, {classes - 1} classes, {size}^3 voxels\n\n{table(head, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("size", 128), ("classes", 5), ("rounds", 7), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, {options.rounds} rounds; ", end="")
    print(f"torch {torch.__version__}, numpy {np.__version__}\n")
    print(calibration_table(options.size, options.classes, options.rounds), end="\n\n")
    print(surface_table(options.size, options.classes, options.rounds))


if __name__ == "__main__":
    main()
