"""Speed, memory and accuracy of the metrics, each beside a peer measured in the same interleaved rounds.

    python benchmarks/metrics.py [--size 128] [--classes 5] [--rounds 7] [--threads 1] [--clock wall] [--volume 40]

Prints Markdown. A time is the median over rounds, a ratio the median of the rounds' ratios, memory the largest extra
resident memory of one first call in a process of its own (Linux only). ``--clock cpu`` counts the seconds in which a
processor worked for this process, which other work on the machine does not lengthen: for everything on one thread.
``--volume 40`` adds the accuracy at 40 million voxels, which takes minutes and several GiB.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from spectralcal.metrics import CalibrationHistogram, compiled, surface_distances, surface_distances_by_label

BINS = 15
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


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


def organs(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four ellipsoids in 256 x 256 x 128: reference, a prediction off by a few voxels, the same with islands."""
    rng = np.random.default_rng(seed)
    grid = np.ogrid[:256, :256, :128]
    reference, prediction = np.zeros((256, 256, 128), np.uint8), np.zeros((256, 256, 128), np.uint8)
    shapes = (((120, 110, 60), (70, 60, 38)), ((60, 190, 64), (24, 26, 15)), ((190, 190, 60), (30, 30, 18)),
              ((200, 60, 40), (11, 12, 7)))  # fmt: skip
    for label, (centre, radii) in enumerate(shapes, start=1):
        moved, scaled = centre + rng.normal(0, 0.8, 3), radii * rng.normal(1, 0.03, 3)
        for array, c, r in ((reference, centre, radii), (prediction, moved, scaled)):
            array[sum(((x - a) / b) ** 2 for x, a, b in zip(grid, c, r, strict=True)) <= 1] = label
    islands = prediction.copy()
    for label in range(1, 5):
        corner = rng.integers(5, 120, 3)
        islands[tuple(slice(a, a + 3) for a in corner)] = label
    return reference, prediction, islands


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

    def both(results: list) -> tuple:
        return np.array([d.hd95 for d in results]), np.array([d.asd for d in results])

    def ours() -> tuple:
        return both(list(surface_distances_by_label(p, r, present, spacing).values()))

    def masks() -> tuple:
        return both([surface_distances(p == c, r == c, spacing) for c in present])

    def all_numbers() -> tuple:
        results = list(surface_distances_by_label(p, r, present, spacing).values())
        for d in results:
            d.hd, d.assd, d.nsd(1.0)
        return both(results)

    def monai() -> tuple:
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

        one_hot = [torch.from_numpy(np.stack([m == c for c in range(r.max() + 1)]))[None].float() for m in (p, r)]
        hd95 = compute_hausdorff_distance(*one_hot, percentile=95, spacing=list(spacing))
        return hd95.numpy()[0], compute_average_surface_distance(*one_hot, spacing=list(spacing)).numpy()[0]

    return {
        "spectralcal": ours,
        "spectralcal, with HD, ASSD and NSD": all_numbers,
        "spectralcal, mask by mask": masks,
        "MONAI, from label maps": monai,
    }


def interleaved(calls: dict, rounds: int, clock: Callable[[], float]) -> tuple[dict, dict]:
    """Seconds per round of every call, one after the other in each round, and what each returned."""
    values = {name: call() for name, call in calls.items()}
    seconds = {name: np.zeros(rounds) for name in calls}
    for i in range(rounds):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name][i] = clock() - start
    return seconds, values


def extra_memory_mib(call: Callable) -> str:
    """Peak resident memory of a call above what was resident before, in a forked process without a history."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def read(field: str) -> int:
        return int(
            next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith(field)).split()[1]
        )

    if not status.exists() or not hasattr(os, "fork"):
        return "not measured"
    ours, child = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            torch.set_num_threads(1)  # a forked process has none of its parent's threads to wait for
            before = read("VmRSS")
            reset.write_text("5", encoding="utf-8")
            call()
            os.write(child, str(max(read("VmHWM") - before, 0)).encode())
        finally:
            os._exit(0)
    os.close(child)
    with os.fdopen(ours) as pipe:
        value = pipe.read()
    os.waitpid(pid, 0)
    return f"{int(value) / 1024:.1f}" if value else "not measured"


def table(head: str, rows: list[tuple]) -> str:
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).strip() for cell in line) + " |" for line in lines)


def calibration_table(options: argparse.Namespace, soft: bool) -> str:
    classes, clock = options.classes, CLOCKS[options.clock]
    p, y = phantom(options.size, classes)
    if soft:  # the same volume, unsure everywhere: the hardest case for cells, which skip probabilities near 0
        p = np.power(p, np.float32(1 / 6))
        p /= p.sum(0)
    peers = calibration_peers(p, y)

    def counted(workers: int) -> Callable[[], CalibrationHistogram]:
        def call() -> CalibrationHistogram:
            h = CalibrationHistogram(classes, BINS).update(p, y, threads=workers)
            h.ece(), h.sce(), h.tace(), h.brier(), h.nll()
            return h

        return call

    workers = {1} if options.clock == "cpu" else {1, 2, options.threads}
    ours = {f"spectralcal, {n} thread{'s' * (n > 1)}": counted(n) for n in sorted(workers)}
    calls = {**ours, **{key: call for key, call in peers.items() if call}}
    seconds, values = interleaved(calls, options.rounds, clock)
    first = next(iter(ours))
    h, voxels = values[first], y.size
    own = {"ECE": h.ece(), "SCE": h.sce(), "TACE": h.tace()}
    exact = {m: values[m, "sort" if m == "TACE" else "torch bincount, float64"] for m in own}
    head_peer = "torchmetrics" if peers["ECE", "torchmetrics"] else "torch bincount, float64"
    together = sum(seconds[n] for n in [("ECE", head_peer), ("SCE", "MONAI, one-hot included"), ("TACE", "sort")])

    def row(name: str, metrics: str, key: object, error: str) -> tuple:
        time_ms, ratio = 1e3 * np.median(seconds[key]), np.median(together / seconds[key])
        extra = extra_memory_mib(calls[key])
        bytes_per_voxel = "" if extra == "not measured" else f"{float(extra) * 2**20 / voxels:.1f}"
        return name, metrics, f"{time_ms:.1f}", f"{voxels / time_ms / 1e3:.1f}", f"{ratio:.1f}", bytes_per_voxel, error

    errors = ", ".join(f"{metric} {abs(own[metric] - exact[metric]):.1e}" for metric in own)
    rows = [row(name, "ECE + SCE + TACE + Brier + NLL", name, errors) for name in ours]
    for (metric, name), call in peers.items():
        if call is None:
            rows.append((name, metric, *["not installed"] * 5))
        else:
            rows.append(row(name, metric, (metric, name), f"{metric} {abs(values[metric, name] - exact[metric]):.1e}"))
    rows.append((f"peers together: {head_peer}, MONAI, sort", "ECE + SCE + TACE", f"{1e3 * np.median(together):.1f}",
                 "", "1", "", ""))  # fmt: skip
    head = "method|metrics|ms|Mvoxel/s|peers together / this|extra bytes a voxel|distance from float64 or sort"
    title = f"Calibration, {classes} classes, {voxels / 1e6:.1f} Mvoxel, {'soft' if soft else 'confident'}"
    return f"### {title} (TACE bound {h.tace_bound():.1e})\n\n{table(head, rows)}"


def surface_table(options: argparse.Namespace) -> str:
    spacing = (0.8, 0.8, 2.5)
    reference, prediction, islands = organs()
    rows = []
    for name, predicted in (("off by voxels", prediction), ("with islands", islands)):
        calls = surface_peers(predicted, reference, spacing)
        seconds, values = interleaved(calls, options.rounds, CLOCKS[options.clock])
        monai = "MONAI, from label maps"
        off = max(float(np.abs(a - b).max()) for a, b in zip(values["spectralcal"], values[monai], strict=True))
        for peer, call in calls.items():
            ratio = np.median(seconds[monai] / seconds[peer])
            time_ms = 1e3 * np.median(seconds[peer])
            rows.append((name, peer, f"{time_ms:.1f}", f"{ratio:.1f}", extra_memory_mib(call), f"{off:.1e}"))
    head = "prediction|method|ms|MONAI / this|extra MiB|largest difference, mm"
    return f"### HD95 and ASD, 4 classes, 256 x 256 x 128 voxels of 0.8 x 0.8 x 2.5 mm\n\n{table(head, rows)}"


def compile_table() -> str:
    """Seconds of the first call of a new process, with an empty and with a filled folder of compiled code."""
    code = (
        "import time, numpy as np; from spectralcal.metrics import CalibrationHistogram, compiled, surface_distances;"
        "p = np.full((2, 9), 0.5, np.float32); y = np.zeros(9, np.uint8); m = np.ones((3, 3, 3), bool);"
        "compiled.PAYS_FROM = compiled.PAYS_TO_COMPILE_FROM = {limit}; start = time.perf_counter();"
        "CalibrationHistogram(2).update(p, y); middle = time.perf_counter(); surface_distances(m, m, (1, 1, 1));"
        "print(middle - start, time.perf_counter() - middle)"
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, limit in (("NumPy", "1 << 60"), ("compile", "0"), ("load from disk", "0")):
            call = [sys.executable, "-c", code.format(limit=limit)]
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            result = subprocess.run(
                call, env=environment, check=True, capture_output=True, encoding="utf-8", errors="replace"
            )
            rows.append((name, *(f"{float(x):.2f}" for x in result.stdout.split())))
    head = "first call in a process|calibration, s|then surface distances, s"
    return f"### First call\n\n{table(head, rows)}"


def volume_table(millions: int) -> str:
    """Accuracy where float32 sums give out, on probabilities of three classes that are calibrated by construction."""
    voxels, classes = millions * 10**6, 3
    rng = np.random.default_rng(0)
    p = rng.random((classes, voxels), np.float32)
    p **= 8
    p /= p.sum(0)
    labels = (rng.random(voxels, np.float32) > p[0]).astype(np.uint8)
    labels += labels & (rng.random(voxels, np.float32) * (1 - p[0]) > p[1])
    peers = calibration_peers(p, labels.astype(np.int64))
    h = CalibrationHistogram(classes, BINS).update(p, labels)
    exact = {m: peers[m, "sort" if m == "TACE" else "torch bincount, float64"]() for m in ("ECE", "SCE", "TACE")}
    rows = [("spectralcal", m, f"{getattr(h, m.lower())():.3e}", f"{abs(getattr(h, m.lower())() - exact[m]):.1e}")
            for m in exact]  # fmt: skip
    rows.append(("spectralcal, voxels counted", "", f"{h.count:,}", f"{h.count - voxels:,}"))
    for (metric, name), call in peers.items():
        if call and name in ("torchmetrics", "MONAI, one-hot included"):
            value = call()
            rows.append((name, metric, f"{value:.3e}", f"{abs(value - exact[metric]):.1e}"))
        elif call is None:
            rows.append((name, metric, "not installed", ""))
    rows += [("reference in float64, or by sort", m, f"{value:.3e}", "0") for m, value in exact.items()]
    head = "method|metric|value|distance from float64 or sort"
    return f"### Accuracy at {millions} Mvoxel, {classes} classes, calibrated by construction\n\n{table(head, rows)}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("size", 128), ("classes", 5), ("rounds", 7), ("threads", 1), ("volume", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads > 1:
        parser.error("--clock cpu adds up the threads' seconds: expected --threads 1, or --clock wall")
    torch.set_num_threads(options.threads)
    names = ("torch", "monai", "torchmetrics", "numpy", "scipy", "numba")
    versions = ", ".join(f"{name} {version(name)}" for name in names if find_spec(name))
    print(f"{processor()}, peers on {options.threads} thread(s), {options.rounds} rounds, {options.clock} clock; "
          f"{versions}\n")  # fmt: skip
    compiled.PAYS_FROM = compiled.PAYS_TO_COMPILE_FROM = 0  # the first round compiles or loads; it is not timed
    warnings.filterwarnings("ignore", category=FutureWarning, module="monai")
    for soft in (False, True):
        print(calibration_table(options, soft), end="\n\n")
    print(surface_table(options), end="\n\n")
    print(compile_table())
    if options.volume:
        print("\n" + volume_table(options.volume))


if __name__ == "__main__":
    main()
