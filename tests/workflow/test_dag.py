"""The workflow as a user runs it: real Snakemake processes on a copy of the project and a study of seconds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import browser
import pytest
import yaml
from studies import tiny

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "profiles", "config", "config.yaml", "environment.yml", "notebooks")
CELL = "results/tiny/cells/dataset=phantom/arch=unet/method={}/seed=0"


class Project:
    """A copy of the project with a configuration of its own."""

    def __init__(self, folder, **changes):
        self.folder = folder
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.egg-info"))
            else:
                shutil.copy(source, folder / part)
        self.content = {**tiny("."), "tables": {"table1": {"experiment": "main"}}, **changes}
        self.content["figures"] = {"figure2": {"experiment": "main"}}
        self.write()

    def write(self, **changes):
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump({**self.content, **changes}))

    def snakemake(self, *arguments, configfile="tiny.yaml"):
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPECTRALCAL_DATA")}
        # --configfile takes several files; an option after it keeps it from swallowing a target.
        config = ["--configfile", configfile] if configfile else []
        command = [sys.executable, "-m", "snakemake", *config, "--cores", "2", *arguments]
        found = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        return found.returncode, found.stdout + found.stderr

    def planned(self, *arguments, **options):
        """Job messages of a dry run, without repetitions."""
        code, text = self.snakemake("-n", *arguments, **options)
        assert code == 0, text
        return set(re.findall(r"^Job \d+: (.*)$", text, re.M))

    def edit(self, name, old, new):
        path = self.folder / "src/spectralcal" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def path(self, method="ce", name="cases.csv"):
        return self.folder / CELL.format(method) / name


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    code, text = project.snakemake()
    assert code == 0, text
    assert "The study 'tiny' is complete." in text
    project.log = text
    return project


def test_the_study_makes_its_products(project):
    for name in ("results/tiny/tables/table1.csv", "results/tiny/tables/table1.md", "results/tiny/tables/table1.tex",
                 "figures/tiny/figure2.pdf", "figures/tiny/figure2.png", "figures/tiny/figure2.csv",
                 "results/tiny/cases.parquet", "results/tiny/config.json"):  # fmt: skip
        assert (project.folder / name).stat().st_size > 0


def test_a_second_run_has_nothing_to_do(project):
    code, text = project.snakemake()
    assert code == 0
    assert "Nothing to be done" in text


def test_cosmetic_edits_run_nothing_again(project):
    project.edit("losses/spectral.py", '"""', '"""Another docstring. ')
    project.edit("engine/trainer.py", "import time", "import time  # a comment")
    project.edit("metrics/overlap.py", '"""', '"""Another docstring. ')
    assert project.planned() == set()


def test_a_changed_loss_weight_retrains_that_method_alone(project):
    project.write(methods={"spectral": {"weight": 0.5}})
    jobs = project.planned()
    project.write()
    assert "training spectral on phantom (unet, seed 0)" in jobs
    assert "scoring spectral on phantom (unet, seed 0)" in jobs
    assert not any("training ce" in job or "scoring ce" in job or "preparing" in job for job in jobs)


def test_a_loss_whose_integer_is_raised_is_trained_again_alone(project):
    """Code that computes the same in other words runs nothing; who changes a number says so."""
    old, new = "return gap.square()", "return gap.square() * 1.0"
    project.edit("losses/spectral.py", old, new)
    assert not any("training" in job or "scoring" in job for job in project.planned())
    project.edit("losses/spectral.py", new, old)
    old, new = "NUMERICS = 1", "NUMERICS = 2"
    project.edit("losses/spectral.py", old, new)
    jobs = project.planned()
    project.edit("losses/spectral.py", new, old)
    assert {job for job in jobs if "training" in job} == {"training spectral on phantom (unet, seed 0)"}


def test_a_changed_metric_scores_again_without_training(project):
    old, new = '"scoring": 1', '"scoring": 2'
    project.edit("study/numerics.py", old, new)
    jobs = project.planned()
    project.edit("study/numerics.py", new, old)
    assert {"scoring ce on phantom (unet, seed 0)", "scoring spectral on phantom (unet, seed 0)"} <= jobs
    assert not any("training" in job for job in jobs)


def test_an_experiment_that_grows_runs_its_new_cells_only(project):
    experiments = {"main": {**project.content["experiments"]["main"], "seeds": [0, 1]}}
    project.write(experiments=experiments)
    jobs = project.planned()
    project.write()
    assert {job for job in jobs if "training" in job} == {
        "training ce on phantom (unet, seed 1)",
        "training spectral on phantom (unet, seed 1)",
    }


def test_a_run_begins_with_its_projection(project):
    """A dry run says it too; nothing that is up to date is counted."""
    experiments = {"main": {**project.content["experiments"]["main"], "seeds": [0, 1]}}
    project.write(experiments=experiments)
    _, text = project.snakemake("-n")
    project.write()
    assert "projection: 2 trainings and 2 scorings, " in text
    assert " of computing, at best " in text
    assert "projection" not in project.snakemake("-n")[1]
    assert (
        "projection: 2 trainings and 2 scorings (12 steps); how long they take here is not known yet: " in project.log
    )


def test_a_partial_report_shows_the_hole(project):
    shutil.rmtree(project.path("spectral").parent)
    code, text = project.snakemake("--config", "partial=true")
    assert code == 0, text
    assert "training" not in text
    assert "missing" in (project.folder / "results/tiny/tables/table1.md").read_text()


def test_one_cell_by_its_name(project):
    shutil.rmtree(project.path("spectral").parent, ignore_errors=True)
    before = project.path("ce").stat().st_mtime_ns
    target = str(project.path("spectral").relative_to(project.folder))
    assert project.planned(target) == {
        "training spectral on phantom (unet, seed 0)",
        "scoring spectral on phantom (unet, seed 0)",
    }
    code, text = project.snakemake(target)
    assert code == 0, text
    assert project.path("spectral").is_file()
    assert project.path("ce").stat().st_mtime_ns == before


def test_a_typo_in_the_configuration_is_one_line(project):
    project.write(trainng={"steps": 3})
    code, text = project.snakemake("-n")
    project.write()
    assert code != 0
    assert "trainng: unknown key; did you mean 'training'?" in text
    assert "Traceback" not in text


def test_a_failing_cell_leaves_the_others_whole(tmp_path):
    """The spectral loss refuses a window of zero when it is built; cross-entropy must still be finished."""
    project = Project(tmp_path, methods={"spectral": {"window": 0}})
    code, text = project.snakemake()
    assert code != 0
    assert "error: method 'spectral': window: expected an integer >= 1, received 0" in text
    assert "Traceback" not in text
    assert project.path("ce").is_file()
    assert not project.path("spectral").exists()


def test_missing_data_stop_before_any_job_with_a_list(project):
    code, text = project.snakemake("-n", configfile=None)
    assert code != 0
    assert "data sets are missing" in text
    for folder in ("BraTS2020", "iSeg2017", "FLARE2021", "ATLAS2023"):
        assert folder in text
    assert "SPECTRALCAL_DATA" in text
    assert "Traceback" not in text
    assert not (project.folder / "results/paper/logs").exists()


def test_cells_run_side_by_side_on_cpu_cores(project):
    """A GPU request on a machine without one would leave all cores but one idle."""
    trainings = {f"training {method} on phantom (unet, seed 0)" for method in ("ce", "spectral")}
    starts = re.split(r"^Execute (\d+) jobs\.\.\.$", project.log, flags=re.M)[1:]
    batches = zip(starts[::2], starts[1::2], strict=True)
    assert [number for number, jobs in batches if all(training in jobs for training in trainings)] == ["2"]


@pytest.mark.skipif(not browser.CHROMIUM, reason="no Chromium: the report is not opened")
def test_the_report_shows_its_results_in_a_browser(project, tmp_path):
    """Self-contained: every picture and page is in the file, captions are those of the study, nothing complains."""
    project.write(claims={"main": "main"})
    code, text = project.snakemake()
    assert code == 0, text
    code, text = project.snakemake("--report", "report.html")
    project.write()
    assert code == 0, text

    async def look(page):
        await page.until("document.body.innerText.includes('Figures')")
        menu = await page.value("document.body.innerText")
        captions = await page.value("Object.fromEntries(Object.entries(results).map(([name, r]) => [name, r.caption]))")
        # A data address that is cut short or of a wrong type would not become a picture.
        widths = await page.value(
            "Promise.all(Object.values(results).filter(r => r.mime_type.startsWith('image')).map(async r => {"
            " const picture = new Image(); picture.src = r.data_uri; await picture.decode();"
            " return picture.naturalWidth; }))"
        )
        ledger = await page.value("fetch(results['results/tiny/pages/claims.html'].data_uri).then(r => r.text())")
        await page.value("[...document.querySelectorAll('a')].find(a => a.innerText.trim() === 'Figures').click()")
        await page.until("Boolean(document.querySelector('tbody a'))")
        await page.value("document.querySelector('tbody a').click()")
        shown = await page.until("[...document.images].some(i => i.clientWidth > 300 && i.naturalWidth > 0)")
        return menu, captions, widths, ledger, shown, page.complaints

    (tmp_path / "browser").mkdir()
    found = browser.visit(project.folder / "report.html", tmp_path / "browser", look)
    menu, captions, widths, ledger, shown, complaints = found
    assert {"Figures", "Tables", "Claims"} <= set(menu.split())
    assert set(captions) == {
        "figures/tiny/figure2.png", "results/tiny/pages/table1.html", "results/tiny/pages/claims.html",
        "results/tiny/claims.csv",
    }  # fmt: skip
    drawn = (project.folder / "figures/tiny/figure2.md").read_text().split(".")[0]
    assert drawn in captions["figures/tiny/figure2.png"].replace("\n", " ")
    assert widths
    assert min(widths) > 500
    assert "<h1" in ledger
    assert "Claims ledger" in ledger
    assert shown
    assert complaints == []


def test_an_ensemble_is_scored_once_its_members_are_trained(project):
    """For real: its name holds brackets, which a shell must not see."""
    method, main = "ensemble(ce)@members=2", project.content["experiments"]["main"]
    together = {**main, "methods": [method], "seeds": [0]}
    project.write(experiments={"main": {**main, "seeds": [0, 1]}, "together": together})
    target = str(project.path(method).relative_to(project.folder))
    jobs = {job for job in project.planned(target) if "training" in job or "scoring" in job}
    assert jobs == {"training ce on phantom (unet, seed 1)", f"scoring {method} on phantom (unet, seed 0)"}
    code, text = project.snakemake("--", target)
    assert code == 0, text
    assert "Nothing to be done" in project.snakemake("--", target)[1]
    project.write()
    assert project.path(method).stat().st_size > 0
    assert not project.path(method, "weights.safetensors").exists()
