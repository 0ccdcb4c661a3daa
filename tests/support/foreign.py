"""Folders as other programs write them: nnU-Net's predictions with npz, probability maps, label maps, structures."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np

NAMES = ("liver", "spleen")
SHAPE = (10, 12, 8)
#: axes to the left, backwards and up, as most files have them, and one that is turned
LPS = np.array([[-1.5, 0, 0, 20], [0, -1.0, 0, 30], [0, 0, 2.5, -40], [0, 0, 0, 1]])
TURNED = np.array([[0, 0, 2.5, -40], [-1.5, 0, 0, 20], [0, -1.0, 0, 30], [0, 0, 0, 1]])


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def one_case(seed, shape=SHAPE, classes=3, sharp=4.0, noise=0.6):
    """Labels (x, y, z) with two boxes, and probabilities (x, y, z, C) that favour them."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    low = random.integers(1, 3, 3)
    labels[low[0] : low[0] + 5, low[1] : low[1] + 4, low[2] : low[2] + 3] = 1
    if classes > 2:
        labels[low[0] + 5 : low[0] + 7, low[1] + 1 : low[1] + 7, low[2] : low[2] + 4] = 2
    logits = sharp * np.eye(classes)[labels] + noise * sharp / 2 * random.normal(size=(*shape, classes))
    return labels, softmax(logits).astype(np.float32)


def save(path, array, affine=LPS):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def dataset_json(folder, names=NAMES):
    labels = {"background": 0, **{name: number for number, name in enumerate(names, 1)}}
    content = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


def save_nnunet(folder, case, probabilities, affine=LPS, dtype=np.float32):
    """As `nnUNetv2_predict --save_probabilities`: the label map, the npz (C, z, y, x) and a pickle beside it."""
    save(folder / f"{case}.nii.gz", probabilities.argmax(-1).astype(np.uint8), affine)
    np.savez_compressed(folder / f"{case}.npz", probabilities=probabilities.transpose(3, 2, 1, 0).astype(dtype))
    (folder / f"{case}.pkl").write_bytes(b"not to be opened")


def nnunet_folders(root: Path, cases=6, affine=LPS, first=0, **options):
    """(predictions, references) of `cases` cases; seeds begin with `first`."""
    predictions, references = root / "predictions", root / "labelsTr"
    dataset_json(predictions)
    for seed in range(first, first + cases):
        labels, probabilities = one_case(seed, **options)
        save(references / f"case_{seed:03d}.nii.gz", labels, affine)
        save_nnunet(predictions, f"case_{seed:03d}", probabilities, affine)
    return predictions, references
