"""A probe of a paper's own is one file: the verb, the plan, figures, sharing and `explain` find it there."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from studies import experiment, tiny

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.base.papers import known_papers
from spectralcal.jobs import cells, steps
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.probe import probe_step
from spectralcal.report.results import Results
from spectralcal.sharing.explain import explain
from spectralcal.sharing.shared import ALLOWED, shared_files
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import probe_recipe

ROOT = Path(__file__).parents[2]
PLACE = ("phantom", "unet", 0)
CELL = Cell("phantom", "unet", "ce", 0)
PROBE = """
import numpy as np
from spectralcal.scoring.probe import Probe


class Largest(Probe):
    '''Largest probability by case, and the image that it was seen on.'''

    every_seed = True

    def __init__(self, percent: bool = False, power: float = 1.0) -> None:
        self.factor, self.power = 100.0 if percent else 1.0, power

    def measure(self, probed):
        predict = probed.predictor(probed.cells[0])  # why
        largest = [self.factor * predict(case.image()).max().item() ** self.power for case in probed.cases]
        return {"largest": np.array(largest), "image": probed.cases[0].image()}

    def numbers(self, arrays):
        return {"largest": arrays["largest"]}


PROBE = Largest
"""
FIGURE = """
TITLE = "Largest probabilities"
NEEDS = ("largest",)


def largest(results, experiment):
    raise NotImplementedError


FIGURE = largest
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two seeds, one of which is trained, of a paper that brings a probe and a figure."""
    root = tmp_path_factory.mktemp("own_probe")
    paper = root / "paper_with_a_probe"
    for folder, text in (("probes", PROBE), ("figures", FIGURE)):
        (paper / folder).mkdir(parents=True)
        (paper / folder / "largest.py").write_text(text, encoding="utf-8")
    (paper / "paper.yaml").write_text("title: A paper\n", encoding="utf-8")
    grid = experiment(methods=["ce"], seeds=[0, 1])["experiments"]
    content = tiny(root, paper=str(paper), experiments=grid, figures={"largest": {"experiment": "main"}})
    (root / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    config = parse_config(content, "study.yaml")
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    cells.train_cell(config, CELL, then_evaluate=True)
    cells.evaluate_cell(config, CELL)
    return config


def run(study, *command):
    folder = study.results_root.parent
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip


def snakemake(study, *arguments):
    command = ["snakemake", "-s", str(ROOT / "Snakefile"), "--configfile", "study.yaml", "-n", "--cores", "1"]
    done = run(study, *command, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_verb_measures_it(study):
    where = ["--dataset", "phantom", "--arch", "unet", "--seed", "0", "--config", "study.yaml"]
    done = run(study, "spectralcal", "probe", "largest", *where)
    assert done.returncode == 0, done.stderr
    measured = Results(study).probe("largest", *PLACE)
    cases = load_data(study, "phantom").scored
    assert measured["largest"].shape == (len(cases),)
    assert ((measured["largest"] > 0.5) & (measured["largest"] <= 1)).all()
    np.testing.assert_array_equal(measured["image"], cases[0].image())


def test_the_plan_has_a_job_for_every_seed_that_a_figure_reads(study):
    plan = snakemake(study)
    jobs = set(re.findall(r"measuring (\S+) \(phantom, unet, seed (\d)\)", plan))
    assert jobs == {("largest", "0"), ("largest", "1")}
    # Asked for by its file it needs no figure, and one that nothing asks for is not made.
    file = StudyPaths(study).probe("hotspots", *PLACE)
    assert "measuring hotspots (phantom, unet, seed 0)" in snakemake(study, str(file))
    assert "measuring maps" not in plan


def test_its_numbers_are_shared_and_its_images_are_not(study):
    probe_step(study, "largest", *PLACE)
    name = StudyPaths(study).probe("largest", *PLACE).relative_to(study.results).as_posix()
    files, _ = shared_files(study)
    assert [each for each in files if each.endswith(name)] == [f"numbers/{name}"]
    assert set(np.load(io.BytesIO(files[f"numbers/{name}"]))) == {"largest"}
    assert name in shared_files(study, images=True)[0]
    numbers = Results(study).probe_numbers("largest", *PLACE)
    assert set(numbers) == {"largest"}
    # Where its file is not, the shared numbers stand for it.
    shared = StudyPaths(study).numbers("largest", *PLACE)
    shared.parent.mkdir(parents=True)
    shared.write_bytes(files[f"numbers/{name}"])
    StudyPaths(study).probe("largest", *PLACE).unlink()
    np.testing.assert_array_equal(Results(study).probe_numbers("largest", *PLACE)["largest"], numbers["largest"])
    assert Results(study).probe("largest", *PLACE) is None
    assert f"numbers/{name}" in shared_files(study)[0]  # they travel on


def test_its_file_is_explained(study):
    account = explain(study, StudyPaths(study).probe("largest", *PLACE))
    assert "largest of phantom, unet, seed 0" in account
    assert "spectralcal probe largest --dataset phantom --arch unet --seed 0" in account


@pytest.mark.parametrize("name", ["../x", "a/b", "maps/..", ".hidden", "a b", "x:", ":x", "a:b:c"])
def test_an_archive_has_no_folder_that_is_no_name_of_a_probe(name):
    place = "dataset=phantom/arch=unet/seed=0.npz"
    assert ALLOWED.fullmatch(f"numbers/my_package.probes:Mine/{place}")
    assert not ALLOWED.fullmatch(f"{name}/{place}")


def test_it_is_measured_again_when_its_file_changes(study):
    file = registry.find("probes", "largest").file
    before = probe_recipe(study, "largest", *PLACE)
    try:
        file.write_text(PROBE.replace("# why", "# another reason"), encoding="utf-8")
        assert probe_recipe(study, "largest", *PLACE) == before
        file.write_text(PROBE.replace(".max()", ".min()"), encoding="utf-8")
        assert probe_recipe(study, "largest", *PLACE) != before
    finally:
        file.write_text(PROBE, encoding="utf-8")


def with_options(study, **options):
    return parse_config({**study.model_dump(mode="json"), "probes": {"largest": options}}, "study.yaml")


def test_its_options_are_measured_with_and_identify_what_is_measured(study):
    probe_step(study, "largest", *PLACE)
    plain = Results(study).probe_numbers("largest", *PLACE)["largest"]
    other = with_options(study, percent=True, power="2e0")  # a number to YAML's readers, a text to YAML
    probe_step(other, "largest", *PLACE)
    np.testing.assert_allclose(Results(other).probe_numbers("largest", *PLACE)["largest"], 100 * plain**2, rtol=1e-5)
    recipes = {probe_recipe(each, "largest", *PLACE) for each in (study, other, with_options(study, percent=True))}
    assert len(recipes) == 3
    assert probe_recipe(with_options(study, power=1), "largest", *PLACE) == probe_recipe(study, "largest", *PLACE)
    assert "probes" not in study.model_dump()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("largest", {"percnt": True}, r"probes\.largest\.percnt: unknown key; did you mean 'percent'"),
        ("largest", {"power": "much"}, r"probes\.largest\.power: .*number"),
        ("smallest", {}, r"probes\.smallest: unknown probe 'smallest'; expected .*largest"),
        ("maps", {"near": 3}, r"probes\.maps\.near: unknown key"),
    ],
)
def test_options_that_a_probe_does_not_take_are_refused_with_the_configuration(study, name, options, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({**study.model_dump(mode="json"), "probes": {name: options}}, "study.yaml")


def test_what_a_probe_declares_decides_what_counts(study):
    """Maps read windows of their own seed, hotspots the fixed patch of all seeds."""
    wider = study.model_copy(update={"inference": study.inference.model_copy(update={"overlap": 0.25})})
    grid = study.experiments["main"]
    fewer = study.model_copy(update={"experiments": {"main": grid.model_copy(update={"seeds": (0,)})}})
    changed = {
        name: [probe_recipe(study, name, *PLACE) != probe_recipe(other, name, *PLACE) for other in (wider, fewer)]
        for name in ("maps", "hotspots", "largest")
    }
    assert changed == {"maps": [True, False], "hotspots": [False, True], "largest": [True, False]}


BODY = "import numpy as np\nfrom spectralcal.scoring.probe import Probe\n\n\nclass Mine({base}):\n    {body}\n"


@pytest.mark.parametrize(
    ("base", "body", "error", "message"),
    [
        ("object", "pass", ConfigError, r"expected a subclass of spectralcal\.scoring\.probe\.Probe, found Mine"),
        ("Probe", "def __init__(self, x): ...", ConfigError, r"probes\.wrong_probe:Mine\.x: required key is missing"),
        ("Probe", "pass", ResultError, "failed .NotImplementedError"),
        ("Probe", "def measure(self, p): return p.nothing", ResultError, "failed .AttributeError: .*'nothing'"),
        ("Probe", "def measure(self, p): return []", ResultError, "expected arrays by name, returned list"),
        ("Probe", "def measure(self, p): return {'a': 1}", ResultError, "'a': expected an array .* found int"),
        ("Probe", "def measure(self, p): return {'a': np.array([p])}", ResultError, "found an array of object"),
    ],
)
def test_a_probe_that_is_not_right_is_one_line_and_writes_nothing(
    study, tmp_path, monkeypatch, base, body, error, message
):
    (tmp_path / "wrong_probe.py").write_text(BODY.format(base=base, body=body), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("wrong_probe", None)
    registry.forget()
    with pytest.raises(error, match=message) as failed:
        probe_step(study, "wrong_probe:Mine", *PLACE)
    assert "\n" not in str(failed.value)
    assert not StudyPaths(study).probe("wrong_probe:Mine", *PLACE).exists()


@pytest.mark.parametrize(
    ("name", "place", "message"),
    [
        ("larges", PLACE, "unknown probe 'larges'; expected .*'largest'"),
        ("largest", ("other", "unet", 0), "--dataset: .* does not train 'other'; expected 'phantom'"),
        ("largest", ("phantom", "unett", 0), "--arch: .* does not train 'unett'; expected 'unet'"),
        ("largest", ("phantom", "unet", 7), "--seed: .* no seed 7 on 'phantom' with 'unet'; expected '0' or '1'"),
    ],
)
def test_wrong_names_are_one_line(study, name, place, message):
    with pytest.raises(ConfigError, match=message):
        probe_step(study, name, *place)


def test_numbers_of_a_file_that_a_probe_does_not_know_say_so(study):
    path = StudyPaths(study).probe("largest", *PLACE)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, other=np.zeros(2))
    try:
        with pytest.raises(ResultError, match=r"probe 'largest' failed \(KeyError: .*delete .*seed=0\.npz and run"):
            Results(study).probe_numbers("largest", *PLACE)
    finally:
        path.unlink()


@pytest.mark.parametrize("paper", known_papers())
def test_probes_of_the_package_and_of_its_papers_load_without_torch(paper):
    code = f"""
import sys
from spectralcal.base import registry
from spectralcal.base.papers import paper_of
from spectralcal.scoring.probe import load_probe
paper_of({paper!r})  # a configuration that names the paper does this
names = registry.names("probes")
assert all(load_probe(name).measure.__doc__ for name in names)
print(len(names), "torch" in sys.modules)
"""
    shown = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                           capture_output=True, text=True, check=True)  # fmt: skip
    count, torch = shown.stdout.split()
    assert int(count) >= 2
    assert torch == "False"
