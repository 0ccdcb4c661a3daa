"""Thousands of small images: what training, scoring and preparation take, and what grows with their number.

    python benchmarks/many.py [training] [scoring] [preparation] [--quick]

`training` draws batches from 20,000 prepared cases in a process that may open 256 files. `scoring` predicts, scores and
writes the scores of 250 to 2,000 images of 224x224, and fits a temperature to as many. `preparation` prepares 5,000
images of 64x64 to 224x224, with one process and with two, and once more when nothing changed. All three by default;
`--quick` takes a tenth of the images. Each line is a process of its own. Everything is synthetic. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from spectralcal.data.manifest import write_manifest
from spectralcal.datasets import Case, Dataset, Volume
from spectralcal.preparation import PreparedCase, prepare_dataset, read_manifest

CLASSES = ("organ", "lesion", "vessel")
#: cases that differ; the others of a prepared set are links to them
DISTINCT = 32


class Images(Dataset):
    """Grey images and labels as .npy files: reading them takes next to nothing, so that the rest shows."""

    name = title = folder = "images"
    modality, channels, classes, spatial_dims = "mr", ("grey",), CLASSES, 2
    licence = citation = source = "none"

    def __init__(self, count: int) -> None:
        self.count = count

    def cases(self, root: Path) -> list[Case]:
        names = [f"image{index:05d}" for index in range(self.count)]
        return [Case(name, name, (root / f"{name}.npy",), root / f"{name}_label.npy") for name in names]

    def geometry(self, case: Case) -> tuple[tuple[int, ...], tuple[float, ...]]:
        return np.load(case.images[0], mmap_mode="r").shape, (1.0, 1.0)

    def load(self, case: Case) -> Volume:
        image, label = np.load(case.images[0]), np.load(case.label)
        return Volume(image[None].astype(np.float32), label, (1.0, 1.0), np.eye(4))


def draw(index: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A grey image with a black border, uint8, and its label of three discs."""
    random = np.random.default_rng(index)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    label = np.zeros(shape, np.uint8)
    for value, size in ((1, 0.35), (2, 0.2), (3, 0.1)):
        middle = [length * random.uniform(0.4, 0.6) for length in shape]
        label[(rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < (size * min(shape)) ** 2] = value
    image = random.integers(1, 60, shape) + 50 * label.astype(np.int64)
    image[:, : shape[1] // 8] = 0
    return image.astype(np.uint8), label


def write_images(root: Path, count: int) -> None:
    """Raw images of 64x64 to 224x224."""
    root.mkdir(parents=True)
    for index, case in enumerate(Images(count).cases(root)):
        image, label = draw(index, tuple(np.random.default_rng(index).integers(64, 225, 2).tolist()))
        np.save(case.images[0], image)
        np.save(case.label, label)


def write_prepared(root: Path, count: int, side: int) -> Path:
    """A prepared data set of square images."""
    raw = root / "raw"
    raw.mkdir(parents=True)
    few = Images(DISTINCT)
    for index, case in enumerate(few.cases(raw)):
        for path, array in zip((case.images[0], case.label), draw(index, (side, side)), strict=True):
            np.save(path, array)
    made = read_manifest(prepare_dataset(few, raw, root, spacing="original"))
    cases = []
    for index in range(count):
        source = made[index % DISTINCT]
        folder = root / "cases" / f"image{index:05d}"
        if index >= DISTINCT:
            folder.symlink_to(source.folder.name)
        facts = {name: getattr(source, name) for name in PreparedCase.__dataclass_fields__}
        cases.append(PreparedCase(**{**facts, "id": folder.name, "patient": folder.name, "folder": folder}))
    return write_manifest(cases, root)


def train_child(manifest: Path, steps: int) -> dict:
    """Batches of 32 patches of half the images' size."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    from spectralcal.engine.patches import PatchSampler

    before, start = usage(), time.perf_counter()
    cases = read_manifest(manifest)
    read = time.perf_counter() - start
    sampler = PatchSampler(cases, tuple(n // 2 for n in cases[0].shape), 32, 0.5, ("batch", "many", 0))
    start = time.perf_counter()
    sampler.batch(0)
    first = time.perf_counter() - start
    begun = usage()
    for step in range(1, steps + 1):
        sampler.batch(step)
    after = usage()
    return {
        "cases": len(cases), "manifest": read, "first": first, "batch": (after["cpu"] - begun["cpu"]) / steps,
        "files": len(list(Path("/proc/self/fd").iterdir())), "peak": after["peak"] - before["peak"],
    }  # fmt: skip


def score_child(manifest: Path, work: str) -> dict:
    """Scores of every image, or a temperature fitted to all of them; the network takes no time worth mentioning."""
    import torch

    from spectralcal.base.files import write_arrays, write_text
    from spectralcal.datasets import DataFacts
    from spectralcal.engine.fit_post_hoc import fit_post_hoc
    from spectralcal.jobs.score_files import cases_text
    from spectralcal.metrics.compiled import kernel
    from spectralcal.posthoc.temperature import TemperatureScaling
    from spectralcal.scoring.evaluate import evaluate_cases
    from spectralcal.study.config import EvaluationConfig, InferenceConfig
    from spectralcal.study.grid import Cell

    torch.set_num_threads(1)
    cases, patch, cpu = read_manifest(manifest), (224, 224), torch.device("cpu")
    image, label = cases[0].image()[0], cases[0].label()
    levels = torch.tensor([float(image[label == value].mean()) for value in range(len(CLASSES) + 1)])

    class Levels(torch.nn.Module):
        """Nearly right: each class by its distance from the mean intensity of its voxels, of 3x3 voxels."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            smooth = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
            return -9 * (smooth - levels.reshape(1, -1, 1, 1)) ** 2

    model = Levels()
    facts = DataFacts(CLASSES, 2, "mm", ("grey",))
    settings, place = (InferenceConfig(), EvaluationConfig()), {"device": cpu, "precision": "fp32"}
    evaluate_cases(model, cases[:2], facts, patch, *settings, **place)
    for name in ("count_voxels", "nearest_marked"):
        kernel(name)
    before, start = usage(), time.perf_counter()
    if work == "fit":
        fit_post_hoc(TemperatureScaling(), model, cases, patch, **place)
    else:
        scores = evaluate_cases(model, cases, facts, patch, *settings, **place)
        write_text(manifest.with_name("cases.csv"), cases_text(Cell("images", "unet", "ce", 0), scores.rows))
        write_arrays(manifest.with_name("calibration.npz"), scores.calibration)
        write_arrays(manifest.with_name("spectra.npz"), scores.spectra)
    wall, after = time.perf_counter() - start, usage()
    each = 1e3 / len(cases)
    return {
        "images": len(cases), "wall": wall * each, "cpu": (after["cpu"] - before["cpu"]) * each,
        "peak": after["peak"] - before["peak"], "start": before["peak"],
    }  # fmt: skip


def prepare_child(raw: Path, out: Path, count: int, workers: int) -> dict:
    """Images a second, first from nothing, then with nothing to do."""
    found = {"images": count, "workers": workers}
    for name in ("new", "again"):
        before, start = usage(), time.perf_counter()
        prepare_dataset(Images(count), raw, out, spacing="original", workers=workers)
        wall, after = time.perf_counter() - start, usage()
        found |= {f"{name}_{key}": (after[key] - before[key]) * 1e3 / count for key in ("user", "system")}
        found[f"{name}_rate"] = count / wall
    return found


def usage() -> dict[str, float]:
    """Processor seconds of this process and its children, and its peak memory so far, MiB."""
    import resource

    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    user, system = own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime
    return {"user": user, "system": system, "cpu": user + system, "peak": own.ru_maxrss / 2**10}


def child(function: str, *arguments: object) -> dict:
    """Run one of the functions above in a process of its own."""
    command = [sys.executable, __file__, "--child", function, json.dumps([str(argument) for argument in arguments])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise SystemExit(f"{function}: failed\n{done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def bench_training(folder: Path, quick: bool) -> None:
    row("cases", "manifest, s", "first batch, ms", "batch of 32, ms of CPU", "files open", "peak beyond the start, MiB")
    for count in (200, 2_000) if quick else (2_000, 20_000):
        found = child("train", write_prepared(folder / f"training{count}", count, 64), 50 if quick else 300)
        times = f"{found['manifest']:.2f}", f"{found['first'] * 1e3:.0f}", f"{found['batch'] * 1e3:.1f}"
        row(found["cases"], *times, found["files"], f"{found['peak']:.0f}")


def bench_scoring(folder: Path, quick: bool) -> None:
    row("work", "images", "ms an image", "ms of CPU", "before, MiB", "peak beyond, MiB")
    for work in ("score", "fit"):
        for count in (25, 50, 100, 200) if quick else (250, 500, 1_000, 2_000):
            found = child("score", write_prepared(folder / f"{work}{count}", count, 224), work)
            times = (f"{found[name]:.1f}" for name in ("wall", "cpu"))
            row(work, found["images"], *times, *(f"{found[name]:.0f}" for name in ("start", "peak")))


def bench_preparation(folder: Path, quick: bool) -> None:
    count = 500 if quick else 5_000
    write_images(folder / "images", count)
    row("images", "processes", "images/s", "user ms", "system ms", "unchanged, images/s")
    for workers in (1, 2):
        found = child("prepare", folder / "images", folder / f"prepared{workers}", count, workers)
        rates = f"{found['new_rate']:.0f}", f"{found['new_user']:.2f}", f"{found['new_system']:.2f}"
        row(count, workers, *rates, f"{found['again_rate']:.0f}")


_header = True


def row(*cells: object) -> None:
    """A row of a Markdown table; the first of a table names its columns."""
    global _header
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    if _header:
        print("|" + " ---: |" * len(cells))
    _header = False


def main() -> None:
    global _header
    if sys.argv[1:2] == ["--child"]:
        arguments = json.loads(sys.argv[3])
        if sys.argv[2] == "train":
            found = train_child(Path(arguments[0]), int(arguments[1]))
        elif sys.argv[2] == "score":
            found = score_child(Path(arguments[0]), arguments[1])
        else:
            found = prepare_child(Path(arguments[0]), Path(arguments[1]), int(arguments[2]), int(arguments[3]))
        print(json.dumps(found))
        return
    parts = {"training": bench_training, "scoring": bench_scoring, "preparation": bench_preparation}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="|".join(parts), help="what to measure; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of the images")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(parts):
        parser.error(f"expected {', '.join(parts)}, got {', '.join(sorted(unknown))}")
    for name in arguments.parts or parts:
        _header = True
        print(f"{name}; load of the machine before: {os.getloadavg()[0]:.1f}\n")
        with tempfile.TemporaryDirectory(prefix="many-") as folder:
            parts[name](Path(folder), arguments.quick)
        print()


if __name__ == "__main__":
    main()
