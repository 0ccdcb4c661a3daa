"""A file that is loaded never runs code: not weights, checkpoints, prepared arrays, results or configurations."""

import ast
import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from recorded import recorded

from spectralcal.base.errors import ConfigError, DataError, ResultError
from spectralcal.report.results import Results
from spectralcal.study.config import load_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[1]
CE = Cell("phantom", "unet", "ce", 0)


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def bomb(tmp_path):
    """Bytes of a pickle, of an npy and of an npz that hold it; the test fails if it ever went off."""
    target = tmp_path / "went off"
    content = {"pickle": pickle.dumps(Bomb(target))}
    for name, save in (("npy", np.save), ("npz", lambda out, array: np.savez(out, cases=array))):
        buffer = io.BytesIO()
        save(buffer, np.array([Bomb(target)], dtype=object))
        content[name] = buffer.getvalue()
    yield content
    assert not target.exists()


def test_the_bomb_is_live(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "went off")))
    assert (tmp_path / "went off").exists()


@pytest.fixture
def study(tmp_path):
    return recorded(tmp_path, methods=("ce",), seeds=(0,), cases=3)


def test_weights(study, bomb):
    from spectralcal.jobs.networks import load_network
    from spectralcal.study.resolved import resolve

    StudyPaths(study).cell(CE).weights.write_bytes(bomb["pickle"])
    with pytest.raises(ResultError, match=r"weights\.safetensors: cannot be loaded"):
        load_network(resolve(study, CE), 1)


@pytest.mark.parametrize("kind", ["torch", "pickle", "npz"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_weights_to_start_from(tmp_path, bomb, name, kind):
    import torch

    from spectralcal.base.digests import file_digest
    from spectralcal.models import build_model

    file = tmp_path / name
    if kind == "torch":
        torch.save({"conv1.weight": Bomb(tmp_path / "went off")}, file)
    else:
        file.write_bytes(bomb[kind])
    options = {"encoder": "resnet10", "weights": str(file), "weights_sha256": file_digest(file)}
    with pytest.raises(ConfigError, match=rf"^weights: .*{name}: (expected a state dictionary|cannot be read)") as said:
        build_model("unet_resnet", 1, 2, spatial_dims=2, **options)
    assert "\n" not in str(said.value)


def test_checkpoints(tmp_path, bomb):
    from spectralcal.engine.checkpoint import load_checkpoint

    (tmp_path / "checkpoint.safetensors").write_bytes(bomb["pickle"])
    with pytest.raises(ResultError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / "checkpoint.safetensors", "0")


@pytest.mark.parametrize("kind", ["pickle", "npy"])
def test_prepared_arrays(study, bomb, kind):
    from spectralcal.data.manifest import read_manifest

    case = read_manifest(StudyPaths(study).manifest("phantom"))[0]
    (case.folder / "image.npy").write_bytes(bomb[kind])
    with pytest.raises(DataError, match="expected a prepared array"):
        case.image()


@pytest.mark.parametrize("kind", ["pickle", "npy", "npz"])
@pytest.mark.parametrize("name", ["calibration", "spectra"])
def test_results(study, bomb, name, kind):
    getattr(StudyPaths(study).cell(CE), name).write_bytes(bomb[kind])
    with pytest.raises(ResultError, match=f"{name}.npz: damaged"):
        getattr(Results(study), name)(CE)


def test_configurations(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(f"study: !!python/object/apply:pathlib.Path.touch [{tmp_path}/off]\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(path)


def test_no_source_asks_for_unpickling_or_a_shell():
    """Nobody adds a load that runs code without this test seeing it."""
    calls = re.compile(r"^(pickle|cPickle|dill|joblib|cloudpickle|shelve|marshal)$")
    odd = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(calls.match(name.partition(".")[0]) for name in imported):
                odd.append(f"{path}: imports {imported}")
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            constant = {key: getattr(value, "value", None) for key, value in given.items()}
            if name in ("yaml.load", "os.system", "eval", "exec"):
                odd.append(f"{path}: {name}")
            if name == "torch.load" and constant.get("weights_only") is not True:
                odd.append(f"{path}: {name}")
            if name == "np.load" and constant.get("allow_pickle", "") is not False:
                odd.append(f"{path}: {name} without allow_pickle=False")
            if constant.get("shell") is True:
                odd.append(f"{path}: {name} with shell=True")
    assert odd == []
