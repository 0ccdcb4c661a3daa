"""Where everything of a study lies. The only place that spells file names of the way of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spectralcal.study.conditions import TEST
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell


@dataclass(frozen=True)
class CellPaths:
    """Files of one cell."""

    folder: Path

    @property
    def weights(self) -> Path:
        """Weights of the network (safetensors)."""
        return self.folder / "weights.safetensors"

    @property
    def model(self) -> Path:
        """What is needed to build the network that the weights belong to."""
        return self.folder / "model.json"

    @property
    def history(self) -> Path:
        """Loss terms, entropies and gradient norms per logged step."""
        return self.folder / "history.csv"

    @property
    def run(self) -> Path:
        """Fingerprint, settings, versions, device and cost of the training."""
        return self.folder / "run.json"

    @property
    def checkpoint(self) -> Path:
        """Rolling checkpoint; no declared output of the workflow, which deletes those of an interrupted job."""
        return self.folder / "checkpoint.safetensors"

    @property
    def cases(self) -> Path:
        """Tidy scores: one row per case, class, metric and protocol."""
        return self.folder / "cases.csv"

    @property
    def calibration(self) -> Path:
        """Calibration histograms per region, of every case and pooled."""
        return self.folder / "calibration.npz"

    @property
    def spectra(self) -> Path:
        """Radial power spectra and band power of the confidence maps of every case."""
        return self.folder / "spectra.npz"

    @property
    def scorers(self) -> Path:
        """Arrays of scorers beyond the usual ones; only where a study names such."""
        return self.folder / "scorers.npz"

    @property
    def evaluation(self) -> Path:
        """Fingerprint and cost of the evaluation."""
        return self.folder / "evaluation.json"

    @property
    def light(self) -> Path:
        """What a published cell has in place of scores, histograms, spectra and history (:mod:`~.records.light`)."""
        return self.folder / "light.zip"

    @property
    def staged(self) -> Path:
        """Scores that the training process left for the evaluation step to adopt (:mod:`spectralcal.jobs.cells`)."""
        return self.folder / ".evaluated"


@dataclass(frozen=True)
class StudyPaths:
    """Files of a study."""

    config: StudyConfig

    @property
    def resolved_config(self) -> Path:
        """The configuration as it was validated and is used by every step."""
        return self.config.results / "config.json"

    def prepared(self, dataset: str) -> Path:
        """Folder of a data set's prepared arrays."""
        return self.config.prepared / dataset

    def manifest(self, dataset: str) -> Path:
        """Table of a data set's prepared cases."""
        return self.prepared(dataset) / "manifest.csv"

    def shared_facts(self, dataset: str) -> Path:
        """Copy of the facts of a data set that came with shared results."""
        return self.config.results / "manifests" / f"{dataset}.facts.json"

    def facts(self, dataset: str) -> Path:
        """Unit, axes, channels and classes of a data set's prepared cases."""
        return self.prepared(dataset) / "facts.json"

    def shared_manifest(self, dataset: str) -> Path:
        """Copy of a manifest that came with shared results, where the prepared arrays are elsewhere."""
        return self.config.results / "manifests" / f"{dataset}.csv"

    def known_manifest(self, dataset: str) -> Path | None:
        """The manifest of a data set: of the prepared arrays, or the copy that came with shared results."""
        return next((p for p in (self.manifest(dataset), self.shared_manifest(dataset)) if p.is_file()), None)

    def known_facts(self, dataset: str) -> Path | None:
        """The file of a data set's facts: of the prepared arrays, or the copy that came with shared results."""
        return next((p for p in (self.facts(dataset), self.shared_facts(dataset)) if p.is_file()), None)

    def split(self, dataset: str) -> Path:
        """Case names of training, validation and test."""
        return self.config.results / "splits" / f"{dataset}.json"

    def cell(self, cell: Cell, condition: str = TEST) -> CellPaths:
        """Files of a cell; of another condition than the ordinary test its scores alone, in a folder of their own."""
        folder = self.config.results / "cells" / cell.path
        return CellPaths(folder if condition == TEST else folder / f"condition={condition}")

    def cell_lock(self, cell: Cell) -> Path:
        """Lock of a cell, apart from its results: it is no result, and stays (see :mod:`spectralcal.base.locks`)."""
        return self.config.results / ".locks" / f"{cell.path}.lock"

    def prepared_lock(self, dataset: str) -> Path:
        """Lock of a data set's prepared arrays."""
        return self.config.prepared / ".locks" / f"{dataset}.lock"

    @property
    def study_lock(self) -> Path:
        """Lock of the workflow: one scheduler a study."""
        return self.config.results / ".locks" / "study.lock"

    def probe(self, name: str, dataset: str, architecture: str, seed: int | str) -> Path:
        """What a probe ("maps", "hotspots", ...) measured on the networks of a data set, architecture and seed."""
        place = Path(f"dataset={dataset}") / f"arch={architecture}" / f"seed={seed}.npz"
        return self.config.results / name / place

    def maps(self, dataset: str, architecture: str, seed: int | str) -> Path:
        """What the probe "maps" measured; a name of earlier versions."""
        return self.probe("maps", dataset, architecture, seed)

    def hotspots(self, dataset: str, architecture: str, seed: int | str) -> Path:
        """What the probe "hotspots" measured; a name of earlier versions."""
        return self.probe("hotspots", dataset, architecture, seed)

    def numbers(self, name: str, dataset: str, architecture: str, seed: int) -> Path:
        """What is shared in place of a probe's file: its numbers without images."""
        place = self.probe(name, dataset, architecture, seed).relative_to(self.config.results)
        return self.config.results / "numbers" / place

    @property
    def cases(self) -> Path:
        """All cells' scores in one tidy table."""
        return self.config.results / "cases.parquet"

    @property
    def cells(self) -> Path:
        """Every cell of the study with its status and fingerprint."""
        return self.config.results / "cells.csv"

    def table(self, name: str) -> Path:
        """CSV of a table; the Markdown and LaTeX forms lie beside it."""
        return self.config.results / "tables" / f"{name}.csv"

    def figure(self, name: str) -> Path:
        """PDF of a figure; the PNG and the CSV that it was drawn from lie beside it."""
        return self.config.figures_folder / f"{name}.pdf"

    def notebook(self, name: str) -> Path:
        """An executed notebook, as HTML."""
        return self.config.results / "notebooks" / f"{name}.html"

    def record(self, kind: str, name: str) -> Path:
        """What a product was made from: cells with their fingerprints, code, and the hashes of its files."""
        return self.config.results / "provenance" / kind / f"{name}.json"

    @property
    def provenance(self) -> Path:
        """All records of the study in one RO-Crate."""
        return self.config.results / "provenance.json"

    @property
    def claims(self) -> Path:
        """The claims ledger as CSV; its page in Markdown lies beside it."""
        return self.config.results / "claims.csv"

    @property
    def timings(self) -> Path:
        """Seconds of a step and of a scoring by kind of cell, as `spectralcal doctor --time` found them here."""
        return self.config.results / "timings.json"

    @property
    def report(self) -> Path:
        """The self-contained report."""
        return self.config.results / "report.html"
