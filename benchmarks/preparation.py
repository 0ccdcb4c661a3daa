"""Speed and memory of preparation and patch loading, each beside MONAI in the same interleaved rounds.

    python benchmarks/preparation.py [--rounds 7] [--batches 10] [--volume 512 512 100] [--channels 1]
                                     [--ct 512 512 700] [--only resample patches memory]

Prints Markdown. A time is the median over rounds, a ratio the median of the rounds' ratios. Memory is the largest
resident size of a process of its own that prepares one synthetic CT (Linux only). Everything is synthetic.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CHILD = """
import resource, sys, time
from pathlib import Path
from spectralcal.datasets.flare2021 import Flare2021
from spectralcal.preparation import prepare_dataset
root = Path(sys.argv[1])
begun = time.perf_counter()
prepare_dataset(Flare2021(), root / "FLARE2021", root / "out", dtype="float16")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, time.perf_counter() - begun)
"""


def interleaved(calls: dict[str, Callable], rounds: int) -> dict[str, np.ndarray]:
    """Seconds per round of every call, one after the other in each round."""
    for call in calls.values():
        call()
    seconds = {name: np.zeros(rounds) for name in calls}
    for i in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name][i] = time.perf_counter() - start
    return seconds


def bench_resample(rounds: int) -> list[str]:
    """One channel from thick slices to isotropic voxels; the difference is in units of the image's range."""
    lines = [
        "| spacing, mm | voxels | method | ms | times ours | largest difference / range |",
        "|---|---|---|---:|---:|---:|",
    ]
    for shape, old, new in (
        ((256, 256, 64), (0.8, 0.8, 3.2), (0.8,) * 3),
        ((256, 256, 64), (0.8, 0.8, 2.4), (0.75,) * 3),
        ((256, 256, 64), (0.8, 0.8, 2.4), (1.2,) * 3),
    ):
        lines += resample_rows(shape, old, new, rounds)
    return lines


def resample_rows(shape: tuple, old: tuple, new: tuple, rounds: int) -> list[str]:
    from monai.data import MetaTensor
    from monai.transforms import Spacing, SpatialResample

    from spectralcal.preparation.resample import resample_image, resampled_shape, resampled_spacing

    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    size = resampled_shape(shape, old, new)
    exact = resampled_spacing(shape, old, size)
    affine, target = np.diag([*old, 1.0]), np.diag([*exact, 1.0])
    target[:3, 3] = [(fine - coarse) / 2 for fine, coarse in zip(exact, old, strict=True)]
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
    tensor = MetaTensor(image, affine=affine)
    spacing, plain = Spacing(exact, scale_extent=True, **options), SpatialResample(**options)
    single = Spacing(exact, scale_extent=True, dtype=np.float32, **options)
    # Spacing puts the grid elsewhere when voxels grow (the sign of its half-voxel shift): the position is given to
    # SpatialResample, which Spacing calls, so that equal grids are compared.
    calls = {
        "spectralcal": lambda: resample_image(image, size),
        "MONAI Spacing": lambda: spacing(tensor).numpy(),
        "MONAI Spacing, float32": lambda: single(tensor).numpy(),
        "MONAI SpatialResample": lambda: plain(tensor, dst_affine=target, spatial_size=size).numpy(),
    }
    ours, scale = calls["spectralcal"](), image.max() - image.min()
    seconds, lines = interleaved(calls, rounds), []
    for name, taken in seconds.items():
        values = calls[name]()
        gap = np.abs(values - ours).max() / scale if values.shape == ours.shape else np.nan
        step = f"{'x'.join(map(str, old))} to {new[0]:g}" if name == "spectralcal" else ""
        voxels = f"{'x'.join(map(str, shape))} to {'x'.join(map(str, size))}" if step else ""
        ratio = np.median(taken / seconds["spectralcal"])
        lines.append(f"| {step} | {voxels} | {name} | {np.median(taken) * 1e3:.1f} | {ratio:.1f} | {gap:.1e} |")
    return lines


def bench_patches(rounds: int, batches: int, shape: tuple[int, ...], channels: int, folder: Path) -> list[str]:
    """Batches of two 96^3 patches, one of them on foreground, from three prepared volumes."""
    import torch
    from monai.data import CacheDataset, MetaTensor
    from monai.transforms import Compose, RandCropByPosNegLabeld

    from spectralcal.datasets.nnunet_raw import NnunetRaw
    from spectralcal.engine.patches import PatchSampler
    from spectralcal.preparation import prepare_dataset, read_manifest

    write_raw(folder / "raw", shape, channels, cases=3)
    dataset = NnunetRaw(str(folder / "raw"))
    cases = read_manifest(prepare_dataset(dataset, folder / "raw", folder / "out", spacing="original"))
    patch = (96, 96, 96)
    sampler = PatchSampler(cases, patch, 2, 0.5, ("batch", "benchmark", 0))
    data = [{"image": MetaTensor(np.array(c.image())), "label": MetaTensor(np.array(c.label())[None])} for c in cases]
    random = np.random.default_rng(0)

    def cached(samples: int) -> CacheDataset:
        crop = RandCropByPosNegLabeld(["image", "label"], "label", patch, pos=1, neg=1, num_samples=samples)
        return CacheDataset(data, Compose([crop]), progress=False)

    def ours() -> None:
        for step in range(batches):
            images, labels, _ = sampler.batch(step)
            torch.from_numpy(images), torch.from_numpy(labels)

    def monai(source: CacheDataset, draws: int) -> None:
        for _ in range(batches):
            pair = [patch for _ in range(draws) for patch in source[int(random.integers(len(data)))]]
            torch.stack([one["image"] for one in pair]), torch.stack([one["label"] for one in pair])

    one, two = cached(1), cached(2)
    seconds = interleaved({"ours": ours, "apart": lambda: monai(one, 2), "shared": lambda: monai(two, 1)}, rounds)
    names = {
        "ours": "spectralcal: memory map, each patch from a case of its own",
        "apart": "MONAI CacheDataset + RandCropByPosNegLabel: each patch from a case of its own",
        "shared": "MONAI CacheDataset + RandCropByPosNegLabel: both patches from one case",
    }
    lines = [
        f"| two patches of {channels} x 96x96x96 from volumes of {'x'.join(map(str, shape))} | ms | times ours |",
        "|---|---:|---:|",
    ]
    for key, name in names.items():
        ratio = np.median(seconds[key] / seconds["ours"])
        lines.append(f"| {name} | {np.median(seconds[key]) / batches * 1e3:.1f} | {ratio:.1f} |")
    return lines


def bench_memory(shape: tuple[int, ...], folder: Path) -> list[str]:
    """Peak memory of a process that prepares one CT (0.8 mm in plane, 1 mm slices, resampled to 0.8 mm)."""
    write_ct(folder, shape)
    found = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, encoding="utf-8", errors="replace", check=True,
    )  # fmt: skip
    peak, seconds = map(float, found.stdout.split())
    return [
        "| one CT, file to prepared arrays | peak GiB | s |",
        "|---|---:|---:|",
        f"| {'x'.join(map(str, shape))} int16 | {peak:.2f} | {seconds:.0f} |",
    ]


def synthetic_ct(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A cylinder with noise (int16) and the label of four organs."""
    random = np.random.default_rng(0)
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in shape[:2]]
    body = axes[0][:, None] ** 2 + axes[1][None] ** 2 < 0.7
    noise = random.integers(-20, 20, shape[:2]).astype(np.int16)
    image, label = np.empty(shape, np.int16, order="F"), np.zeros(shape, np.uint8, order="F")
    for index in range(shape[2]):
        image[..., index] = np.where(body, 40, -1000) + np.roll(noise, index, 0)
    high, middle = shape[2] * 2 // 3, shape[1] // 2
    for organ in range(4):
        start = shape[0] * (2 + organ) // 8
        label[start : start + shape[0] // 10, middle - 20 : middle + 20, shape[2] // 3 : high] = organ + 1
    return image, label


def write_ct(folder: Path, shape: tuple[int, ...]) -> None:
    """One case in the layout of FLARE 2021."""
    image, label = synthetic_ct(shape)
    save(folder / "FLARE2021/TrainingImg/train_000_0000.nii.gz", image)
    save(folder / "FLARE2021/TrainingMask/train_000.nii.gz", label)


def write_raw(folder: Path, shape: tuple[int, ...], channels: int, cases: int) -> None:
    """Equal cases in the layout of nnU-Net."""
    image, label = synthetic_ct(shape)
    for case in range(cases):
        for channel in range(channels):
            save(folder / f"imagesTr/case{case}_{channel:04d}.nii.gz", image + np.int16(channel))
        save(folder / f"labelsTr/case{case}.nii.gz", label)
    names = {"background": 0, **{f"organ {value}": value for value in range(1, 5)}}
    described = {"channel_names": {str(channel): "CT" for channel in range(channels)}, "labels": names}
    (folder / "dataset.json").write_text(
        json.dumps({**described, "numTraining": cases, "file_ending": ".nii.gz"}), encoding="utf-8"
    )


def save(path: Path, array: np.ndarray) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.8, -0.8, 1.0, 1.0])), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--volume", type=int, nargs=3, default=(512, 512, 100), help="size of the patches' volumes")
    parser.add_argument("--channels", type=int, default=1, help="of the patches' volumes")
    parser.add_argument("--ct", type=int, nargs=3, default=(512, 512, 700))
    parser.add_argument("--only", nargs="+", choices=("resample", "patches", "memory"))
    arguments = parser.parse_args()
    import monai
    import nibabel
    import torch

    torch.set_num_threads(1)
    nibabel.openers.Opener.default_compresslevel = 1
    versions = {"torch": torch.__version__, "monai": monai.__version__, "numpy": np.__version__}
    print(f"{platform.processor() or platform.machine()}, one thread, {json.dumps(versions)}\n")
    with tempfile.TemporaryDirectory() as temporary:
        parts = {
            "resample": lambda: bench_resample(arguments.rounds),
            "patches": lambda: bench_patches(
                arguments.rounds,
                arguments.batches,
                tuple(arguments.volume),
                arguments.channels,
                Path(temporary) / "patches",
            ),
            "memory": lambda: bench_memory(tuple(arguments.ct), Path(temporary) / "memory"),
        }
        for name, part in parts.items():
            if not arguments.only or name in arguments.only:
                print("\n".join(part()) + "\n", flush=True)


if __name__ == "__main__":
    main()
