"""Tiny synthetic volumes in the layout of each registered data set that is read from files.

A writer takes a data root, writes below it and returns the options with which the data set finds its files there.
"""

import json

import nibabel
import numpy as np
import SimpleITK

PATIENTS = 4


def volume(seed, shape, values, offset=0, channels=1):
    """A body of nested ellipsoids with these stored label values: `channels` int16 images and the label.

    It lies off the middle of every axis, so that an axis that is flipped can be seen.
    """
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 0.8, size) for size in shape], indexing="ij")
    radius = np.sqrt(sum((axis * random.uniform(0.9, 1.1)) ** 2 for axis in axes))
    label = np.zeros(shape, np.uint8)
    for limit, value in zip(np.linspace(0.85, 0.35, len(values)), values, strict=True):
        label[radius < limit] = value
    body = radius < 0.95
    images = []
    for channel in range(channels):
        tissue = 200 + 40 * (channel + 1) * np.searchsorted(sorted(values), label, "right")
        noisy = tissue + random.normal(0, 15, shape)
        images.append((np.where(body, noisy, 0) + offset).astype(np.int16))
    return images, label


def nifti(path, array, spacing, image=nibabel.Nifti1Image):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.eye(4) if image is nibabel.AnalyzeImage else np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    nibabel.save(image(array, affine), path)


def brats2020(root):
    for number in (1, 2, 3, 355):
        name = f"BraTS20_Training_{number:03d}"
        folder = root / "BraTS2020/MICCAI_BraTS2020_TrainingData" / name
        images, label = volume(number, (20, 20, 18), (2, 1, 4), channels=4)
        for channel, image in zip(("flair", "t1", "t1ce", "t2"), images, strict=True):
            nifti(folder / f"{name}_{channel}.nii.gz", image, (1, 1, 1))
        mask = "W39_1998.09.19_Segm.nii" if number == 355 else f"{name}_seg.nii.gz"
        nifti(folder / mask, label, (1, 1, 1))
    return {}


def iseg2017(root):
    folder = root / "iSeg2017/iSeg-2017-Training"
    for number in (1, 2, 3, 10):
        images, label = volume(100 + number, (16, 18, 20), (10, 150, 250), channels=2)
        for part, array in (("T1", images[0]), ("T2", images[1]), ("label", label)):
            nifti(folder / f"subject-{number}-{part}.hdr", array[..., None], (1, 1, 1), nibabel.AnalyzeImage)
    nifti(root / "iSeg2017/iSeg-2017-Testing/subject-11-T1.hdr", images[0], (1, 1, 1), nibabel.AnalyzeImage)
    return {}


def flare2021(root):
    for number in range(PATIENTS):
        (image,), label = volume(200 + number, (20, 20, 8), (1, 2, 3, 4), offset=-300)
        nifti(root / f"FLARE2021/TrainingImg/train_{number:03d}_0000.nii.gz", image, (0.8, 0.8, 2.0))
        nifti(root / f"FLARE2021/TrainingMask/train_{number:03d}.nii.gz", label, (0.8, 0.8, 2.0))
    nifti(root / "FLARE2021/ValidationImg/validation_001_0000.nii.gz", image, (0.8, 0.8, 2.0))
    return {}


def acdc(root, patients=range(1, PATIENTS + 1)):
    for number in patients:
        name = f"patient{number:03d}"
        folder = root / "ACDC/database/training" / name
        for frame in ("01", "12"):
            (image,), label = volume(300 + 20 * number + int(frame), (18, 20, 6), (1, 2, 3))
            nifti(folder / f"{name}_frame{frame}.nii.gz", image, (1.5, 1.5, 5.0))
            nifti(folder / f"{name}_frame{frame}_gt.nii.gz", label, (1.5, 1.5, 5.0))
        nifti(folder / f"{name}_4d.nii.gz", np.stack([image] * 3, -1), (1.5, 1.5, 5.0))
        (folder / "Info.cfg").write_text(f"ED: 1\nES: 12\nGroup: {'DCM' if number % 2 else 'NOR'}\nNbFrame: 30\n")
    return {}


def atlas2023(root):
    folder = root / "ATLAS2023/atlas-train-dataset-1.0.1/train"
    for number in (0, 2, 10, 59):
        (image,), label = volume(400 + number, (18, 16, 10), (1, 2))
        nifti(folder / f"imagesTr/im{number}.nii.gz", image, (1.0, 1.0, 2.0))
        nifti(folder / f"labelsTr/lb{number}.nii.gz", label, (1.0, 1.0, 2.0))
    return {}


def promise12(root):
    folder = root / "PROMISE12/training_data"
    folder.mkdir(parents=True)
    for number in (0, 1, 13, 26):
        (image,), label = volume(500 + number, (18, 18, 7), (1,))
        for suffix, array in (("", image), ("_segmentation", label.astype(np.int8))):
            stored = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0))
            stored.SetSpacing((0.6, 0.6, 2.4))
            SimpleITK.WriteImage(stored, str(folder / f"Case{number:02d}{suffix}.mhd"))
    return {}


def hippocampus(root):
    """With a dataset.json that lists one case less than there is."""
    folder = root / "Task04_Hippocampus"
    for number in (1, 3, 10, 20):
        (image,), label = volume(600 + number, (14, 17, 12), (1, 2))
        for part, array in (("imagesTr", image), ("labelsTr", label)):
            nifti(folder / part / f"hippocampus_{number:03d}.nii.gz", array, (1, 1, 1))
    listed = [f"hippocampus_{number:03d}.nii.gz" for number in (20, 3, 1)]
    pairs = [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in listed]
    (folder / "dataset.json").write_text(json.dumps({"training": pairs}))
    return {}


def nnunet_raw(root):
    """Two channels, labels with gaps, two scans of one patient."""
    folder = root / "Dataset501_Mine"
    for number, case in enumerate(("p7_a", "p7_b", "p9_a")):
        images, label = volume(700 + number, (12, 10, 8), (7, 3), channels=2)
        for channel, image in enumerate(images):
            nifti(folder / "imagesTr" / f"{case}_{channel:04d}.nii.gz", image, (1.0, 1.5, 2.0))
        nifti(folder / "labelsTr" / f"{case}.nii.gz", label, (1.0, 1.5, 2.0))
    content = {"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "far": 7, "near": 3},
               "numTraining": 3, "file_ending": ".nii.gz"}  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(content))
    return {"path": str(folder), "patient": r"(p\d+)_"}


def decathlon(root):
    """Both channels in one file."""
    folder = root / "Task99_Mine"
    for case in ("m_1", "m_2"):
        images, label = volume(800 + int(case[-1]), (10, 12, 9), (1, 2), channels=2)
        nifti(folder / "imagesTr" / f"{case}.nii.gz", np.stack(images, -1), (1.0, 1.0, 3.0))
        nifti(folder / "labelsTr" / f"{case}.nii.gz", label, (1.0, 1.0, 3.0))
    pairs = [{"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"} for case in ("m_1", "m_2")]
    content = {"modality": {"0": "CT", "1": "CT"}, "labels": {"0": "background", "1": "liver", "2": "tumour"}}
    (folder / "dataset.json").write_text(json.dumps({**content, "training": pairs}))
    return {"path": str(folder)}


def datalist(root):
    """A list beside the files, which names patients and strata."""
    entries = []
    for number in range(3):
        (image,), label = volume(900 + number, (9, 11, 10), (1,))
        nifti(root / f"scans/s{number}.nii.gz", image, (2.0, 1.0, 1.0))
        nifti(root / f"masks/m{number}.nii.gz", label, (2.0, 1.0, 1.0))
        entry = {
            "image": f"scans/s{number}.nii.gz",
            "label": f"masks/m{number}.nii.gz",
            "stratum": f"site {number % 2}",
        }
        entries.append({**entry, "patient": "first"} if number < 2 else entry)
    (root / "lists").mkdir()
    (root / "lists/mine.json").write_text(json.dumps({"validation": entries}))
    return {"path": str(root / "lists/mine.json"), "base": str(root), "section": "validation", "classes": ("organ",),
            "modality": "ct"}  # fmt: skip


WRITERS = {
    write.__name__: write
    for write in (
        brats2020, iseg2017, flare2021, acdc, atlas2023, promise12, hippocampus, nnunet_raw, decathlon, datalist,
    )
}  # fmt: skip
