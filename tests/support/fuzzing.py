"""Damaged inputs, drawn from a seed, for the verbs of the command line, which run in this process.

Each input is one file of a small finished study with something wrong in it. What must come of it: success, or a
non-zero exit with one line that was written for people. What must not: a traceback, the line that stands for one, a
hang, or a change of what was finished before.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
import yaml
from studies import minimal, tiny

from spectralcal.cli import main

#: seconds after which a verb counts as hanging; the slowest takes one on a machine with nothing else to do
PATIENCE = 60
CASES = 5
#: numbers, texts and shapes that programs trip over
STRANGE = (None, True, -1, 0, 1e308, 10**40, float("nan"), "", "NA", "../x", "日本", "a" * 300, [], {}, [[]],
           {"a": {"b": []}}, "1e-3", "\x00", -0.0, 255, 256, 2**31, [1, "a"], {"0": None})  # fmt: skip
BYTES = (
    b"",
    b"\x00" * 16,
    b"\xff" * 8,
    b"nan",
    b"-1",
    b"1e999",
    b"\n\n",
    b",,,",
    b'"',
    b"{",
    b"\xef\xbb\xbf",
    "é".encode("latin-1"),
)


@dataclass(frozen=True)
class Target:
    """A file that is damaged, and the verbs that read it.

    Attributes:
        kind: header, json, yaml, csv, npz, safetensors or zip.
        file: below the study's folder.
        verbs: arguments of the command line, each tried in turn.
        may_change: names of files and folders that the verbs make; the others must stay as they are.
    """

    kind: str
    file: str
    verbs: tuple[tuple[str, ...], ...]
    may_change: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What became of an input: "survived", or what was wrong with the answer."""

    problem: str
    said: str = ""


CELL = "results/tiny/cells/dataset=own/arch=unet/method=ce/seed=0"
KEYS = ("--dataset", "own", "--arch", "unet", "--method", "ce", "--seed", "0")
PREPARED = "prepared/tiny/own"
MAPS = ("maps", "--dataset", "own", "--arch", "unet", "--seed", "0")
EVALUATE = ("evaluate", *KEYS)
SCORES = ("cases.csv", "calibration.npz", "spectra.npz", "evaluation.json")  # of another split, but for its weights
EXPLAIN = ("explain", f"{CELL}/evaluation.json")
EXPORT = ("export", "results/tiny", "--out", "out.zip")
PREPARE = (("datasets", "check", "own", "--workers", "1"), ("prepare", "--dataset", "own"))
REPORT = ("tables", "figures", "provenance", "cases.parquet", "cells.csv", "config.json", ".locks")
TARGETS = (
    Target("header", "raw_nii/imagesTr/a_0000.nii", PREPARE, ("prepared",)),
    Target("header", "raw_nii/labelsTr/b.nii", PREPARE, ("prepared",)),
    Target("header", "raw_nrrd/imagesTr/a_0000.nrrd", PREPARE, ("prepared",)),
    Target("header", "raw_mha/imagesTr/a_0000.mha", PREPARE, ("prepared",)),
    Target("json", "raw_nii/dataset.json", PREPARE, ("prepared",)),
    Target("json", "splits_final.json", (("split", "--dataset", "own"),), ("splits",)),
    Target("json", "results/tiny/splits/own.json", (EVALUATE, ("table", "table1")), (*SCORES, *REPORT)),
    Target("json", f"{PREPARED}/facts.json", (("table", "table1"), ("verify",)), REPORT),
    Target("json", f"{CELL}/evaluation.json", (("collect",), ("verify",), EXPLAIN), REPORT),
    Target("json", f"{CELL}/run.json", (("verify",), ("explain", f"{CELL}/run.json"), ("table", "cost")), REPORT),
    Target("json", f"{CELL}/model.json", (("figure", "figure2"), EVALUATE), REPORT),
    Target("json", "results/tiny/config.json", (("verify", "results/tiny"), EXPORT), ("out.zip",)),
    Target("yaml", "study.yaml", (("config", "check"),)),
    Target("csv", f"{PREPARED}/manifest.csv", (("split", "--dataset", "own"), EVALUATE), ("splits",)),
    Target("csv", f"{CELL}/cases.csv", (("collect",), MAPS), ("maps", *REPORT)),
    Target("csv", f"{CELL}/history.csv", (("figure", "training_curves"),), REPORT),
    Target("npz", f"{CELL}/calibration.npz", (("collect",), ("table", "unbinned"), ("figure", "reliability")), REPORT),
    Target("npz", f"{CELL}/spectra.npz", (("figure", "figure3"),), REPORT),
    Target("npz", "results/tiny/maps/dataset=own/arch=unet/seed=0.npz", (("figure", "figure2"),), REPORT),
    Target("safetensors", f"{CELL}/weights.safetensors", (EVALUATE, MAPS), ("maps",)),
    Target("zip", "archive.zip", (("import", "archive.zip", "--results", "elsewhere"),), ("elsewhere",)),
)  # fmt: skip


class World:
    """A finished study in a folder of its own, and a copy of it that stays whole."""

    def __init__(self, root: Path) -> None:
        self.whole, self.root = root / "whole", root / "world"
        self.whole.mkdir()
        with within(self.whole):
            _build(self.whole)
        shutil.copytree(self.whole, self.root)
        # A damaged file is put back as it was, but for its times.
        self._state = _state(self.root)

    def try_input(self, target: Target, content: bytes) -> Verdict:
        """Put `content` in the place of a file and run the verbs that read it; the world is whole again afterwards."""
        path = self.root / target.file
        path.write_bytes(content)
        before = _state(self.root)
        try:
            with within(self.root):
                for verb in target.verbs:
                    if (verdict := run_verb(_with_config(verb, target))).problem:
                        return Verdict(f"{' '.join(verb[:2])}: {verdict.problem}", verdict.said)
            changed = [name for name, seen in before.items() if _state_of(self.root / name) != seen]
            changed = [name for name in changed if not any(part in target.may_change for part in Path(name).parts)]
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


def inputs(seed: int, count: int, world: World) -> Iterator[tuple[Target, bytes, str]]:
    """`count` damaged files: the target, its bytes, and words on what was done; equal for equal seeds and worlds."""
    for index in range(count):
        draw = random.Random(f"{seed}/{index}")
        target = TARGETS[index % len(TARGETS)]
        content = (world.whole / target.file).read_bytes()
        ways: tuple[Callable, ...] = (flipped, cut, spliced, overwritten)
        if target.kind in ("json", "yaml"):
            ways = (*ways[:2], strange_node, strange_node, strange_node, strange_node)
        if target.kind == "csv":
            ways = (*ways, strange_cell, strange_cell, strange_cell)
        way = draw.choice(ways)
        yield target, way(content, draw), f"seed {seed}, input {index}: {way.__name__}"


def flipped(content: bytes, draw: random.Random) -> bytes:
    """Some bits of the first kilobyte, or of anywhere, turned."""
    damaged, reach = bytearray(content), draw.choice((352, len(content)))
    for _ in range(draw.choice((1, 2, 8))):
        if damaged:
            damaged[draw.randrange(min(reach, len(damaged)))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def cut(content: bytes, draw: random.Random) -> bytes:
    """The beginning, or all but the beginning, or nothing."""
    place = draw.randrange(len(content) + 1)
    return draw.choice((content[:place], content[place:], b"", content[:-1]))


def spliced(content: bytes, draw: random.Random) -> bytes:
    """Something put in between, or a piece twice."""
    place, length = draw.randrange(len(content) + 1), draw.randrange(1, 64)
    return content[:place] + draw.choice((*BYTES, content[place : place + length])) + content[place:]


def overwritten(content: bytes, draw: random.Random) -> bytes:
    """A few bytes of the header replaced by a number that means trouble in some format."""
    values = [np.array(v, t).tobytes() for t in ("<f4", "<i2", "<i4") for v in (0, -1, 1, 32767)]
    values += [np.array(v, "<f4").tobytes() for v in (np.nan, np.inf, 1e-30, 1e30)]
    piece, place = draw.choice(values), draw.randrange(0, min(352, len(content)) + 1) // 4 * 4
    return content[:place] + piece + content[place + len(piece) :]


def strange_node(content: bytes, draw: random.Random) -> bytes:
    """A JSON or YAML file one of whose values, or keys, is another."""
    tree = yaml.safe_load(content)
    spots = list(_spots(tree))
    holder, key = draw.choice(spots)
    value = draw.choice(STRANGE)
    if isinstance(holder, dict) and draw.random() < 0.3:
        kept = holder.pop(key)
        if draw.random() < 0.6:
            holder[draw.choice(("", "x", "日本", "nan", str(key).upper()))] = kept
    else:
        holder[key] = value
    return json.dumps(tree, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")


def strange_cell(content: bytes, draw: random.Random) -> bytes:
    """A CSV file one of whose cells is another."""
    lines = content.decode("utf-8").split("\n")
    row = draw.randrange(len(lines))
    cells = lines[row].split(",")
    cells[draw.randrange(len(cells))] = draw.choice(
        ("", "nan", "NA", "inf", "-1", "1e999", "x", '"', "日本", "a" * 300, "0x1")
    )
    lines[row] = ",".join(cells)
    return "\n".join(lines).encode()


def kept_inputs(folder: Path) -> Iterator[tuple[str, Target, bytes]]:
    """Inputs that once ended badly, as they lie in the repository: name, target and bytes."""
    by_file = {target.file: target for target in TARGETS}
    for file in sorted(folder.glob("*.json")):
        kept = json.loads(file.read_text(encoding="utf-8"))
        yield file.stem, by_file[kept["file"]], base64.b64decode(kept["content"])


def keep_input(folder: Path, name: str, target: Target, content: bytes, problem: str) -> Path:
    """Write an input that ended badly, for the repository."""
    path = folder / f"{name}.json"
    kept = {"file": target.file, "problem": problem, "content": base64.b64encode(content).decode()}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return path


def run_verb(arguments: tuple[str, ...], patience: int = PATIENCE) -> Verdict:
    """Run a verb in this process and judge its answer."""
    out, err = io.StringIO(), io.StringIO()

    def hangs(*_: object) -> None:
        raise TimeoutError("the verb hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(patience)
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(list(arguments))
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:  # whatever comes through is a traceback to a user
        return Verdict(f"{type(error).__name__} came through", str(error)[:300])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    said = err.getvalue()
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if "Traceback" in said:
        return Verdict("traceback", said[-600:])
    if code and "--debug for the traceback" in said:
        return Verdict("no line for people", said[-400:])
    if code and not errors and not out.getvalue().strip() and "Usage:" not in said:
        return Verdict("no line", said[-300:])
    if len(errors) > 1 or (errors and said.rstrip().splitlines()[-1] != errors[0]):
        return Verdict("several lines", said[-400:])
    return Verdict("")


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """In a folder, from which a study's paths are seen."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)


def _with_config(verb: tuple[str, ...], target: Target) -> list[str]:
    if verb[0] in ("import", "export") or verb[:2] == ("verify", "results/tiny"):
        return list(verb)
    name = re.match(r"raw_(\w+)/", target.file)
    config = f"study_{name[1]}.yaml" if name else "study.yaml"
    return [*verb, config] if verb == ("config", "check") else [*verb, "--config", config]


def _content(suffix: str) -> dict:
    grid = {**minimal()["experiments"]["main"], "datasets": ["own"]}
    outputs = {name: {"experiment": "main"} for name in ("table1", "unbinned", "cost")}
    figures = ("figure2", "figure3", "reliability", "training_curves")
    own = {"kind": "nnunet_raw", "path": f"raw_{suffix}", "split": {"file": "splits_final.json"}}
    return {
        **tiny("."), "datasets": {"own": own}, "experiments": {"main": grid}, "tables": outputs,
        "figures": {name: {"experiment": "main"} for name in figures}, "compute": {"device": "cpu"},
    }  # fmt: skip


def _build(root: Path) -> None:
    """Raw data in three formats, and the study of the first of them with every file that a target names."""
    drawn = np.random.default_rng(0)
    label = np.zeros((16, 16, 16), np.uint8)
    label[4:12, 5:12, 4:11] = 1
    images = [(label * 20 + drawn.normal(0, 9, label.shape)).astype(np.float32) for _ in range(CASES)]
    for suffix in ("nii", "nrrd", "mha"):
        for name, image in zip("abcde", images, strict=True):
            for part, array in ((f"labelsTr/{name}", label), (f"imagesTr/{name}_0000", image)):
                path = root / f"raw_{suffix}" / f"{part}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if suffix == "nii":
                    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
                else:
                    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
        described = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "numTraining": CASES,
                     "file_ending": f".{suffix}"}  # fmt: skip
        (root / f"raw_{suffix}/dataset.json").write_text(json.dumps(described), encoding="utf-8")
        (root / f"study_{suffix}.yaml").write_text(yaml.safe_dump(_content(suffix)), encoding="utf-8")
    shutil.copy(root / "study_nii.yaml", root / "study.yaml")
    folds = [{"train": ["a", "b", "c"], "val": ["d", "e"]}]
    (root / "splits_final.json").write_text(json.dumps(folds), encoding="utf-8")
    from spectralcal.jobs.steps import write_resolved
    from spectralcal.study.config import load_config

    write_resolved(load_config(root / "study.yaml"))
    verbs = [("prepare", "--dataset", "own"), ("split", "--dataset", "own")]
    for method in ("ce", "spectral"):
        keys = (*KEYS[:4], "--method", method, *KEYS[6:])
        verbs += [("train", *keys, "--then-evaluate"), ("evaluate", *keys)]
    verbs += [("collect",), MAPS, ("table", "table1")]
    verbs += [("export", "results/tiny", "--out", "archive.zip")]
    for verb in verbs:
        verdict = run_verb(tuple(_with_config(verb, TARGETS[0])), 10 * PATIENCE)  # the first imports torch and all
        assert not verdict.problem, (verb, verdict)


def _spots(tree: object) -> Iterator[tuple[object, object]]:
    """Every place of a value in nested mappings and lists."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _spots(tree[key])


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
