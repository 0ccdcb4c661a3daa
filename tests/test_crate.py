"""provenance.json: valid RO-Crate in which every table and figure leads to its cells, data and code."""

import hashlib
import json

import pytest
from recorded import recorded

from spectralcal.records.crate import SOFTWARE, crate_of, write_crate
from spectralcal.report.rebuild import rebuild_study
from spectralcal.study.grid import experiment_cells, study_cells
from spectralcal.study.paths import StudyPaths


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    config = recorded(tmp_path_factory.mktemp("study"), methods=("ce", "ce+temperature", "spectral"), cases=3)
    assert rebuild_study(config).failed == []
    return config


@pytest.fixture(scope="module")
def graph(study):
    content = json.loads(StudyPaths(study).provenance.read_text())
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(entities) == len(content["@graph"]), "an entity is there twice"
    return entities


def ids(value):
    return {entry["@id"] for entry in (value if isinstance(value, list) else [value])}


def test_every_reference_leads_somewhere(graph):
    def references(value):
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    outside = {r for entity in graph.values() for r in references(entity) if r not in graph}
    assert {r for r in outside if not r.startswith("https://")} == set()


def test_a_table_leads_to_its_cells_and_they_to_data_weights_and_commit(study, graph):
    made = graph["#make/tables/table1"]
    cells = {f"cells/{cell.path.as_posix()}/" for cell in experiment_cells(study, "main")}
    assert ids(made["object"]) == cells
    assert "tables/table1.csv" in ids(made["result"])
    scored = graph["#evaluate/dataset=phantom/arch=unet/method=ce+temperature/seed=1"]
    assert ids(scored["result"]) == {"cells/dataset=phantom/arch=unet/method=ce+temperature/seed=1/"}
    assert ids(scored["object"]) == {
        "splits/phantom.json",
        "#manifest-phantom",
        "#weights/dataset=phantom/arch=unet/method=ce/seed=1",
    }
    trained = graph["#train/dataset=phantom/arch=unet/method=ce/seed=1"]
    assert ids(trained["object"]) == {"splits/phantom.json", "#manifest-phantom"}
    commit = graph[next(iter(ids(trained["instrument"])))]
    assert (
        commit["identifier"]
        == json.loads(StudyPaths(study).cell(study_cells(study)[0]).run.read_text())["environment"]["commit"]
    )
    assert ids(commit["isBasedOn"]) == {SOFTWARE}


def test_files_of_the_crate_have_the_bytes_that_it_says(study, graph):
    files = [entity for entity in graph.values() if entity["@type"] == "File" and entity["@id"] != "."]
    assert len(files) > 20
    for entity in files:
        path = study.results / entity["@id"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entity["sha256"]
    for name in ("figure2.pdf", "reliability.csv"):
        entity = graph[f"#figures/{name}"]
        assert hashlib.sha256((study.figures_folder / name).read_bytes()).hexdigest() == entity["sha256"]


def test_equal_records_give_equal_crates(study):
    path = write_crate(study)
    before = path.read_bytes()
    assert write_crate(study).read_bytes() == before
    assert crate_of(study)["@graph"][0]["datePublished"] == "2026-01-02T00:00:00+00:00"


def test_an_independent_reader_takes_the_crate(study, tmp_path):
    """As a crate on disk, under the name that the standard gives its metadata."""
    from rocrate.rocrate import ROCrate

    (tmp_path / "ro-crate-metadata.json").write_text(StudyPaths(study).provenance.read_text())
    crate = ROCrate(tmp_path)
    assert crate.name == "Results of the study 'small'"
    assert {e.id for e in crate.get_by_type("CreateAction")} >= {"#make/tables/table1", "#make/figures/figure2"}


def test_a_study_without_results_has_an_empty_crate(study, tmp_path):
    empty = study.model_copy(update={"results_root": tmp_path, "prepared_root": tmp_path})
    kinds = {entity["@type"] for entity in crate_of(empty)["@graph"]}
    assert "CreateAction" not in kinds
