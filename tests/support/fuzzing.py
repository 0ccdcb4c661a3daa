"""Damaged inputs, drawn from a seed, for the verbs of the command line, which run in this process.

Each input is one file of a small finished study with something wrong in it (:mod:`damage`). What must come of it:
success, or a non-zero exit with one line that was written for people. What must not: a traceback, the line that stands
for one, other lines, a hang, or a change of what was finished before. :mod:`fuzz_pool` tries many side by side.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
import yaml
from damage import changed_tree, ways_of
from PIL import Image
from studies import minimal, tiny

from spectralcal.base.integrity import sealed
from spectralcal.cli import main

#: seconds after which a verb counts as hanging; the slowest takes two on a machine with nothing else to do
PATIENCE = 120
CASES = 5
#: what a record of scores says of the run that made them, and not of them
OF_THE_RUN = ("seconds", "peak_memory_mb", "seal")


#: what is said of a verb that takes longer
HANGS = "hangs"


@dataclass(frozen=True)
class Target:
    """A file that is damaged, and the verbs that read it.

    Attributes:
        kind: as :func:`damage.ways_of` knows it.
        file: below the study's folder.
        verbs: arguments of the command line, each tried in turn.
        may_change: names of files and folders that the verbs make; the others must stay as they are.
        weight: how often it is drawn: seldom where the verbs take long.
        folder: where the verbs are called.
    """

    kind: str
    file: str
    verbs: tuple[tuple[str, ...], ...]
    may_change: tuple[str, ...] = ()
    weight: int = 4
    folder: str = "."


@dataclass(frozen=True)
class Verdict:
    """What became of an input: nothing, if it survived, or what was wrong with the answer."""

    problem: str
    said: str = ""


@dataclass(frozen=True)
class Try:
    """An input: which file, its bytes, and words on how it was damaged."""

    target: Target
    content: bytes
    words: str = ""


CELL = "results/tiny/cells/dataset=own/arch=unet/method=ce/seed=0"
KEYS = ("--dataset", "own", "--arch", "unet", "--method", "ce", "--seed", "0")
PREPARED = "prepared/tiny/own"
MAPS = ("maps", "--dataset", "own", "--arch", "unet", "--seed", "0")
EVALUATE = ("evaluate", *KEYS)
SPLIT = ("split", "--dataset", "own")
EXPORT = ("export", "results/tiny", "--out", "out.zip")
IMPORT = ("import", "archive.zip", "--results", "elsewhere")
#: kinds of raw data -> how a configuration names them
RAW = {
    **{ending: {"kind": "nnunet_raw"} for ending in ("nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd")},
    "img": {"kind": "datalist", "classes": ["x"]},
    "dec": {"kind": "decathlon"},
    "png": {"kind": "folder_pair", "label_map": {0: 0, 255: 1}},
}
REPORT = ("tables", "figures", "provenance", "cases.parquet", "cells.csv", "config.json", ".locks")


def _raw(kind: str, name: str, ending: str, weight: int = 4) -> Target:
    """A file of raw data, which `datasets check` and `prepare` read."""
    config = ("--config", f"study_{ending}.yaml")
    verbs = (("datasets", "check", "own", "--workers", "1", *config), ("prepare", "--dataset", "own", *config))
    return Target(kind, f"raw_{ending}/{name}", verbs, ("prepared",), weight)


TARGETS = (
    _raw("header", "imagesTr/a_0000.nii", "nii", 8),
    _raw("header", "labelsTr/b.nii", "nii"),
    _raw("header", "imagesTr/a_0000.nii.gz", "nii.gz"),
    _raw("header", "images/a.hdr", "img", 6),
    _raw("header", "images/a.png", "png"),
    _raw("header", "masks/b.png", "png", 2),
    _raw("text header", "imagesTr/a_0000.nrrd", "nrrd"),
    _raw("text header", "imagesTr/a_0000.nhdr", "nhdr"),
    _raw("text header", "imagesTr/a_0000.mha", "mha"),
    _raw("text header", "labelsTr/b.mhd", "mhd", 6),
    _raw("json", "dataset.json", "nii", 6),
    _raw("json", "dataset.json", "dec", 6),
    _raw("json", "list.json", "img", 6),
    Target("json", "splits_final.json", (SPLIT,), ("splits",), 12),
    Target("json", "results/tiny/splits/own.json", (EVALUATE, ("table", "table1")), REPORT),
    Target("json", f"{PREPARED}/facts.json", (("table", "table1"), ("verify",)), REPORT),
    Target("json", f"{PREPARED}/cases/a/case.json", (("prepare", "--dataset", "own"),), ("cases",), 6),
    Target("json", f"{CELL}/evaluation.json",
           (("collect",), ("verify",), ("explain", f"{CELL}/evaluation.json")), REPORT, 8),
    Target("json", f"{CELL}/run.json", (("verify",), ("explain", f"{CELL}/run.json"), ("table", "cost")), REPORT, 8),
    Target("json", f"{CELL}/model.json", (("figure", "figure2"), EVALUATE), REPORT, 1),
    Target("json", "results/tiny/config.json", (("verify", "results/tiny"), EXPORT), ("out.zip",), 12),
    Target("json", "results/tiny/provenance/tables/table1.json",
           (("verify",), ("explain", "results/tiny/tables/table1.csv")), REPORT),
    Target("yaml", "study.yaml", (("config", "check", "study.yaml"),), weight=24),
    Target("csv", f"{PREPARED}/manifest.csv", (SPLIT, EVALUATE), ("splits",)),
    Target("csv", f"{CELL}/cases.csv", (("collect",), MAPS), ("maps", *REPORT)),
    Target("csv", f"{CELL}/history.csv", (("figure", "training_curves"),), REPORT, 1),
    Target("csv", "results/tiny/cells.csv", (("table", "table1"), ("verify",)), REPORT),
    Target("npz", f"{CELL}/calibration.npz",
           (("collect",), ("table", "unbinned"), ("figure", "reliability")), REPORT, 6),
    Target("npz", f"{CELL}/spectra.npz", (("figure", "figure3"),), REPORT, 1),
    Target("npz", "results/tiny/maps/dataset=own/arch=unet/seed=0.npz", (("figure", "figure2"),), REPORT, 1),
    Target("safetensors", f"{CELL}/weights.safetensors", (EVALUATE, MAPS), ("maps",), 12),
    Target("zip", "archive.zip", (IMPORT,), ("elsewhere",), 12),
    Target("zip", f"light/{CELL}/light.zip", (("collect",), ("table", "unbinned"), ("verify",)), REPORT, 8, "light"),
)  # fmt: skip
#: files that carry a hash of themselves or have one beside them: it is made to fit for half of the inputs
_SEALED = ("evaluation.json", "run.json")


class Hangs(BaseException):
    """A verb takes too long; no `except Exception` may take this for an error of its own."""


class World:
    """A finished study in a folder of its own, and a copy of it that stays whole.

    Args:
        root: where the copy goes.
        whole: the study, from :func:`build`; made below `root` if there is none yet.
    """

    def __init__(self, root: Path, whole: Path | None = None) -> None:
        self.whole, self.root = whole or build(root / "whole"), root / "world"
        shutil.copytree(self.whole, self.root)
        # A damaged file is put back as it was, but for its times.
        self._state = _state(self.root)

    def try_input(self, target: Target, content: bytes) -> Verdict:
        """Put `content` in the place of a file and run the verbs that read it; the world is whole again afterwards."""
        path = self.root / target.file
        path.write_bytes(content)
        if path.name == "manifest.csv":
            path.with_name("manifest.csv.sha256").write_text(hashlib.sha256(content).hexdigest(), encoding="utf-8")
        before = _state(self.root)
        try:
            with within(self.root / target.folder):
                for verb in target.verbs:
                    if (verdict := run_verb(verb)).problem:
                        return Verdict(f"{' '.join(verb[:2])}: {verdict.problem}", verdict.said)
            changed = [name for name, seen in before.items() if _state_of(self.root / name) != seen]
            changed = [name for name in changed if not any(part in target.may_change for part in Path(name).parts)]
            changed = [name for name in changed if _differ(self.whole / name, self.root / name)]
            return Verdict(f"changed {changed[0]}" if changed else "")
        finally:
            self._mend()

    def _mend(self) -> None:
        now = _state(self.root)
        for name in now.keys() - self._state.keys():
            (self.root / name).unlink(missing_ok=True)
        for name, seen in self._state.items():
            if now.get(name) != seen:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.whole / name, self.root / name)
                self._state[name] = _state_of(self.root / name)


def inputs(seed: int, count: int, whole: Path) -> Iterator[Try]:
    """`count` damaged files of the study in `whole`; equal for equal seeds and studies."""
    weights = [target.weight for target in TARGETS]
    for index in range(count):
        draw = random.Random(f"{seed}/{index}")
        (target,) = draw.choices(TARGETS, weights)
        good = (whole / target.file).read_bytes()
        content = good
        while content == good:
            if Path(target.file).name in _SEALED and draw.random() < 0.5:
                way, content = sealed, _sealed_again(good, draw)
            else:
                way = draw.choice(ways_of(target.kind))
                content = way(good, draw)
        yield Try(target, content, f"seed {seed}, input {index}, {way.__name__}")


def kept_inputs(folder: Path) -> dict[str, Try]:
    """Inputs that once ended badly, as they lie in the repository, by their names."""
    by_file = {target.file: target for target in TARGETS}
    kept = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}
    return {
        name: Try(by_file[one["file"]], zlib.decompress(base64.b64decode(one["content"])), name)
        for name, one in kept.items()
    }


def keep_input(folder: Path, name: str, tried: Try, problem: str) -> Path:
    """Write an input that ended badly, for the repository."""
    path = folder / f"{name}.json"
    content = base64.b64encode(zlib.compress(tried.content, 9)).decode()
    kept = {"file": tried.target.file, "problem": problem, "content": content}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return path


def run_verb(arguments: tuple[str, ...], patience: int = PATIENCE) -> Verdict:
    """Run a verb in this process and judge its answer."""
    out, err = io.StringIO(), io.StringIO()

    def hangs(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(patience)
    code: object = 0
    try:
        with library_output() as printed, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(list(arguments))
    except SystemExit as end:
        code = end.code or 0
    except Hangs:
        return Verdict(HANGS)
    except BaseException as error:  # whatever comes through is a traceback to a user
        return Verdict(f"{type(error).__name__} came through", str(error)[:300])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    said = err.getvalue() + "".join(printed)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if "Traceback" in said:
        return Verdict("traceback", said[-600:])
    if code and "--debug for the traceback" in said:
        return Verdict("no line for people", said[-400:])
    if code and not errors and not out.getvalue().strip() and "Usage:" not in said:
        return Verdict("no line", said[-300:])
    if printed or len(errors) > 1 or (errors and said.rstrip().splitlines()[-1] != errors[0]):
        return Verdict("several lines", said[-400:])
    return Verdict("")


@contextlib.contextmanager
def library_output() -> Iterator[list[str]]:
    """What libraries in C write to the process's own standard error, past Python: a text, if there is any."""
    printed: list[str] = []
    sys.__stderr__.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield printed
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            stream.seek(0)
            printed += [text] if (text := stream.read().decode(errors="replace")) else []


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """In a folder, from which a study's paths are seen; its study.yaml is the configuration where a verb names none."""
    here, named = Path.cwd(), os.environ.get("SPECTRALCAL_CONFIG")
    os.chdir(folder)
    os.environ["SPECTRALCAL_CONFIG"] = "study.yaml"
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.pop("SPECTRALCAL_CONFIG")
        os.environ.update({"SPECTRALCAL_CONFIG": named} if named else {})


def build(root: Path) -> Path:
    """Raw data in several formats, and the finished study of the first of them with every file that a target names."""
    root.mkdir(parents=True)
    for ending in RAW:
        _write_raw(root, ending)
        (root / f"study_{ending}.yaml").write_text(yaml.safe_dump(_content(ending)), encoding="utf-8")
    shutil.copy(root / "study_nii.yaml", root / "study.yaml")
    folds = [{"train": ["a", "b", "c"], "val": ["d", "e"]}]
    (root / "splits_final.json").write_text(json.dumps(folds), encoding="utf-8")
    from spectralcal.jobs.steps import write_resolved
    from spectralcal.study.config import load_config

    verbs = [("prepare", "--dataset", "own"), SPLIT]
    for method in ("ce", "spectral"):
        keys = (*KEYS[:4], "--method", method, *KEYS[6:])
        verbs += [("train", *keys, "--then-evaluate"), ("evaluate", *keys)]
    verbs += [("collect",), MAPS, ("table", "table1"), ("export", "results/tiny", "--out", "archive.zip")]
    verbs += [("export", "results/tiny", "--folder", "light/results/tiny")]
    with within(root):
        write_resolved(load_config(Path("study.yaml")))
        for verb in verbs:
            verdict = run_verb(verb, 10 * PATIENCE)  # the first imports torch and all
            assert not verdict.problem, (verb, verdict)
    for name in ("study.yaml", "splits_final.json"):
        shutil.copy(root / name, root / "light")
    return root


def _content(ending: str) -> dict:
    grid = {**minimal()["experiments"]["main"], "datasets": ["own"]}
    outputs = {name: {"experiment": "main"} for name in ("table1", "unbinned", "cost")}
    figures = ("figure2", "figure3", "reliability", "training_curves")
    kind = {**RAW[ending], "path": f"raw_{ending}" + ("/list.json" if ending == "img" else "")}
    own = {**kind, "split": {"file": "splits_final.json"}}
    return {
        **tiny("."), "datasets": {"own": own}, "experiments": {"main": grid}, "tables": outputs,
        "figures": {name: {"experiment": "main"} for name in figures}, "compute": {"device": "cpu"},
    }  # fmt: skip


def _write_raw(root: Path, ending: str) -> None:
    """Five cases of 16 voxels a side in one format, with their description."""
    drawn = np.random.default_rng(0)
    label = np.zeros((16, 16, 16), np.uint8)
    label[4:12, 5:12, 4:11] = 1
    folder, images, labels = root / f"raw_{ending}", "imagesTr/{}_0000", "labelsTr/{}"
    if ending in ("img", "dec", "png"):
        images, labels = "images/{}", "masks/{}"
    suffix = {"img": "hdr", "dec": "nii"}.get(ending, ending)
    for name in "abcde"[:CASES]:
        image = (label * 20 + drawn.normal(0, 9, label.shape)).astype(np.float32)
        for pattern, array in ((images, image), (labels, label)):
            path = folder / f"{pattern.format(name)}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if ending == "png":
                plane = np.clip(array[8] * (255 if array is label else 5) + 0.0, 0, 255).astype(np.uint8)
                Image.fromarray(plane).save(path)
            elif suffix in ("nii", "nii.gz", "hdr"):
                kind = nibabel.Nifti1Pair if suffix == "hdr" else nibabel.Nifti1Image
                nibabel.save(kind(array, np.eye(4)), path)
            else:
                SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
    pairs = [{"image": f"images/{name}.{suffix}", "label": f"masks/{name}.{suffix}"} for name in "abcde"[:CASES]]
    described = {
        "img": {"training": [{**pair, "id": pair["image"][7]} for pair in pairs]},
        "dec": {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "x"}, "training": pairs},
    }.get(ending, {"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "numTraining": CASES,
                   "file_ending": f".{ending}"})  # fmt: skip
    if ending != "png":
        name = "list.json" if ending == "img" else "dataset.json"
        (folder / name).write_text(json.dumps(described), encoding="utf-8")


def _sealed_again(content: bytes, draw: random.Random) -> bytes:
    """A record that was changed and sealed again: what is wrong with it does not show at once."""
    changed = changed_tree({key: value for key, value in json.loads(content).items() if key != "seal"}, draw)
    return json.dumps(sealed(changed)).encode()


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Time and size of every file below a folder."""
    files = (path for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts)
    return {str(path.relative_to(root)): _state_of(path) for path in files if path.suffix != ".lock"}


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _differ(whole: Path, path: Path) -> bool:
    """Whether a result is another than it was; the time that it took is none of it."""
    if not whole.is_file() or not path.is_file():
        return True
    if path.name != "evaluation.json":
        return whole.read_bytes() != path.read_bytes()
    old, new = ({k: v for k, v in json.loads(p.read_bytes()).items() if k not in OF_THE_RUN} for p in (whole, path))
    return old != new
